"""Connections and transactions: what a block writes is there whole or not at all."""

import asyncio

import asyncpg
import pytest

from onesixty.kit.problems import Problem
from onesixty.storage import database as databases
from onesixty.storage.arrays import columns
from onesixty.storage.database import _SESSION, OUTAGES, Connection, Database

WRITE = "INSERT INTO nodes (name) VALUES ($1) RETURNING id"
NAMES = "SELECT array_agg(name ORDER BY id) FROM nodes"
BOUND_SECONDS = 10.0


async def names(database: Database) -> list[str] | None:
    """What another connection sees."""
    found: list[str] | None = (await database.fetch(NAMES))[0][0]
    return found


async def test_write_commits_at_its_end(database: Database) -> None:
    """Others see what a block wrote when it has ended, not before."""
    async with database.write() as tx:
        await tx.execute(WRITE, "one")
        await tx.execute(WRITE, "two")
        assert await names(database) is None
    assert await names(database) == ["one", "two"]


async def test_write_rolls_back_when_it_raises(database: Database) -> None:
    """An error leaves nothing behind and passes through unchanged."""

    async def fail(tx: Connection) -> None:
        await tx.execute(WRITE, "one")
        raise KeyError("some bug")

    with pytest.raises(KeyError, match="some bug"):
        async with database.write() as tx:
            await fail(tx)
    assert await names(database) is None


async def test_a_connection_that_takes_no_writes_is_not_kept(url: str) -> None:
    """Sessions opened while the server took no writes do not outlive that: the next ones write."""
    admin = await asyncpg.connect(url)
    name = await admin.fetchval("SELECT quote_ident(current_database())")
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    pool = await Database.open(url, connections=1)
    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await admin.close()
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.fetch(WRITE, "refused")
        await pool.fetch(WRITE, "taken")
        async with pool.write() as tx:
            await tx.execute("SET default_transaction_read_only = on")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with pool.write() as tx:
                await tx.execute(WRITE, "refused")
        async with pool.write() as tx:
            await tx.execute(WRITE, "taken")
    finally:
        await pool.close()


async def test_write_rolls_back_when_it_is_cancelled(database: Database) -> None:
    """A task that is ended in the middle leaves nothing behind and its connection is free."""
    begun = asyncio.Event()

    async def write() -> None:
        async with database.write() as tx:
            await tx.execute(WRITE, "one")
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    async with asyncio.timeout(BOUND_SECONDS):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await names(database) is None


async def test_read_keeps_no_transaction_open(database: Database) -> None:
    """Each statement of a read block stands for itself and sees what was committed since."""
    async with database.read() as connection:
        assert await connection.fetchval(NAMES) is None
        await database.fetch(WRITE, "one")
        assert await connection.fetchval(NAMES) == ["one"]
        assert not connection.is_in_transaction()


async def test_fetch_is_its_own_transaction(database: Database) -> None:
    """One statement is committed by itself, or fails whole."""
    assert len(await database.fetch(WRITE, "one")) == 1
    with pytest.raises(asyncpg.NotNullViolationError):
        await database.fetch(WRITE, None)
    assert await names(database) == ["one"]


async def test_every_pooled_connection_has_the_session_settings(database: Database) -> None:
    """The planner is set for index look-ups on each connection, also when it is used again."""
    for _ in range(2):
        async with database.write() as one, database.write() as two:
            for connection in (one, two):
                for name, value in _SESSION.items():
                    assert await connection.fetchval(f"SHOW {name}") == value


async def test_json_comes_and_goes_as_values(database: Database) -> None:
    """Columns of JSON take and give what Python has for it, letters beyond ASCII included."""
    value = {"a": [1, 2.5, None, True], "ä": "€"}
    assert (await database.fetch("SELECT $1::jsonb AS it", value))[0]["it"] == value
    assert (await database.fetch("SELECT $1::jsonb ->> 'ä' AS it", value))[0]["it"] == "€"


async def test_listen_hears_of_notifications(database: Database) -> None:
    """A notification from any connection calls what was given."""
    heard = asyncio.Event()
    connection = await database.listen("some_channel", heard.set)
    await database.fetch("SELECT pg_notify('some_channel', '')")
    async with asyncio.timeout(BOUND_SECONDS):
        await heard.wait()
    await connection.close()


async def test_a_broken_connection_is_an_outage_and_replaced(database: Database) -> None:
    """What the loops wait out is raised when the server ends a connection; the next one works."""
    async with database.read() as connection:
        number = await connection.fetchval("SELECT pg_backend_pid()")
        await database.fetch("SELECT pg_terminate_backend($1)", number)
        with pytest.raises(OUTAGES):
            await connection.fetchval("SELECT 1")
    assert await names(database) is None


async def test_an_unreachable_server_is_an_outage() -> None:
    """Opening without a server raises what the loops wait out."""
    with pytest.raises(OUTAGES):
        await Database.open("postgresql://nobody@127.0.0.1:1/none")


async def test_columns_of_nothing_are_empty_arrays(database: Database) -> None:
    """`unnest` gives the same rows from `columns` as from the rows' own columns."""
    rows = [(1, None, None, "a"), (2, "b", None, None), (3, None, None, "c")]
    given = columns(rows, 4)
    assert given == [(1, 2, 3), (None, "b", None), (), ("a", None, "c")]
    found = await database.fetch(
        "SELECT * FROM unnest($1::int[], $2::text[], $3::uuid[], $4::text[])", *given
    )
    assert [tuple(row) for row in found] == rows
    assert columns([], 2) == [(), ()]


async def test_searches_end_in_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that takes too long is a problem, and its connection is as good as before."""
    monkeypatch.setattr(databases, "SEARCH_SECONDS", 0.05)
    for _ in range(2 * databases.SEARCHES_MOST):
        with pytest.raises(Problem) as caught:
            async with database.search() as connection:
                await connection.fetchval("SELECT pg_sleep(60)")
        assert caught.value.code == "search_too_long"
    async with asyncio.timeout(5), database.read() as connection:
        while await connection.fetchval(  # the server hears of the last end a little later
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query = 'SELECT pg_sleep(60)' AND state = 'active'"
        ):
            pass


async def test_searches_leave_connections_to_the_walk(database: Database) -> None:
    """However many searches are asked for, few run at once."""
    running, most = 0, 0

    async def search() -> None:
        nonlocal running, most
        async with database.search() as connection:
            running += 1
            most = max(most, running)
            await connection.fetchval("SELECT 1")
            running -= 1

    async with database.read(), database.read(), database.read(), database.read():
        pass  # there are connections enough from now on
    await asyncio.gather(*(search() for _ in range(20)))
    assert most == databases.SEARCHES_MOST
