"""A process and its locks, as others see them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from onesixty.nodes.node import Node
from onesixty.storage.database import Database


@pytest.fixture
async def pair(url: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two processes on one database."""
    nodes = (await Node.register(url, "one"), await Node.register(url, "two"))
    yield nodes
    for node in nodes:
        await node.leave()


async def test_who_is_there(pair: tuple[Node, Node]) -> None:
    """Every process sees all that live, and itself among them."""
    one, two = pair
    roll = await one.look()
    assert roll.all == roll.dispatching == (one.number, two.number)
    assert not one.alone()
    await two.leave()
    assert (await one.look()).all == (one.number,)
    assert one.alone()


async def test_a_session_has_one_holder(pair: tuple[Node, Node]) -> None:
    """What one process has taken the other does not get until it is given back."""
    one, two = pair
    assert await one.take({(7, 0), (7, 63)}) == {(7, 0), (7, 63)}
    assert await two.take({(7, 0), (7, 1)}) == {(7, 1)}
    held = {(7, 0): one.number, (7, 63): one.number, (7, 1): two.number}
    assert (await one.look()).held == held
    await one.give_back({(7, 0)})
    assert await two.take({(7, 0)}) == {(7, 0)}


async def test_the_locks_of_the_dead_are_free(pair: tuple[Node, Node]) -> None:
    """When the connection of a process ends, what it held can be taken at once."""
    one, two = pair
    await one.take({(7, 0)})
    one._connection.terminate()
    async with asyncio.timeout(5):
        while not await two.take({(7, 0)}):
            pass
    assert (await two.look()).all == (two.number,)


async def test_a_lost_connection_is_made_again(pair: tuple[Node, Node]) -> None:
    """A process that was cut off takes its locks again, but for what others took meanwhile."""
    one, two = pair
    await one.take({(7, 0), (8, 0)})
    await one._connection.close()
    assert await two.take({(8, 0)}) == {(8, 0)}
    roll = await one.look()
    assert one.slots == {(7, 0)}
    assert roll.held == {(7, 0): one.number, (8, 0): two.number}


async def test_a_rescued_process_enrols_again(pair: tuple[Node, Node], database: Database) -> None:
    """A process whose row was removed, since it was taken for dead, is there again."""
    one, _ = pair
    await database.fetch("DELETE FROM nodes WHERE id = $1", one.number)
    assert one.number not in (await one.look()).all
    await one._connection.close()
    assert one.number in (await one.look()).all


async def test_the_lock_of_a_rescuer_is_no_process(
    pair: tuple[Node, Node], database: Database
) -> None:
    """Who takes a dead process's lock for a moment does not make it live."""
    one, two = pair
    await two._connection.close()
    async with database.write() as tx:
        assert await tx.fetchval("SELECT pg_try_advisory_xact_lock(160, $1)", two.number)
        assert (await one.look()).all == (one.number,)


async def test_who_retires_dispatches_no_more(pair: tuple[Node, Node]) -> None:
    """A process that is about to stop lives on, but takes no share of the carriers."""
    one, two = pair
    await two.retire()
    roll = await one.look()
    assert (roll.all, roll.dispatching) == ((one.number, two.number), (one.number,))
    assert one.dispatching() == 1
