"""Channel fallback: a message goes on to its next channel when the present one failed, or in time.

`fallbacks` says when to look at which message. Acceptance and the begin of each step put a row
there for the time that the step has; settle, receive and doubt do it with the statement by which a
step fails. Going on is one transaction: the step is written over the message, its place in the
queue and the event come with it. One process at a time does this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import ErrorClass
from onesixty.kit.clock import Clock
from onesixty.messages import render, store
from onesixty.messages.states import FINAL, Cause, Status, sql_next
from onesixty.records.events import NUMBERS
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
LOCK: Final = 0x0160_0165  # advisory
IDLE_SECONDS: Final = 0.5
LOOKS_MOST: Final = 500
BUSY: Final = timedelta(seconds=1)  # until a message is looked at again that is with a lane

DUE: Final = """
SELECT message_id, account_id FROM fallbacks WHERE due_at <= $1 ORDER BY due_at LIMIT $2
"""
# Claims and cancellers take the place in the queue first, then the message; so does this.
PLACES: Final = """
SELECT q.message_id FROM unnest($1::int[], $2::uuid[]) AS n(account_id, message_id)
JOIN queue q ON q.account_id = n.account_id AND q.message_id = n.message_id
ORDER BY q.message_id FOR UPDATE OF q SKIP LOCKED
"""
LOOK: Final = """
SELECT m.account_id, m.id, m.status, m.channel, m.carrier_id, m.attempts, m.expires_at, m.steps,
    m.past_steps, m.error_code, m.error_class, m.error_detail, m.carrier_code
FROM unnest($1::int[], $2::uuid[]) AS n(account_id, message_id)
JOIN messages m ON m.account_id = n.account_id AND m.id = n.message_id
ORDER BY m.id FOR NO KEY UPDATE OF m
"""
# Once the messages are held: a place that is here and is not held is being claimed.
CLAIMED: Final = """
SELECT q.message_id FROM unnest($1::int[], $2::uuid[]) AS n(account_id, message_id)
JOIN queue q ON q.account_id = n.account_id AND q.message_id = n.message_id
WHERE q.message_id <> ALL($3::uuid[])
"""
_NEXT_STEP = sql_next("m.status", str(int(Cause.NEXT_STEP)))
ADVANCE: Final = f"""
WITH moved AS (
    UPDATE messages m SET status = {_NEXT_STEP}, sequence = m.sequence + 1,
        channel = (n.step->>'channel')::smallint, sender = n.step->>'sender',
        body = n.step->>'body', encoding = (n.step->>'encoding')::smallint,
        segments = (n.step->>'segments')::smallint, content = n.step->'content', form = NULL,
        carrier_id = (n.step->>'carrier_id')::int, route_id = (n.step->>'route_id')::int,
        fallbacks = nullif(ARRAY(
            SELECT jsonb_array_elements_text(n.step->'fallbacks')::int), '{{}}'),
        flow = n.step->>'flow', explanation = (n.step->>'explanation')::bigint,
        price_micros = (n.step->>'price_micros')::bigint, steps = n.rest, past_steps = n.past,
        parts_sent = 0, error_code = NULL, error_class = NULL, error_detail = NULL,
        carrier_code = NULL
    FROM unnest($1::int[], $2::uuid[], $3::jsonb[], $4::jsonb[], $5::jsonb[])
        AS n(account_id, id, step, rest, past)
    WHERE m.account_id = n.account_id AND m.id = n.id AND {_NEXT_STEP} <> 0
    RETURNING m.account_id, m.id, m.sequence, m.carrier_id, m.category, m.expires_at, m.flow,
        m.fallbacks[1] AS next_carrier, m.callback_url IS NOT NULL AS callback
), queued AS (
    INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at, flow,
        next_carrier)
    SELECT id, account_id, carrier_id, category, $6, expires_at, coalesce(flow, ''), next_carrier
    FROM moved
    ON CONFLICT (account_id, message_id) DO UPDATE SET carrier_id = excluded.carrier_id,
        due_at = excluded.due_at, flow = excluded.flow, next_carrier = excluded.next_carrier
)
SELECT account_id, id, {NUMBERS["message.fallback"]} AS type, sequence, callback,
    NULL::int AS esme, carrier_id FROM moved
"""
_EXPIRED = sql_next("m.status", str(int(Cause.EXPIRED)))
EXPIRE: Final = f"""
UPDATE messages m SET status = {_EXPIRED}, sequence = m.sequence + 1, final_at = $3,
    error_code = 'expired', error_class = '{ErrorClass.EXPIRED}',
    error_detail = 'its validity ended before its next channel'
        || coalesce('; last: ' || m.error_detail, '')
FROM unnest($1::int[], $2::uuid[]) AS n(account_id, id)
WHERE m.account_id = n.account_id AND m.id = n.id AND {_EXPIRED} <> 0
RETURNING m.account_id, m.id, m.status AS type, m.sequence,
    m.callback_url IS NOT NULL AS callback, {store.sql_esme("m.origin", "m.status")} AS esme
"""
# From now on it ends as other messages do.
FORGET: Final = """
UPDATE messages m SET steps = NULL FROM unnest($1::int[], $2::uuid[]) AS n(account_id, id)
WHERE m.account_id = n.account_id AND m.id = n.id
"""
KEEP: Final = """
UPDATE fallbacks f SET due_at = n.due_at FROM unnest($1::uuid[], $2::timestamptz[])
    AS n(message_id, due_at)
