"""Many send at once, over many connections: no balance goes below what it may."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from messages.walk import Walk
from onesixty.kit import ids
from onesixty.messages.types import Message, Refusal, SendRequest
from onesixty.records.billing.checking import check
from onesixty.storage.database import Database

from .priced import EURO, Priced

SENDS, AFFORDED = 200, 50


@pytest.fixture
async def other(walk: Walk) -> AsyncIterator[Walk]:
    """Another process on the same database."""
    database = await Database.open(walk.database.url)
    other = await Walk.open(database, walk.clock, walk.account, walk.sandbox)
    yield other
    await other.close()
    await database.close()


async def test_two_hundred_at_once_spend_what_there_is(walk: Walk, other: Walk) -> None:
    """Of 200 parallel sends by two processes as many are taken as the balance pays, no more."""
    priced = await Priced.open(walk, euros=AFFORDED // 10)
    await other.keeper.follow()
    await priced.cap(1000 * EURO)
    await other.keeper.follow()

    async def send(number: int) -> Message | Refusal:
        one, request = (walk, other)[number % 2], SendRequest("+447700900000", f"{number}")
        if number % 3:
            answer = await one.acceptor.accept(request, one.caller())
            assert isinstance(answer, Message | Refusal)
            return answer
        batch = await one.acceptor.accept_batch([request], one.caller(), ids.uuid7())
        assert isinstance(batch, list)
        return batch[0]

    answers = await asyncio.gather(*(send(number) for number in range(SENDS)))
    taken = [one for one in answers if isinstance(one, Message)]
    refused = {one.code for one in answers if isinstance(one, Refusal)}
    assert (len(taken), refused) == (AFFORDED, {"insufficient_balance"})
    assert await priced.books() == (0, AFFORDED * EURO // 10, 0)
    assert await walk.count("messages") == await walk.count("holds") == AFFORDED
    async with walk.database.write() as tx:
        assert await check(tx) == []


async def test_two_that_settle_at_once_settle_once(walk: Walk, other: Walk) -> None:
    """However many look at the same holds, each is charged once."""
    priced = await Priced.open(walk)
    await other.keeper.follow()
    second = Priced(other, priced.settler.__class__(other.database, other.clock, other.keeper, str))
    for number in range(10):
        await walk.send(f"{number}")
    walk.carrier.accept(*walk.carrier.taken)
    await walk.settled()
    for one in walk.carrier.taken:
        walk.carrier.receipt(one)
    await walk.received()
    await walk.clock.advance(2)
    await asyncio.gather(*(one.settler.run_once() for one in (priced, second) * 4))
    assert await priced.books() == (0, 0, EURO)
    assert [row["messages"] for row in await priced.usage()] == [10]
    async with walk.database.write() as tx:
        assert await check(tx) == []
