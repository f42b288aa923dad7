"""More requests at once than can be taken, and many with one key."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import asyncpg
import pytest

from walk.platform import KEY, Walk, walking

INBOX = 50
REQUESTS = 300
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
async def walk(url: str) -> AsyncIterator[Walk]:
    """The platform in this process, with clients that open as many connections as they like."""
    async with walking(url) as found:
        await found.session.close()
        found.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        yield found
        await found.session.close()


async def flood(walk: Walk, path: str, body: Any) -> list[tuple[int, str | None, str]]:
    """Post so many at once while the database is stuck; status, Retry-After and body of each.

    It is stuck until all that are refused have been told so.
    """
    answers: list[tuple[int, str | None, str]] = []
    changed = asyncio.Event()

    async def post() -> None:
        async with walk.session.post(walk.url + path, json=body, headers=BEARER) as response:
            answers.append(
                (response.status, response.headers.get("Retry-After"), await response.text())
            )
            changed.set()

    stuck = await asyncpg.connect(walk.app.database.url)
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, stuck.transaction():
            await stuck.execute("LOCK TABLE messages IN SHARE MODE")
            for _ in range(REQUESTS):
                tasks.create_task(post())
            while len(answers) < REQUESTS - 3 * INBOX:
                changed.clear()
                await changed.wait()
            assert {status for status, _, _ in answers} == {503}
    finally:
        await stuck.close()
    return answers


async def stored(walk: Walk) -> int:
    """Messages in the database."""
    (row,) = await walk.rows("SELECT count(*) AS messages FROM messages")
    return int(row["messages"])


async def test_too_many_requests(walk: Walk) -> None:
    """What does not fit into the inbox is told at once when to come back; the rest is stored."""
    gatherer = walk.app.acceptor.gatherer
    gatherer._bounds = replace(gatherer._bounds, inbox_max=INBOX)
    body = {"to": "+447700900123", "from": "ACME", "body": "Hello"}
    answers = await flood(walk, "/v1/messages", body)
    counts = Counter(status for status, _, _ in answers)
    assert counts.keys() == {202, 503}
    assert all(after and '"overloaded"' in text for status, after, text in answers if status == 503)
    assert counts[202] == await stored(walk)
    assert (await walk.ask("POST", "/v1/messages", body)).status == 202


async def test_too_many_batches(walk: Walk) -> None:
    """Batches that would fill the memory are told when to come back; the rest is stored."""
    walk.app.acceptor.batched_most = 2 * INBOX
    body = {"messages": [{"to": "+447700900123", "from": "ACME", "body": "Hello"}] * 2}
    answers = await flood(walk, "/v1/messages/batch", body)
    counts = Counter(status for status, _, _ in answers)
    assert counts.keys() == {202, 503}
    assert all(after and '"overloaded"' in text for status, after, text in answers if status == 503)
    assert counts[202] * 2 == await stored(walk)
    assert (await walk.ask("POST", "/v1/messages/batch", body)).status == 202


async def test_one_key(walk: Walk) -> None:
    """200 requests at once with one key make one message and get one answer."""
    body = {"to": "+447700900123", "from": "ACME", "body": "Hello"}
    key = {"Idempotency-Key": "the same"}
    answers = await asyncio.gather(
        *[walk.ask("POST", "/v1/messages", body, headers=key) for _ in range(200)]
    )
    assert {(one.status, one.body["id"]) for one in answers} == {(202, answers[0].body["id"])}
    assert await stored(walk) == 1
