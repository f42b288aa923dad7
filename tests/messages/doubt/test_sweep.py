"""Messages that nobody else brings to their end: their deadlines, and who looks."""

import asyncio
from datetime import timedelta

import pytest

from messages.scripted import ScriptedCarrier, name_of
from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import ReceiptState
from onesixty.messages.doubt.sweep import BEHIND
from onesixty.messages.types import Category

from .steps import DAY, LONG, end, pass_time, sent

DELIVERED, FAILED = ReceiptState.DELIVERED, ReceiptState.UNDELIVERABLE


async def test_no_receipt_ends_a_message(walk: Walk) -> None:
    """A carrier that promised a receipt and sent none: it ends, and says what was known last."""
    message, one = await sent(walk)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    assert (await walk.count("doubts"), await walk.status(message)) == (1, "sent")
    walk.carrier.receipt(one, ReceiptState.ENROUTE)
    await walk.received()
    await end(walk)
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "sent", "expired"]
    assert (row["error_code"], row["error_class"]) == ("no_receipt", "carrier")
    assert row["error_detail"].endswith("last known: enroute")
    assert row["final_at"] == walk.clock.now()
    assert await walk.count("doubts") == 0


@pytest.mark.parametrize(("state", "status"), [(DELIVERED, "delivered"), (FAILED, "undelivered")])
async def test_a_late_receipt_overrules(walk: Walk, state: ReceiptState, status: str) -> None:
    """What the carrier says at last is right, after we had given up too."""
    message, one = await sent(walk)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    await end(walk)
    walk.carrier.receipt(one, state)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "expired", status]
    assert (await walk.row(message))["error_code"] == (
        None if state is DELIVERED else "undelivered"
    )


async def test_delivered_messages_cost_no_row(walk: Walk) -> None:
    """The position passes what has ended without leaving anything."""
    message, one = await sent(walk)
    walk.carrier.receipt(one)
    await walk.received()
    await pass_time(walk, 2 * BEHIND.total_seconds())
    assert (await walk.count("doubts"), await walk.status(message)) == (0, "delivered")


async def test_a_carrier_without_receipts_ends_with_sent(walk: Walk, on_file: OnFile) -> None:
    """Where the carrier is not asked for receipts "sent" is the end."""
    settings = {"host": "127.0.0.1", "system_id": "x", "receipts": False}
    number = await on_file.carrier(walk.account, kind="smpp", settings=settings, name="silent")
    message, _ = await sent(walk)
    await walk.database.fetch("UPDATE messages SET carrier_id = $1", number)
    await pass_time(walk, 2 * BEHIND.total_seconds())
    assert await walk.count("doubts") == 0
    await end(walk)
    assert await walk.status(message) == "sent"


@pytest.mark.parametrize(
    ("is_called", "query", "status"),
    [(True, False, "expired"), (False, False, "sent"), (False, True, "expired")],
)
async def test_a_carrier_that_cannot_call(
    walk: Walk, on_file: OnFile, is_called: bool, query: bool, status: str
) -> None:
    """Where a provider over HTTP has no way to us "sent" is the end too, unless it is asked."""
    settings = {"account_sid": "AC" + "1" * 32, "auth_token": "hush", "query": query}
    number = await on_file.carrier(walk.account, kind="twilio", settings=settings)
    walk.sweeper.is_called = is_called
    message, _ = await sent(walk)
    await walk.database.fetch("UPDATE messages SET carrier_id = $1", number)
    await pass_time(walk, 2 * BEHIND.total_seconds())
    await end(walk)
    assert await walk.status(message) == status


async def test_what_is_sent_late_is_found_too(walk: Walk) -> None:
    """A message that waited long is looked for by when it was sent, not by when it was taken."""
    later = walk.clock.now() + timedelta(days=2)
    message = await walk.send(send_at=later, validity_seconds=3600)
    await pass_time(walk, 2 * DAY)
    walk.carrier.accept(*walk.carrier.unanswered())
    await walk.settled()
    # Ids are of real time: the event is as old as this test says that it is.
    await walk.database.fetch("UPDATE doubts_position SET event_id = $1", message.id)
    await pass_time(walk, 2 * 3600 + 60)
    assert await walk.told(message) == ["sent", "expired"]


async def test_only_one_process_sweeps(walk: Walk) -> None:
    """Two processes that look at once send one message once more, once."""
    await walk.send(category=Category.OTP)
    walk.carrier.leave_unknown(*await walk.carrier.took(1))
    await walk.settled()
    await walk.swept()
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await walk.clock.advance(6)
    await asyncio.gather(walk.sweeper.run_once(), other.sweeper.run_once())
    assert await walk.count("queue") == 1
    await walk.claim()
    assert len(walk.carrier.taken) == 2
    await other.close()


async def test_a_young_event_is_not_passed(walk: Walk) -> None:
    """What is younger than any write may take is left for later."""
    message, _ = await sent(walk)
    await pass_time(walk, BEHIND.total_seconds() - 60)
    assert await walk.count("doubts") == 0
    await pass_time(walk, 120)
    assert await walk.ask("SELECT message_id FROM doubts") == message.id


async def askable(walk: Walk, on_file: OnFile) -> ScriptedCarrier:
    """Make the messages so far those of a carrier that may be asked."""
    settings = {"host": "127.0.0.1", "system_id": "x", "query": True}
    number = await on_file.carrier(walk.account, kind="smpp", settings=settings, name="askable")
    carrier = await walk.lane(number)
    await walk.database.fetch("UPDATE messages SET carrier_id = $1", number)
    await walk.database.fetch("UPDATE submissions SET carrier_id = $1", number)
    return carrier


async def test_the_carrier_is_asked_first(walk: Walk, on_file: OnFile) -> None:
    """Where it may be asked it is, once, for the parts without a final receipt."""
    message, one = await sent(walk, body=LONG)
    walk.carrier.receipt(one, part=2)
    await walk.received()
    carrier = await askable(walk, on_file)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    assert carrier.asked == []
    await pass_time(walk, DAY + 3600 - BEHIND.total_seconds() - 60 - 120)
    assert [each.carrier_message_id for each in carrier.asked] == [name_of(one, 1), name_of(one, 3)]
    await pass_time(walk, 60)
    assert (len(carrier.asked), await walk.status(message)) == (2, "sent")
    for part in (1, 3):
        carrier.receipt(one, part=part)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "delivered"]


async def test_a_carrier_that_is_down_is_asked_when_it_is_up(walk: Walk, on_file: OnFile) -> None:
    """Whoever has a session asks; without one the message ends all the same."""
    message, _ = await sent(walk)
    carrier = await askable(walk, on_file)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    carrier.turn(up=False)
    await pass_time(walk, DAY + 3600 - BEHIND.total_seconds() - 60 - 120)
    assert carrier.asked == []
    carrier.turn(up=True)
    await pass_time(walk, 5)
    assert len(carrier.asked) == 1
    await pass_time(walk, 120)
    assert (await walk.row(message))["error_code"] == "no_receipt"
