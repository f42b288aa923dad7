"""All rooms of the walk at once, in two processes, with seeded trouble: what must hold holds."""

import asyncio

import pytest
from structlog.testing import capture_logs

from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState, Submission
from onesixty.kit.chance import Chance, chance
from onesixty.messages.dispatch import ends
from onesixty.messages.states import Status
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
            NUMBER,
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
    if what < 0.5:
        if luck.random() < 0.3:  # the receipt is faster
            carrier.receipt(one, luck.choice(FINAL_RECEIPTS), part=missing[0])
        carrier.accept(one)
    elif what < 0.6:
        carrier.refuse(one, luck.choice([ErrorClass.RECIPIENT, ErrorClass.CARRIER]))
    elif what < 0.7:
        carrier.throttle(one)
    elif what < 0.85:
        kinds = {n: luck.choice([OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED]) for n in missing}
        kinds[missing[-1]] = OutcomeKind.DEFERRED
        carrier.answer(one, OutcomeKind.DEFERRED, parts=kinds, error_class=ErrorClass.CARRIER)
    else:
        carrier.leave_unknown(one)
        if luck.random() < 0.5:
            carrier.answer(
                one,
                luck.choice([OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED, OutcomeKind.REFUSED]),
                error_class=ErrorClass.CARRIER,
            )


def tell(carrier: ScriptedCarrier, luck: Chance) -> None:
    """Receipts for some of what was ever taken, new or not, right or not, in any number."""
    some = luck.sample(carrier.taken, min(len(carrier.taken), 20))
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
        await asyncio.gather(
            walk.claim(), walk.reconciler.run_once(), ends.expire(walk.database, walk.clock.now())
        )
        await walk.clock.advance(luck.choice([0, 1, 5]))


async def come_to_rest(*living: Walk) -> None:
    """Every carrier takes everything from now on."""
    first = living[0]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await first.count("queue") or await first.count("leases"):
            for walk in living:
                walk.carrier.turn(up=True)
                await walk.claim()
                walk.carrier.accept(*walk.carrier.unanswered())
                await walk.settled()
                await walk.reconciler.run_once()
            await first.clock.advance(700)
            await ends.expire(first.database, first.clock.now())
    for walk in living:
        await walk.received()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dies", [False, True])
async def test_what_must_hold_holds(walk: Walk, seed: int, dies: bool) -> None:
    """No message is lost or stuck, none is sent while it was cancelled, each status was told."""
    luck = chance(seed)
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await other.lane(walk.carrier.number)
    messages: list[Message] = []
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
        await come_to_rest(walk, *([] if dies else [other]))
    failures = [entry for entry in logs if entry["event"] in ("loop.failed", "batch.failed")]
    assert failures == []

    rows = await walk.database.fetch("SELECT * FROM messages")
    assert {row["id"] for row in rows} == {message.id for message in messages}
    open_ones = {Status.SCHEDULED, Status.QUEUED, Status.SENDING}
    assert not [row["id"] for row in rows if row["status"] in open_ones]
    taken = {one.message_id for each in (walk, other) for one in each.carrier.taken}
    for row in rows:
        events = await walk.database.fetch(
            "SELECT type, sequence FROM events WHERE message_id = $1 ORDER BY sequence", row["id"]
        )
        assert [event["sequence"] for event in events] == list(range(1, row["sequence"] + 1))
        assert events[-1]["type"] == row["status"]
        if row["status"] == Status.CANCELED:
            never_accepted = await walk.ask(
                "SELECT count(*) FROM submissions WHERE message_id = $1 AND outcome = 1"
                " AND part = $2", row["id"], row["segments"],
            )  # fmt: skip
            assert not never_accepted
        if row["status"] in (Status.SENT, Status.DELIVERED):
            assert row["id"] in taken
            accepted = await walk.ask(
                "SELECT count(DISTINCT part) FROM submissions WHERE message_id = $1"
                " AND (outcome = 1 OR receipt_state <> 0)", row["id"],
            )  # fmt: skip
            assert accepted == row["segments"]
        if row["status"] == Status.DELIVERED:
            arrived = await walk.ask(
                "SELECT count(DISTINCT part) FROM submissions WHERE message_id = $1"
                " AND receipt_state = 2", row["id"],
            )  # fmt: skip
            assert arrived == row["segments"]
    for each in (walk, *([] if dies else [other])):
        lane = each.lane_of(each.carrier)
        assert (lane._held, lane._segments_out, len(each.leases)) == (0, 0, 0)
        assert all(each.carrier.acknowledged)
    await other.close()
