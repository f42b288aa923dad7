"""Messages that their sender asks about again: found, listed by address, replaced while they wait.

For doors whose protocol has words for that (query_sm, cancel_sm, replace_sm). The queue row is the
token here too: what a lane has claimed, or was handed, is no longer to be changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.messages import screen, store
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Direction, Message, Refusal, SendRequest
from onesixty.records.snapshot import Account
from onesixty.storage.database import Connection, Rows

PENDING_MOST: Final = 1000
_AROUND: Final = timedelta(seconds=5)  # clocks of processes, and a second's rounding
_WAITING: Final = f"ARRAY[{Status.SCHEDULED:d}, {Status.QUEUED:d}]::smallint[]"

_FIND: Final = f"""
SELECT {store.COLUMNS} FROM messages
WHERE account_id = $1 AND id = ANY($2::uuid[]) AND direction = {Direction.OUTBOUND:d}
"""
_FIND_NAMED: Final = f"""
SELECT {store.COLUMNS} FROM messages
WHERE account_id = $1 AND id >= $2 AND id < $3 AND origin ->> 'id' = $4
ORDER BY id LIMIT {PENDING_MOST}
"""
_PENDING: Final = f"""
SELECT id FROM messages
WHERE account_id = $1 AND recipient = $2 AND sender = $3 AND status = ANY({_WAITING})
    AND direction = {Direction.OUTBOUND:d} AND ($4::text IS NULL OR origin ->> 'service' = $4)
    AND ($5::uuid IS NULL OR id < $5)
ORDER BY id DESC LIMIT {PENDING_MOST}
"""
_REPLACE: Final = f"""
WITH waiting AS (
    SELECT message_id FROM queue WHERE account_id = $1 AND message_id = $2 FOR UPDATE
), changed AS (
    UPDATE messages m SET body = $3, encoding = $4, segments = $5, form = $6, send_at = $7,
        expires_at = $8, origin = $9
    FROM waiting WHERE m.account_id = $1 AND m.id = waiting.message_id
        AND m.status = ANY({_WAITING})
    RETURNING m.id
)
UPDATE queue SET due_at = coalesce($7, due_at), expires_at = $8
FROM changed WHERE queue.account_id = $1 AND queue.message_id = changed.id
RETURNING true
"""


async def find(connection: Connection, account_id: int, message_ids: Sequence[UUID]) -> Rows:
    """Outbound messages of an account by their ids; what it has not is left out."""
    rows: Rows = await connection.fetch(_FIND, account_id, list(message_ids))
    return rows


async def find_named(
    connection: Connection, account_id: int, name: str, at: datetime, until: datetime | None = None
) -> Rows:
    """Messages whose origin gave them this id, accepted about then (or until then)."""
    first, last = ids.first_at(at - _AROUND), ids.first_at((until or at) + _AROUND)
    rows: Rows = await connection.fetch(_FIND_NAMED, account_id, first, last, name)
    return rows


async def pending(
    connection: Connection,
    account_id: int,
    ends: tuple[str, str],
    service: str | None = None,
    before: UUID | None = None,
) -> list[UUID]:
    """Messages of an account that no carrier has yet, by (sender, recipient); newest first."""
    sender, recipient = ends
    rows = await connection.fetch(_PENDING, account_id, recipient, sender, service, before)
    return [row["id"] for row in rows]


@dataclass(frozen=True, slots=True)
class Replacement:
    """What becomes of a waiting message; what is None stays."""

    request: SendRequest  # its text and form
    send_at: datetime | None
    expires_at: datetime | None
    origin: dict[str, Any] | None


async def replace(
    tx: Connection, account: Account, row: Any, new: Replacement, now: datetime
) -> bool | Refusal:
    """Give a waiting message another text; False when it waits no longer.

    A message that waits for its turn, not for its time, can get no other time. One that has a price
    cannot become longer: the price is held.
    """
    if new.send_at is not None and row["status"] != Status.SCHEDULED:
        return False
    message = Message(
        account.id, row["id"], Status(row["status"]), Direction.OUTBOUND,
        Category(row["category"]), row["recipient"], "", now,
    )  # fmt: skip
    refusal = screen.compose(message, new.request)
    if refusal is not None:
        return refusal
    if row["price_micros"] is not None and message.segments > row["segments"]:
        return False
    done = await tx.fetchval(
        _REPLACE,
        account.id,
        row["id"],
        message.body,
        int(message.encoding),
        message.segments,
        message.form.to_json() if message.form else None,
        new.send_at or row["send_at"],
        new.expires_at or row["expires_at"],
        new.origin or row["origin"],
    )
    return bool(done)
