"""The rows of messages: writing accepted ones, reading them for doors.

Hot statements of the walk live with their room. `INSERT` is the hot one here: one statement, hence
one round trip and one commit, for a whole batch of accepted messages with their queue rows, lease,
events and webhook rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from onesixty.kit import ids
from onesixty.messages.states import Status
from onesixty.messages.types import Direction, Message
from onesixty.records import events
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Rows

# The events that an ESME is sent a receipt for, as a bit mask, by the five bits of the
# registered_delivery of its submit that count (SMPP 5.0, 4.7.21): 1 every end, 2 failures,
# 3 successes, and 16 also when it was sent.
_SUCCESSES: Final = 1 << Status.DELIVERED | 1 << Status.READ
_FAILURES: Final = sum(
    1 << status for status in (Status.UNDELIVERED, Status.FAILED, Status.EXPIRED, Status.CANCELED)
)
_ENDS: Final = (0, _SUCCESSES | _FAILURES, _FAILURES, _SUCCESSES)
RECEIPT_MASKS: Final = tuple(
    _ENDS[bits & 3] | bool(bits & 0x10) << Status.SENT for bits in range(32)
)


def sql_esme(origin: str, status: str) -> str:
    """SQL for the ESME that gets a receipt for this status of its message, or NULL.

    As the outbox has it: minus the number of the ESME.
    """
    masks = "'{" + ",".join(map(str, RECEIPT_MASKS)) + "}'::int[]"
    wanted = f"({masks})[(({origin}->'registered')::int & 31) + 1] >> {status}::int & 1 = 1"
    return f"CASE WHEN {origin} IS NOT NULL AND {wanted} THEN -({origin}->'esme')::int END"


# SQL for the endpoints that are told of an event; for rows of `noted` with account_id and type.
ENDPOINTS: Final = """
    noted JOIN webhook_endpoints endpoint ON endpoint.account_id = noted.account_id
    WHERE endpoint.removed_at IS NULL AND endpoint.disabled_at IS NULL
      AND endpoint.event_mask >> noted.type::int & 1 = 1
"""


def sql_webhooks(due: str = "noted.at") -> str:
    """SQL for the rows that events put into the outbox; those of endpoints are due then.

    `noted` names a CTE with account_id, event_id, type, callback, esme, at.
    """
    return f"""
    INSERT INTO webhook_queue (event_id, endpoint_id, account_id, due_at)
    SELECT noted.event_id, endpoint.id, noted.account_id, {due} FROM {ENDPOINTS}
    UNION ALL
    SELECT noted.event_id, 0, noted.account_id, noted.at FROM noted
    WHERE noted.callback AND {events.CALLBACK_MASK} >> noted.type::int & 1 = 1
    UNION ALL
    SELECT noted.event_id, noted.esme, noted.account_id, noted.at FROM noted
    WHERE noted.esme IS NOT NULL
    RETURNING 1
