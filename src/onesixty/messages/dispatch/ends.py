"""Ends that come from our side: cancelled by the customer, or expired in the queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from onesixty.carriers.contract import ErrorClass
from onesixty.messages import store
from onesixty.messages.states import Cause, Status, sql_next
from onesixty.records.billing import holds
from onesixty.storage.database import Connection, Database

EXPIRE_BATCH: Final = 1000
LOOK_MOST: Final = 10_000  # waiting messages that one call looks at

_CANCEL = f"""
WITH gone AS (
    DELETE FROM queue WHERE account_id = $1 AND message_id = ANY($2::uuid[]) RETURNING message_id
)
UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.CANCELED)))},
    sequence = m.sequence + 1, final_at = $3
FROM gone WHERE m.account_id = $1 AND m.id = gone.message_id
    AND {sql_next("m.status", str(int(Cause.CANCELED)))} <> 0
RETURNING m.account_id, m.id, m.status AS type, m.sequence,
    m.callback_url IS NOT NULL AS callback, {store.sql_esme("m.origin", "m.status")} AS esme
"""
_CANCELED = sql_next("m.status", str(int(Cause.CANCELED)))
_FALLING: Final = f"m.status = {Status.FALLING_BACK}"  # it is at no carrier, and not in the queue
_END_PLAN = f"""
UPDATE messages m SET steps = NULL,
    status = CASE WHEN {_FALLING} THEN {_CANCELED} ELSE m.status END,
    sequence = m.sequence + ({_FALLING})::int,
    final_at = CASE WHEN {_FALLING} THEN $3::timestamptz END
WHERE m.account_id = $1 AND m.id = ANY($2::uuid[]) AND m.steps IS NOT NULL AND m.final_at IS NULL
RETURNING m.account_id, m.id, m.status AS type, m.sequence,
    m.callback_url IS NOT NULL AS callback, {store.sql_esme("m.origin", "m.status")} AS esme
"""
# In the order of their ids, so that a caller goes on where the last call ended.
LIKE: Final = """
WITH waiting AS MATERIALIZED (
    SELECT message_id FROM queue WHERE account_id = $1 AND message_id > $2
    ORDER BY message_id LIMIT $5
)
SELECT waiting.message_id, ($3::text IS NULL OR m.tags ? $3)
    AND ($4::uuid IS NULL OR m.batch_id = $4) AS fits
FROM waiting JOIN messages m ON m.account_id = $1 AND m.id = waiting.message_id
ORDER BY waiting.message_id
"""
_EXPIRE = f"""
WITH gone AS (
    DELETE FROM queue WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM queue WHERE expires_at <= $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING message_id, account_id
)
UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.EXPIRED)))},
    sequence = m.sequence + 1, final_at = $1,
    error_code = 'expired', error_class = '{ErrorClass.EXPIRED}',
    error_detail = 'its validity ended before a carrier took it'
        || coalesce('; last: ' || m.error_detail, '')
FROM gone WHERE m.account_id = gone.account_id AND m.id = gone.message_id
    AND {sql_next("m.status", str(int(Cause.EXPIRED)))} <> 0
RETURNING m.account_id, m.id, m.status AS type, m.sequence,
    m.callback_url IS NOT NULL AS callback, {store.sql_esme("m.origin", "m.status")} AS esme
"""


async def cancel(
    tx: Connection, account_id: int, message_ids: Sequence[UUID], now: datetime
) -> tuple[set[UUID], int]:
    """Cancel those that no carrier has in hand; return which, and how many outbox rows that made.

    The queue row is the token: who deletes it, lane or canceller, has the message. Of those that
    are out already, and have channels to fall back to, these are dropped; they are returned too.
    """
    moved = await tx.fetch(_CANCEL, account_id, list(message_ids), now)
    canceled = {row["id"] for row in moved}
    if others := [one for one in message_ids if one not in canceled]:
        stopped = await tx.fetch(_END_PLAN, account_id, others, now)
        canceled |= {row["id"] for row in stopped}
        moved += [row for row in stopped if row["type"] == Status.CANCELED]
    if moved:
        await holds.wake(tx, [row["id"] for row in moved], now)
    return canceled, await store.note(tx, moved, now) if moved else 0


async def cancellable_of_batch(
    tx: Connection, account_id: int, batch_id: UUID, most: int
) -> list[UUID]:
    """Messages of a batch that still wait, or have channels to fall back to."""
    rows = await tx.fetch(
        "SELECT id FROM messages"
        " WHERE account_id = $1 AND batch_id = $2"
        " AND (status = ANY($3::smallint[]) OR steps IS NOT NULL AND final_at IS NULL)"
        " AND id >= $5 AND id < $6 ORDER BY id LIMIT $4",
        account_id,
        batch_id,
        [int(Status.SCHEDULED), int(Status.QUEUED)],
        most,
        *store.batch_range(batch_id),
    )
    return [row["id"] for row in rows]


async def waiting_like(
    tx: Connection, account_id: int, after: UUID, tag: str | None, batch_id: UUID | None
) -> tuple[list[UUID], UUID | None]:
    """Waiting messages of an account with a tag, of a batch, or both.

    Looks at LOOK_MOST of those that wait, from `after` on; also returns the last one that it looked
    at, None when there are no more.
    """
    rows = await tx.fetch(LIKE, account_id, after, tag, batch_id, LOOK_MOST)
    last = rows[-1]["message_id"] if len(rows) == LOOK_MOST else None
    return [row["message_id"] for row in rows if row["fits"]], last


async def expire(database: Database, now: datetime) -> tuple[bool, int]:
    """End what waited longer than it was wanted.

    Returns whether there may be more, and how many outbox rows that made.
    """
    async with database.write() as tx:
        moved = await tx.fetch(_EXPIRE, now, EXPIRE_BATCH)
        hooked = await store.note(tx, moved, now) if moved else 0
    return len(moved) >= EXPIRE_BATCH, hooked
