"""Azure Communication Services as its customers see it, with Event Grid's events."""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
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

_TOPIC: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000160/resourcegroups/simulated/providers"
    "/microsoft.communication/communicationservices/onesixty"
)
_MINUTES_APART_MOST: Final = timedelta(minutes=5)
_REMEMBERED: Final = 10_000
_ITEMS: Final = {
    Refusal.RECIPIENT: (400, "Invalid To phone number format."),
    Refusal.OPTED_OUT: (400, "The recipient has opted out of messages."),
    Refusal.SENDER: (400, "Invalid From phone number."),
    Refusal.INTERNAL: (500, "An internal error occurred."),
}
_STATUSES: Final = {State.DELIVERED: ("Delivered", "No error.")}
_FAILURES: Final = {
    "003": "4006 The destination/number is not reachable.",
    "005": "4004 The Destination/To number does not exist.",
    "006": "4003 The Destination/To number is not supported.",
    "007": "4000 Message is rejected due to fraud detection.",
    "034": "4010 The toll-free number is not verified.",
    "450": "4005 The destination carrier blocks this message.",
}
_OTHER_FAILURE: Final = "5000 Message failed to deliver."


class AzureFarSide:
    """One resource, with an Event Grid subscription for all that it tells."""

    name: ClassVar[str] = "azure"
    credentials: ClassVar[Mapping[str, Any]] = {
        "access_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "topic": _TOPIC,
        "sender": "+18005550160",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, {**self.credentials, **(settings or {})}
        self._taken: OrderedDict[tuple[str, str], Response] = OrderedDict()

    def take(self, request: Incoming) -> Submitted | Response:
        """A message to one recipient; a repeat of one is answered as it was the first time."""
        if not self._is_signed(request):
            return _error(401, "Denied", "Denied by the resource provider.")
        if (request.method, request.path) != ("POST", "/sms"):
            return _error(404, "NotFound", "There is nothing here.")
        try:
            fields = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return _error(400, "BadRequest", "The request cannot be read.")
        recipients = fields.get("smsRecipients")
        if not isinstance(recipients, list) or len(recipients) != 1:  # ours; Azure takes 100
            return _error(400, "IncorrectRecipients", "There must be one recipient.")
        if not fields.get("from") or len(fields.get("message", "")) > 2048:
            return _error(400, "BadRequest", "The sender or the message is not valid.")
        known = self._taken.get(_repeat(recipients[0]))
        return known or _submitted(fields, recipients[0])

    def accepted(self, one: Submitted) -> Response:
        """The result of the one recipient."""
        told = _item(one, 202, messageId=one.id, repeatabilityResult="accepted", successful=True)
        self._taken[_repeat(one.extra["smsRecipients"][0])] = told
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return told

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """What is about the recipient or the sender is inside a 202."""
        if why is Refusal.CREDENTIALS:
            return _error(401, "Denied", "Denied by the resource provider.")
        if why is Refusal.THROTTLED:
            return _error(429, "TooManyRequests", "Too many requests.", retry_after)
        status, words = _ITEMS[why]
        return _item(
            one, status, errorMessage=words, repeatabilityResult="rejected", successful=False
        )

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A report, where the message asked for one; only of how it ended."""
        failed = state is State.UNDELIVERED
        told = ("Failed", _FAILURES.get(error, _OTHER_FAILURE)) if failed else _STATUSES.get(state)
        options = one.extra.get("smsSendOptions") or {}
        if told is None or not options.get("enableDeliveryReport"):
            return None
        data = {
            "messageId": one.id,
            "from": one.sender.removeprefix("+"),
            "to": one.recipient,
            "deliveryStatus": told[0],
            "deliveryStatusDetails": told[1],
            "deliveryAttempts": [
                {
                    "timestamp": self._at(),
                    "segmentsSucceeded": int(not failed),
                    "segmentsFailed": int(failed),
                }
            ],
            "receivedTimestamp": self._at(),
            "tag": options.get("tag", ""),
        }
        return self._event(account_url, "SMSDeliveryReportReceived", one.sender, data)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One message: Azure joins its parts."""
        data = {
            "MessageId": f"Incoming_{ids.uuid7()}",
            "From": sender.removeprefix("+"),
            "To": recipient.removeprefix("+"),
            "Message": text,
            "ReceivedTimestamp": self._at(),
            "SegmentCount": 1,
        }
        return [self._event(account_url, "SMSReceived", recipient, data)]

    def validation(self, account_url: str) -> CallbackRequest:
        """The question with which a subscription begins."""
        code = str(ids.uuid7())
        data = {"validationCode": code, "validationUrl": f"https://example.com/validate?id={code}"}
        event = {
            "id": str(ids.uuid7()),
            "topic": self._settings["topic"],
            "subject": "",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": self._at(),
            "dataVersion": "2",
            "metadataVersion": "1",
            "data": data,
        }
        return _posted(account_url, event, "SubscriptionValidation")

    def _event(self, url: str, kind: str, number: str, data: Mapping[str, Any]) -> CallbackRequest:
        event = {
            "id": str(ids.uuid7()),
            "topic": self._settings["topic"],
            "subject": f"/phonenumber/{number.removeprefix('+')}",
            "eventType": f"Microsoft.Communication.{kind}",
            "eventTime": self._at(),
            "dataVersion": "1.0",
            "metadataVersion": "1",
            "data": data,
        }
        return _posted(url, event, "Notification")

    def _is_signed(self, request: Incoming) -> bool:
        headers = request.headers
        date, digest = headers.get("x-ms-date", ""), headers.get("x-ms-content-sha256", "")
        if b64encode(hashlib.sha256(request.body).digest()).decode() != digest:
            return False
        target = f"{request.path}?{request.query}" if request.query else request.path
        text = f"{request.method}\n{target}\n{date};{headers.get('host', '')};{digest}"
        key = b64decode(self._settings["access_key"])
        signed = b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
        wanted = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=" + signed
        given = headers.get("authorization", "")
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            return False
        return abs(self._clock.now() - parsedate_to_datetime(date)) <= _MINUTES_APART_MOST

    def _at(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _repeat(recipient: Mapping[str, Any]) -> tuple[str, str]:
    given = recipient.get("repeatabilityRequestId"), recipient.get("repeatabilityFirstSent")
    return str(given[0] or ids.uuid7()), str(given[1])


def _submitted(fields: Mapping[str, Any], recipient: Mapping[str, Any]) -> Submitted | Response:
    one = Submitted(
        id=f"Outgoing_{ids.uuid7()}",
        sender=fields["from"],
        recipient=recipient.get("to", ""),
        text=fields.get("message", ""),
        reference=(fields.get("smsSendOptions") or {}).get("tag") or "",
        extra=fields,
    )
    if re.fullmatch(r"\+[1-9]\d{4,14}", one.recipient):
        return one
    return _item(
        one,
        400,
        errorMessage=_ITEMS[Refusal.RECIPIENT][1],
        repeatabilityResult="rejected",
        successful=False,
    )


def _item(one: Submitted, status: int, **told: Any) -> Response:
    item = {"to": one.recipient, "httpStatusCode": status, **told}
    return json_response(202, {"value": [item]})


def _error(status: int, code: str, words: str, retry_after: int | None = None) -> Response:
    headers = {} if retry_after is None else {"retry_after": str(retry_after)}
    return json_response(status, {"error": {"code": code, "message": words}}, **headers)


def _posted(url: str, event: Mapping[str, Any], kind: str) -> CallbackRequest:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "aeg-event-type": kind,
        "aeg-subscription-name": "ONESIXTY",
    }
    return CallbackRequest("POST", url, headers, orjson.dumps([event]))
