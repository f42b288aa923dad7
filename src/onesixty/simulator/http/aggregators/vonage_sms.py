"""Vonage's SMS API as its customers see it: forms in, one item and one receipt for each part."""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import md5
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

import orjson

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    Incoming,
    Refusal,
    Response,
    Submitted,
    json_response,
)
from onesixty.simulator.numbers import State
from onesixty.sms.alphabet import Encoding, encodable
from onesixty.sms.segments import plan

_REFUSALS: Final = {
    Refusal.RECIPIENT: ("6", "Unroutable message - rejected"),
    Refusal.OPTED_OUT: ("7", "Number barred"),
    Refusal.SENDER: ("15", "Illegal Sender Address - rejected"),
    Refusal.CREDENTIALS: ("4", "Bad Credentials"),
    Refusal.THROTTLED: ("1", "Throughput Rate Exceeded - please wait [ {} ] and retry"),
    Refusal.INTERNAL: ("5", "Internal Error"),
}
_STATES: Final = {
    State.ENROUTE: "buffered",
    State.ACCEPTED: "accepted",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "failed",
}
_ERRORS: Final = {
    "003": "2", "005": "3", "006": "12", "007": "6", "008": "1", "034": "11", "450": "4",
}  # fmt: skip
_PRICE: Final = "0.0333"