WHERE f.message_id = n.message_id
"""
DROP: Final = "DELETE FROM fallbacks WHERE message_id = ANY($1::uuid[])"
CARRIERS: Final = "SELECT id, kind, settings FROM carriers WHERE id = ANY($1::int[])"


@dataclass(slots=True)
class _Work:
    """What is done about the messages of one round."""

    advance: list[Any] = field(default_factory=list)  # to their next channel
    expire: list[Any] = field(default_factory=list)
    forget: list[Any] = field(default_factory=list)  # the steps that they have left
    keep: list[tuple[UUID, datetime]] = field(default_factory=list)  # when to look again
    drop: list[UUID] = field(default_factory=list)  # nothing more to look for


class Fallbacks:
    """Looks twice a second for messages whose next channel is due."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.look: Callable[[set[int]], None] = lambda carrier_ids: None

    async def run_once(self) -> bool:
        """One round; True when there may be more to do."""
        now = self._clock.now()
        if not await self._database.fetch(DUE, now, 1):
            return False
        async with self._database.write() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return False
            # Read only now: what was due before it held the lock, another may have advanced.
            due = await tx.fetch(DUE, now, LOOKS_MOST)
            work = await _decide(tx, due, now)
            queued, hooked = await _do(tx, work, now)
        if hooked:
            self.wake_webhooks()
        if queued:
            self.look(queued)
        return len(due) >= LOOKS_MOST


async def _decide(tx: Connection, due: Sequence[Any], now: datetime) -> _Work:
    named = [row["account_id"] for row in due], [row["message_id"] for row in due]
    places = [row["message_id"] for row in await tx.fetch(PLACES, *named)]
    rows = await tx.fetch(LOOK, *named)
    claimed = {row["message_id"] for row in await tx.fetch(CLAIMED, *named, places)}
    silent = await _silent(tx, {row["carrier_id"] for row in rows if row["status"] == Status.SENT})
    work = _Work(drop=sorted(set(named[1]) - {row["id"] for row in rows}))  # removed since
    for row in rows:
        identifier, status = row["id"], row["status"]
        if status in FINAL or not row["steps"]:
            work.drop.append(identifier)
        elif status in (Status.SENDING, Status.RESENDING) or identifier in claimed:
            work.keep.append((identifier, now + BUSY))
        elif now >= row["expires_at"]:
            (work.expire if status == Status.FALLING_BACK else work.forget).append(row)
            work.drop.append(identifier)
        elif status == Status.SENT and row["carrier_id"] in silent:
            work.forget.append(row)  # there is no better end than that the carrier took it
            work.drop.append(identifier)
        else:
            work.advance.append(row)
    return work


async def _silent(tx: Connection, carrier_ids: set[int]) -> set[int]:
    """Those of the carriers that never tell what became of a message."""
    silent = set()
    for row in await tx.fetch(CARRIERS, list(carrier_ids)) if carrier_ids else ():
        spec = registry.SPECS.get(row["kind"])
        if spec is None or not spec.tells(row["settings"]):
            silent.add(row["id"])
    return silent


async def _do(tx: Connection, work: _Work, now: datetime) -> tuple[set[int], int]:
    """Write it; returns the carriers that have messages waiting, and how many outbox rows."""
    queued: set[int] = set()
    told: list[Any] = []
    if work.advance:
        steps = [_next(row, now) for row in work.advance]
        moved = await tx.fetch(ADVANCE, *zip(*steps, strict=True), now)
        told += moved
        queued = {row["carrier_id"] for row in moved}
        _log.info("fallback.advanced", messages=len(moved))
        for row, (_, identifier, _, rest, _) in zip(work.advance, steps, strict=True):
            if rest:
                wait = rest[0].get("wait")
                until = now + timedelta(seconds=wait) if wait is not None else row["expires_at"]
                work.keep.append((identifier, min(until, row["expires_at"])))
            else:
                work.drop.append(identifier)
    if work.expire:
        told += await tx.fetch(EXPIRE, *_names(work.expire), now)
    if work.forget:
        await tx.execute(FORGET, *_names(work.forget))
    if work.keep:
        await tx.execute(KEEP, *zip(*work.keep, strict=True))
    if work.drop:
        await tx.execute(DROP, work.drop)
    return queued, await store.note(tx, told, now) if told else 0


def _next(row: Any, now: datetime) -> tuple[int, UUID, Any, Any, Any]:
    """The arguments of ADVANCE for a message: its next step, those after it, those that ended."""
    failed = row["status"] == Status.FALLING_BACK
    names = {
        "code": row["error_code"],
        "class": row["error_class"],
        "detail": row["error_detail"],
        "carrier_code": row["carrier_code"],
    }
    past = {
        "channel": row["channel"],
        "state": "failed" if failed else "timed_out",
        "attempts": row["attempts"],
        "carrier_id": row["carrier_id"],
        "at": render.timestamp(now),
        "error": names if failed else None,
    }
    step, *rest = row["steps"]
    return row["account_id"], row["id"], step, rest or None, [*(row["past_steps"] or ()), past]


def _names(rows: Sequence[Any]) -> tuple[list[int], list[UUID]]:
    return [row["account_id"] for row in rows], [row["id"] for row in rows]