"""


WEBHOOKS: Final[str] = sql_webhooks()


def sql_before_step(message: str) -> str:
    """SQL for how many attempts there were at earlier channels of a message."""
    return f"coalesce(({message}.past_steps->-1->>'attempts')::int, 0)"


def attempts_before(row: Any) -> int:
    """The same for a row that has `past_steps`."""
    past = row["past_steps"]
    return past[-1]["attempts"] if past else 0


INSERT: Final = f"""
WITH draft AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::smallint[], $5::smallint[],
        $6::boolean[], $7::smallint[], $8::smallint[], $9::int[], $10::int[], $11::text[],
        $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::uuid[], $18::text[],
        $19::jsonb[], $20::timestamptz[], $21::timestamptz[], $22::timestamptz[], $23::text[],
        $24::jsonb[], $25::jsonb[], $26::smallint[], $27::jsonb[], $28::jsonb[], $29::bigint[],
        $30::bigint[])
    AS draft(account_id, id, event_id, status, category, test, encoding, segments, carrier_id,
        route_id, fallbacks, sender, recipient, body, reference, callback_url, batch_id, tags,
        metadata, send_at, expires_at, created_at, flow, origin, form, channel, content, steps,
        explanation, price_micros)
), stored AS (
    INSERT INTO messages (account_id, id, status, sequence, direction, category, test, encoding,
        segments, carrier_id, route_id, fallbacks, sender, recipient, body, reference, callback_url,
        batch_id, tags, metadata, send_at, expires_at, created_at, flow, origin, form, channel,
        content, steps, explanation, price_micros)
    SELECT account_id, id, status, (status <> {Status.SCHEDULED})::int, {Direction.OUTBOUND},
        category, test, encoding, segments, carrier_id, route_id, fallbacks::int[], sender,
        recipient, body, reference, callback_url, batch_id, tags::jsonb, metadata, send_at,
        expires_at, created_at, flow, origin, form, channel, content, steps, explanation,
        price_micros
    FROM draft
), waiting AS (
    INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at, flow,
        next_carrier)
    SELECT id, account_id, carrier_id, category, coalesce(send_at, created_at), expires_at,
        coalesce(flow, ''), (fallbacks::int[])[1]
    FROM draft WHERE status <> {Status.SENDING}
), leased AS (
    INSERT INTO leases (id, node_id, account_ids, message_ids)
    SELECT $31, $32, array_agg(account_id), array_agg(id) FROM draft
    WHERE status = {Status.SENDING} HAVING count(*) > 0
), planned AS (
    INSERT INTO fallbacks (message_id, account_id, due_at)
    SELECT id, account_id, coalesce(coalesce(send_at, created_at)
        + make_interval(secs => (steps->0->>'wait')::double precision), expires_at)
    FROM draft WHERE steps IS NOT NULL
), noted AS (
    SELECT account_id, event_id, {Status.QUEUED} AS type, callback_url IS NOT NULL AS callback,
        NULL::int AS esme, created_at AS at, id
    FROM draft WHERE status <> {Status.SCHEDULED}
), recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, 1, id, at FROM noted
), hooked AS ({WEBHOOKS})
SELECT count(*) FROM hooked
"""

NOTE: Final = f"""
WITH noted AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::smallint[], $5::uuid[],
        $6::boolean[], $7::int[])
    AS noted(account_id, event_id, type, sequence, id, callback, esme),
        (SELECT $8::timestamptz AS at) AS moment
), recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, sequence, id, at FROM noted
), hooked AS ({WEBHOOKS})
SELECT count(*) FROM hooked
"""

# To decide about 10,000 messages, on the slowest machine.
BATCH_TAKES_MOST_MILLIS: Final = 600_000

COLUMNS: Final = (
    "account_id, id, status, sequence, direction, category, test, encoding, segments, parts_sent,"
    " attempts, carrier_id, route_id, sender, recipient, body, reference, callback_url, batch_id,"
    " tags, metadata, error_code, error_class, error_detail, carrier_code, send_at, expires_at,"
    " created_at, sent_at, delivered_at, final_at, possible_duplicate, origin, form,"
    " channel, content, steps, past_steps, explanation, price_micros"
)


def insert_arguments(messages: Sequence[Message], lease_id: UUID, node_id: int) -> list[Any]:
    """The arguments of INSERT.

    Messages with status SENDING are stored as leased to the node; the rest wait in the queue.
    """
    rows = [
        (
            m.account_id, m.id, ids.uuid7(), int(m.status), int(m.category), m.test,
            int(m.encoding), m.segments, m.carrier_id, m.route_id, _integers(m.fallbacks),
            m.sender, m.recipient, m.body, m.reference, m.callback_url, m.batch_id,
            _texts(m.tags), m.metadata, m.send_at, m.expires_at, m.created_at, m.flow,
            m.origin, m.form.to_json() if m.form else None, int(m.channel),
            m.content.to_json() if m.content else None, m.steps, m.explanation, m.price_micros,
        )
        for m in messages
    ]  # fmt: skip
    return [*columns(rows, 30), lease_id, node_id]


# Lists travel as text: a list of lists would be taken for one array of two dimensions.
def _integers(numbers: list[int]) -> str | None:
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else None


def _texts(texts: Sequence[str]) -> str | None:
    return orjson.dumps(texts).decode() if texts else None


async def note(tx: Connection, moved: Rows, now: datetime) -> int:
    """Write events and outbox rows of messages that changed; return how many outbox rows.

    Takes rows of account_id, id, type, sequence, callback, esme.
    """
    hooked: int = await tx.fetchval(
        NOTE,
        [row["account_id"] for row in moved],
        [ids.uuid7() for _ in moved],
        [row["type"] for row in moved],
        [row["sequence"] for row in moved],
        [row["id"] for row in moved],
        [row["callback"] for row in moved],
        [row["esme"] for row in moved],
        now,
    )
    return hooked


async def get(connection: Connection, account_id: int, message_id: UUID) -> Any:
    """The row of one message, or None."""
    return await connection.fetchrow(
        f"SELECT {COLUMNS} FROM messages WHERE account_id = $1 AND id = $2", account_id, message_id
    )


_FILTERS: Final = {
    "status": "status = ANY(${n}::smallint[])",
    "direction": "direction = ${n}::smallint",
    "to": "recipient = ${n}::text",
    "from": "sender = ${n}::text",
    "carrier": "carrier_id = ${n}::int",
    "tag": "tags @> to_jsonb(ARRAY[${n}::text])",
    "reference": "reference = ${n}::text",
    "created_after": "created_at > ${n}::timestamptz",
    "created_before": "created_at < ${n}::timestamptz",
    "q": "strpos(lower(body), lower(${n}::text)) > 0",
    "batch": "batch_id = ${n}::uuid",
    "channel": "channel = ${n}::smallint",
}
FILTERS: Final = tuple(_FILTERS)


async def listing(
    connection: Connection,
    account_id: int,
    filters: dict[str, Any],
    before: UUID | None,
    limit: int,
) -> Rows:
    """Messages of an account, newest first.

    Time filters also bound the id, so that old partitions are left out.
    """
    conditions, arguments = ["account_id = $1"], [account_id]

    def add(condition: str, value: Any) -> None:
        arguments.append(value)
        conditions.append(condition.replace("${n}", f"${len(arguments)}"))

    for name, value in filters.items():
        add(_FILTERS[name], value)
    if before:
        add("id < ${n}::uuid", before)
    if "created_after" in filters:
        add("id >= ${n}::uuid", ids.first_at(filters["created_after"]))
    if "batch" in filters:
        first, last = batch_range(filters["batch"])
        add("id >= ${n}::uuid", first)
        add("id < ${n}::uuid", last)
    arguments.append(limit)
    rows: Rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM messages WHERE {' AND '.join(conditions)}"
        f" ORDER BY id DESC LIMIT ${len(arguments)}",
        *arguments,
    )
    return rows


async def submissions(connection: Connection, message_id: UUID) -> Rows:
    """Every part of every attempt of a message, oldest first."""
    rows: Rows = await connection.fetch(
        "SELECT attempt, part, carrier_id, outcome, carrier_message_id, code, submitted_at,"
        " answered_at, receipt_state, receipt_error, receipt_at, cost_micros, cost_currency"
        " FROM submissions"
        " WHERE message_id = $1 ORDER BY attempt, part",
        message_id,
    )
    return rows


async def receipts(connection: Connection, message_id: UUID) -> Rows:
    """Every receipt of a message as it came, oldest first."""
    rows: Rows = await connection.fetch(
        "SELECT part, carrier_id, carrier_message_id, state, error, raw, received_at, network"
        " FROM receipts WHERE message_id = $1 ORDER BY id",
        message_id,
    )
    return rows


async def events_of(connection: Connection, account_id: int, message_id: UUID) -> Rows:
    """The events of a message in the order of their sequence."""
    rows: Rows = await connection.fetch(
        "SELECT id, type, sequence, at, data FROM events"
        " WHERE account_id = $1 AND message_id = $2 ORDER BY sequence",
        account_id,
        message_id,
    )
    return rows


async def insert_batch_row(
    tx: Connection, account_id: int, batch_id: UUID, accepted: int, refused: int, now: datetime
) -> None:
    """What a batch request came to."""
    await tx.execute(
        "INSERT INTO batches (account_id, id, accepted, refused, created_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        account_id,
        batch_id,
        accepted,
        refused,
        now,
    )


async def batch(
    connection: Connection, account_id: int, batch_id: UUID
) -> tuple[Any, dict[int, int]] | None:
    """A batch's row and how many of its messages stand at each status, or None."""
    row = await connection.fetchrow(
        "SELECT id, accepted, refused, created_at FROM batches WHERE account_id = $1 AND id = $2",
        account_id,
        batch_id,
    )
    if row is None:
        return None
    counts = await connection.fetch(
        "SELECT status, count(*) FROM messages"
        " WHERE account_id = $1 AND batch_id = $2 AND id >= $3 AND id < $4 GROUP BY status",
        account_id,
        batch_id,
        *batch_range(batch_id),
    )
    return row, {entry["status"]: entry["count"] for entry in counts}


def batch_range(batch_id: UUID) -> tuple[UUID, UUID]:
    """The first id that a message of a batch may have, and the first that none has.

    They were made right after the batch. Ids of one millisecond are in no order, so the range
    begins with the millisecond of the batch.
    """
    millis = batch_id.int >> 80
    last = min(millis + BATCH_TAKES_MOST_MILLIS, (1 << 48) - 1)  # the id may be made up
    return UUID(int=millis << 80), UUID(int=last << 80)
