"""The claim: one statement that takes what waits in the queue, by priority and time."""

from typing import Any, Final

from onesixty.carriers.contract import OutcomeKind
from onesixty.messages.states import Cause, Status, sql_next
from onesixty.messages.types import Category, Direction, Encoding, Message

# Locked rows are found again by their ctid. By their key the planner would compare each of them
# with the whole queue: what it knows of the queue is mostly that it is empty.
CLAIM: Final = f"""
WITH due AS MATERIALIZED (
    SELECT found.place FROM generate_series({min(Category)}, {max(Category)}) AS lane(priority)
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM queue
        WHERE carrier_id = $1 AND queue.priority = lane.priority
            AND due_at <= $2 AND expires_at > $2
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) found LIMIT $3
), taken AS (
    DELETE FROM queue WHERE ctid = ANY(ARRAY(SELECT place FROM due))
    RETURNING message_id, account_id
), leased AS (
    INSERT INTO leases (id, node_id, account_ids, message_ids)
    SELECT $4, $5, array_agg(account_id), array_agg(message_id) FROM taken HAVING count(*) > 0
)
UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.CLAIMED)))}
FROM taken WHERE m.account_id = taken.account_id AND m.id = taken.message_id
    AND {sql_next("m.status", str(int(Cause.CLAIMED)))} <> 0
RETURNING m.account_id, m.id, m.status, m.category, m.test, m.encoding, m.segments, m.parts_sent,
    m.attempts, m.carrier_id, m.fallbacks, m.sender, m.recipient, m.body, m.expires_at,
    m.created_at,
    CASE WHEN m.parts_sent > 0 THEN ARRAY(
        SELECT s.part FROM submissions s
        WHERE s.message_id = m.id AND s.outcome = {OutcomeKind.ACCEPTED}) END AS accepted
"""


def message(row: Any) -> Message:
    """What a row of CLAIM tells of its message."""
    return Message(
        account_id=row["account_id"],
        id=row["id"],
        status=Status(row["status"]),
        direction=Direction.OUTBOUND,
        category=Category(row["category"]),
        recipient=row["recipient"],
        body=row["body"],
        created_at=row["created_at"],
        sender=row["sender"],
        test=row["test"],
        encoding=Encoding(row["encoding"]),
        segments=row["segments"],
        parts_sent=row["parts_sent"],
        attempts=row["attempts"],
        carrier_id=row["carrier_id"],
        fallbacks=row["fallbacks"] or [],
        expires_at=row["expires_at"],
    )
