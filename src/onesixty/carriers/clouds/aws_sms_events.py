"""What AWS End User Messaging tells through SNS topics: events of messages, and replies."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from onesixty.carriers.clouds.aws_sns_logs import network
from onesixty.carriers.clouds.sns_envelope import Envelopes, fetch_once
from onesixty.carriers.contract import (
    Call,
    CarrierConfig,
    Inbound,
    News,
    Price,
    Receipt,
    ReceiptState,
)
from onesixty.carriers.http.calls import (
    e164,
    faults,
    inbound,
    object_of,
    receipt,
    text_fragment,
    words,
)
from onesixty.carriers.http.dialect import Ask
from onesixty.kit.ids import from_hex

CONTEXT_KEY: Final = "onesixty_message"
# By `messageStatus`. RCS has words of its own; we send none, but a pool with an RCS agent may.
STATES: Final[Mapping[str, ReceiptState]] = {
    "QUEUED": ReceiptState.ENROUTE,
    "PENDING": ReceiptState.ENROUTE,
    "SENT": ReceiptState.ENROUTE,
    "SUCCESSFUL": ReceiptState.ENROUTE,  # but see `_state`
    "FALLEN_BACK_TO_SMS": ReceiptState.ENROUTE,
    "DELIVERED": ReceiptState.DELIVERED,
    "READ": ReceiptState.READ,
    "INVALID": ReceiptState.UNDELIVERABLE,
    "UNREACHABLE": ReceiptState.UNDELIVERABLE,
    "CARRIER_UNREACHABLE": ReceiptState.UNDELIVERABLE,
    "FAILED": ReceiptState.UNDELIVERABLE,
    "BLOCKED": ReceiptState.REJECTED,
    "CARRIER_BLOCKED": ReceiptState.REJECTED,
    "SPAM": ReceiptState.REJECTED,
    "PROTECT_BLOCKED": ReceiptState.REJECTED,
    "INVALID_MESSAGE": ReceiptState.REJECTED,
    "FILE_INACCESSIBLE": ReceiptState.REJECTED,
    "FILE_TYPE_UNSUPPORTED": ReceiptState.REJECTED,
    "FILE_SIZE_EXCEEDED": ReceiptState.REJECTED,
    "TTL_EXPIRED": ReceiptState.EXPIRED,
    "UNKNOWN": ReceiptState.UNKNOWN,
}
FAULTS: Final = faults(
    recipient="INVALID UNREACHABLE BLOCKED",
    content="SPAM INVALID_MESSAGE FILE_INACCESSIBLE FILE_TYPE_UNSUPPORTED FILE_SIZE_EXCEEDED",
    config="PROTECT_BLOCKED CARRIER_BLOCKED",
    carrier="CARRIER_UNREACHABLE FAILED",
)
_PREFIXES: Final = ("TEXT_", "MEDIA_", "RCS_")
_FAILED: Final = frozenset(
    {ReceiptState.UNDELIVERABLE, ReceiptState.REJECTED, ReceiptState.EXPIRED, ReceiptState.UNKNOWN}
)


class AwsSmsCalls:
    """Reads envelopes of SNS; which of our URLs a topic has makes no difference."""

    def __init__(self, config: CarrierConfig, fetch: Ask = fetch_once) -> None:
        self._config = config
        self._envelopes = Envelopes(config, fetch)

    async def read(self, call: Call) -> News:
        """At most one receipt or inbound message; other events tell nothing."""
        given, news = await self._envelopes.open(call)
        message = object_of(given)
        if "inboundMessageId" in message:
            news.inbounds.append(_inbound(self._config, call, message))
        elif message.get("messageId") and "eventType" in message:
            news.receipts.append(_receipt(self._config, call, message))
        return news


def _receipt(config: CarrierConfig, call: Call, event: Mapping[str, Any]) -> Receipt:
    word = _word(event)
    state = _state(word, event)
    told = receipt(
        config,
        call,
        words(event["messageId"]),
        state,
        error=word if state in _FAILED else "",
        error_class=FAULTS.get(word, ""),
        sender=e164(event.get("destinationPhoneNumber")),
        recipient=e164(event.get("originationPhoneNumber")),
        word=word,
        message_id=from_hex(object_of(event.get("context")).get(CONTEXT_KEY)),
        price=_price(event),
        network=network(event.get("mcc"), event.get("mnc")),
    )
    told.raw = orjson.dumps(event).decode()
    return told


def _word(event: Mapping[str, Any]) -> str:
    """The status: by itself, or what the type of the event says after its channel."""
    told = words(event.get("messageStatus"))
    kind = words(event["eventType"])
    for prefix in _PREFIXES:
        kind = kind.removeprefix(prefix)
    return told if told in STATES else kind if kind in STATES else told or kind


def _state(word: str, event: Mapping[str, Any]) -> ReceiptState:
    """SUCCESSFUL is the best that some countries tell: it stands for delivered if it is final."""
    if word == "SUCCESSFUL" and event.get("isFinal") is True:
        return ReceiptState.DELIVERED
    return STATES.get(word, ReceiptState.NONE)


def _price(event: Mapping[str, Any]) -> Price | None:
    """AWS's price and the carrier's fee, in US dollars."""
    price = Price.of(event.get("totalMessagePrice"), "USD")
    fee = Price.of(event.get("totalCarrierFee"), "USD")
    if price is None or fee is None:
        return price or fee
    return Price(price.micros + fee.micros, "USD")


def _inbound(config: CarrierConfig, call: Call, message: Mapping[str, Any]) -> Inbound:
    return inbound(
        config,
        call,
        words(message["inboundMessageId"]),
        text_fragment(words(message.get("messageBody"))),
        sender=e164(message.get("originationNumber")),
        recipient=e164(message.get("destinationNumber")),
    )
