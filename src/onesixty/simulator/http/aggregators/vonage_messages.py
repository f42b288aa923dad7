"""Vonage's Messages API as its customers see it: JSON in, problems out, callbacks with a token."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar, Final
from uuid import UUID

import jwt
import orjson
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.types import Options

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

_ERRORS_URL: Final = "https://developer.vonage.com/api-errors"
_TYPES: Final = {
    "sms": ("text",),
    "mms": ("text", "image", "vcard", "audio", "video", "file", "content"),
    "whatsapp": ("text", "image", "audio", "video", "file", "template", "sticker", "custom"),
}
_TTL_SECONDS: Final = {"sms": (20, 604_800), "mms": (300, 259_200)}
_REFUSALS: Final = {
    Refusal.RECIPIENT: (422, "messages#1170", "Invalid or Missing MSISDN"),
    Refusal.OPTED_OUT: (422, "messages#1240", "Illegal Number"),
    Refusal.SENDER: (422, "messages#1120", "Illegal Sender Address - rejected"),
    Refusal.CREDENTIALS: (401, "#unauthorized", "Unauthorized"),
    Refusal.THROTTLED: (429, "messages#1000", "Throttled"),
    Refusal.INTERNAL: (500, "messages#1030", "Internal Error"),
}
_STATES: Final = {
    State.ACCEPTED: "submitted",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "rejected",
    State.READ: "read",
}
_ERRORS: Final = {
    "003": "1180",
    "005": "1190",
    "006": "1260",
    "007": "1210",
    "008": "1230",
    "034": "1120",
    "450": "1280",
}
# Times are compared with our own clock.
_CHECKED: Final[Options] = {
    "verify_exp": False,
    "verify_iat": False,
    "require": ["iat", "application_id"],
}
_PRICE: Final = "0.0333"


class VonageMessagesFarSide:
    """One account, with one application when `private_key` is among the settings."""

    name: ClassVar[str] = "vonage_messages"
    credentials: ClassVar[Mapping[str, Any]] = {
        "api_key": "abcd1234",
        "api_secret": "an-api-secret-of-vonage",
        "signature_secret": "a-signature-secret-that-signs-callbacks",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock = clock
        nothing = {"application_id": "", "private_key": "", "api_key": "", "api_secret": ""}
        self._s = {**nothing, **(settings or self.credentials)}
        self._public: Any = None
        if pem := self._s["private_key"]:
            self._public = load_pem_private_key(pem.encode(), None).public_key()

    def take(self, request: Incoming) -> Submitted | Response:
        """POST of a message: the credentials are looked at first, then its fields."""
        if (request.method, request.path) != ("POST", "/v1/messages"):
            return _problem(404, "#not-found", "Not Found")
        if not self._is_ours(request.headers.get("authorization", "")):
            return _problem(*_REFUSALS[Refusal.CREDENTIALS])
        try:
            told = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            return _problem(422, "messages#1150", "Invalid params")
        if wrong := _wrong(told):
            return _problem(422, "messages#1150", "Invalid params", wrong)
        return Submitted(
            id=str(ids.uuid7()),
            sender=told["from"],
            recipient=f"+{told['to']}",
            text=str(told.get("text", "")),
            channel=told["channel"],
            reference=told.get("client_ref", ""),
            callback_url=told.get("webhook_url", ""),
            extra=told,
        )

    def accepted(self, one: Submitted) -> Response:
        """202 with the id, and nothing else."""
        return json_response(202, {"message_uuid": one.id})

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """As problem+json."""
        given = _problem(*_REFUSALS[why])
        if retry_after is None:
            return given
        headers = {"Retry-After": str(retry_after)}
        return Response(given.status, given.body, given.content_type, headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A status; nothing is told between `submitted` and the end."""
        if state not in _STATES or (state is State.READ and one.channel != "whatsapp"):
            return None
        told: dict[str, Any] = {
            "channel": one.channel,
            "message_uuid": one.id,
            "to": one.recipient.removeprefix("+"),
            "from": one.sender,
            "timestamp": self._now(),
            "status": _STATES[state],
            "usage": {"currency": "EUR", "price": _PRICE},
            "destination": {"network_code": "23410"},
            "sms": {"count_total": "1"},
        }
        if one.reference:
            told["client_ref"] = one.reference
        if state is State.UNDELIVERED:
            number = _ERRORS.get(error, "1230")
            kind = f"{_ERRORS_URL}/messages#{number}"
            told["error"] = {"type": kind, "title": number, "detail": "x", "instance": one.id}
        return self._signed(one.callback_url or account_url, told)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One call: Vonage joins the parts."""
        told = {
            "channel": "sms",
            "message_uuid": str(ids.uuid7()),
            "to": recipient.removeprefix("+"),
            "from": sender.removeprefix("+"),
            "timestamp": self._now(),
            "message_type": "text",
            "text": text,
            "sms": {"num_messages": "1", "keyword": text.partition(" ")[0].upper()},
            "usage": {"price": "0.0057", "currency": "EUR"},
            "origin": {"network_code": "23410"},
        }
        return [self._signed(account_url, told)]

    def _signed(self, url: str, told: Mapping[str, Any]) -> CallbackRequest:
        """With a token that has the hash of the body, under the account's signature secret."""
        body = orjson.dumps(told)
        claims = {
            "iat": int(self._clock.now().timestamp()),
            "jti": str(ids.uuid7()),
            "iss": "Vonage",
            "payload_hash": sha256(body).hexdigest(),
            "api_key": self._s["api_key"],
            "application_id": self._s["application_id"] or str(UUID(int=0)),
        }
        token = jwt.encode(claims, self._s["signature_secret"], "HS256")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        return CallbackRequest("POST", url, headers, body)

    def _is_ours(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self._public is not None:
            try:
                claims = jwt.decode(
                    given,
                    self._public,
                    ["RS256"],
                    _CHECKED,
                )
            except jwt.InvalidTokenError:
                return False
            now = self._clock.now().timestamp()
            is_fresh: bool = claims["iat"] - 60 <= now < claims.get("exp", claims["iat"] + 900)
            return is_fresh and bool(claims["application_id"] == self._s["application_id"])
        pair = f"{self._s['api_key']}:{self._s['api_secret']}"
        known = b64encode(pair.encode()).decode()
        return scheme.lower() == "basic" and bool(self._s["api_key"]) and given == known

    def _now(self) -> str:
        return f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}"


