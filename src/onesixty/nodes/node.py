"""This process, as the others see it: a number, and advisory locks that live as long as it does.

All locks are held on one connection of its own. PostgreSQL releases them when that ends, however
the process ended, and anybody can read in `pg_locks` who holds what.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from onesixty.nodes.slots import Slot

LOCK_SPACE: Final = 160  # first key of the advisory locks of nodes; the second is their number
SLOT_SPACE: Final = 161  # of sessions; the second is made of carrier and session
SESSIONS_MOST: Final = 64  # of one carrier
PATIENCE_SECONDS: Final = 5.0  # for any statement: a connection that hangs is a lost one
# A machine that vanished is noticed within about 8 s; a process that died, at once.
_KEEPALIVE: Final = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "8000",
}

# The row is gone if others took this process for dead while it could not be reached.
_ENROL: Final = """
INSERT INTO nodes (id, name, dispatches, backend) OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, pg_backend_pid())
ON CONFLICT (id) DO UPDATE SET dispatches = excluded.dispatches, backend = excluded.backend
"""
# A rescuer holds the lock of a dead node for a moment; only the node itself has its backend.
_ROLL: Final = """
WITH held AS MATERIALIZED (
    SELECT classid::bigint AS space, objid::bigint AS number, pid FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid IN (160, 161)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT n.id, n.dispatches, ARRAY(
    SELECT number FROM held slot WHERE slot.pid = n.backend AND slot.space = 161) AS slots
FROM nodes n JOIN held own ON own.space = 160 AND own.number = n.id AND own.pid = n.backend
ORDER BY n.id
"""


@dataclass(frozen=True, slots=True)
class Roll:
    """Who lives at a moment: all processes, those that dispatch, and who holds which slot."""

    all: tuple[int, ...] = ()
    dispatching: tuple[int, ...] = ()
    held: Mapping[Slot, int] = field(default_factory=dict)


class Node:
    """A process of the platform. One task at a time may speak on its connection."""

    def __init__(
        self, url: str, connection: asyncpg.Connection, number: int, name: str, *, dispatches: bool
    ) -> None:
        self._url, self._connection = url, connection
        self.number, self._name, self.dispatches = number, name, dispatches
        self._lock = asyncio.Lock()
        self.slots: set[Slot] = set()  # whose locks this process holds
        self.roll = Roll()

    @classmethod
    async def register(cls, url: str, name: str, *, dispatches: bool = True) -> "Node":
        """Take a number and its lock. Raises one of OUTAGES."""
        connection = await _connect(url)
        number = await connection.fetchval(
            "SELECT nextval(pg_get_serial_sequence('nodes', 'id'))::int"
        )
        node = cls(url, connection, number, name, dispatches=dispatches)
        await node._enrol(connection)
        await node.look()
        return node

    def alone(self) -> bool:
        """Whether no other process was there at the last look."""
        return len(self.roll.all) <= 1

    def dispatching(self) -> int:
        """How many processes shared the carriers at the last look; at least 1."""
        return max(1, len(self.roll.dispatching))

    async def look(self) -> Roll:
        """See who is there, after taking the locks again if their connection was lost.

        Slots that another process took meanwhile are no longer in `slots`. Raises one of OUTAGES.
        """
        async with self._lock:
            rows = await (await self._connected()).fetch(_ROLL)
        self.roll = Roll(
            tuple(row["id"] for row in rows),
            tuple(row["id"] for row in rows if row["dispatches"]),
            {divmod(key, SESSIONS_MOST): row["id"] for row in rows for key in row["slots"]},
        )
        return self.roll

    async def take(self, slots: Iterable[Slot]) -> set[Slot]:
        """Take what is free of these; give what was got. Raises one of OUTAGES."""
        async with self._lock:
            connection = await self._connected()
            got = {slot for slot in sorted(slots) if await _try(connection, slot)}
        self.slots |= got
        return got

    async def give_back(self, slots: Iterable[Slot]) -> None:
        """Let go of these. Raises one of OUTAGES, and then they are let go of all the same."""
        gone = self.slots & set(slots)
        self.slots -= gone
        async with self._lock:
            connection = await self._connected()
            for slot in gone:
                await connection.execute(
                    "SELECT pg_advisory_unlock($1, $2)", SLOT_SPACE, _key(slot)
                )

    async def retire(self) -> None:
        """Dispatch no more: the others share the carriers among themselves."""
        self.dispatches = False
        async with self._lock:
            connection = await self._connected()
            await connection.execute(_ENROL, self.number, self._name, False)

    async def leave(self) -> None:
        """Give the number back; to be called when no lease is out."""
        async with self._lock:
            if not self._connection.is_closed():
                await self._connection.execute("DELETE FROM nodes WHERE id = $1", self.number)
                await self._connection.close()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection.is_closed():
            connection = await _connect(self._url)
            try:
                await self._enrol(connection)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
        return self._connection

    async def _enrol(self, connection: asyncpg.Connection) -> None:
        name = f"onesixty node {self.number}"
        # The server may not know yet that our last connection is gone.
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = $1",
            name,
        )
        await connection.execute("SELECT set_config('application_name', $1, false)", name)
        await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCK_SPACE, self.number)
        await connection.execute(_ENROL, self.number, self._name, self.dispatches)
        self.slots = {slot for slot in sorted(self.slots) if await _try(connection, slot)}


async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        url,
        timeout=PATIENCE_SECONDS,
        command_timeout=PATIENCE_SECONDS,
        server_settings=_KEEPALIVE,
    )


async def _try(connection: asyncpg.Connection, slot: Slot) -> bool:
    got: Any = await connection.fetchval(
        "SELECT pg_try_advisory_lock($1, $2)", SLOT_SPACE, _key(slot)
    )
    return bool(got)


def _key(slot: Slot) -> int:
    return slot[0] * SESSIONS_MOST + slot[1]
