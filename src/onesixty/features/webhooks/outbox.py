"""The statements on the outbox: claim what is due, write what became of it, drop what is lost."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from onesixty.features.webhooks import feed
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Database, Rows

CALLBACKS: Final = 0  # the endpoint number of rows for the callback_url of their message
LOST_MOST: Final = 2000

# Every endpoint is claimed from apart, so that the backlog of one hides nobody's rows. A claim is a
# lease: it moves due_at, and the row comes due again if the process dies. Locked rows are found
# again by ctid: no statistics, however stale, can make another plan of it.
CLAIM: Final = f"""
WITH room AS (
    SELECT * FROM unnest($1::int[], $2::int[]) AS room(endpoint_id, most)
), due AS MATERIALIZED (
    SELECT q.ctid FROM room CROSS JOIN LATERAL (
        SELECT ctid FROM webhook_queue
        WHERE endpoint_id = room.endpoint_id AND due_at <= $4
        ORDER BY due_at LIMIT room.most FOR UPDATE SKIP LOCKED
    ) q LIMIT $3
), e AS (
    UPDATE webhook_queue SET due_at = $5 WHERE ctid = ANY(ARRAY(SELECT ctid FROM due))
    RETURNING event_id, account_id, endpoint_id, attempts
)
SELECT {feed.COLUMNS}, e.endpoint_id, e.attempts AS tries FROM e {feed.JOINS}
"""

# By ctid, as in CLAIM: the outbox is empty most of the time, and a plan made then would read the
# whole of it for each row.
# What is in the log already is written for the second time, after a commit whose answer was lost:
# its row may be gone, or in other hands, by now.
SETTLE: Final = """
WITH delivery AS (
    INSERT INTO deliveries (id, account_id, event_id, endpoint_id, attempt, url, status_code, error,
        response, milliseconds, at, next_attempt_at)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::int[], $5::smallint[], $6::text[],
        $7::smallint[], $8::text[], $9::text[], $10::int[], $11::timestamptz[],
        $12::timestamptz[])
    ON CONFLICT DO NOTHING
    RETURNING event_id, endpoint_id, attempt, next_attempt_at
), gone AS (
    DELETE FROM webhook_queue WHERE ctid = ANY(ARRAY(
        SELECT place.ctid FROM delivery d CROSS JOIN LATERAL (
            SELECT ctid FROM webhook_queue
            WHERE event_id = d.event_id AND endpoint_id = d.endpoint_id LIMIT 1
        ) place WHERE d.next_attempt_at IS NULL))
)
UPDATE webhook_queue q SET due_at = d.next_attempt_at, attempts = d.attempt
FROM delivery d CROSS JOIN LATERAL (
    SELECT ctid FROM webhook_queue
    WHERE event_id = d.event_id AND endpoint_id = d.endpoint_id LIMIT 1
) place
WHERE q.ctid = place.ctid AND d.next_attempt_at IS NOT NULL
"""

PUT_BACK: Final = """
UPDATE webhook_queue q SET due_at = later.due_at
FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) AS later(event_id, endpoint_id, due_at)
CROSS JOIN LATERAL (
    SELECT ctid FROM webhook_queue
    WHERE event_id = later.event_id AND endpoint_id = later.endpoint_id LIMIT 1
) place
WHERE q.ctid = place.ctid
"""

# The walk may have written rows for an endpoint in the moment that it was removed or disabled.
LOST: Final = """
WITH RECURSIVE present(endpoint_id) AS (
    SELECT min(endpoint_id) FROM webhook_queue WHERE endpoint_id > 0
    UNION ALL
    SELECT (SELECT min(endpoint_id) FROM webhook_queue WHERE endpoint_id > present.endpoint_id)
    FROM present WHERE present.endpoint_id IS NOT NULL
), lost AS MATERIALIZED (
    SELECT q.ctid FROM present JOIN webhook_endpoints endpoint ON endpoint.id = present.endpoint_id
    CROSS JOIN LATERAL (
        SELECT ctid FROM webhook_queue WHERE endpoint_id = present.endpoint_id
        LIMIT $1 FOR UPDATE SKIP LOCKED
    ) q
    WHERE endpoint.disabled_at IS NOT NULL OR endpoint.removed_at IS NOT NULL LIMIT $1
), dropped AS (
    DELETE FROM webhook_queue WHERE ctid = ANY(ARRAY(SELECT ctid FROM lost))
    RETURNING event_id, endpoint_id, account_id AS owner_id, attempts AS tries
)
SELECT dropped.*, endpoint.url, coalesce(endpoint.disabled_reason, 'removed') AS reason
FROM dropped JOIN webhook_endpoints endpoint ON endpoint.id = dropped.endpoint_id
"""


class Delivery(NamedTuple):
    """One attempt as the log keeps it; `next_attempt_at` None means taken or given up.

    In the order of SETTLE.
    """

    id: UUID
    account_id: int
    event_id: UUID
    endpoint_id: int
    attempt: int
    url: str
    status_code: int | None
    error: str | None
    response: str | None
    milliseconds: int
    at: datetime
    next_attempt_at: datetime | None


async def settle(connection: Connection | Database, batch: Sequence[Delivery]) -> None:
    """Write the log and take the rows out of the outbox, or give them their next time."""
    await connection.fetch(SETTLE, *columns(batch, 12))


async def put_back(database: Database, rows: Sequence[tuple[UUID, int, datetime]]) -> None:
    """Give back (event, endpoint) rows that were claimed but not tried, to be due at that time."""
    await database.fetch(PUT_BACK, *zip(*rows, strict=True))


async def take_lost(tx: Connection) -> Rows:
    """Take up to LOST_MOST rows of disabled and removed endpoints out; the caller logs them."""
    rows: Rows = await tx.fetch(LOST, LOST_MOST)
    return rows


async def claim(
    database: Database, rooms: dict[int, int], most: int, now: datetime, lease_until: datetime
) -> Rows:
    """Claim what is due: up to the room of each endpoint (by number), and up to so many in all."""
    return await database.fetch(CLAIM, list(rooms), list(rooms.values()), most, now, lease_until)
