"""Receipts: matched, stored as they came, rolled up over parts, acknowledged once durable."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from on_file import OnFile
from onesixty.carriers.contract import OutcomeKind, ReceiptState, Submission
from onesixty.kit import ids
from onesixty.messages.receive import INBOX_MOST
from onesixty.messages.states import Status
from onesixty.messages.types import Message
from onesixty.storage import partitions

from .scripted import name_of
from .walk import Walk, somebody_waits

LONG = "x" * 400  # three segments
ENROUTE, ACCEPTED = ReceiptState.ENROUTE, ReceiptState.ACCEPTED
DELIVERED, READ = ReceiptState.DELIVERED, ReceiptState.READ
EXPIRED, DELETED = ReceiptState.EXPIRED, ReceiptState.DELETED
UNDELIVERABLE, REJECTED = ReceiptState.UNDELIVERABLE, ReceiptState.REJECTED


async def sent(walk: Walk, body: str = "hello", **more: Any) -> tuple[Message, Submission]:
    """A message that its carrier has accepted."""
    before = len(walk.carrier.taken)
    message = await walk.send(body, **more)
    one = (await walk.carrier.took(before + 1))[before]
    walk.carrier.accept(one)
    await walk.settled()
    return message, one


async def test_delivered(walk: Walk) -> None:
    """A receipt of the delivery makes a message delivered; the receipt is kept as it came."""
    message, one = await sent(walk)
    await walk.clock.advance(2)
    walk.carrier.receipt(one)
    await walk.received()
    row = await walk.row(message)
    assert row["delivered_at"] == row["final_at"] == walk.clock.now()
    assert row["error_code"] is None
    assert await walk.told(message) == ["queued", "sent", "delivered"]
    (part,) = await walk.parts(message)
    assert (part["receipt_state"], part["receipt_at"]) == (DELIVERED, walk.clock.now())
    kept = await walk.ask("SELECT raw FROM receipts WHERE message_id = $1 AND part = 1", message.id)
    assert kept == f"id:{name_of(one)} stat:DELIVERED err: text:hello"
    assert walk.carrier.acknowledged == [True]


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (UNDELIVERABLE, "undelivered", "undelivered"),
        (REJECTED, "undelivered", "rejected_at_carrier"),
        (DELETED, "undelivered", "deleted_at_carrier"),
        (EXPIRED, "expired", "expired_at_carrier"),
    ],
)
async def test_not_delivered(walk: Walk, state: ReceiptState, status: str, code: str) -> None:
    """A receipt of a failure is final, and shows the carrier's own code."""
    message, one = await sent(walk)
    walk.carrier.receipt(one, state, error="042")
    await walk.received()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "sent", status]
    assert (row["error_code"], row["carrier_code"]) == (code, "042")
    assert row["final_at"] == walk.clock.now()
    assert row["delivered_at"] is None


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([ENROUTE, DELIVERED], ["delivered"]),
        ([DELIVERED, ENROUTE], ["delivered"]),
        ([ACCEPTED, ENROUTE], []),
        ([ReceiptState.UNKNOWN, DELIVERED], ["delivered"]),
        ([DELIVERED, DELIVERED], ["delivered"]),
        ([DELIVERED, UNDELIVERABLE], ["delivered"]),
        ([UNDELIVERABLE, DELIVERED], ["undelivered", "delivered"]),
        ([EXPIRED, DELIVERED], ["expired", "delivered"]),
        ([UNDELIVERABLE, EXPIRED], ["undelivered"]),
        ([UNDELIVERABLE, ENROUTE, UNDELIVERABLE], ["undelivered"]),
        ([DELIVERED, READ, DELIVERED], ["delivered", "read"]),
    ],
)
async def test_receipts_of_one_message(
    walk: Walk, states: list[ReceiptState], told: list[str], together: bool
) -> None:
    """The first final receipt counts, an arrival overrules it, all others do nothing."""
    message, one = await sent(walk)
    if together:
        walk.carrier.bring(
            *(walk.carrier.made_receipt(one, state, name_of(one)) for state in states)
        )
        told = told[-1:]
    for state in () if together else states:
        walk.carrier.receipt(one, state)
        await walk.received()
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", *told]
    assert await walk.status(message) == (told or ["sent"])[-1]
    assert await walk.count("receipts") == len(states)
    assert walk.carrier.acknowledged == [True] * len(states)
    row = await walk.row(message)
    assert (row["delivered_at"] is not None) is bool({"delivered", "read"} & set(told))
    assert (row["error_code"] is None) is (row["delivered_at"] is not None or not told)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize(
    ("states", "status", "code"),
    [
        ((DELIVERED, DELIVERED, DELIVERED), "delivered", None),
        ((UNDELIVERABLE, DELIVERED, DELIVERED), "undelivered", "partially_delivered"),
        ((DELIVERED, DELIVERED, EXPIRED), "undelivered", "partially_delivered"),
        ((UNDELIVERABLE, UNDELIVERABLE, UNDELIVERABLE), "undelivered", "undelivered"),
        ((EXPIRED, EXPIRED, EXPIRED), "expired", "expired_at_carrier"),
        ((READ, READ, READ), "read", None),
    ],
)
async def test_a_long_message_is_the_sum_of_its_parts(
    walk: Walk,
    states: tuple[ReceiptState, ...],
    status: str,
    code: str | None,
    order: tuple[int, ...],
    together: bool,
) -> None:
    """With the last receipt of its parts, in any order, a long message ends as they say."""
    message, one = await sent(walk, LONG)
    receipts = [
        walk.carrier.made_receipt(
            one, states[part - 1], name_of(one, part),
            "000" if states[part - 1] in (DELIVERED, READ) else "042",
        )
        for part in order
    ]  # fmt: skip
    if together:
        walk.carrier.bring(*receipts)
    for receipt in () if together else receipts:
        assert await walk.status(message) == "sent"
        walk.carrier.bring(receipt)
        await walk.received()
    await walk.received()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "sent", status]
    assert (row["error_code"], row["carrier_code"]) == (code, "042" if code else None)


