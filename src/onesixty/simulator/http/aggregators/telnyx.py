"""Telnyx as its customers see it: messages, and webhooks signed by Ed25519."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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

_REFUSALS: Final = {
    Refusal.RECIPIENT: (422, "40310", "Invalid 'to' address"),
    Refusal.OPTED_OUT: (400, "40300", "Blocked due to STOP message"),
    Refusal.SENDER: (400, "40305", "Invalid 'from' address"),
    Refusal.CREDENTIALS: (401, "10009", "Authentication failed"),
    Refusal.THROTTLED: (429, "10011", "Too many requests"),
    Refusal.INTERNAL: (500, "10007", "Unexpected error"),
}
_STATES: Final = {
    State.ACCEPTED: ("message.sent", "sending"),
    State.ENROUTE: ("message.sent", "sent"),
    State.DELIVERED: ("message.finalized", "delivered"),
}
_ERRORS: Final = {
    "003": ("40006", "Recipient server unavailable"),
    "005": ("40012", "Invalid destination number"),
    "006": ("40001", "Not routable"),
    "007": ("40003", "Blocked as spam - permanent"),
    "034": ("40013", "Invalid source number"),
    "450": ("40011", "Upstream rate limit exceeded"),
}
_OTHER_ERROR: Final = ("40008", "Undeliverable")
# Anybody may know it: it signs for nobody but this simulator.
_PRIVATE_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PRICE: Final = {"amount": "0.0040", "currency": "USD"}


class TelnyxFarSide:
    """One account with one messaging profile."""

    name: ClassVar[str] = "telnyx"
    credentials: ClassVar[Mapping[str, Any]] = {
        "api_key": "KEY0190A1B2C3D4E5F60718293A4B5C6D7E_simulated",
        "public_key": b64encode(_PRIVATE_KEY.public_key().public_bytes_raw()).decode(),
        "messaging_profile_id": "40017f8e-49bd-4f16-9e3d-ef103f916228",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, settings or self.credentials

    def take(self, request: Incoming) -> Submitted | Response:
        """A message, or a list of messaging profiles."""
        if request.headers.get("authorization") != f"Bearer {self._settings['api_key']}":
            return _error(_REFUSALS[Refusal.CREDENTIALS])
        if request.path == "/v2/messaging_profiles" and request.method == "GET":
            return json_response(200, {"data": [], "meta": {"total_results": 0}})
        if request.path != "/v2/messages" or request.method != "POST":
            return _error((404, "10005", "Resource not found"))
        return self._message(request.body)

    def accepted(self, one: Submitted) -> Response:
        """The message, queued, with its price."""
        return json_response(200, {"data": self._payload(one, "queued", [])})

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """A list of one error."""
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return _error(_REFUSALS[why], **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """`message.sent` or `message.finalized`; SMS are never read."""
        errors = []
        if state is State.UNDELIVERED:
            kind, word = "message.finalized", "delivery_failed"
            code, title = _ERRORS.get(error, _OTHER_ERROR)
            errors = [{"code": code, "title": title}]
        elif state in _STATES:
            kind, word = _STATES[state]
        else:
            return None
        return self._call(one.callback_url or account_url, kind, self._payload(one, word, errors))

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One `message.received`: parts are joined before."""
        payload = {
            "record_type": "message",
            "direction": "inbound",
            "id": str(ids.uuid7()),
            "type": "SMS",
            "from": {"phone_number": sender, "carrier": "Simulated", "line_type": "Wireless"},
            "to": [{"phone_number": recipient, "status": "webhook_delivered"}],
            "text": text,
            "media": [],
            "parts": 1,
            "received_at": self._at(),
        }
        return [self._call(account_url, "message.received", payload)]

    def _message(self, body: bytes) -> Submitted | Response:
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _error((400, "10015", "Bad request: no JSON"))
        to, sender = str(told.get("to", "")), str(told.get("from", ""))
        if not to.startswith("+") or not to[1:].isdecimal():
            return _error(_REFUSALS[Refusal.RECIPIENT])
        is_number = sender.removeprefix("+").isdecimal()
        if not is_number and told.get("messaging_profile_id") != self._settings.get(
            "messaging_profile_id"
        ):
            return _error(_REFUSALS[Refusal.SENDER])
        is_mms = told.get("type") == "MMS"
        if not (told.get("media_urls") if is_mms else told.get("text")):
            return _error((400, "40009", "Invalid message body"))
        return Submitted(
            id=str(ids.uuid7()),
            sender=sender,
            recipient=to,
            text=told.get("text", ""),
            channel="mms" if is_mms else "sms",
            callback_url=told.get("webhook_url", ""),
            extra=told,
        )

    def _payload(self, one: Submitted, word: str, errors: list[dict[str, str]]) -> dict[str, Any]:
        return {
            "record_type": "message",
            "direction": "outbound",
            "id": one.id,
            "type": one.channel.upper(),
            "messaging_profile_id": self._settings.get("messaging_profile_id"),
            "from": {"phone_number": one.sender, "carrier": "Telnyx", "line_type": "Wireless"},
            "to": [
                {
                    "phone_number": one.recipient,
                    "status": word,
                    "carrier": "Simulated",
                    "line_type": "Wireless",
                }
            ],
            "text": one.text,
            "encoding": "GSM-7" if one.text.isascii() else "UCS-2",
            "parts": 1,
            "cost": _PRICE,
            "errors": errors,
            "received_at": self._at(),
            "webhook_url": one.callback_url or None,
            "tags": [],
        }

    def _call(self, url: str, kind: str, payload: Mapping[str, Any]) -> CallbackRequest:
        event = {
            "record_type": "event",
            "event_type": kind,
            "id": str(ids.uuid7()),
            "occurred_at": self._at(),
            "payload": payload,
        }
        body = orjson.dumps({"data": event, "meta": {"attempt": 1, "delivered_to": url}})
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "telnyx-timestamp": timestamp,
            "telnyx-signature-ed25519": _signature(f"{timestamp}|".encode() + body),
        }
        return CallbackRequest("POST", url, headers, body)

    def _at(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")


def _signature(signed: bytes) -> str:
    return b64encode(_PRIVATE_KEY.sign(signed)).decode()


def _error(why: tuple[int, str, str], **headers: str) -> Response:
    status, code, title = why
    told = {"errors": [{"code": code, "title": title, "detail": f"{title}."}]}
    return json_response(status, told, **headers)
