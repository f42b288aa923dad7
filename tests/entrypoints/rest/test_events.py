"""Events over the API: listed, pulled so that none is skipped, streamed as they happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from features.webhooks.platform import Platform
from onesixty.entrypoints.rest.events import HEARTBEAT_SECONDS, POLL_SECONDS, STREAMS_MOST
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.messages.states import Status
from onesixty.records import keys
from onesixty.storage.database import Database

from .door import Door
from .telling import telling


class WatchedClock(ManualClock):
    """A manual clock that tells when somebody sleeps on it."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now().replace(microsecond=0))
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """As the manual clock does."""
        self.asleep.set()
        await super().sleep(seconds)

    async def pass_by(self, seconds: float) -> None:
        """Move on as soon as somebody sleeps."""
        async with asyncio.timeout(10):
            await self.asleep.wait()
        self.asleep.clear()
        await self.advance(seconds)


@pytest.fixture
def clock() -> WatchedClock:
    """Time for streams."""
    return WatchedClock()


@pytest.fixture
async def platform(
    database: Database, clock: WatchedClock, sealer: Sealer, chance: Chance
) -> Platform:
    """An account."""
    return await Platform.build(database, clock, sealer, chance)


@pytest.fixture
async def door(platform: Platform) -> AsyncIterator[Door]:
    """The API over that platform."""
    async with telling(platform) as found:
        yield found