async def test_a_part_without_receipt_keeps_the_message_open(walk: Walk) -> None:
    """A failed part is not the end while another is open; with it the message ends."""
    message, one = await sent(walk, LONG)
    walk.carrier.receipt(one, UNDELIVERABLE, part=1)
    walk.carrier.receipt(one, ENROUTE, part=2)
    walk.carrier.receipt(one, DELIVERED, part=3)
    await walk.received()
    assert await walk.status(message) == "sent"
    walk.carrier.receipt(one, DELIVERED, part=2)
    await walk.received()
    assert await walk.status(message) == "undelivered"
    walk.carrier.receipt(one, DELIVERED, part=1)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "undelivered", "delivered"]
    assert (await walk.row(message))["error_code"] is None


async def test_parts_of_several_attempts_are_one_message(walk: Walk) -> None:
    """Parts that went out in different attempts roll up together."""
    message = await walk.send(LONG)
    (one,) = await walk.carrier.took(1)
    deferred = OutcomeKind.DEFERRED
    parts = {1: OutcomeKind.ACCEPTED, 2: deferred, 3: deferred}
    walk.carrier.answer(one, deferred, parts=parts, retry_after_seconds=1.0)
    await walk.settled()
    walk.carrier.receipt(one, part=1)  # before the rest is sent
    await walk.received()
    assert await walk.status(message) == "queued"
    await walk.clock.advance(1)
    await walk.claim()
    again = walk.carrier.taken[-1]
    walk.carrier.accept(again)
    await walk.settled()
    for part in (2, 3):
        assert await walk.status(message) == "sent"
        walk.carrier.receipt(again, part=part)
        await walk.received()
    assert await walk.status(message) == "delivered"


