"""The rows of the outbox that are for ESMEs: claim what is due, drop what nobody will fetch.

Such a row has minus the number of its ESME for an endpoint. What became of it is written by the
statements of `webhooks/outbox.py`, which make no difference.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from onesixty.storage.database import Connection, Database, Rows

LOST_MOST: Final = 2000
COUNTED_MOST: Final = 10_000

# As the claim of webhooks: see there why each ESME is claimed from apart, and why by ctid.
CLAIM: Final = """
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
SELECT e.event_id, e.account_id, e.endpoint_id, e.attempts, event.type, event.event_sequence,
    event.at, message.*
FROM e LEFT JOIN LATERAL (
    SELECT type, sequence AS event_sequence, message_id, at FROM events
    WHERE account_id = e.account_id AND id = e.event_id LIMIT 1
) event ON true LEFT JOIN LATERAL (
    SELECT id, status, sequence, sender, recipient, body, created_at, error_code, carrier_code,
        origin, form
    FROM messages WHERE account_id = e.account_id AND id = event.message_id LIMIT 1
) message ON true
"""

# Every endpoint that is an ESME and has rows, by jumping from one to the next in the index.
_JUMPS = """RECURSIVE present(endpoint_id) AS (
    SELECT min(endpoint_id) FROM webhook_queue WHERE endpoint_id < 0
    UNION ALL
    SELECT (SELECT min(endpoint_id) FROM webhook_queue
        WHERE endpoint_id > present.endpoint_id AND endpoint_id < 0)
    FROM present WHERE present.endpoint_id IS NOT NULL
)"""
PRESENT: Final = f"WITH {_JUMPS} SELECT endpoint_id FROM present WHERE endpoint_id IS NOT NULL"

# Of ESMEs that are off, all; of others, what was due so long ago that it counts for nothing now.
LOST: Final = f"""
WITH {_JUMPS}, lost AS MATERIALIZED (
    SELECT q.ctid FROM present JOIN esmes ON esmes.id = -present.endpoint_id
    CROSS JOIN LATERAL (
        SELECT ctid FROM webhook_queue
        WHERE endpoint_id = present.endpoint_id AND due_at <= CASE
            WHEN esmes.removed_at IS NULL AND esmes.enabled THEN $2::timestamptz
            ELSE 'infinity' END
        LIMIT $1 FOR UPDATE SKIP LOCKED
    ) q LIMIT $1
), dropped AS (
    DELETE FROM webhook_queue WHERE ctid = ANY(ARRAY(SELECT ctid FROM lost))
    RETURNING event_id, endpoint_id, account_id, attempts
)
SELECT dropped.*, esmes.system_id, CASE WHEN esmes.removed_at IS NOT NULL THEN 'the ESME is removed'
    WHEN NOT esmes.enabled THEN 'the ESME is disabled' ELSE 'nobody bound to fetch it' END AS why
FROM dropped JOIN esmes ON esmes.id = -dropped.endpoint_id
"""

WAITING: Final = f"""
SELECT wanted.number, found.* FROM unnest($1::int[]) AS wanted(number) CROSS JOIN LATERAL (
    SELECT count(*), min(due_at) AS next_due_at FROM (
        SELECT due_at FROM webhook_queue WHERE endpoint_id = -wanted.number
        ORDER BY due_at LIMIT {COUNTED_MOST}
    ) waiting
) found
"""


async def claim(
    database: Database, rooms: Mapping[int, int], most: int, now: datetime, lease_until: datetime
) -> Rows:
    """Claim what is due: up to the room of each ESME (by number), and up to so many in all."""
    endpoints = [-number for number in rooms]
    return await database.fetch(CLAIM, endpoints, list(rooms.values()), most, now, lease_until)


async def present(database: Database) -> set[int]:
    """The numbers of all ESMEs for whom anything waits."""
    return {-row["endpoint_id"] for row in await database.fetch(PRESENT)}


async def take_lost(tx: Connection, before: datetime) -> Rows:
    """Take up to LOST_MOST rows out: of ESMEs that are off, and what was due before that time.

    The caller logs them.
    """
    rows: Rows = await tx.fetch(LOST, LOST_MOST, before)
    return rows


async def waiting(
    database: Database, esme_ids: Sequence[int]
) -> dict[int, tuple[int, datetime | None]]:
    """How many receipts and messages wait for each of these ESMEs, counted up to COUNTED_MOST.

    And when the first of them is due, or was.
    """
    rows = await database.fetch(WAITING, esme_ids)
    return {row["number"]: (row["count"], row["next_due_at"]) for row in rows}


Name = tuple[UUID, int]
"""Of an outbox row: its event and its endpoint."""