class Stream:
    """A stream as its client sees it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def frame(self) -> dict[str, str]:
        """The next event, comment or setting, by field name."""
        fields = {}
        async with asyncio.timeout(10):
            while line := (await self._response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name or "comment"] = value
        return fields


@asynccontextmanager
async def streaming(
    door: Door, query: str = "", *, key: str = "", last: str = ""
) -> AsyncIterator[Stream]:
    """An open stream, past its first frame."""
    headers = {"Authorization": f"Bearer {key or door.key}"}
    if last:
        headers["Last-Event-ID"] = last
    url = f"{door.url}/v1/events/stream{query}"
    async with door.session.get(url, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        stream = Stream(response)
        assert "retry" in await stream.frame()
        yield stream


def text(event_id: UUID) -> str:
    """The id as the API shows it."""
    return ids.to_text("evt", event_id)


async def listed(door: Door, query: str) -> tuple[list[str], Any]:
    """The ids of a page and its cursor."""
    answer = await door.ask("GET", f"/v1/events{query}")
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.body["data"]], answer.body["next"]


async def test_newest_first(door: Door, platform: Platform) -> None:
    """Events are listed like everything else: newest first, page by page, with their messages."""
    message_id = await platform.message()
    made = [text(await platform.event(message=message_id)) for _ in range(5)]
    first, cursor = await listed(door, "?limit=3")
    rest, end = await listed(door, f"?limit=3&after={cursor}")
    assert (first + rest, end) == (sorted(made)[::-1], None)
    event = (await door.ask("GET", "/v1/events?limit=1")).body["data"][0]
    assert event["type"] == "message.delivered"
    assert event["data"]["id"] == ids.to_text("msg", message_id)


async def test_filters(door: Door, platform: Platform) -> None:
    """Type, message and time narrow the list down."""
    one, two = await platform.message(), await platform.message()
    sent = text(await platform.event(message=one, status=Status.SENT))
    failed = text(await platform.event(message=two, status=Status.FAILED))
    await platform.clock.advance(10)
    later = platform.clock.now()
    last = text(await platform.event(message=one, status=Status.DELIVERED))
    assert (await listed(door, "?type=message.sent"))[0] == [sent]
    both = (await listed(door, "?type=message.sent,message.failed"))[0]
    assert sorted(both) == sorted([sent, failed])
    assert len((await listed(door, "?type=message.*"))[0]) == 3
    assert (await listed(door, f"?message={ids.to_text('msg', two)}"))[0] == [failed]
    since = later.isoformat().replace("+", "%2B")
    assert (await listed(door, f"?created_after={since}"))[0] == [last]


async def test_pull_skips_nothing(door: Door, platform: Platform) -> None:
    """Oldest first, an event is shown only when no older one can still appear before it."""
    message_id = await platform.message()
    early = text(await platform.event(message=message_id))
    assert await listed(door, "?order=asc") == ([], None)
    await platform.clock.advance(3)
    found, cursor = await listed(door, "?order=asc")
    assert found == [early]
    assert await listed(door, f"?order=asc&after={cursor}") == ([], cursor)
    late = [text(await platform.event(message=message_id)) for _ in range(3)]
    await platform.clock.advance(3)
    found, cursor = await listed(door, f"?order=asc&after={cursor}&limit=2")
    rest, _ = await listed(door, f"?order=asc&after={cursor}&limit=2")
    assert found + rest == sorted(late)


async def test_another_account(door: Door, platform: Platform) -> None:
    """Nobody sees the events of another account, not even by the id of its message."""
    message_id = await platform.message()
    await platform.event(message=message_id)
    stranger = await door.key_of(await door.account("other"), "messages:read")
    for query in ("", f"?message={ids.to_text('msg', message_id)}"):
        answer = await door.ask("GET", f"/v1/events{query}", key=stranger)
        assert answer.body["data"] == []
    poor = await door.key_of(door.account_id, "messages:write")
    assert (await door.ask("GET", "/v1/events", key=poor)).status == 403


@pytest.mark.parametrize(
    "query",
    ["type=message.lost", "message=1", "after=x", "order=up", "limit=0", "color=red",
     "created_after=2026-01-01T00:00:00"],
)  # fmt: skip
async def test_wrong_queries(door: Door, query: str) -> None:
    """What makes no sense in a query is refused, never ignored."""
    answer = await door.ask("GET", f"/v1/events?{query}")
    assert (answer.status, answer.body["code"]) == (422, "invalid_request")


async def test_a_stream_tells_what_happens(
    door: Door, platform: Platform, clock: WatchedClock
) -> None:
    """A new event is streamed, once, with its id, type and body; older ones are not."""
    message_id = await platform.message()
    await platform.event(message=message_id)
    await clock.advance(10)
    async with streaming(door) as stream:
        await clock.pass_by(POLL_SECONDS)
        made = [await platform.event(message=message_id) for _ in range(2)]
        await clock.pass_by(POLL_SECONDS)
        for event_id in sorted(made):
            frame = await stream.frame()
            assert (frame["id"], frame["event"]) == (text(event_id), "message.delivered")
            assert orjson.loads(frame["data"])["id"] == text(event_id)
        await clock.pass_by(POLL_SECONDS)
        await clock.pass_by(HEARTBEAT_SECONDS)
        assert await stream.frame() == {"comment": "still here"}


async def test_a_stream_resumes(door: Door, platform: Platform, clock: WatchedClock) -> None:
    """With Last-Event-ID nothing is missed that happened since, nor what was late before it."""
    message_id = await platform.message()
    old = await platform.event(message=message_id)
    await clock.advance(60)
    last = await platform.event(message=message_id)
    await clock.advance(60)
    missed = await platform.event(message=message_id, status=Status.FAILED)
    async with streaming(door, last=text(last)) as stream:
        seen = [(await stream.frame())["id"] for _ in range(2)]
    assert seen == [text(last), text(missed)]
    assert text(old) not in seen
    async with streaming(door, "?type=message.failed", last=text(old)) as stream:
        assert (await stream.frame())["id"] == text(missed)


async def test_streams_are_bounded(door: Door, platform: Platform, clock: WatchedClock) -> None:
    """A process serves so many streams; the next one is told to come back, until one ends."""
    async with streaming(door):
        pass
    opened = [streaming(door) for _ in range(STREAMS_MOST)]
    for one in opened:
        await one.__aenter__()
    refused = await door.ask("GET", "/v1/events/stream")
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    for one in opened:
        await one.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        while (await _status(door)) == 503:
            await clock.advance(POLL_SECONDS)


async def _status(door: Door) -> int:
    headers = {"Authorization": f"Bearer {door.key}"}
    async with door.session.get(f"{door.url}/v1/events/stream", headers=headers) as response:
        return response.status


async def test_a_revoked_key_ends_its_stream(door: Door, clock: WatchedClock) -> None:
    """Who may read no more is cut off within a heartbeat."""
    async with door.context.database.write() as tx:
        key = await keys.create(tx, door.account_id, "reader", ["messages:read"])
    await door.context.keeper.refresh()
    async with streaming(door, key=key.text) as stream:
        async with door.context.database.write() as tx:
            await keys.revoke(tx, door.account_id, key.id, clock.now())
        await door.context.keeper.refresh()
        await clock.pass_by(HEARTBEAT_SECONDS)
        assert await stream.frame() == {}


async def test_wrong_streams(door: Door) -> None:
    """A stream that cannot be is refused with a problem, as any request."""
    assert (await door.ask("GET", "/v1/events/stream?type=x")).status == 422
    answer = await door.ask("GET", "/v1/events/stream", headers={"Last-Event-ID": "7"})
    assert answer.status == 422
    assert (await door.ask("GET", "/v1/events/stream", key="")).status == 401
