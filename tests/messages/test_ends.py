"""Ends from our side: cancelled by the customer, expired in the queue."""

import asyncio
from datetime import timedelta
from uuid import UUID

from onesixty.kit import ids
from onesixty.messages.dispatch import ends
from onesixty.messages.types import Message, SendRequest

from .walk import NUMBER, Walk


async def cancel(walk: Walk, *messages: Message, account: int | None = None) -> set[UUID]:
    """Cancel these; which of them were."""
    async with walk.database.write() as tx:
        identifiers = [message.id for message in messages]
        account = account or walk.account
        canceled, _ = await ends.cancel(tx, account, identifiers, walk.clock.now())
    return canceled


async def waiting(walk: Walk, count: int = 1, **more: int) -> list[Message]:
    """Messages in the queue."""
    walk.carrier.turn(up=False)
    requests = [SendRequest(NUMBER, f"{n}", **more) for n in range(count)]  # type: ignore[arg-type]
    return await walk.send_many(requests)


async def test_a_queued_message_is_cancelled(walk: Walk) -> None:
    """What waits in the queue can be cancelled, once, and is never sent."""
    (message,) = await waiting(walk)
    assert await cancel(walk, message) == {message.id}
    assert await cancel(walk, message) == set()
    assert await walk.told(message) == ["queued", "canceled"]
    assert (await walk.row(message))["final_at"] == walk.clock.now()
    walk.carrier.turn(up=True)
    await walk.claim()
    assert walk.carrier.taken == []


async def test_a_scheduled_message_is_cancelled(walk: Walk) -> None:
    """What waits for its time can be cancelled."""
    message = await walk.send(send_at=walk.clock.now() + timedelta(days=1))
    assert await cancel(walk, message) == {message.id}
    assert await walk.told(message) == ["canceled"]
    assert await walk.count("queue") == 0


async def test_what_a_carrier_has_in_hand_is_not_cancelled(walk: Walk) -> None:
    """A message that is on its way, or was sent, stays as it is."""
    message = await walk.send()
    assert await cancel(walk, message) == set()
    walk.carrier.accept(*await walk.carrier.took(1))
    await walk.settled()
    assert await cancel(walk, message) == set()
    assert await walk.told(message) == ["queued", "sent"]


async def test_messages_of_others_are_not_cancelled(walk: Walk) -> None:
    """An account cancels only its own."""
    (message,) = await waiting(walk)
    assert await cancel(walk, message, account=walk.account + 1) == set()
    assert await walk.status(message) == "queued"


async def test_a_cancellation_is_told_to_the_callback(walk: Walk) -> None:
    """The outbox row is written with the change, and the caller learns that there is one."""
    walk.carrier.turn(up=False)
    message = await walk.send(callback_url="http://127.0.0.1/")
    async with walk.database.write() as tx:
        _, hooked = await ends.cancel(tx, walk.account, [message.id], walk.clock.now())
    assert hooked == 1
    assert await walk.count("webhook_queue") == 1


async def test_either_the_lane_or_the_canceller_has_it(walk: Walk) -> None:
    """When a message is cancelled and claimed at once, exactly one of the two wins."""
    messages = await waiting(walk, 60)
    walk.carrier.up = True
    results = await asyncio.gather(*(cancel(walk, message) for message in messages), walk.claim())
    canceled = {identifier for found in results[:-1] for identifier in found}  # type: ignore[union-attr]
    taken = {one.message_id for one in walk.carrier.taken}
    assert canceled.isdisjoint(taken)
    assert canceled | taken == {message.id for message in messages}
    walk.carrier.accept(*walk.carrier.taken)
    await walk.settled()
    for message in messages:
        assert await walk.status(message) == ("sent" if message.id in taken else "canceled")


