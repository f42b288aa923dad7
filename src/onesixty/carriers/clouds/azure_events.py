"""What Azure tells through Event Grid: delivery reports and messages from handsets.

Event Grid signs nothing: the token in our URL is what it knows and others do not.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Receipt,
    ReceiptState,
    Reply,
)
from onesixty.carriers.http.calls import (
    e164,
    faults,
    inbound,
    json_of,
    object_of,
    objects,
    receipt,
    text_fragment,
    words,
)
from onesixty.kit.ids import from_hex

_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"
_REPORT: Final = "Microsoft.Communication.SMSDeliveryReportReceived"
_RECEIVED: Final = "Microsoft.Communication.SMSReceived"
# The number in `deliveryStatusDetails` of a failed message.
STATES: Final[Mapping[str, ReceiptState]] = {
    "2000": ReceiptState.DELIVERED,
    "4000": ReceiptState.REJECTED,  # taken for fraud
    "4001": ReceiptState.REJECTED,  # bad From
    "4002": ReceiptState.UNDELIVERABLE,  # bad To
    "4003": ReceiptState.REJECTED,  # destination not supported
    "4004": ReceiptState.UNDELIVERABLE,  # To does not exist
    "4005": ReceiptState.UNDELIVERABLE,  # blocked by the operator
    "4006": ReceiptState.UNDELIVERABLE,  # not reachable
    "4007": ReceiptState.REJECTED,  # opted out
    "4008": ReceiptState.UNDELIVERABLE,  # too many messages
    "4009": ReceiptState.REJECTED,  # entitlement
    "4010": ReceiptState.REJECTED,  # toll-free number not verified
    "4020": ReceiptState.UNDELIVERABLE,  # too many messages
    "5000": ReceiptState.UNDELIVERABLE,
    "5001": ReceiptState.UNDELIVERABLE,  # for the time being
    "5002": ReceiptState.UNKNOWN,  # the operator tells nothing
    "9999": ReceiptState.UNKNOWN,
}
FAULTS: Final = faults(
    recipient="4002 4004 4007",
    content="4000 4005",
    config="4001 4003 4009 4010",
    throttle="4008 4020",
    carrier="4006 5000 5001",
)
_CODE: Final = re.compile(r"(?<!\d)\d{4}(?!\d)")


class AzureCalls:
    """Reads events in Event Grid's own schema and as CloudEvents 1.0; shakes hands in both."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        self._topic = (config.settings.get("topic") or "").strip("/").lower()

    async def read(self, call: Call) -> News:
        """Every event of the call that is about messages; others tell nothing."""
        if call.method == "OPTIONS":
            return News(reply=_allowed(call))
        given = json_of(call)
        news = News()
        for event in objects(given if isinstance(given, list) else [given]):
            self._check_topic(event)
            kind = words(event.get("eventType") or event.get("type"))
            # The vendor's own examples differ in how the names of these are written.
            data = {name.lower(): value for name, value in object_of(event.get("data")).items()}
            if kind == _VALIDATION:
                code = words(data.get("validationcode"))
                news.reply = _json_reply({"validationResponse": code})
            elif not data.get("messageid"):
                continue
            elif kind == _REPORT:
                news.receipts.append(_receipt(self._config, call, data))
            elif kind == _RECEIVED:
                news.inbounds.append(_inbound(self._config, call, data))
        return news

    def _check_topic(self, event: Mapping[str, Any]) -> None:
        topic = words(event.get("topic") or event.get("source"))
        if self._topic and topic.strip("/").lower() != self._topic:
            raise CallRefusedError(f"an event of {topic[:300]!r}, which is not the topic")


def _receipt(config: CarrierConfig, call: Call, data: Mapping[str, Any]) -> Receipt:
    word, details = words(data.get("deliverystatus")), words(data.get("deliverystatusdetails"))
    code = _code(details)
    told = receipt(
        config,
        call,
        words(data["messageid"]),
        _state(word, code),
        error=code if word != "Delivered" else "",
        error_class=FAULTS.get(code, ""),
        sender=e164(data.get("to")),
        recipient=e164(data.get("from")),
        word=word,
        message_id=from_hex(data.get("tag")),
    )
    told.raw = orjson.dumps(data).decode()
    return told


def _code(details: str) -> str:
    found = _CODE.search(details)
    return found[0] if found else ""


def _state(word: str, code: str) -> ReceiptState:
    if word == "Delivered":
        return ReceiptState.DELIVERED
    if word != "Failed":
        return ReceiptState.NONE
    return STATES.get(code, ReceiptState.UNDELIVERABLE)


def _inbound(config: CarrierConfig, call: Call, data: Mapping[str, Any]) -> Inbound:
    return inbound(
        config,
        call,
        words(data["messageid"]),
        text_fragment(words(data.get("message"))),
        sender=e164(data.get("from")),
        recipient=e164(data.get("to")),
    )


def _allowed(call: Call) -> Reply:
    """What CloudEvents asks of a webhook before it sends any (HTTP Web Hooks, 4.2)."""
    origin = call.headers.get("webhook-request-origin", "")
    if not origin:
        raise CallRefusedError("no WebHook-Request-Origin", 400)
    return Reply(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})


def _json_reply(given: Mapping[str, str]) -> Reply:
    return Reply(body=orjson.dumps(given), content_type="application/json")
