"""All rooms of the walk at once, in two processes, with seeded trouble: what must hold holds."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState, Submission
from onesixty.kit.chance import Chance, chance
from onesixty.messages.dispatch import ends
from onesixty.messages.states import FINAL, SHOWN_AS, Status
from onesixty.messages.types import Category, Message, SendRequest

from .scripted import PATIENCE_SECONDS, ScriptedCarrier, name_of
from .walk import NUMBER, Walk

MESSAGES, ROUNDS = 120, 25
FINAL_RECEIPTS = [ReceiptState.DELIVERED] * 4 + [ReceiptState.UNDELIVERABLE, ReceiptState.EXPIRED]


async def send(walk: Walk, luck: Chance) -> list[Message]:
    """Some messages, of all kinds."""
    later = walk.clock.now() if luck.random() < 0.8 else None
    requests = [
        SendRequest(
            f"{NUMBER[:-2]}{luck.randrange(10, 100)}",
            f"{luck.random()} " + "x" * luck.choice([0, 0, 300]),
            category=luck.choice(list(Category)),
            validity_seconds=luck.choice([30, 86_400]),
            send_at=later,
        )
        for _ in range(luck.randrange(1, 12))
    ]
    if luck.random() < 0.5:
        return await walk.send_many(requests)
    taken = await asyncio.gather(
        *(walk.acceptor.accept(request, walk.caller()) for request in requests)
    )
    return [one for one in taken if isinstance(one, Message)]


def answer(carrier: ScriptedCarrier, one: Submission, luck: Chance) -> None:
    """One of all the things that a carrier may say."""
    missing = [n for n in range(1, one.segments + 1) if n not in one.accepted]
    what = luck.random()
    if not missing or what < 0.5:
        if luck.random() < 0.3:  # the receipt is faster
            carrier.receipt(one, luck.choice(FINAL_RECEIPTS), part=missing[0] if missing else 1)
        carrier.accept(one)
    elif what < 0.6:
        carrier.refuse(one, luck.choice([ErrorClass.RECIPIENT, ErrorClass.CARRIER]))
    elif what < 0.7:
        carrier.throttle(one)
    elif what < 0.8:
        kinds = {n: luck.choice([OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED]) for n in missing}
        kinds[missing[-1]] = OutcomeKind.DEFERRED
        carrier.answer(one, OutcomeKind.DEFERRED, parts=kinds, error_class=ErrorClass.CARRIER)
    else:
        carrier.leave_unknown(one)
        carrier.given_up.append(one)
        if luck.random() < 0.3:
            answer_late(carrier, luck)


def answer_late(carrier: ScriptedCarrier, luck: Chance) -> None:
    """The answer to one of those that were given up, whatever became of its message since."""
    one = carrier.given_up.pop(luck.randrange(len(carrier.given_up)))
    carrier.answer(
        one,
        luck.choice([OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED, OutcomeKind.REFUSED]),
        error_class=ErrorClass.CARRIER,
    )


def tell(carrier: ScriptedCarrier, luck: Chance) -> None:
    """Receipts for some of what was ever taken, new or not, right or not, in any number."""
    some = luck.sample(carrier.taken, min(len(carrier.taken), 8))
    carrier.bring(
        *(
            carrier.made_receipt(
                one,
                luck.choice([*FINAL_RECEIPTS, ReceiptState.ENROUTE]),
                name_of(one, luck.randrange(1, one.segments + 1)),
            )
            for one in some
            for _ in range(luck.choice([1, 1, 2]))
        )
    )


async def trouble(walk: Walk, messages: list[Message], luck: Chance) -> None:
    """What may happen in a process at any moment."""
    carrier = walk.carrier
    for _ in range(ROUNDS):
        if len(messages) < MESSAGES:
            messages += await send(walk, luck)
        for one in luck.sample(carrier.unanswered(), luck.randint(0, len(carrier.unanswered()))):
            answer(carrier, one, luck)
        if luck.random() < 0.5:
            tell(carrier, luck)
        if luck.random() < 0.3:
            async with walk.database.write() as tx:
                some = [one.id for one in luck.sample(messages, min(len(messages), 5))]
                await ends.cancel(tx, walk.account, some, walk.clock.now())
        if luck.random() < 0.2:
            carrier.turn(up=not carrier.up)
        if carrier.given_up and luck.random() < 0.3:
            answer_late(carrier, luck)
        await asyncio.gather(
            walk.claim(),
            walk.reconciler.run_once(),
            walk.sweeper.run_once(),
            ends.expire(walk.database, walk.clock.now()),
        )
        await walk.clock.advance(luck.choice([0, 1, 5, 20]))


async def go_on(*living: Walk) -> None:
    """One round in which every carrier takes everything."""
    for walk in living:
        walk.carrier.turn(up=True)
        await walk.claim()
        walk.carrier.accept(*walk.carrier.unanswered())
        await walk.settled()
        await walk.reconciler.run_once()
        await walk.swept()


async def come_to_rest(*living: Walk) -> None:
    """Every carrier takes everything from now on."""
    first = living[0]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await first.count("queue") or await first.count("leases"):
            await go_on(*living)
            await first.clock.advance(700)
            await ends.expire(first.database, first.clock.now())
    for walk in living:
        await walk.received()


async def come_to_end(*living: Walk) -> None:
    """Time goes by, and no carrier says anything more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(30):
            await living[0].clock.advance(3600)
            await go_on(*living)


