"""Bandwidth as its customers see it: messages, and arrays of events for the application."""

from base64 import b64encode
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
from onesixty.sms import segments

_REFUSALS: Final = {
    Refusal.RECIPIENT: (400, "request-validation", "to"),
    Refusal.OPTED_OUT: (400, "request-validation", "to"),
    Refusal.SENDER: (400, "request-validation", "from"),
    Refusal.CREDENTIALS: (401, "access-denied", ""),
    Refusal.THROTTLED: (429, "request-rate-limit", ""),
    Refusal.INTERNAL: (500, "internal-server-error", ""),
}
_TYPES: Final = {
    State.ACCEPTED: "message-sending",
    State.ENROUTE: "message-sent",
    State.DELIVERED: "message-delivered",
    State.UNDELIVERED: "message-failed",
}
_ERRORS: Final = {
    "003": 4404, "005": 4720, "006": 4702, "007": 4770, "034": 4476, "450": 5501,
}  # fmt: skip
_OTHER_ERROR: Final = 4700


class BandwidthFarSide:
    """One account with one application, whose callbacks bear a user and a password."""

    name: ClassVar[str] = "bandwidth"
    credentials: ClassVar[Mapping[str, Any]] = {
        "account_id": "5500123",
        "application_id": "93de2206-9669-4e07-948d-329f4b722ee2",
        "api_user": "simulated",
        "api_password": "bandwidth-api-password",
        "webhook_user": "callbacks",
        "webhook_password": "bandwidth-webhook-password",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, settings or self.credentials
        self._tokens: set[str] = set()

    def take(self, request: Incoming) -> Submitted | Response:
        """A message, a list of messages, a file, or the wish for an access token."""
        if request.path == "/api/v1/oauth2/token":
            return self._token(request)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        user = self._pair("api_user", "api_password")
        if not (scheme == "Basic" and given == user) and given not in self._tokens:
            return _error(_REFUSALS[Refusal.CREDENTIALS])
        account = f"/api/v2/users/{self._settings['account_id']}/"
        if request.method == "GET" and request.path.startswith(f"{account}media/"):
            return Response(200, b"\x89PNG", "image/png")
        if request.path != f"{account}messages":
            return _error((403, "access-denied", ""))
        if request.method == "GET":
            return json_response(200, {"totalCount": 0, "pageInfo": {}, "messages": []})
        return self._message(request.body)

    def accepted(self, one: Submitted) -> Response:
        """202 with the message."""
        return json_response(202, self._shown(one))

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An error of a type, with the field at fault."""
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return _error(_REFUSALS[why], **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """An array of one event; SMS and MMS are never read."""
        if state not in _TYPES:
            return None
        event: dict[str, Any] = {
            "type": _TYPES[state],
            "time": self._at(),
            "to": one.recipient,
            "description": "ok",
            "message": self._shown(one),
        }
        if state is State.UNDELIVERED:
            event |= {"description": "failed", "errorCode": _ERRORS.get(error, _OTHER_ERROR)}
        return self._call(account_url, event)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """An array of one event: parts are joined before."""
        message = {
            "id": ids.uuid7().hex,
            "owner": recipient,
            "applicationId": self._settings["application_id"],
            "time": self._at(),
            "segmentCount": 1,
            "direction": "in",
            "to": [recipient],
            "from": sender,
            "text": text,
        }
        event = {
            "type": "message-received",
            "time": self._at(),
            "to": recipient,
            "description": "Incoming message received",
            "message": message,
        }
        return [self._call(account_url, event)]

    def _token(self, request: Incoming) -> Response:
        if (
            request.headers.get("authorization")
            != f"Basic {self._pair('client_id', 'client_secret')}"
        ):
            return json_response(401, {"error": "invalid_client"})
        token = ids.uuid7().hex
        self._tokens.add(token)
        return json_response(200, {"access_token": token, "expires_in": 3600})

    def _pair(self, user: str, password: str) -> str:
        pair = f"{self._settings.get(user)}:{self._settings.get(password)}"
        return b64encode(pair.encode()).decode()

    def _message(self, body: bytes) -> Submitted | Response:
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _error((400, "request-validation", ""))
        to = told.get("to")
        if told.get("applicationId") != self._settings["application_id"]:
            return _error((400, "request-validation", "applicationId"))
        number = to[0] if isinstance(to, list) and len(to) == 1 else to
        if not str(number).removeprefix("+").isdecimal():
            return _error(_REFUSALS[Refusal.RECIPIENT])
        if not told.get("from"):
            return _error(_REFUSALS[Refusal.SENDER])
        if not told.get("text") and not told.get("media"):
            return _error((400, "request-validation", "text"))
        return Submitted(
            id=ids.uuid7().hex,
            sender=told["from"],
            recipient=str(number),
            text=told.get("text", ""),
            channel="mms" if told.get("media") else "sms",
            reference=told.get("tag", ""),
            extra=told,
        )

    def _shown(self, one: Submitted) -> dict[str, Any]:
        return {
            **one.extra,
            "id": one.id,
            "owner": one.sender,
            "time": self._at(),
            "segmentCount": segments.count(one.text, max_segments=255)[1],
            "direction": "out",
        }

    def _call(self, url: str, event: Mapping[str, Any]) -> CallbackRequest:
        headers = {
            "content-type": "application/json",
            "authorization": f"Basic {self._pair('webhook_user', 'webhook_password')}",
        }
        return CallbackRequest("POST", url, headers, orjson.dumps([event]))

    def _at(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _error(why: tuple[int, str, str], **headers: str) -> Response:
    status, kind, field = why
    told: dict[str, Any] = {"type": kind, "description": f"{kind}: the request is refused"}
    if field:
        told["fieldErrors"] = [{"fieldName": field, "description": f"'{field}' is not valid"}]
    return json_response(status, told, **headers)