class VonageSmsFarSide:
    """One account. It signs callbacks when it has a signature secret."""

    name: ClassVar[str] = "vonage_sms"
    credentials: ClassVar[Mapping[str, Any]] = {
        "api_key": "abcd1234",
        "api_secret": "an-api-secret-of-vonage",
        "signature_secret": "a-signature-secret-that-signs-callbacks",
        "signature_method": "sha256",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock = clock
        self._s = {"api_secret": "", "signature_secret": "", **(settings or self.credentials)}
        self._s.setdefault("signature_method", "md5hash")
        self._reference = 0

    def take(self, request: Incoming) -> Submitted | Response:
        """POST of a message, or GET of the balance. Even a refusal has status 200."""
        basic = self._is_ours(request.headers.get("authorization", ""))
        if (request.method, request.path) == ("GET", "/account/get-balance"):
            if basic:
                return json_response(200, {"value": 10.28, "autoReload": False})
            return json_response(401, {"error-code": "401", "error-code-label": "not authorized"})
        if (request.method, request.path) != ("POST", "/sms/json"):
            return json_response(404, {"error-code": "404"})
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if not basic and (why := self._refusal(fields)):
            return _failed(*why)
        if wrong := _wrong(fields):
            return _failed(*wrong)
        text = fields.get("text", "")
        if fields.get("type", "text") == "text":  # what GSM-7 lacks is lost
            text = "".join(letter if encodable(letter) else "?" for letter in text)
        return Submitted(
            id=ids.uuid7().hex.upper(),
            sender=fields["from"],
            recipient=f"+{fields['to']}",
            text=text,
            reference=fields.get("client-ref", ""),
            callback_url=fields.get("callback", ""),
            extra={name: value for name, value in fields.items() if name not in _SECRET},
        )

    def accepted(self, one: Submitted) -> Response:
        """An item for each part."""
        shared = {"to": one.recipient[1:], "status": "0", "remaining-balance": "3.14"}
        more = {"message-price": _PRICE, "network": "23410", "client-ref": one.reference}
        items = [{**shared, "message-id": part.id, **more} for part in self.parts(one)]
        return json_response(200, {"message-count": str(len(items)), "messages": items})

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """One item, whatever the number of parts; throttling names milliseconds."""
        code, text = _REFUSALS[why]
        return _failed(code, text.format((retry_after or 1) * 1000))

    def parts(self, one: Submitted) -> Sequence[Submitted]:
        """The parts of a message, each with an id of its own; the first has that of the message."""
        if one.extra.get("type") == "binary":
            return [one]
        is_unicode = one.extra.get("type") == "unicode"
        count = plan(one.text, encoding=Encoding.UCS2 if is_unicode else Encoding.GSM7).segments
        return [one, *(replace(one, id=f"{one.id}{number}") for number in range(2, count + 1))]

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A delivery receipt of one part, as a form."""
        if state not in _STATES:
            return None
        now = self._clock.now()
        fields = {
            "msisdn": one.recipient[1:],
            "to": one.sender,
            "network-code": "23410",
            "messageId": one.id,
            "price": _PRICE,
            "status": _STATES[state],
            "scts": f"{now:%y%m%d%H%M}",
            "err-code": _ERRORS.get(error, "99") if state is State.UNDELIVERED else "0",
            "api-key": self._s["api_key"],
            "message-timestamp": f"{now:%Y-%m-%d %H:%M:%S}",
        }
        if one.reference:
            fields["client-ref"] = one.reference
        return self._signed(one.callback_url or account_url, fields)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """A call for each part; joining them is the customer's."""
        planned = plan(text)
        kind = "unicode" if planned.encoding is Encoding.UCS2 else "text"
        size = -(-len(text) // planned.segments) or 1
        pieces = [text[at : at + size] for at in range(0, len(text), size)] or [""]
        self._reference = self._reference % 255 + 1
        calls = []
        for number, piece in enumerate(pieces, 1):
            fields = {
                "msisdn": sender.removeprefix("+"),
                "to": recipient.removeprefix("+"),
                "messageId": ids.uuid7().hex.upper(),
                "text": piece,
                "type": kind,
                "keyword": text.partition(" ")[0].upper(),
                "api-key": self._s["api_key"],
                "message-timestamp": f"{self._clock.now():%Y-%m-%d %H:%M:%S}",
            }
            if len(pieces) > 1:
                fields |= {
                    "concat": "true",
                    "concat-ref": str(self._reference),
                    "concat-total": str(len(pieces)),
                    "concat-part": str(number),
                }
            calls.append(self._signed(account_url, fields))
        return calls

    def _signed(self, url: str, fields: Mapping[str, str]) -> CallbackRequest:
        if self._s["signature_secret"]:
            stamp = str(int(self._clock.now().timestamp()))
            fields = {**fields, "timestamp": stamp, "nonce": str(ids.uuid7())}
            fields = {**fields, "sig": self._sig(fields).upper()}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return CallbackRequest("POST", url, headers, urlencode(fields).encode())

    def _sig(self, fields: Mapping[str, str]) -> str:
        """All parameters in order of their names, & and = in their values made _."""
        secret, method = self._s["signature_secret"], self._s["signature_method"]
        text = ""
        for name in sorted(fields):
            if name != "sig":
                text += f"&{name}=" + fields[name].replace("&", "_").replace("=", "_")
        if method == "md5hash":
            return md5((text + secret).encode(), usedforsecurity=False).hexdigest()
        return hmac.new(secret.encode(), text.encode(), method).hexdigest()

    def _is_ours(self, authorization: str) -> bool:
        pair = f"{self._s['api_key']}:{self._s['api_secret']}"
        known = b64encode(pair.encode()).decode()
        return bool(self._s["api_secret"]) and authorization == f"Basic {known}"

    def _refusal(self, fields: Mapping[str, str]) -> tuple[str, str] | None:
        """Status and words where key, secret or signature in the form are wrong."""
        if fields.get("api_key") != self._s["api_key"]:
            return _REFUSALS[Refusal.CREDENTIALS]
        if "sig" in fields and "api_secret" in fields:
            return "32", "Both signature and secret are given"
        if "sig" not in fields:
            is_right = self._s["api_secret"] and fields.get("api_secret") == self._s["api_secret"]
            return None if is_right else _REFUSALS[Refusal.CREDENTIALS]
        late = abs(self._clock.now().timestamp() - int(fields.get("timestamp", "0"))) > 300
        is_right = self._s["signature_secret"] and fields["sig"].lower() == self._sig(fields)
        return None if is_right and not late else ("14", "Invalid Signature")


_SECRET: Final = ("api_key", "api_secret", "sig", "timestamp")


def _wrong(fields: Mapping[str, str]) -> tuple[str, str] | None:
    """Status and words of the first field that is missing or cannot be."""
    body = "body" if fields.get("type") == "binary" else "text"
    for name in ("to", "from", body):
        if not fields.get(name):
            return "2", f"Missing {name} param"
    number, ttl = fields["to"], fields.get("ttl", "259200000")
    if not (number.isdecimal() and 7 <= len(number) <= 15):
        return "3", "Invalid value for param: to"
    if not (ttl.isdecimal() and 20_000 <= int(ttl) <= 604_800_000):
        return "3", "Invalid value for param: ttl"
    return None


def _failed(code: str, text: str) -> Response:
    told = {"message-count": "1", "messages": [{"status": code, "error-text": text}]}
    return Response(200, orjson.dumps(told))
