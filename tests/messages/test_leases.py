"""Leases: what a dead process held is uncertain, what a live one holds is its own."""

import asyncio
from typing import Any

import asyncpg
import pytest

from onesixty.carriers.contract import OutcomeKind
from onesixty.kit import ids
from onesixty.messages import leases, store
from onesixty.messages.leases import LeaseBook
from onesixty.messages.types import SendRequest
from onesixty.nodes.node import Node

from .walk import NUMBER, Walk

LONG = "x" * 400  # three segments


async def die(walk: Walk) -> None:
    """End a process without a word: its connection is gone, its leases are not."""
    await walk.node._connection.close()


async def born(walk: Walk) -> Walk:
    """Another process on the same database, with a carrier of its own."""
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await other.lane(walk.carrier.number)
    return other


async def rescue(walk: Walk) -> int:
    """Look for dead processes."""
    return await leases.rescue(walk.database, walk.node.number, walk.clock.now())


def test_a_lease_is_closed_with_its_last_message() -> None:
    """The book names a lease for deletion when all its messages have ended, until it is deleted."""
    book = LeaseBook()
    one, two = ids.uuid7(), ids.uuid7()
    book.open(one, 2)
    book.open(two, 1)
    assert book.close([one]) == []
    assert book.close([two]) == [two]
    assert set(book.known()) == {one, two}
    assert set(book.close([one, one])) == {one, two}
    book.forget([one, two])
    assert (book.known(), len(book)) == ([], 0)


async def test_what_a_dead_process_held_is_uncertain(walk: Walk) -> None:
    """Messages in the hands of a process that died may have been sent: they are uncertain."""
    other = await born(walk)
    messages = [await other.send(body, callback_url="http://127.0.0.1/") for body in ("a", LONG)]
    await die(other)
    assert await rescue(walk) == 2
    assert await rescue(walk) == 0
    for message, parts in zip(messages, ([1], [1, 2, 3]), strict=True):
        assert await walk.told(message) == ["queued", "uncertain"]
        assert (await walk.row(message))["attempts"] == 1
        found = [(part["part"], part["outcome"]) for part in await walk.parts(message)]
        assert found == [(part, OutcomeKind.UNKNOWN) for part in parts]
    assert (await walk.count("leases"), await walk.count("nodes")) == (0, 1)
    assert await walk.ask("SELECT count(*) FROM webhook_queue WHERE endpoint_id = 0") == 2
    await other.close()


async def test_a_live_process_keeps_its_leases(walk: Walk) -> None:
    """As long as its connection stands nobody touches what a process holds."""
    other = await born(walk)
    message = await other.send()
    assert await rescue(walk) == 0
    assert await walk.status(message) == "sending"
    other.carrier.accept(*other.carrier.taken)
    await other.settled()
    assert await walk.status(message) == "sent"
    await other.close()
    assert await walk.count("nodes") == 1


async def test_nobody_rescues_himself(walk: Walk) -> None:
    """A process whose lock is gone for a moment does not take its own messages for lost."""
    message = await walk.send()
    await die(walk)
    assert await rescue(walk) == 0
    assert await walk.status(message) == "sending"


async def test_what_was_answered_before_the_death_stays(walk: Walk) -> None:
    """Of a lease only the messages without an outcome become uncertain."""
    other = await born(walk)
    sent, lost = await other.send_many([SendRequest(NUMBER, "a"), SendRequest(NUMBER, "b")])
    other.carrier.accept(next(one for one in other.carrier.taken if one.message_id == sent.id))
    await other.settled()
    await die(other)
    assert await rescue(walk) == 1
    assert (await walk.status(sent), await walk.status(lost)) == ("sent", "uncertain")
    await other.close()


async def test_parts_that_were_accepted_before_are_not_in_doubt(walk: Walk) -> None:
    """Of a long message only the parts that the carrier did not have are uncertain."""
    other = await born(walk)
    message = await other.send(LONG)
    (one,) = await other.carrier.took(1)
    parts = {1: OutcomeKind.ACCEPTED, 2: OutcomeKind.DEFERRED, 3: OutcomeKind.ACCEPTED}
    other.carrier.answer(one, OutcomeKind.DEFERRED, parts=parts, retry_after_seconds=0.0)
    await other.settled()
    await other.claim()
    assert len(other.carrier.taken) == 2
    await die(other)
    assert await rescue(walk) == 1
    doubtful = [
        (part["attempt"], part["part"])
        for part in await walk.parts(message)
        if part["outcome"] == OutcomeKind.UNKNOWN
    ]
    assert doubtful == [(2, 2)]
    await other.close()


