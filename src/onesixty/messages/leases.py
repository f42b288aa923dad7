"""Leases: which messages are in the hands of this process, one row for each batch that it took.

A lease row is deleted when the last of its messages has its outcome. When a process dies its leases
stay, and another process makes their messages uncertain: they may have been sent. How long a
process lives is told by `nodes/node.py`.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from onesixty.carriers.contract import OutcomeKind
from onesixty.kit import ids, metrics
from onesixty.messages import store
from onesixty.messages.states import Cause, Status, sql_next, sql_set
from onesixty.nodes.node import LOCK_SPACE
from onesixty.storage.database import Connection, Database

_ALL = UUID(int=2**128 - 1)
_OUT = sql_set((Status.SENDING, Status.RESENDING))
# Longer than any carrier may take, and than anything waits in a lane: a carrier that has not
# reported by then never will.
HELD_MOST = timedelta(hours=1)
ORPHAN_AGE = timedelta(seconds=5)  # more than the clock may be set back


class LeaseBook:
    """Counts what is still out under each lease of this process."""

    def __init__(self) -> None:
        self._open: dict[UUID, int] = {}
        self._closing: set[UUID] = set()
        self._writing: set[UUID] = set()

    def begin(self, lease_id: UUID) -> None:
        """A row of this lease is being written."""
        self._writing.add(lease_id)

    def drop(self, lease_id: UUID) -> None:
        """Nothing was written, as far as is known: should the row be there, it is an orphan."""
        self._writing.discard(lease_id)

    def open(self, lease_id: UUID, count: int) -> None:
        """This many messages are out under the lease."""
        self._writing.discard(lease_id)
        self._open[lease_id] = count

    def close(self, lease_ids: Iterable[UUID]) -> list[UUID]:
        """One message of each named lease came to its end.

        Returns the leases to delete with their outcomes.
        """
        for lease_id in lease_ids:
            left = self._open.get(lease_id, 0) - 1
            if left > 0:
                self._open[lease_id] = left
            elif self._open.pop(lease_id, None) is not None:
                self._closing.add(lease_id)
        return list(self._closing)

    def forget(self, lease_ids: Iterable[UUID]) -> None:
        """The rows of these leases are deleted."""
        self._closing.difference_update(lease_ids)

    def known(self) -> list[UUID]:
        """All whose rows this process accounts for."""
        return [*self._open, *self._closing, *self._writing]

    def __len__(self) -> int:
        """Leases that are out."""
        return len(self._open)


# What was sent was sent after its lease was made, at the time in its id; its receipt may be here.
# Carriers of $4 send a message in one request, whatever it is cut into: it is one part to them.
_RESCUE = f"""
WITH lost AS (
    SELECT m.account_id, m.message_id, to_timestamp(
        ('x' || left(replace(lease.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AS leased_at
    FROM leases lease, unnest(lease.account_ids, lease.message_ids) AS m(account_id, message_id)
    WHERE lease.node_id = $1 AND lease.id < $3
), released AS (
    DELETE FROM leases WHERE node_id = $1 AND id < $3
), moved AS (
    UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.LEFT_UNKNOWN)))},
        sequence = m.sequence + (m.status = {Status.SENDING})::int, attempts = m.attempts + 1
    FROM lost
    WHERE m.account_id = lost.account_id AND m.id = lost.message_id
        AND m.status = ANY({_OUT})
    RETURNING m.account_id, m.id, m.status, m.sequence, m.attempts, m.segments,
        m.carrier_id, m.callback_url IS NOT NULL AS callback, lost.leased_at,
        {store.sql_before_step("m")} AS before_step
), tried AS (
    INSERT INTO submissions (account_id, message_id, attempt, part, parts, carrier_id, outcome,
        submitted_at, answered_at)
    SELECT account_id, id, attempts, part, parts, carrier_id, {OutcomeKind.UNKNOWN}, leased_at, $2
    FROM moved CROSS JOIN LATERAL (
        SELECT CASE WHEN carrier_id = ANY($4::int[]) THEN 1 ELSE segments END AS parts) AS cut
    CROSS JOIN LATERAL generate_series(1, parts) AS each(part)
    WHERE NOT EXISTS (SELECT FROM submissions s
        WHERE s.message_id = moved.id AND s.part = each.part AND s.attempt > before_step
            AND s.outcome = {OutcomeKind.ACCEPTED})
    ON CONFLICT DO NOTHING
), doubted AS (
    INSERT INTO doubts (message_id, account_id, since, due_at)
    SELECT id, account_id, $2, $2 FROM moved WHERE status = {Status.UNCERTAIN}
    ON CONFLICT (message_id) DO UPDATE SET since = excluded.since, due_at = excluded.due_at
)
SELECT account_id, id, status AS type, sequence, callback, NULL::int AS esme FROM moved
"""


_ORPHANS = f"""
WITH orphan AS (
    DELETE FROM leases WHERE node_id = $1 AND id < $2 AND id <> ALL($3::uuid[])
    RETURNING account_ids, message_ids
), untouched AS (
    UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.DEFERRED)))}
    FROM orphan, unnest(orphan.account_ids, orphan.message_ids) AS held(account_id, message_id)
    WHERE m.account_id = held.account_id AND m.id = held.message_id
        AND m.status = ANY({_OUT})
    RETURNING m.id, m.account_id, m.carrier_id, m.category, m.expires_at, m.flow,
        CASE WHEN m.parts_sent = 0 THEN m.fallbacks[1] END AS next_carrier
)
INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at, flow,
    next_carrier)
