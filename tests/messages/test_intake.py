"""What calls tell is made storable before it reaches the rooms."""

from dataclasses import replace
from typing import Any

from carriers.aggregators.wire import NOW
from onesixty.carriers.content import Content
from onesixty.carriers.contract import Inbound, News, Price, Receipt, ReceiptState, ignored
from onesixty.kit.manual_clock import ManualClock
from onesixty.messages.receive.intake import Intake
from onesixty.records.snapshot import CarrierRecord
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment
from onesixty.storage.database import Database

from .walk import Walk

LONG = "x" * 10_000


async def test_ids_without_end_do_not_spoil_a_batch(database: Database) -> None:
    """Indexes cannot hold them: a receipt keeps a part of one and matches nothing by it."""
    kept: list[Any] = []

    def store(some: Any) -> None:
        kept.extend(some)
        for one in some:
            one.acknowledge(True)

    receipt = Receipt(
        1, LONG, (LONG, "a\0b"), ReceiptState.DELIVERED, "e\0", "", "", "", LONG, NOW, ignored,
        word=LONG,
    )  # fmt: skip
    inbound = Inbound(
        1, "+15551231234", "12345", Fragment(Encoding.UCS2, b""), NOW, ignored,
        carrier_message_id=LONG,
    )  # fmt: skip
    intake = Intake(database, ManualClock(), store, store)
    record: Any = CarrierRecord  # only notices are told under its name
    assert await intake.take(record, News([receipt], [inbound]))
    first, second = kept
    assert (first.match_keys, first.error) == (("ab",), "e")
    assert (len(first.carrier_message_id), len(first.word), len(first.raw)) == (500, 500, 10_000)
    assert second.carrier_message_id == ""


DEEP: Any = "bottom"
for _ in range(1000):  # more are no JSON to us
    DEEP = [DEEP]
RECEIPTS: list[dict[str, Any]] = [
    {"price": Price(2**63, "EUR")},
    {"price": Price(-1, "EUR")},
    {"price": Price(1, "EUR\0")},
    {"price": Price(1, "x" * 10_000)},
    {"network": "1" * 10_000},
    {"sender": "\ud800", "recipient": "x" * 10_000},
    {"match_keys": ("a\0b", LONG)},
]
INBOUNDS: list[dict[str, Any]] = [
    {"sender": "\0" + LONG, "recipient": "\ud800"},
    {"carrier_message_id": "\ud800"},
    {"channel": "pigeon"},
    {"opt_out": LONG + "\0"},
    {"content": Content(interactive={"deep": DEEP, "\0": 2**70, "nan": float("nan")})},
    {"fragment": Fragment(Encoding.UCS2, b"\0a", total=2**40, sequence=2**39)},
    {"fragment": Fragment(Encoding.UCS2, b"\0a", 2**40, 16, 2, 1)},
    {"fragment": Fragment(Encoding.UCS2, b"\0a", 1, 8, 2, 0)},
    {"fragment": Fragment(Encoding.UCS2, b"\0", 1, 8, 1, 1)},
]


async def test_nothing_that_is_told_holds_up_the_rooms(walk: Walk) -> None:
    """Whatever a provider tells, it is stored with all that came together with it."""
    intake = Intake(walk.database, walk.clock, walk.receiver.put, walk.inbound.put)
    record = walk.keeper.book.carriers[walk.carrier.number]
    now = walk.clock.now()
    receipt = Receipt(
        record.id, "a", ("a",), ReceiptState.DELIVERED, "", "", "", "", "", now, ignored
    )
    inbound = Inbound(
        record.id, "+15551231234", "12345", Fragment(Encoding.UCS2, b"\0a"), now, ignored
    )
    news = News(
        [replace(receipt, **more) for more in RECEIPTS],
        [replace(inbound, **more) for more in INBOUNDS],
        [{"type": "odd", "deep": DEEP, "size": 2**70}],
    )
    assert await intake.take(record, news)
    assert await walk.count("receipts") == len(RECEIPTS)
    assert await walk.ask("SELECT count(cost_micros) FROM receipts") == 0
    assert await walk.count("messages") == len(INBOUNDS)
    assert await walk.ask("SELECT data->'notice'->>'type' FROM events WHERE type = 46") == "odd"
