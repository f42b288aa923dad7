"""What must hold in every database, whatever happened to the processes that wrote it."""

from collections.abc import Iterator
from typing import Final

import asyncpg

from onesixty.carriers.contract import OutcomeKind, ReceiptState
from onesixty.messages.states import FINAL, IN_DOUBT, STEPPED, TRANSITIONS, UNTOLD, Cause, Status
from onesixty.messages.store import sql_before_step, sql_esme
from onesixty.messages.types import Direction
from onesixty.records.events import CALLBACK_MASK
from onesixty.storage.database import Connection

SHOWN_MOST: Final = 5  # examples of each violation
# The ways of a message through our own hands, of which nobody is told.
_SILENT: Final = UNTOLD | {Status.SCHEDULED}
_MOVING: Final = _SILENT - {Status.RESENT}
_FALLBACK: Final = Status.FALLING_BACK  # its event has that number, and tells that it is over
_ARRIVED: Final = f"{ReceiptState.DELIVERED}, {ReceiptState.READ}"
_WAITING: Final = f"{Status.SCHEDULED}, {Status.QUEUED}, {Status.RESEND_QUEUED}"


def _listed(statuses: frozenset[Status]) -> str:
    return ", ".join(str(int(status)) for status in sorted(statuses))


def _told_after(status: Status) -> Iterator[Status]:
    """The statuses that may be told next, by the table of transitions."""
    seen, open_ones = {status}, [status]
    while open_ones:
        before = open_ones.pop()
        for (one, cause), following in (*TRANSITIONS.items(), *STEPPED.items()):
            if one is not before or following in seen:
                continue
            if cause is Cause.NEXT_STEP:
                yield _FALLBACK
                continue
            seen.add(following)
            yield following
            if following in _SILENT:
                open_ones.append(following)


def _steps() -> str:
    """SQL rows of (status, status told after it)."""
    pairs = {(int(one), int(after)) for one in Status for after in _told_after(one)}
    pairs |= {(int(_FALLBACK), int(after)) for after in _told_after(Status.QUEUED)}
    return ", ".join(f"({one}, {after})" for one, after in sorted(pairs))


