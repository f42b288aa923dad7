"""The pool: who gets a connection, and what becomes of one that comes back broken."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from onesixty.storage.pool import Connection, Pool

MOST = 2
BOUND_SECONDS = 10.0
SLEEP = "SELECT pg_sleep(60)"


class Server:
    """Makes connections, as long as it is up."""

    def __init__(self, url: str) -> None:
        self.url, self.is_up = url, True
        self.made: list[Connection] = []

    async def connect(self) -> Connection:
        """A new connection; OSError while it is down."""
        if not self.is_up:
            raise OSError("down")
        connection = await asyncpg.connect(self.url)
        self.made.append(connection)
        return connection


@pytest.fixture
def server(url: str) -> Server:
    """A server that is up."""
    return Server(url)


@pytest.fixture
async def pool(server: Server) -> AsyncIterator[Pool]:
    """An empty pool of two."""
    made = Pool(server.connect, MOST)
    yield made
    async with asyncio.timeout(BOUND_SECONDS):
        await made.close()
    assert all(connection.is_closed() for connection in server.made)


async def test_connections_are_used_again(pool: Pool, server: Server) -> None:
    """One after the other takes the same connection; two at once take two."""
    for _ in range(3):
        pool.release(await pool.acquire())
    assert len(server.made) == 1
    first, second = await pool.acquire(), await pool.acquire()
    assert first is not second
    for connection in (first, second):
        pool.release(connection)
    again = await pool.acquire()
    assert again is second, "the one used last"
    pool.release(again)


async def test_the_same_use_takes_the_same_connection(pool: Pool, server: Server) -> None:
    """Whatever was used in between, as long as it is free; what was never done takes the other."""
    first, second = await pool.acquire("write"), await pool.acquire("read")
    pool.release(second)
    pool.release(first)
    for use, home in (("read", second), ("write", first), ("write", first), ("read", second)):
        assert await pool.acquire(use) is home
        pool.release(home)
    assert await pool.acquire("look") is first, "the one that rests longest"
    assert await pool.acquire("write") is second, "its own is in use"
    pool.release(first)
    pool.release(second)
    assert await pool.acquire("write") is second, "the last that did it"
    second.terminate()
    pool.release(second)
    assert await pool.acquire("write") is first, "the one before it"
    pool.release(first)
    assert len(server.made) == MOST


async def test_who_finds_none_waits_in_line(pool: Pool, server: Server) -> None:
    """Those who wait are served in the order in which they came, and no more than two at once."""
    served: list[int] = []

    async def use(number: int) -> None:
        connection = await pool.acquire()
        served.append(number)
        await connection.fetchval("SELECT 1")
        pool.release(connection)

    async with asyncio.timeout(BOUND_SECONDS):
        await asyncio.gather(*(use(number) for number in range(20)))
    # The first two wait for a connection to be made, not in line: the second may take longer.
    assert [number for number in served if number >= MOST] == list(range(MOST, 20))
    assert len(server.made) == MOST


async def test_a_dead_connection_makes_place(pool: Pool, server: Server) -> None:
    """One that died in use or idle is replaced, also for who waits already."""
    first, second = await pool.acquire(), await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    first.terminate()
    pool.release(first)
    third = await asyncio.wait_for(waiting, BOUND_SECONDS)
    assert await third.fetchval("SELECT 3") == 3
    pool.release(second)
    pool.release(third)
    third.terminate()
    one, other = await pool.acquire(), await pool.acquire()
    assert third not in (one, other)
    assert await other.fetchval("SELECT 4") == 4
    pool.release(one)
    pool.release(other)


async def test_a_server_that_is_down_takes_no_places(pool: Pool, server: Server) -> None:
    """Who cannot connect is told so, as often as wanted; when it is up again all is well."""
    server.is_up = False
    for _ in range(2 * MOST):
        with pytest.raises(OSError, match="down"):
            await pool.acquire()
    server.is_up = True
    both = [await pool.acquire(), await pool.acquire()]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    server.is_up = False
    both[0].terminate()
    pool.release(both[0])
    with pytest.raises(OSError, match="down"):
        await asyncio.wait_for(waiting, BOUND_SECONDS)
    pool.release(both[1])


async def sleeps(url: str) -> None:
    """Wait until the server is at the statement: it ignores who breaks off before."""
    looking = await asyncpg.connect(url)
    async with asyncio.timeout(BOUND_SECONDS):
        while not await looking.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            f" AND query = '{SLEEP}' AND state = 'active'"
        ):
            pass
    await looking.close()


async def test_a_statement_broken_off_harms_nobody(pool: Pool, server: Server) -> None:
    """After a cancelled statement, and after a transaction left open, a connection is as new."""
    connection = await pool.acquire()
    running = asyncio.create_task(connection.execute(SLEEP))
    await sleeps(server.url)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    pool.release(connection)
    connection = await pool.acquire()
    await connection.execute("BEGIN")
    await connection.execute("CREATE TABLE left_open ()")
    pool.release(connection)
    async with asyncio.timeout(BOUND_SECONDS):
        for _ in range(3):
            both = [await pool.acquire() for _ in range(MOST)]
            for one in both:
                assert not one.is_in_transaction()
                assert await one.fetchval("SELECT to_regclass('left_open')") is None
                pool.release(one)


async def test_giving_up_in_line_loses_no_connection(pool: Pool) -> None:
    """Who is cancelled while waiting, even in the moment of being served, takes nothing along."""
    both = [await pool.acquire() for _ in range(MOST)]
    early, late = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    early.cancel()
    pool.release(both[0])
    late.cancel()
    for task in (early, late):
        with pytest.raises(asyncio.CancelledError):
            await task
    pool.release(both[1])
    async with asyncio.timeout(BOUND_SECONDS):
        again = [await pool.acquire() for _ in range(MOST)]
    assert set(again) == set(both)
    for connection in again:
        pool.release(connection)


async def test_closing_waits_for_those_in_use(pool: Pool) -> None:
    """What is in use can be finished; who waits, or comes later, is told that it is over."""
    both = [await pool.acquire() for _ in range(MOST)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await waiting
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await pool.acquire()
    for connection in both:
        assert not closing.done()
        assert await connection.fetchval("SELECT 1") == 1
        pool.release(connection)
    await asyncio.wait_for(closing, BOUND_SECONDS)