async def test_the_rest_of_a_batch_is_found(walk: Walk) -> None:
    """Of a batch those that still wait are found, in portions."""
    batch_id = ids.uuid7()
    later = walk.clock.now() + timedelta(days=1)
    requests = [SendRequest(NUMBER, f"{n}", send_at=later if n % 2 else None) for n in range(6)]
    taken = await walk.acceptor.accept_batch(requests, walk.caller(), batch_id)
    await walk.send_many(requests)
    assert isinstance(taken, list)
    scheduled = [one.id for one in taken if isinstance(one, Message) and one.send_at]
    async with walk.database.read() as connection:
        find = ends.cancellable_of_batch
        assert await find(connection, walk.account, batch_id, 100) == scheduled
        assert await find(connection, walk.account, batch_id, 2) == scheduled[:2]
        assert await find(connection, walk.account + 1, batch_id, 100) == []


async def test_what_waited_too_long_expires(walk: Walk) -> None:
    """When its validity ends in the queue a message is expired, and says why it waited."""
    (short,) = await waiting(walk, validity_seconds=10)
    (long,) = await waiting(walk, validity_seconds=11)
    await walk.clock.advance(10)
    assert await ends.expire(walk.database, walk.clock.now()) == (False, 0)
    row = await walk.row(short)
    assert await walk.told(short) == ["queued", "expired"]
    assert (row["error_code"], row["error_class"]) == ("expired", "expired")
    assert row["final_at"] == walk.clock.now()
    assert await walk.status(long) == "queued"
    assert await walk.count("queue") == 1


async def test_the_last_failure_is_named(walk: Walk) -> None:
    """A message that was deferred until it expired tells of the last try."""
    message = await walk.send(validity_seconds=60)
    walk.carrier.defer((await walk.carrier.took(1))[0], detail="the far side is busy")
    await walk.settled()
    await walk.clock.advance(60)
    await ends.expire(walk.database, walk.clock.now())
    assert "the far side is busy" in (await walk.row(message))["error_detail"]


async def test_many_expire_in_portions(walk: Walk) -> None:
    """A long queue expires in bounded transactions, told by their return."""
    await waiting(walk, ends.EXPIRE_BATCH + 5, validity_seconds=1)
    await walk.clock.advance(1)
    more, _ = await ends.expire(walk.database, walk.clock.now())
    assert more
    assert await walk.count("queue") == 5
    assert await ends.expire(walk.database, walk.clock.now()) == (False, 0)
    assert await walk.count("queue") == 0


async def test_expiring_and_claiming_at_once(walk: Walk) -> None:
    """A message at the end of its validity is either sent or expired, not both."""
    messages = await waiting(walk, 40, validity_seconds=10)
    walk.carrier.up = True
    soon = walk.clock.now() + timedelta(seconds=10)  # another process's clock is ahead
    await asyncio.gather(walk.claim(), ends.expire(walk.database, soon))
    taken = {one.message_id for one in walk.carrier.taken}
    for message in messages:
        assert await walk.status(message) == ("sending" if message.id in taken else "expired")


async def test_waiting_messages_are_found_by_tag_and_batch(walk: Walk) -> None:
    """Those that wait and fit all that is given, from a place on; not those of others."""
    walk.carrier.turn(up=False)
    spring = await walk.send_many([SendRequest(NUMBER, f"{n}", tags=("a", "b")) for n in range(3)])
    await walk.send("other", tags=("b",))
    later = await walk.send("l", tags=("a",), send_at=walk.clock.now() + timedelta(days=1))
    none = UUID(int=0)
    batch = spring[0].batch_id
    async with walk.database.read() as connection:
        for tag, wanted_batch, found in (
            ("a", None, [*spring, later]),
            ("a", batch, spring),
            (None, batch, spring),
            ("c", None, []),
        ):
            fit, last = await ends.waiting_like(connection, walk.account, none, tag, wanted_batch)
            assert (fit, last) == ([one.id for one in found], None)
        fit, _ = await ends.waiting_like(connection, walk.account, spring[1].id, "a", batch)
        assert fit == [spring[2].id]
        assert await ends.waiting_like(connection, walk.account + 1, none, "a", None) == ([], None)
