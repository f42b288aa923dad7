"""An aggregator that nobody has heard of, with an API like that of many small ones.

`POST /send` of JSON with a key; calls signed by HMAC-SHA256.
"""

import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final

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

_REFUSALS: Final = {
    Refusal.RECIPIENT: (422, 40, "no such number"),
    Refusal.OPTED_OUT: (422, 41, "the person has opted out"),
    Refusal.SENDER: (403, 50, "the sender is not yours"),
    Refusal.CREDENTIALS: (401, 10, "the key is wrong"),
    Refusal.THROTTLED: (429, 20, "too fast"),
    Refusal.INTERNAL: (503, 90, "we are sorry"),
}
_STATES: Final = {
    State.ACCEPTED: "BUFFERED",
    State.ENROUTE: "ENROUTE",
    State.DELIVERED: "DELIVRD",
    State.UNDELIVERED: "UNDELIV",
    State.READ: "READ",
}


class AcmeFarSide:
    """One account of it."""

    name: ClassVar[str] = "http"
    credentials: ClassVar[Mapping[str, Any]] = {
        "api_key": "acme-key",
        "callback_secret": "acme-callback-secret",
        "request": {
            "url": "{base_url}/send",
            "headers": {"x-api-key": "{api_key}"},
            "body": {
                "to": "{to_digits}",
                "sender": "{from}",
                "message": "{text}",
                "unicode": "{unicode}",
                "ref": "{id}",
                "dlr": "{callback}",
                "file": "{media}",
            },
        },
        "answers": [
            {
                "when": {"status": 200, "match": {"/ok": True, "/id": "*"}},
                "then": "accepted",
                "id": "/id",
                "price": "/cost",
                "currency": "/currency",
            },
            {"when": {"match": {"/error": [41]}}, "then": "opted_out", "code": "/error",
             "detail": "/text"},
            {"when": {"match": {"/error": [40]}}, "then": "recipient", "code": "/error",
             "detail": "/text"},
            {"when": {"match": {"/error": [20]}}, "then": "throttled", "code": "/error"},
            {"when": {"match": {"/error": [90]}}, "then": "transient", "code": "/error"},
        ],
        "receipt": {
            "id": "/id",
            "reference": "/ref",
            "state": "/state",
            "error": "/err",
            "to": "/to",
            "states": {
                "BUFFERED": "queued",
                "ENROUTE": "sent",
                "DELIVRD": "delivered",
                "READ": "read",
                "UNDELIV": "undelivered",
            },
            "reply": {"body": "OK"},
        },
        "inbound": {"id": "/id", "from": "/from", "to": "/to", "text": "/text"},
        "signature": {"header": "x-acme-signature"},
        "check": {"method": "GET", "url": "{base_url}/balance",
                  "headers": {"x-api-key": "{api_key}"}},
    }  # fmt: skip

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or self.credentials

    def take(self, request: Incoming) -> Submitted | Response:
        """A message, or a look at the balance."""
        if request.headers.get("x-api-key") != self._settings["api_key"]:
            return _error(*_REFUSALS[Refusal.CREDENTIALS])
        if (request.method, request.path) == ("GET", "/balance"):
            return json_response(200, {"balance": "12.50", "currency": "EUR"})
        if (request.method, request.path) != ("POST", "/send"):
            return _error(404, 1, "no such path")
        try:
            told = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return _error(400, 2, "that is no JSON")
        if not str(told.get("to", "")).isdecimal():
            return _error(*_REFUSALS[Refusal.RECIPIENT])
        return Submitted(
            id=f"a-{ids.uuid7().hex[-12:]}",
            sender=told.get("sender", ""),
            recipient=f"+{told['to']}",
            text=told.get("message", ""),
            channel="mms" if told.get("file") else "sms",
            reference=told.get("ref", ""),
            callback_url=told.get("dlr", ""),
            extra=told,
        )

    def accepted(self, one: Submitted) -> Response:
        """Its id and its cost."""
        return json_response(200, {"ok": True, "id": one.id, "cost": "0.0123", "currency": "EUR"})

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An error with a number."""
        status, number, text = _REFUSALS[why]
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return _error(status, number, text, **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A signed state."""
        told = {
            "id": one.id,
            "ref": one.reference,
            "state": _STATES[state],
            "err": error if state is State.UNDELIVERED else "",
            "to": one.recipient.removeprefix("+"),
        }
        return self._call(one.callback_url or account_url, told)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One call, whatever its length."""
        told = {
            "id": f"m-{ids.uuid7().hex[-12:]}",
            "from": sender.removeprefix("+"),
            "to": recipient.removeprefix("+"),
            "text": text,
        }
        return [self._call(account_url, told)]

    def _call(self, url: str, told: Mapping[str, Any]) -> CallbackRequest:
        body = orjson.dumps(told)
        digest = hmac.digest(self._settings["callback_secret"].encode(), body, "sha256").hex()
        headers = {"content-type": "application/json", "x-acme-signature": digest}
        return CallbackRequest("POST", url, headers, body)


def _error(status: int, number: int, text: str, **headers: str) -> Response:
    return json_response(status, {"ok": False, "error": number, "text": text}, **headers)
