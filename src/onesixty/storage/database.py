"""Connections and transactions.

The edge (a loop or a door) opens a transaction; nothing below can commit.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg

from onesixty.kit.problems import Problem
from onesixty.storage import arrays
from onesixty.storage.pool import Pool

Connection = asyncpg.Connection
Rows = list[asyncpg.Record]
T = TypeVar("T")
# What a server raises that is dead, restarting, full or a standby by now; the loops wait and try
# again, clients are told to.
OUTAGES = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # it shuts down, starts, or ended our statement
    asyncpg.InsufficientResourcesError,  # of disk, memory, connections
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,  # rare, and gone when it is tried again
    asyncpg.InternalClientError,  # a statement on a connection whose end had not been noticed
)


# Every statement of the walk joins a batch of at most some thousands to indexed tables of any size:
# index look-ups are right for an empty table and for a billion rows. Left to its statistics the
# planner scans young tables, and keeps doing so from its plan cache while they grow.
_SESSION = {
    "application_name": "onesixty",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "random_page_cost": "1.1",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


SEARCHES_MOST: Final = 3  # at once
SEARCH_SECONDS: Final = 3.0


class _Connection(asyncpg.Connection):
    """A pooled connection that is given back as it is: nothing here changes the state of a session.

    What asyncpg would do instead is one more round trip for each transaction.
    """

    def get_reset_query(self) -> str:
        """Nothing to reset."""
        return ""


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self.url = url
        self._searches = asyncio.Semaphore(SEARCHES_MOST)

    @classmethod
    async def open(cls, url: str, *, connections: int = 8) -> "Database":
        """Connect; raises OSError or an asyncpg error when the server cannot be reached."""

        async def connect() -> Connection:
            try:
                connection = await asyncpg.connect(
                    url, connection_class=_Connection, server_settings=_SESSION
                )
            except asyncpg.ObjectNotInPrerequisiteStateError as error:
                # ALTER DATABASE ... ALLOW_CONNECTIONS false: an outage too.
                raise asyncpg.CannotConnectNowError(str(error)) from error
            _prepare(connection)
            return connection

        pool = Pool(connect, connections)
        pool.release(await pool.acquire())
        return cls(pool, url)

    async def close(self) -> None:
        """Close every connection, waiting for those in use."""
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def read(self, use: str | None = None) -> AsyncIterator[Connection]:
        """A connection for statements that need no transaction of several.

        What is done often is better off with a name of its `use`: see Pool.
        """
        connection = await self._pool.acquire(use)
        try:
            yield connection
        finally:
            self._pool.release(connection)

    @contextlib.asynccontextmanager
    async def write(self, use: str | None = None) -> AsyncIterator[Connection]:
        """A transaction: committed at the end of the block, rolled back when it raises."""
        async with self.read(use) as connection:
            try:
                async with connection.transaction():
                    yield connection
            except asyncpg.ReadOnlySQLTransactionError:
                connection.terminate()
                raise

    async def transact(
        self, work: Callable[[Connection], Awaitable[T]], use: str | None = None
    ) -> T:
        """What `work` gives, done in one transaction as of `write`.

        For the modules that can be compiled, where no `async with` may end by waiting
        (mypyc forgets the exception meanwhile).
        """
        async with self.write(use) as tx:
            return await work(tx)

    @contextlib.asynccontextmanager
    async def search(self) -> AsyncIterator[Connection]:
        """A connection for a list whose filters may need more than an index.

        Few at once and none for long, so that however long the history is there are connections for
        the walk. Raises Problem.
        """
        try:
            async with asyncio.timeout(SEARCH_SECONDS), self._searches, self.read() as connection:
                yield connection
        except TimeoutError:
            after = f"it was ended after {SEARCH_SECONDS:g} seconds"
            raise Problem("search_too_long", after) from None

    async def fetch(self, statement: str, *arguments: Any) -> Rows:
        """One statement in its own transaction: a single round trip.

        The walk is built of these.
        """
        connection = await self._pool.acquire(statement)
        try:
            rows: Rows = await connection.fetch(statement, *arguments)
        except asyncpg.ReadOnlySQLTransactionError:
            # A session that was opened while the server took no writes may never take any.
            connection.terminate()
            raise
        finally:
            self._pool.release(connection)
        return rows

    async def listen(self, channel: str, heard: Callable[[], None]) -> Connection:
        """A connection of its own that calls `heard` at every NOTIFY on the channel.

        The caller closes it.
        """
        connection = await asyncpg.connect(self.url)
        await connection.add_listener(channel, lambda *_: heard())
        return connection


def _prepare(connection: Connection) -> None:
    # What `set_type_codec` calls, which refuses arrays, and asks the server first.
    settings = connection._protocol.get_settings()  # type: ignore[attr-defined]
    settings.add_python_codec(
        arrays.JSONB, "jsonb", "pg_catalog", [], "scalar", arrays.json, arrays.from_json, "binary"
    )
    for kind in arrays.KINDS:
        settings.add_python_codec(
            kind.oid, kind.name, "pg_catalog", [], "array", kind.encode, kind.decode, "binary"
        )
