"""The claim: one statement that takes what waits in the queue, by priority and time."""

from typing import Any, Final

from onesixty.carriers import content
from onesixty.carriers.contract import OutcomeKind
from onesixty.messages import store
from onesixty.messages.states import Cause, Status, sql_next
from onesixty.messages.types import Category, Channel, Direction, Encoding, Message
from onesixty.sms import form

# Every flow of a carrier with the time of its first message, by jumping from one to the next in the
# index: the cost is by flows, not by messages.
FLOWS: Final = """
    flow AS (
        (SELECT priority, account_id, flow, due_at FROM queue WHERE carrier_id = $1
            ORDER BY priority, account_id, flow, due_at LIMIT 1)
        UNION ALL
        SELECT following.* FROM flow CROSS JOIN LATERAL (
            SELECT priority, account_id, flow, due_at FROM queue
            WHERE carrier_id = $1 AND (priority, account_id, flow)
                > (flow.priority, flow.account_id, flow.flow)
            ORDER BY priority, account_id, flow, due_at LIMIT 1
        ) following
    )
"""

# The urgent first; within a category each flow gets the same share, in an order that changes with
# every claim ($6), so that none is always the last. What a limit leaves of a flow is its quota
# ($7 to $9); of one whose limits are not known yet a single message is taken, which makes it known.
# Locked rows are found again by their ctid. By their key the planner would compare each of them
# with the whole queue: what it knows of the queue is mostly that it is empty.
CLAIM: Final = f"""
WITH RECURSIVE {FLOWS}, allowed AS (
    SELECT flow.*, CASE WHEN flow.flow = '' THEN $3 ELSE coalesce((
        SELECT quota FROM unnest($7::int[], $8::text[], $9::int[]) AS known(account_id, flow, quota)
        WHERE known.account_id = flow.account_id AND known.flow = flow.flow), 1) END AS quota
    FROM flow WHERE due_at <= $2
), turn AS (
    SELECT *, ($3 + count(*) OVER same - 1) / count(*) OVER same AS share
    FROM allowed WHERE quota > 0
    WINDOW same AS (PARTITION BY priority)
    ORDER BY priority, hashint4extended(account_id, $6) # hashtextextended(flow, $6)
), due AS MATERIALIZED (
    SELECT found.place, turn.priority, turn.account_id, turn.flow, turn.share FROM turn
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM queue
        WHERE carrier_id = $1 AND queue.priority = turn.priority
            AND queue.account_id = turn.account_id AND queue.flow = turn.flow
            AND due_at <= $2 AND expires_at > $2
        ORDER BY due_at LIMIT least(turn.share, turn.quota) FOR UPDATE SKIP LOCKED
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
    m.created_at, m.flow, m.form, m.channel, m.content, m.past_steps,
    -- whether a flow has had its share and may have more
    (SELECT bool_or(found >= share) FROM (SELECT count(*) AS found, share FROM due
        GROUP BY priority, account_id, flow, share) AS each) AS more,
    CASE WHEN m.parts_sent > 0 OR m.possible_duplicate THEN ARRAY(
        SELECT DISTINCT s.part FROM submissions s WHERE s.message_id = m.id
        AND s.attempt > {store.sql_before_step("m")}
        AND (s.outcome = {OutcomeKind.ACCEPTED} OR s.receipt_state <> 0)) END AS accepted
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
        flow=row["flow"],
        expires_at=row["expires_at"],
        form=form.from_json(row["form"]) if row["form"] else None,
        channel=Channel(row["channel"]),
        content=content.from_json(row["content"]) if row["content"] else None,
        past_steps=row["past_steps"],
    )
