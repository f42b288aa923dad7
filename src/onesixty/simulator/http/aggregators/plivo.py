"""Plivo as its customers see it: messages, and forms signed in both of its ways."""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

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
from onesixty.sms import segments

_REFUSALS: Final = {
    Refusal.RECIPIENT: (400, "dst is not a valid phone number"),
    Refusal.OPTED_OUT: (400, "the destination has opted out"),
    Refusal.SENDER: (400, "src is not a number of this account"),
    Refusal.CREDENTIALS: (401, "authentication failed"),
    Refusal.THROTTLED: (429, "too many requests"),
    Refusal.INTERNAL: (500, "internal server error"),
}
_STATES: Final = {
    State.ACCEPTED: "queued",
    State.ENROUTE: "sent",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "undelivered",
    State.READ: "read",
}
_ERRORS: Final = {"003": "80", "005": "50", "006": "70", "007": "30", "034": "40", "450": "20"}
_OTHER_ERROR: Final = "300"
_PRICE: Final = "0.00550"
_KINDS: Final = ("sms", "mms", "whatsapp")
_KEPT: Final = ("type", "media_urls", "message_expiry", "method", "template", "interactive")


class PlivoFarSide:
    """One account."""

    name: ClassVar[str] = "plivo"
    credentials: ClassVar[Mapping[str, Any]] = {
        "auth_id": "MASIMULATED000000000",
        "auth_token": "c2ltdWxhdGVkLXBsaXZvLXRva2Vu",
        "powerpack_uuid": "5ec4c8c9-cd74-42b5-9e41-0d7670d6bb46",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, settings or self.credentials

    def take(self, request: Incoming) -> Submitted | Response:
        """A message, or the wish to see the account."""
        name, token = self._settings["auth_id"], self._settings["auth_token"]
        wanted = b64encode(f"{name}:{token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {wanted}":
            return _error(_REFUSALS[Refusal.CREDENTIALS])
        account = f"/v1/Account/{name}/"
        if request.path == account and request.method == "GET":
            return json_response(200, {"api_id": _uuid(), "auth_id": name, "state": "active"})
        if request.path != f"{account}Message/" or request.method != "POST":
            return _error((404, "not found"))
        return self._message(request.body)

    def accepted(self, one: Submitted) -> Response:
        """202 with the id of the message, or of the first of its parts."""
        told = {"api_id": _uuid(), "message": "message(s) queued", "message_uuid": [one.id]}
        return json_response(202, told)

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An error in words."""
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return _error(_REFUSALS[why], **headers)

    def parts(self, one: Submitted) -> Sequence[Submitted]:
        """A long text has a receipt for each part; the first part has the id of the message."""
        total = segments.count(one.text, max_segments=255)[1] if one.channel == "sms" else 1
        return [
            replace(one, extra={**one.extra, "part": (number, total)})
            for number in range(1, total + 1)
        ]

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A form with the state; messages are read on WhatsApp alone."""
        if state is State.READ and one.channel != "whatsapp":
            return None
        url = one.callback_url or account_url
        code = _ERRORS.get(error, _OTHER_ERROR) if state is State.UNDELIVERED else ""
        number, total = one.extra.get("part", (1, 1))
        fields = {
            "From": one.sender.removeprefix("+"),
            "To": one.recipient.removeprefix("+"),
            "MessageUUID": one.id if number == 1 else f"{one.id[:-3]}{number:03x}",
            "ParentMessageUUID": one.id,
            "PartInfo": f"{number} of {total}",
            "Status": _STATES[state],
            "ErrorCode": code,
            "Units": "1",
            "TotalRate": _PRICE,
            "TotalAmount": _PRICE,
            "MCC": "310",
            "MNC": "260",
            "QueuedTime": self._at(),
            "Type": one.channel,
        }
        return self._call(url, fields)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One form: parts are joined before."""
        fields = {
            "From": sender.removeprefix("+"),
            "To": recipient.removeprefix("+"),
            "Type": "sms",
            "MessageUUID": _uuid(),
            "Text": text,
            "Units": "1",
        }
        return [self._call(account_url, fields)]

    def _message(self, body: bytes) -> Submitted | Response:
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _error((400, "the body is not JSON"))
        to, sender, pack = (str(told.get(name) or "") for name in ("dst", "src", "powerpack_uuid"))
        kind = told.setdefault("type", "sms")
        if not to.removeprefix("+").isdecimal():
            return _error(_REFUSALS[Refusal.RECIPIENT])
        if bool(sender) is bool(pack) or (pack and pack != self._settings.get("powerpack_uuid")):
            return _error((400, "exactly one of src and powerpack_uuid is wanted"))
        if kind not in _KINDS:
            return _error((400, "type is not valid"))
        if not any(told.get(name) for name in ("text", "media_urls", "template", "interactive")):
            return _error((400, "text parameter not present"))
        return Submitted(
            id=_uuid(),
            sender=sender,
            recipient="+" + to.removeprefix("+"),
            text=told.get("text") or "",
            channel=kind,
            callback_url=told.get("url") or "",
            extra={name: told[name] for name in _KEPT if told.get(name) is not None},
        )

    def _call(self, url: str, fields: Mapping[str, str]) -> CallbackRequest:
        nonce = ids.uuid7().hex
        headers = {"content-type": "application/x-www-form-urlencoded"}
        for version, text in (("v2", _text_v2(url, nonce)), ("v3", _text_v3(url, fields, nonce))):
            digest = hmac.digest(self._settings["auth_token"].encode(), text.encode(), "sha256")
            headers[f"x-plivo-signature-{version}"] = b64encode(digest).decode()
            headers[f"x-plivo-signature-{version}-nonce"] = nonce
        return CallbackRequest("POST", url, headers, urlencode(fields).encode())

    def _at(self) -> str:
        return self._clock.now().strftime("%Y-%m-%d %H:%M:%S.%f+00:00")


def _text_v2(url: str, nonce: str) -> str:
    return url.partition("?")[0] + nonce


def _text_v3(url: str, fields: Mapping[str, str], nonce: str) -> str:
    parts = urlsplit(url)
    pairs = sorted(parse_qsl(parts.query, keep_blank_values=True))
    query = "&".join(f"{name}={value}" for name, value in pairs)
    posted = "".join(f"{name}{fields[name]}" for name in sorted(fields))
    dot = "." if query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}{dot}{posted}.{nonce}"


def _uuid() -> str:
    return str(ids.uuid7())


def _error(why: tuple[int, str], **headers: str) -> Response:
    status, text = why
    return json_response(status, {"api_id": _uuid(), "error": text}, **headers)
