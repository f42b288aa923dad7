"""Infobip as its customers see it: messages with statuses, reports and inbound SMS as JSON."""

import hmac
from collections import OrderedDict
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

Status = tuple[int, str, int, str]  # group, its name, id, its name
_PENDING: Final[Status] = (1, "PENDING", 26, "PENDING_ACCEPTED")
_DUPLICATE: Final[Status] = (5, "REJECTED", 23, "REJECTED_DUPLICATE_MESSAGE_ID")
_REJECTIONS: Final[Mapping[Refusal, Status]] = {
    Refusal.RECIPIENT: (5, "REJECTED", 52, "REJECTED_DESTINATION"),
    Refusal.OPTED_OUT: (5, "REJECTED", 14, "REJECTED_DESTINATION_BLOCKLISTED"),
    Refusal.SENDER: (5, "REJECTED", 11, "REJECTED_SOURCE"),
}
_ERRORS_OF_CALLS: Final = {
    Refusal.CREDENTIALS: (401, "E401", "Unauthorized."),
    Refusal.THROTTLED: (429, "E429", "Too many requests."),
    Refusal.INTERNAL: (500, "E500", "Internal server error."),
}
_STATES: Final[Mapping[State, Status]] = {
    State.ACCEPTED: (1, "PENDING", 3, "PENDING_WAITING_DELIVERY"),
    State.ENROUTE: (3, "DELIVERED", 2, "DELIVERED_TO_OPERATOR"),
    State.DELIVERED: (3, "DELIVERED", 5, "DELIVERED_TO_HANDSET"),
    State.UNDELIVERED: (2, "UNDELIVERABLE", 4, "UNDELIVERABLE_REJECTED_OPERATOR"),
}
_ERRORS: Final = {
    "003": (27, "EC_ABSENT_SUBSCRIBER", False),
    "005": (1, "EC_UNKNOWN_SUBSCRIBER", True),
    "006": (9, "EC_ILLEGAL_SUBSCRIBER", True),
    "007": (607, "EC_SPAM_CONTENT", True),
    "450": (6, "EC_ABSENT_SUBSCRIBER_SM", False),
}
_OTHER_ERROR: Final = (255, "EC_UNKNOWN_ERROR", True)
_PRICE: Final = {"pricePerMessage": 0.0065, "currency": "EUR"}
_IDS_MOST: Final = 10_000


class InfobipFarSide:
    """One account. It knows the ids of its last messages, and takes none of them twice."""

    name: ClassVar[str] = "infobip"
    credentials: ClassVar[Mapping[str, Any]] = {
        "api_key": "f0e1d2c3b4a5968778695a4b3c2d1e0f-simulated",
        "webhook_secret": "infobip-webhook-secret",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, settings or self.credentials
        self._known: OrderedDict[str, None] = OrderedDict()

    def take(self, request: Incoming) -> Submitted | Response:
        """A message, or a look at the log."""
        if request.headers.get("authorization") != f"App {self._settings['api_key']}":
            return _error(_ERRORS_OF_CALLS[Refusal.CREDENTIALS])
        if request.path == "/sms/3/logs" and request.method == "GET":
            return json_response(200, {"results": []})
        if request.path != "/sms/3/messages" or request.method != "POST":
            return _error((404, "E404", "Not found."))
        one = _message(request.body)
        if isinstance(one, Submitted):
            if one.id in self._known:
                return _answer(one, _DUPLICATE)
            self._known[one.id] = None
            if len(self._known) > _IDS_MOST:
                self._known.popitem(last=False)
        return one

    def accepted(self, one: Submitted) -> Response:
        """The message waits."""
        return _answer(one, _PENDING)

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """Of the message: 200 with a rejection; of the call: an error, which uses up no id."""
        if why in _REJECTIONS:
            return _answer(one, _REJECTIONS[why])
        self._known.pop(one.id, None)
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return _error(_ERRORS_OF_CALLS[why], **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A report for the whole message; SMS are never read."""
        if state is State.READ:
            return None
        number, name, permanent = 0, "NO_ERROR", False
        if state is State.UNDELIVERED:
            number, name, permanent = _ERRORS.get(error, _OTHER_ERROR)
        result = {
            "bulkId": "simulated",
            "messageId": one.id,
            "to": one.recipient.removeprefix("+"),
            "sender": one.sender,
            "sentAt": self._at(),
            "doneAt": self._at(),
            "messageCount": _parts(one),
            "mccMnc": "310260",
            "callbackData": one.reference or None,
            "price": _PRICE,
            "status": _shown(_STATES[state]),
            "error": {
                "groupId": 1 if number else 0,
                "groupName": "HANDSET_ERRORS" if number else "OK",
                "id": number,
                "name": name,
                "description": name,
                "permanent": permanent,
            },
        }
        return self._call(one.callback_url or account_url, {"results": [result]})

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One result: parts are joined before."""
        result = {
            "messageId": str(ids.uuid7()),
            "from": sender.removeprefix("+"),
            "to": recipient.removeprefix("+"),
            "text": text,
            "cleanText": text,
            "keyword": None,
            "receivedAt": self._at(),
            "smsCount": 1,
            "price": {"pricePerMessage": 0, "currency": "EUR"},
            "callbackData": None,
        }
        told = {"results": [result], "messageCount": 1, "pendingMessageCount": 0}
        return [self._call(account_url, told)]

    def _call(self, url: str, told: Mapping[str, Any]) -> CallbackRequest:
        body = orjson.dumps(told)
        headers = {"content-type": "application/json"}
        if secret := self._settings.get("webhook_secret"):
            headers["x-hub-signature"] = hmac.digest(secret.encode(), body, "sha256").hex()
        return CallbackRequest("POST", url, headers, body)

    def _at(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _message(body: bytes) -> Submitted | Response:
    try:
        (message,) = orjson.loads(body)["messages"]
        (destination,) = message["destinations"]
        number, content = destination["to"], message["content"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return _error((400, "E400", "Request cannot be processed."))
    if not str(number).removeprefix("+").isdecimal():
        return _error(
            (400, "E400", "Request cannot be processed."), "messages[0].destinations[0].to"
        )
    if not content.get("text") and not content.get("hex"):
        return _error((400, "E400", "Request cannot be processed."), "messages[0].content.text")
    webhooks = message.get("webhooks", {})
    return Submitted(
        id=destination.get("messageId") or str(ids.uuid7()),
        sender=message.get("sender", ""),
        recipient="+" + str(number).removeprefix("+"),
        text=content.get("text", ""),
        reference=webhooks.get("callbackData", ""),
        callback_url=webhooks.get("delivery", {}).get("url", ""),
        extra={"content": content, "options": message.get("options", {})},
    )


def _parts(one: Submitted) -> int:
    return segments.count(one.text, max_segments=255)[1]


def _shown(status: Status) -> dict[str, Any]:
    group, group_name, number, name = status
    shown: dict[str, Any] = {"groupId": group, "groupName": group_name, "id": number, "name": name}
    return {**shown, "description": name}


def _answer(one: Submitted, status: Status) -> Response:
    told = {
        "messageId": one.id,
        "status": _shown(status),
        "destination": one.recipient.removeprefix("+"),
        "details": {"messageCount": _parts(one)},
    }
    return json_response(200, {"bulkId": "simulated", "messages": [told]})


def _error(why: tuple[int, str, str], field: str = "", **headers: str) -> Response:
    status, code, words = why
    violations = [{"property": field, "violation": "is not valid"}] if field else []
    told = {"errorCode": code, "description": words, "action": "", "violations": violations}
    return json_response(status, {**told, "resources": []}, **headers)