async def check(walk: Walk, messages: list[Message], taken: set[UUID]) -> None:
    """What must hold of every message at any moment at which nothing is under way."""
    rows = await walk.database.fetch("SELECT * FROM messages")
    assert {row["id"] for row in rows} == {message.id for message in messages}
    open_ones = {Status.SCHEDULED, Status.QUEUED, Status.SENDING, Status.RESENDING}
    assert not [row["id"] for row in rows if row["status"] in open_ones]
    for row in rows:
        events = await walk.database.fetch(
            "SELECT type, sequence FROM events WHERE message_id = $1 ORDER BY sequence", row["id"]
        )
        assert [event["sequence"] for event in events] == list(range(1, row["sequence"] + 1))
        status = Status(row["status"])
        assert events[-1]["type"] == SHOWN_AS.get(status, status)
        tries = await walk.database.fetch(
            "SELECT part, outcome, receipt_state FROM submissions WHERE message_id = $1", row["id"]
        )
        known = {one["part"] for one in tries if one["outcome"] == 1 or one["receipt_state"]}
        arrived = {one["part"] for one in tries if one["receipt_state"] == 2}
        # A carrier may say no at last of what it had told more of; but for a delivery, the answer
        # is believed.
        believed = [one for one in tries if one["outcome"] in (1, 4)]
        has = {one["part"] for one in believed if one["outcome"] == 1 or one["receipt_state"]}
        given_up = [one["part"] for one in tries if one["outcome"] == 4]
        if status is Status.CANCELED:
            assert (row["segments"], 1) not in {(one["part"], one["outcome"]) for one in tries}
        if status in (Status.SENT, Status.DELIVERED):
            assert row["id"] in taken
            assert len(known) == row["segments"]
        if status is Status.DELIVERED:
            assert len(arrived) == row["segments"]
        if status is Status.FAILED:  # it is sure that it was not sent
            assert len(has) < row["segments"]
            assert not [one for one in tries if one["outcome"] == 4 and not one["receipt_state"]]
        if len({one["part"] for one in believed if one["receipt_state"] == 2}) == row["segments"]:
            assert status is Status.DELIVERED
        # No part was risked more than twice, and none twice without being marked.
        risks = Counter(one["part"] for one in believed)
        assert max(risks.values(), default=0) <= 1 + row["possible_duplicate"]
        assert not (row["possible_duplicate"] and row["category"] == Category.MARKETING)
        assert len(given_up) <= 2 * row["segments"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dies", [False, True])
async def test_what_must_hold_holds(walk: Walk, seed: int, dies: bool) -> None:
    """No message is lost or stuck, none is sent while it was cancelled, each status was told."""
    luck = chance(seed)
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await other.lane(walk.carrier.number)
    messages: list[Message] = []
    living = [walk] if dies else [walk, other]
    with capture_logs() as logs:
        await asyncio.gather(
            trouble(walk, messages, luck), trouble(other, messages, chance(seed + 100))
        )
        await other.settled()
        await other.received()
        if dies:
            for lane in other.dispatcher.lanes.values():
                await lane.loop.stop()
            await other.node._connection.close()
        await walk.clock.advance(10)
        await come_to_rest(*living)
        taken = {one.message_id for each in (walk, other) for one in each.carrier.taken}
        await check(walk, messages, taken)
        await come_to_end(*living)
    failures = [entry for entry in logs if entry["event"] in ("loop.failed", "batch.failed")]
    assert failures == []

    taken = {one.message_id for each in (walk, other) for one in each.carrier.taken}
    await check(walk, messages, taken)
    statuses = {row["status"] for row in await walk.database.fetch("SELECT status FROM messages")}
    assert statuses <= FINAL
    assert [await walk.count(table) for table in ("queue", "leases", "doubts")] == [0, 0, 0]
    for each in living:
        lane = each.lane_of(each.carrier)
        assert (lane._held, lane._segments_out, len(each.leases)) == (0, 0, 0)
        assert all(each.carrier.acknowledged)
    await other.close()