SELECT id, account_id, carrier_id, category, $4, expires_at, coalesce(flow, ''), next_carrier
FROM untouched RETURNING carrier_id
"""


async def requeue_orphans(
    database: Database, node_number: int, book: LeaseBook, now: datetime
) -> set[int]:
    """Give back to the queue what this process leased without knowing it.

    Returns the carriers that have it waiting. When the connection breaks in the moment of a commit,
    the process takes it for failed although it was not. Such messages were never handed to a
    carrier. A lease of this process that is not in the book is one, once it is some seconds old.
    """
    before = ids.first_at(now - ORPHAN_AGE)
    rows = await database.fetch(_ORPHANS, node_number, before, book.known(), now)
    return {row["carrier_id"] for row in rows}


async def rescue(
    database: Database, own_number: int, now: datetime, wholes: Collection[int] = ()
) -> int:
    """Make what dead processes held uncertain; return how many messages.

    `wholes` are the carriers that send a message in one request, however many segments it has.
    Safe to run in every process at once.
    """
    total = 0
    async with database.read() as connection:
        numbers = await connection.fetch(
            "SELECT DISTINCT node_id FROM leases WHERE node_id <> $1"
            " UNION SELECT id FROM nodes WHERE id <> $1",
            own_number,
        )
    for row in numbers:
        async with database.write() as tx:
            number = row["node_id"]
            alive = not await tx.fetchval(
                "SELECT pg_try_advisory_xact_lock($1, $2)", LOCK_SPACE, number
            )
            if alive:
                continue
            lost = await _doubt(tx, number, now, _ALL, wholes)
            await tx.execute("DELETE FROM nodes WHERE id = $1", number)
            total += lost
    metrics.rescued.inc(total)
    return total


async def give_up(
    database: Database, own_number: int, now: datetime, wholes: Collection[int] = ()
) -> int:
    """Make uncertain what a carrier of this process has had for too long; return how many.

    Should it report after all, that counts as a late answer.
    """
    async with database.write() as tx:
        return await _doubt(tx, own_number, now, ids.first_at(now - HELD_MOST), wholes)


async def _doubt(
    tx: Connection, node_number: int, now: datetime, before: UUID, wholes: Collection[int]
) -> int:
    lost = await tx.fetch(_RESCUE, node_number, now, before, list(wholes))
    if told := [row for row in lost if row["type"] == Status.UNCERTAIN]:
        await store.note(tx, told, now)
    return len(lost)
