"""What calls tell is made storable before it reaches the rooms."""

from typing import Any

from carriers.aggregators.wire import NOW
from onesixty.carriers.contract import Inbound, News, Receipt, ReceiptState, ignored
from onesixty.kit.clock import ManualClock
from onesixty.messages.receive.intake import Intake
from onesixty.records.snapshot import CarrierRecord
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment
from onesixty.storage.database import Database

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