def _wrong(told: Mapping[str, Any]) -> list[dict[str, str]]:
    """The fields that are missing or cannot be."""
    channel, kind, ttl = told.get("channel"), told.get("message_type"), told.get("ttl")
    recipient, sender = str(told.get("to", "")), told.get("from")
    limits = _TTL_SECONDS.get(str(channel), (0, float("inf")))
    checks = {
        "channel": channel not in _TYPES,
        "message_type": kind not in _TYPES.get(str(channel), ()),
        "to": not (recipient.isdecimal() and 7 <= len(recipient) <= 15),
        "from": not isinstance(sender, str) or not sender or sender.startswith("+"),
        "ttl": ttl is not None and not limits[0] <= ttl <= limits[1],
        "client_ref": len(str(told.get("client_ref", ""))) > 100,
        str(kind): not told.get(str(kind)),
    }
    return [
        {"name": name, "reason": "is missing or invalid"} for name, bad in checks.items() if bad
    ]


def _problem(
    status: int, kind: str, title: str, wrong: list[dict[str, str]] | None = None
) -> Response:
    told: dict[str, Any] = {
        "type": _ERRORS_URL + (kind if kind.startswith("#") else f"/{kind}"),
        "title": title,
        "detail": "See the number of the error.",
        "instance": ids.uuid7().hex,
    }
    if wrong:
        told["invalid_parameters"] = wrong
    return Response(status, orjson.dumps(told), "application/problem+json")