async def test_many_messages_in_one_batch(walk: Walk) -> None:
    """Receipts of many messages that come together each find theirs."""
    messages = await asyncio.gather(*(walk.send(f"{n}") for n in range(50)))
    taken = await walk.carrier.took(50)
    walk.carrier.accept(*taken)
    states = {one.message_id: (DELIVERED, UNDELIVERABLE)[n % 2] for n, one in enumerate(taken)}
    walk.carrier.bring(
        *(walk.carrier.made_receipt(one, states[one.message_id], name_of(one)) for one in taken)
    )
    await walk.received()
    for message in messages:
        expected = "delivered" if states[message.id] is DELIVERED else "undelivered"
        assert await walk.status(message) == expected


async def test_the_second_key_finds_what_the_first_does_not(walk: Walk) -> None:
    """A receipt with two candidate ids is matched by whichever is known, the first one first."""
    message, one = await sent(walk)
    other, two = await sent(walk)
    receipt = walk.carrier.made_receipt(one, DELIVERED, "some other id")
    receipt.match_keys = ("some other id", name_of(one))
    both = walk.carrier.made_receipt(two, UNDELIVERABLE, name_of(two))
    both.match_keys = (name_of(two), name_of(one))
    walk.carrier.bring(receipt, both)
    await walk.received()
    assert (await walk.status(message), await walk.status(other)) == ("delivered", "undelivered")


async def test_ids_belong_to_their_carrier(walk: Walk, on_file: OnFile) -> None:
    """The same id from another carrier is another message's."""
    message, one = await sent(walk)
    stranger = await walk.lane(await on_file.carrier(walk.account))
    stranger.receipt(one)
    await walk.received()
    assert await walk.status(message) == "sent"
    assert await walk.ask("SELECT count(*) FROM receipts WHERE message_id IS NULL") == 1


async def test_what_is_not_known_is_parked(walk: Walk) -> None:
    """A receipt for nothing we know is stored, acknowledged, and left for the reconciler."""
    _, one = await sent(walk)
    looks: list[bool] = []
    walk.receiver.parked = lambda: looks.append(True)
    walk.carrier.receipt(one, name="never seen")
    walk.carrier.receipt(one, name="")
    await walk.received()
    assert walk.carrier.acknowledged == [True, True]
    parked = await walk.ask("SELECT array_agg(match_key ORDER BY id) FROM receipts"
                            " WHERE message_id IS NULL AND account_id IS NULL")  # fmt: skip
    assert parked == ["never seen", ""]
    assert looks


async def test_a_receipt_waits_for_the_answers_before_it(walk: Walk) -> None:
    """A receipt that comes right behind its answer finds the submission."""
    message = await walk.send()
    (one,) = await walk.carrier.took(1)
    walk.carrier.accept(one)
    walk.carrier.receipt(one)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "delivered"]


async def test_nothing_is_acknowledged_before_it_is_stored(walk: Walk) -> None:
    """While the database does not commit, the carrier hears nothing."""
    _, one = await sent(walk)
    async with walk.database.write() as tx:
        await tx.execute("LOCK receipts")
        walk.carrier.receipt(one)
        await somebody_waits(tx)
        assert walk.carrier.acknowledged == []
    await walk.received()
    assert walk.carrier.acknowledged == [True]


async def test_beyond_the_inbox_the_carrier_is_asked_to_come_again(walk: Walk) -> None:
    """When too many wait, further receipts are not taken, and the carrier is told so."""
    _, one = await sent(walk)
    receipt = walk.carrier.made_receipt(one, DELIVERED, name_of(one))
    walk.receiver.put([receipt] * INBOX_MOST)
    walk.receiver.put([receipt] * 3)
    assert walk.carrier.acknowledged == [False] * 3
    await walk.receiver.gatherer.stop()