async def test_a_receipt_that_came_before_the_rescue_is_found(walk: Walk) -> None:
    """What a dead process sent may be delivered before anybody notices the death."""
    other = await born(walk)
    message = await other.send()
    await die(other)
    await walk.clock.advance(3)
    walk.carrier.receipt(other.carrier.taken[0], name="who knows")
    await walk.received()
    await walk.clock.advance(3)
    await walk.reconciler.run_once()
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]
    await other.close()


async def test_an_outcome_after_the_rescue_counts(walk: Walk) -> None:
    """A process that only lost its lock still settles what it holds, as one attempt."""
    other = await born(walk)
    message = await other.send()
    await die(other)
    assert await rescue(walk) == 1
    other.carrier.accept(*other.carrier.taken)
    await other.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    row = await walk.row(message)
    assert (row["attempts"], len(await walk.parts(message))) == (1, 1)
    await other.close()


async def test_a_carrier_that_never_reports_is_given_up(walk: Walk) -> None:
    """What a carrier of a live process keeps for ever is uncertain, and may be answered late."""
    message = await walk.send(LONG)
    await walk.clock.advance(leases.HELD_MOST.total_seconds() - 60)
    await walk.reconciler.run_once()
    assert await walk.status(message) == "sending"
    await walk.clock.advance(120)
    await walk.reconciler.run_once()
    assert await walk.told(message) == ["queued", "uncertain"]
    assert (await walk.count("leases"), await walk.count("doubts")) == (0, 1)
    walk.carrier.accept(*walk.carrier.taken)
    await walk.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    assert (walk.lane_of(walk.carrier)._held, len(walk.leases)) == (0, 0)


async def test_all_may_rescue_at_once(walk: Walk) -> None:
    """Several processes that find the same death make its messages uncertain once."""
    dead = await born(walk)
    others = [await born(walk) for _ in range(3)]
    messages = await dead.send_many([SendRequest(NUMBER, f"{n}") for n in range(20)])
    await die(dead)
    counts = await asyncio.gather(*(rescue(each) for each in (walk, *others)))
    assert sum(counts) == 20
    assert await walk.told(messages[0]) == ["queued", "uncertain"]
    for each in (dead, *others):
        await each.close()


async def test_the_reconciler_looks_for_the_dead(walk: Walk) -> None:
    """Within five seconds the reconciler finds a death, and wakes the reader of the outbox."""
    other = await born(walk)
    message = await other.send()
    await walk.reconciler.run_once()
    await die(other)
    await walk.clock.advance(5)
    await walk.reconciler.run_once()
    assert await walk.status(message) == "uncertain"
    assert "Reconciler" in walk.hooks
    await other.close()


async def test_a_restarted_server_is_told_again_that_the_process_lives(
    walk: Walk, url: str
) -> None:
    """After its connection was lost a node takes its lock again, under its old number."""
    node = await Node.register(url, "another")
    lease = "INSERT INTO leases (id, node_id, account_ids, message_ids) VALUES ($1, $2, '{}', '{}')"
    await walk.database.fetch(lease, ids.uuid7(), node.number)
    await node._connection.close()
    await node.look()
    await rescue(walk)
    assert await walk.count("leases") == 1
    await node.look()
    await node.leave()
    await rescue(walk)
    assert await walk.count("leases") == 0


async def test_what_was_leased_unknowingly_goes_back(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that committed although it seemed to fail leaves no message behind."""
    fetch, broken = walk.database.fetch, [True]

    async def lost(statement: str, *arguments: Any) -> Any:
        rows = await fetch(statement, *arguments)
        if statement == store.INSERT and broken:
            broken.clear()
            raise asyncpg.ConnectionDoesNotExistError("the answer to the commit was lost")
        return rows

    monkeypatch.setattr(walk.database, "fetch", lost)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await walk.send()
    assert (await walk.count("leases"), walk.carrier.taken) == (1, [])
    await walk.send("another")
    looked: list[set[int]] = []
    walk.reconciler.look = looked.append
    await walk.clock.advance(leases.ORPHAN_AGE.total_seconds() + 30)  # ids are of real time
    await walk.reconciler.run_once()
    assert looked == [{walk.carrier.number}]
    await walk.claim()
    walk.carrier.accept(*walk.carrier.taken)
    await walk.settled()
    assert {one.body for one in walk.carrier.taken} == {"hello", "another"}
    assert await walk.ask("SELECT count(*) FROM messages WHERE status = 5") == 2
    assert (await walk.count("leases"), walk.lane_of(walk.carrier)._held) == (0, 0)