# What it would mean, and the ids of the messages (or rows) of which it is true. Always:
ALWAYS: Final = {
    "its events are not numbered from 1 to its sequence": """
        SELECT m.id FROM messages m LEFT JOIN events e ON e.message_id = m.id
        GROUP BY m.account_id, m.id, m.sequence
        HAVING count(e.id) <> m.sequence OR count(DISTINCT e.sequence) <> m.sequence
            OR m.sequence > 0 AND (min(e.sequence) <> 1 OR max(e.sequence) <> m.sequence)""",
    "its last event tells another status": f"""
        SELECT m.id FROM messages m
        JOIN events e ON e.message_id = m.id AND e.sequence = m.sequence
        WHERE m.status NOT IN ({_listed(_SILENT)}) AND e.type <> m.status
            OR m.status IN ({_listed(IN_DOUBT)}) AND e.type <> {Status.UNCERTAIN}""",
    "its events tell of a change that the table does not know": f"""
        SELECT e.message_id FROM events e
        JOIN events before ON before.message_id = e.message_id AND before.sequence = e.sequence - 1
        WHERE (before.type, e.type) NOT IN (VALUES {_steps()})""",
    "it should wait in the queue and does not": f"""
        SELECT id FROM messages m WHERE status IN ({_WAITING})
            AND NOT EXISTS (SELECT FROM queue q WHERE q.message_id = m.id
                AND q.account_id = m.account_id AND q.carrier_id = m.carrier_id)""",
    "it waits in the queue and should not": f"""
        SELECT message_id FROM queue q WHERE NOT EXISTS (SELECT FROM messages m
            WHERE m.account_id = q.account_id AND m.id = q.message_id
                AND (m.status IN ({_WAITING}) OR m.possible_duplicate
                    OR m.past_steps IS NOT NULL))""",
    "its channel failed, and nobody will go on to the next one": f"""
        SELECT id FROM messages m WHERE status = {Status.FALLING_BACK}
            AND NOT EXISTS (SELECT FROM fallbacks f WHERE f.message_id = m.id)""",
    "it is being sent and nobody holds it": f"""
        SELECT id FROM messages m WHERE status IN ({Status.SENDING}, {Status.RESENDING})
            AND NOT EXISTS (SELECT FROM leases WHERE m.id = ANY(message_ids))""",
    "two processes hold it": f"""
        SELECT message_id FROM leases, unnest(message_ids) AS message_id
        JOIN messages m ON m.id = message_id
            AND m.status IN ({Status.SENDING}, {Status.RESENDING})
        GROUP BY message_id HAVING count(DISTINCT node_id) > 1""",
    "it is in doubt, and nobody will look what became of it": f"""
        SELECT id FROM messages m
        WHERE status IN ({_listed(IN_DOUBT)})
            AND NOT EXISTS (SELECT FROM doubts d WHERE d.message_id = m.id)""",
    "its end has no time, or it has the time of an end and goes on": f"""
        SELECT id FROM messages WHERE direction = {Direction.OUTBOUND}
            AND (status IN ({_listed(FINAL)})) <> (final_at IS NOT NULL)""",
    "it is sent, and a part of it was never taken": f"""
        SELECT m.id FROM messages m WHERE m.status IN ({Status.SENT}, {Status.DELIVERED})
            AND direction = {Direction.OUTBOUND}
            AND (m.past_steps IS NULL OR m.status = {Status.SENT})
            AND m.segments <> (SELECT count(DISTINCT s.part) FROM submissions s
                WHERE s.message_id = m.id AND s.attempt > {sql_before_step("m")}
                    AND (s.outcome = {OutcomeKind.ACCEPTED} OR s.receipt_state <> 0))""",
    "it is delivered, and a part of it is not": f"""
        SELECT m.id FROM messages m WHERE m.status = {Status.DELIVERED} AND m.past_steps IS NULL
            AND m.segments <> (SELECT count(DISTINCT s.part) FROM submissions s
                WHERE s.message_id = m.id AND s.receipt_state IN ({_ARRIVED}))""",
    "rows about it belong to another account, or to no message": """
        SELECT message_id FROM (
            SELECT account_id, message_id FROM submissions
            UNION ALL SELECT account_id, message_id FROM events
            UNION ALL SELECT account_id, message_id FROM receipts
        ) about WHERE message_id IS NOT NULL AND NOT EXISTS (SELECT FROM messages m
            WHERE m.account_id = about.account_id AND m.id = about.message_id)""",
    "the outbox tells of an event that there is not": """
        SELECT event_id FROM webhook_queue q WHERE NOT EXISTS (SELECT FROM events e
            WHERE e.account_id = q.account_id AND e.id = q.event_id)""",
    "nobody told the endpoint of this event, and nobody will": """
        SELECT e.id FROM events e JOIN webhook_endpoints endpoint
            ON endpoint.account_id = e.account_id AND endpoint.created_at < e.at
        WHERE endpoint.event_mask >> e.type::int & 1 = 1
            AND endpoint.disabled_at IS NULL AND endpoint.removed_at IS NULL
            AND NOT EXISTS (SELECT FROM webhook_queue q
                WHERE q.event_id = e.id AND q.endpoint_id = endpoint.id)
            AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id
                AND d.endpoint_id = endpoint.id AND d.next_attempt_at IS NULL)""",
    "nobody called the callback of this event, and nobody will": f"""
        SELECT e.id FROM events e
        JOIN messages m ON m.account_id = e.account_id AND m.id = e.message_id
        WHERE m.callback_url IS NOT NULL AND {CALLBACK_MASK} >> e.type::int & 1 = 1
            AND NOT EXISTS (SELECT FROM webhook_queue q
                WHERE q.event_id = e.id AND q.endpoint_id = 0)
            AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id
                AND d.endpoint_id = 0 AND d.next_attempt_at IS NULL)""",
    "nobody told the ESME of this end, and nobody will": f"""
        SELECT e.id FROM (
            SELECT events.*, {sql_esme("m.origin", "events.type")} AS esme FROM events
            JOIN messages m ON m.account_id = events.account_id AND m.id = events.message_id
            WHERE m.origin IS NOT NULL
        ) e WHERE esme IS NOT NULL
            AND NOT EXISTS (SELECT FROM webhook_queue q
                WHERE q.event_id = e.id AND q.endpoint_id = e.esme)
            AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id
                AND d.endpoint_id = e.esme AND d.next_attempt_at IS NULL)""",
    "an idempotency key is taken and has no answer": """
        SELECT key FROM idempotency_keys WHERE status_code IS NULL OR answer IS NULL""",
}
# And once nothing is on its way any more:
AT_REST: Final = {
    "it is still on its way": f"SELECT id FROM messages WHERE status IN ({_listed(_MOVING)})",
    "a lease was never given back": "SELECT id FROM leases",
    "an endpoint is still to be told": """
        SELECT event_id FROM webhook_queue q LEFT JOIN webhook_endpoints e ON e.id = q.endpoint_id
        WHERE e.removed_at IS NULL AND e.disabled_at IS NULL""",
}


async def violations(connection: Connection, *, at_rest: bool) -> list[str]:
    """One line for each broken invariant, with how often and some examples; none when all hold."""
    found = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for what, statement in {**ALWAYS, **(AT_REST if at_rest else {})}.items():
            rows = await connection.fetch(statement)
            if rows:
                examples = ", ".join(str(row[0]) for row in rows[:SHOWN_MOST])
                found.append(f"{what}: {len(rows)} ({examples})")
    return found


async def check(url: str, *, at_rest: bool = True) -> None:
    """Assert that all invariants hold in a database."""
    connection = await asyncpg.connect(url)
    try:
        assert await violations(connection, at_rest=at_rest) == []
    finally:
        await connection.close()