async def test_a_delivery_is_told_to_the_callback(walk: Walk) -> None:
    """The outbox row for the callback URL is written with the change."""
    message, one = await sent(walk, callback_url="http://127.0.0.1/")
    walk.carrier.receipt(one)
    await walk.received()
    types = await walk.ask(
        "SELECT array_agg(e.type ORDER BY e.sequence) FROM webhook_queue q"
        " JOIN events e ON e.id = q.event_id WHERE e.message_id = $1 AND q.endpoint_id = 0",
        message.id,
    )
    assert types == [5, 6]
    assert "Receiver" in walk.hooks


@pytest.mark.parametrize("days", [1, 20, 300])
async def test_a_message_that_was_scheduled_long_ago(walk: Walk, days: int) -> None:
    """The receipt of a message that had waited for its time finds it, however long that was."""
    message, one = await sent(walk)
    made = int((walk.clock.now() - timedelta(days=days)).timestamp() * 1000)
    old = ids.uuid7(made)
    async with walk.database.write() as tx:
        await partitions.ensure(tx, ids.time_of(old))
        await tx.execute("UPDATE messages SET id = $1 WHERE id = $2", old, message.id)
        await tx.execute("UPDATE submissions SET message_id = $1", old)
    walk.carrier.receipt(one)
    await walk.received()
    assert await walk.ask("SELECT status FROM messages WHERE id = $1", old) == Status.DELIVERED


async def test_it_may_come_over_another_carrier_of_the_same_account(
    walk: Walk, on_file: OnFile
) -> None:
    """Carriers that are one account at the SMSC share their receipts; others do not."""
    message, one = await sent(walk)
    other = await walk.lane(await on_file.carrier(walk.account))
    other.receipt(one)
    await walk.received()
    assert await walk.status(message) == "sent"
    walk.receiver.one_account = lambda: {other.number: [walk.carrier.number]}
    other.receipt(one)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "delivered"]


async def test_its_own_carrier_goes_first(walk: Walk, on_file: OnFile) -> None:
    """Of two carriers that gave the same id, the one that it came over is meant."""
    other = await walk.lane(await on_file.carrier(walk.account))
    pair = {walk.carrier.number: [other.number], other.number: [walk.carrier.number]}
    walk.receiver.one_account = lambda: pair
    message, one = await sent(walk)
    newer, _ = await sent(walk)
    await walk.database.fetch(
        "UPDATE submissions SET carrier_id = $1, match_key = $2 WHERE message_id = $3",
        other.number, name_of(one), newer.id,
    )  # fmt: skip
    walk.carrier.receipt(one)
    await walk.received()
    assert await walk.status(message) == "delivered"
    assert await walk.status(newer) == "sent"
    other.receipt(one)
    await walk.received()
    assert await walk.status(newer) == "delivered"


async def test_two_processes_may_hear_different_things(walk: Walk) -> None:
    """That a part arrived stands, whichever of two processes writes last."""
    message, one = await sent(walk)
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    elsewhere = await other.lane(walk.carrier.number)
    async with walk.database.write() as tx:
        await tx.execute("SELECT FROM messages FOR UPDATE")
        walk.carrier.receipt(one, DELIVERED)
        await somebody_waits(tx)
        elsewhere.bring(elsewhere.made_receipt(one, UNDELIVERABLE, name_of(one)))
        await somebody_waits(tx, 2)
    await walk.received()
    await other.received()
    assert await walk.status(message) == "delivered"
    assert [part["receipt_state"] for part in await walk.parts(message)] == [DELIVERED]
    await other.close()


async def test_whose_fault_it_is(walk: Walk) -> None:
    """Where the carrier's code tells whose fault a failure is, the message says so."""
    message, one = await sent(walk)
    made = walk.carrier.made_receipt(one, UNDELIVERABLE, name_of(one), "30007")
    walk.carrier.bring(replace(made, error_class="content"))
    await walk.received()
    row = await walk.row(message)
    assert (row["error_class"], row["carrier_code"]) == ("content", "30007")
