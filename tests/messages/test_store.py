"""Reading messages: filters, pages, batches."""

from datetime import timedelta
from typing import Any

import pytest

from on_file import OnFile
from onesixty.kit import ids
from onesixty.messages import store
from onesixty.messages.states import Status
from onesixty.messages.types import Message, SendRequest

from .counting import statements
from .walk import Walk

MARCEL, PROUST = "+33612345678", "+447700900123"


async def listed(walk: Walk, limit: int = 100, before: Any = None, **filters: Any) -> list[str]:
    """The texts that a list shows."""
    async with walk.database.read() as connection:
        rows = await store.listing(connection, walk.account, filters, before, limit)
    return [row["body"] for row in rows]


@pytest.fixture
async def messages(walk: Walk) -> list[Message]:
    """Three messages, a second apart, and one from a handset."""
    walk.carrier.turn(up=False)
    sent = []
    for body, to, more in (
        ("first 100%", MARCEL, {"tags": ("a", "b"), "reference": "r1"}),
        ("second", PROUST, {"tags": ("b",), "sender": "SHOP"}),
        ("third", PROUST, {"send_at": walk.clock.now() + timedelta(days=1)}),
    ):
        sent.append(await walk.send(body, to, **more))
        await walk.clock.advance(1)
    walk.carrier.say("fourth", sender=MARCEL)
    await walk.received()
    return sent


@pytest.mark.usefixtures("messages")
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["fourth", "third", "second", "first 100%"]),
        ({"status": [Status.QUEUED]}, ["second", "first 100%"]),
        ({"status": [Status.SCHEDULED, Status.RECEIVED]}, ["fourth", "third"]),
        ({"direction": 1}, ["fourth"]),
        ({"to": PROUST}, ["third", "second"]),
        ({"from": "SHOP"}, ["second"]),
        ({"from": MARCEL}, ["fourth"]),
        ({"tag": "b"}, ["second", "first 100%"]),
        ({"tag": "a"}, ["first 100%"]),
        ({"reference": "r1"}, ["first 100%"]),
        ({"q": "FIR"}, ["first 100%"]),
        ({"q": "0%"}, ["first 100%"]),
        ({"q": "%"}, ["first 100%"]),
        ({"q": "_"}, []),
        ({"tag": "b", "to": PROUST}, ["second"]),
        ({"carrier": 0}, []),
    ],
)
async def test_filters(walk: Walk, filters: dict[str, Any], found: list[str]) -> None:
    """Each filter leaves what it names, newest first; several leave what all of them do."""
    assert await listed(walk, **filters) == found


@pytest.mark.usefixtures("messages")
async def test_time_filters(walk: Walk) -> None:
    """Messages of a span of time are found by it."""
    first, second = walk.clock.now() - timedelta(seconds=3), walk.clock.now() - timedelta(seconds=2)
    assert await listed(walk, created_before=second) == ["first 100%"]
    found = await listed(walk, created_after=first - timedelta(hours=1), created_before=second)
    assert found == ["first 100%"]


async def test_pages(walk: Walk, messages: list[Message]) -> None:
    """A list goes on before the last id that was shown."""
    assert await listed(walk, limit=2) == ["fourth", "third"]
    assert await listed(walk, limit=2, before=messages[2].id) == ["second", "first 100%"]
    assert await listed(walk, limit=2, before=messages[0].id) == []


async def test_messages_of_others_are_not_found(
    walk: Walk, messages: list[Message], on_file: OnFile
) -> None:
    """No account sees another's messages, not even by their ids."""
    other = await on_file.account()
    async with walk.database.read() as connection:
        assert await store.listing(connection, other, {}, None, 100) == []
        assert await store.get(connection, other, messages[0].id) is None
        assert await store.events_of(connection, other, messages[0].id) == []


async def test_a_batch_knows_its_messages(walk: Walk) -> None:
    """A batch counts its own messages by status, and lists them by its id."""
    batch_id = ids.uuid7()
    requests = [SendRequest(PROUST, f"{n}") for n in range(4)] + [SendRequest("12", "bad")]
    await walk.acceptor.accept_batch(requests, walk.caller(), batch_id)
    await walk.send("no part of it")
    for one in (await walk.carrier.took(5))[:2]:
        walk.carrier.accept(one)
    await walk.settled()
    async with walk.database.read() as connection:
        found = await store.batch(connection, walk.account, batch_id)
        assert await store.batch(connection, walk.account + 1, batch_id) is None
        assert await store.batch(connection, walk.account, ids.uuid7()) is None
    assert found is not None
    assert (found[0]["accepted"], found[0]["refused"]) == (4, 1)
    assert sum(found[1].values()) == 4
    assert sorted(await listed(walk, batch=batch_id)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(("name", "column"), [("to", "recipient"), ("reference", "reference")])
async def test_some_lists_read_no_other_messages(walk: Walk, name: str, column: str) -> None:
    """What is searched most is looked up in an index, so a long history costs nothing."""
    async with statements(walk.database) as asked:
        filters: dict[str, Any] = {name: MARCEL}
        await listed(walk, **filters)
    plan = await walk.database.fetch(f"EXPLAIN {asked[0]}", walk.account, MARCEL, 100)
    conditions = [line for (line,) in plan if "Index Cond" in line]
    assert conditions
    assert all(column in line for line in conditions)
