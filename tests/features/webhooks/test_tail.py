"""Following events: each once, even those that commit late."""

from datetime import timedelta
from uuid import UUID

from onesixty.features.webhooks import tail
from onesixty.features.webhooks.tail import Tail
from onesixty.kit import ids

from .platform import EVENT, Platform


async def _event_at(platform: Platform, seconds_ago: float) -> UUID:
    at = platform.clock.now() - timedelta(seconds=seconds_ago)
    event_id = ids.uuid7(int(at.timestamp() * 1000))
    message_id = await platform.message()
    await platform.database.fetch(EVENT, platform.account_id, event_id, 6, 1, message_id, at, [])
    return event_id


async def _read(platform: Platform, follower: Tail) -> list[UUID]:
    async with platform.database.read() as connection:
        rows = await follower.read(connection, platform.clock.now())
    return [row["event_id"] for row in rows]


async def test_late_commits_are_not_skipped(platform: Platform) -> None:
    """An event older than one that was read already still comes, and none comes twice."""
    follower = Tail(platform.account_id, platform.clock.now() - timedelta(minutes=1))
    early = await _event_at(platform, 1)
    assert await _read(platform, follower) == [early]
    late = await _event_at(platform, 1.5)
    assert await _read(platform, follower) == [late]
    assert await _read(platform, follower) == []
    await platform.clock.advance(10)
    assert await _read(platform, follower) == []


async def test_a_backlog_comes_in_order(platform: Platform) -> None:
    """More than one batch is read batch by batch, in the order of the ids."""
    follower = Tail(platform.account_id, platform.clock.now() - timedelta(hours=1))
    message_id = await platform.message()
    made = []
    for number in range(tail.BATCH + 20):
        at = platform.clock.now() - timedelta(seconds=1800 - number)
        made.append(ids.uuid7(int(at.timestamp() * 1000)))
    await platform.database.fetch(
        "INSERT INTO events (account_id, id, type, sequence, message_id, at)"
        " SELECT $1, id, 6, 1, $3, $4 FROM unnest($2::uuid[]) AS id",
        platform.account_id,
        made,
        message_id,
        platform.clock.now(),
    )
    assert await _read(platform, follower) == made[: tail.BATCH]
    assert await _read(platform, follower) == made[tail.BATCH :]
    assert await _read(platform, follower) == []


async def test_resuming_looks_back(platform: Platform) -> None:
    """Who goes on after an event gets what committed late before it, at the price of a repeat."""
    late = await _event_at(platform, 6)
    last = await _event_at(platform, 5)
    follower = Tail(platform.account_id, tail.resume_at(last))
    assert await _read(platform, follower) == [late, last]
