"""What Amazon SNS logs of the messages that it published to phones: the only news of delivery.

The logs are in CloudWatch Logs, from where they come here as they are (one JSON object a line),
inside CloudWatch's own wrapping, inside that of Data Firehose, or through an SNS topic.
"""

import zlib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from onesixty.carriers.clouds.sns_envelope import Envelopes, fetch_once
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    News,
    Price,
    Receipt,
    ReceiptState,
    Reply,
)
from onesixty.carriers.http.calls import e164, json_of, object_of, objects, receipt, words
from onesixty.carriers.http.dialect import Ask

_UNPACKED_OCTETS_MOST: Final = 16_000_000
_GZIP: Final = 31  # zlib's name for a stream with gzip's header


class AwsSnsCalls:
    """Reads log entries. A plain call is protected by the token in our URL; AWS signs none."""

    def __init__(self, config: CarrierConfig, fetch: Ask = fetch_once) -> None:
        self._config = config
        self._envelopes = Envelopes(config, fetch)

    async def read(self, call: Call) -> News:
        """One receipt for each entry that is about a message to a phone."""
        if "x-amz-sns-message-type" in call.headers:
            message, news = await self._envelopes.open(call)
            entries = _unwrapped(message)
        elif "x-amz-firehose-request-id" in call.headers:
            batch = object_of(json_of(call))
            entries, news = _fired(batch), News(reply=_taken(batch, call))
        else:
            entries, news = _lines(call.body), News()
        for entry in entries:
            if (told := _receipt(self._config, call, entry)) is not None:
                news.receipts.append(told)
        return news


def _lines(body: bytes) -> Iterator[Mapping[str, Any]]:
    """The entries of a body of JSON lines, or of one JSON value over any number of lines."""
    try:
        yield from _unwrapped(orjson.loads(body))
    except orjson.JSONDecodeError:
        for line in body.splitlines():
            if line.strip():
                yield from _unwrapped(_json(line))


def _unwrapped(given: object) -> Iterator[Mapping[str, Any]]:
    """Entries, alone or in a list, as they are or as CloudWatch Logs hands them on."""
    for one in objects(given if isinstance(given, list) else [given]):
        if "logEvents" in one:
            for event in objects(one["logEvents"]):
                yield object_of(_json(words(event.get("message")).encode()))
        else:
            yield one


def _fired(batch: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries of a batch of Data Firehose, whose records CloudWatch Logs has compressed."""
    left = _UNPACKED_OCTETS_MOST
    for record in objects(batch.get("records")):
        try:
            octets = b64decode(words(record.get("data")), validate=True)
            if octets[:2] == b"\x1f\x8b":
                octets = zlib.decompressobj(_GZIP).decompress(octets, left)
        except (ValueError, zlib.error):
            raise CallRefusedError("a record cannot be unpacked", 400) from None
        left -= len(octets)
        if left <= 0:
            raise CallRefusedError("the records are too large", 400)
        yield from _lines(octets)


def _taken(batch: Mapping[str, Any], call: Call) -> Reply:
    """The answer that Data Firehose waits for: the number of its request, and a time."""
    body = orjson.dumps(
        {
            "requestId": words(batch.get("requestId")),
            "timestamp": int(call.received_at.timestamp() * 1000),
        }
    )
    return Reply(body=body, content_type="application/json")


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise CallRefusedError("a line is not JSON", 400) from None


def _receipt(config: CarrierConfig, call: Call, entry: Mapping[str, Any]) -> Receipt | None:
    """An entry as a receipt; None for what is about no message."""
    identifier = words(object_of(entry.get("notification")).get("messageId"))
    if not identifier:
        return None
    about, status = object_of(entry.get("delivery")), words(entry.get("status"))
    reason = words(about.get("providerResponse"))
    told = receipt(
        config,
        call,
        identifier,
        _state(status, reason),
        error=reason if status == "FAILURE" else "",
        sender=e164(about.get("destination")),
        word=status,
        price=Price.of(about.get("priceInUSD"), "USD"),
        network=network(about.get("mcc"), about.get("mnc")),
    )
    told.raw = orjson.dumps(entry).decode()
    return told


def _state(status: str, reason: str) -> ReceiptState:
    """SUCCESS is said of what an operator took, too; only the words tell a delivery from it."""
    if status == "FAILURE":
        return ReceiptState.UNDELIVERABLE
    if status != "SUCCESS":
        return ReceiptState.NONE
    said = reason.lower()
    on_handset = "accepted by phone" in said and "carrier" not in said
    return ReceiptState.DELIVERED if on_handset or "delivered" in said else ReceiptState.ENROUTE


_LONG_CODES: Final = frozenset({"302", "334", "338", "708", "722", *map(str, range(310, 317))})


def network(mcc: object, mnc: object) -> str:
    """MCC and MNC as one text: AWS writes them as numbers, without the zeros that they begin with.

    Empty when either is missing. MNCs have three digits in some countries, mostly of the Americas.
    """
    country, own = words(mcc), words(mnc)
    if not (country.isdecimal() and own.isdecimal()):
        return ""
    return country + own.zfill(3 if country in _LONG_CODES else 2)
