"""A pool of connections whose use costs next to nothing.

asyncpg's own takes a task and a proxy each time a connection is given back, which doubled the
processor time of a small statement.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Final

import asyncpg

Connection = asyncpg.Connection
MEND_SECONDS: Final = 10.0
_FAILURES: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Pool:
    """Up to so many connections, made when they are needed. Who finds none waits in line.

    Who says what for is given the one that was last used for the same, if it is free: there the
    statements are planned already, which takes PostgreSQL 1 to 15 ms for one of the walk.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], most: int) -> None:
        self.most = most
        self._connect = connect
        self._idle: list[Connection] = []
        self._homes: dict[Hashable, list[Connection]] = {}  # by use, the one used last at the end
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._places = 0  # taken by connections: idle, in use or being made
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._empty = asyncio.Event()

    async def acquire(self, use: Hashable = None) -> Connection:
        """A connection to give back by `release`; raises what connecting raises.

        `use` says what for. There must not be many, since none is forgotten.
        """
        homes = self._homes.get(use)
        if homes is None:
            homes = self._homes[use] = []
        while self._idle:
            connection = self._choose(homes)
            if not connection.is_closed():
                return _last(homes, connection)
            self._forget(connection)
            self._places -= 1
        if self._closing:
            raise asyncpg.InterfaceError("the pool is closed")
        if self._places < self.most:
            self._places += 1
            return _last(homes, await self._make())
        given = await self._wait()
        return _last(homes, await self._make() if given is None else given)

    def release(self, connection: Connection) -> None:
        """Give it back in whatever state it is."""
        protocol = connection._protocol  # type: ignore[attr-defined]
        if connection.is_closed():
            self._forget(connection)
            self._free_place()
        elif self._closing:
            self._begin(self._end(connection))
        elif protocol._is_cancelling() or connection.is_in_transaction():
            self._begin(self._mend(connection))
        elif not self._hand_on(connection):
            self._idle.append(connection)

    async def close(self) -> None:
        """Close every connection, waiting for those in use."""
        self._closing = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(asyncpg.InterfaceError("the pool is closed"))
        while self._idle:
            self.release(self._idle.pop())
        if self._places:
            await self._empty.wait()

    def _choose(self, homes: list[Connection]) -> Connection:
        """Take an idle one: of these, or else the one that rests longest."""
        for connection in reversed(homes):
            if connection in self._idle:
                self._idle.remove(connection)
                return connection
        return self._idle.pop(0)

    def _forget(self, connection: Connection) -> None:
        for homes in self._homes.values():
            if connection in homes:
                homes.remove(connection)

    async def _make(self) -> Connection:
        """One for a place that is taken already."""
        try:
            return await self._connect()
        except BaseException:
            self._free_place()
            raise

    async def _wait(self) -> Connection | None:
        """In line for a connection, or for a place to make one: then None."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and not waiter.exception():  # given in the same moment
                connection = waiter.result()
                if connection is None:
                    self._free_place()
                else:
                    self.release(connection)
            raise

    def _free_place(self) -> None:
        if not self._hand_on(None):
            self._places -= 1
            if self._closing and not self._places:
                self._empty.set()

    def _hand_on(self, connection: Connection | None) -> bool:
        """Give it to the first in line, if there is one."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _mend(self, connection: Connection) -> None:
        """Its statement was broken off, or its transaction left open."""
        try:
            async with asyncio.timeout(MEND_SECONDS):
                await connection._protocol._wait_for_cancellation()  # type: ignore[attr-defined]
                await connection.reset()
        except _FAILURES:
            connection.terminate()
        self.release(connection)

    async def _end(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(MEND_SECONDS):
                await connection.close()
        except _FAILURES:
            connection.terminate()
        self._free_place()


def _last(homes: list[Connection], connection: Connection) -> Connection:
    """The connection, noted as the one used last."""
    if not homes or homes[-1] is not connection:
        if connection in homes:
            homes.remove(connection)
        homes.append(connection)
    return connection
