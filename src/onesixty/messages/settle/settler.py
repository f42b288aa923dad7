"""Settle: write what became of submissions.

Status, parts, lease, queue, event and outbox rows: one statement a batch.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.contract import Outcome, OutcomeKind, PartAnswer
from onesixty.kit import ids, metrics
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Bounds, Gatherer
from onesixty.messages import store
from onesixty.messages.leases import LeaseBook
from onesixty.messages.settle.retries import Decision, decide
from onesixty.messages.states import FINAL, UNTOLD, Cause, Status, sql_next, sql_set
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Database, Rows

BATCH_MOST: Final = 1000
REST_SECONDS: Final = 0.03  # nobody waits for it but a receipt, which is not made to
INBOX_MOST: Final = 1_000_000  # never reached: lanes hold back what they hand out
_NEXT = sql_next("m.status", "o.cause", "m.steps")
_NO_COST: Final = (None, None)
_WAITING = sql_set((Status.QUEUED, Status.RESEND_QUEUED))

# An outcome is only for the attempt that it ended: written again after an unclear commit it must
# not touch the next one, which may be under way. An uncertain message has its attempt counted. That
# an earlier attempt was accepted after all is good news at any time, of the same channel.
SETTLE: Final = f"""
WITH outcome AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::smallint[], $5::timestamptz[],
        $6::smallint[], $7::smallint[], $8::boolean[], $9::text[], $10::text[], $11::text[],
        $12::text[], $13::int[], $14::timestamptz[], $15::int[])
    AS outcome(account_id, id, event_id, cause, at, parts, attempt, counted, error_code,
        error_class, error_detail, carrier_code, requeue_carrier, requeue_at, fallbacks_used)
), moved AS (
    UPDATE messages m SET status = {_NEXT},
        sequence = m.sequence + ({_NEXT} <> ALL({sql_set(UNTOLD)}))::int,
        parts_sent = greatest(m.parts_sent, o.parts),
        attempts = CASE WHEN o.counted THEN greatest(m.attempts, o.attempt) ELSE m.attempts END,
        error_code = o.error_code, error_class = o.error_class, error_detail = o.error_detail,
        carrier_code = o.carrier_code,
        carrier_id = coalesce(o.requeue_carrier, m.carrier_id),
        fallbacks = CASE WHEN o.fallbacks_used > 0 THEN m.fallbacks[o.fallbacks_used + 1:]
            ELSE m.fallbacks END,
        sent_at = CASE WHEN o.cause = {Cause.ACCEPTED} THEN o.at ELSE m.sent_at END,
        final_at = CASE WHEN {_NEXT} = ANY({sql_set(FINAL)}) THEN o.at END
    FROM outcome o
    WHERE m.account_id = o.account_id AND m.id = o.id AND {_NEXT} <> 0
        AND (m.attempts = o.attempt - (m.status <> {Status.UNCERTAIN})::int
            OR o.cause = {Cause.ACCEPTED} AND o.attempt <= m.attempts
                AND o.attempt > {store.sql_before_step("m")})
    RETURNING m.account_id, m.id, m.status, m.sequence, m.category, m.expires_at,
        m.callback_url IS NOT NULL AS callback, {store.sql_esme("m.origin", "m.status")} AS esme,
        m.flow, o.event_id, o.at, o.requeue_carrier, o.requeue_at,
        CASE WHEN m.parts_sent = 0 THEN m.fallbacks[1] END AS next_carrier
), requeued AS (
    INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at, flow,
        next_carrier)
    SELECT id, account_id, requeue_carrier, category, requeue_at, expires_at, coalesce(flow, ''),
        next_carrier FROM moved
    WHERE status = ANY({_WAITING})
), doubted AS (
    INSERT INTO doubts (message_id, account_id, since, due_at)
    SELECT id, account_id, at, at FROM moved WHERE status = {Status.UNCERTAIN}
    ON CONFLICT (message_id) DO UPDATE SET since = excluded.since, due_at = excluded.due_at
), fallen AS (
    INSERT INTO fallbacks (message_id, account_id, due_at)
    SELECT id, account_id, at FROM moved WHERE status = {Status.FALLING_BACK}
    ON CONFLICT (message_id) DO UPDATE SET due_at = excluded.due_at
), noted AS (
    SELECT account_id, event_id, status AS type, sequence, id, callback, esme, at FROM moved
    WHERE status <> ALL({sql_set(UNTOLD)})
), recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, sequence, id, at FROM noted
), hooked AS ({store.WEBHOOKS}
), tried AS (
    INSERT INTO submissions (account_id, message_id, attempt, part, parts, carrier_id, outcome,
        carrier_message_id, match_key, code, submitted_at, answered_at, cost_micros, cost_currency)
    SELECT * FROM unnest($16::int[], $17::uuid[], $18::smallint[], $19::smallint[], $20::smallint[],
        $21::int[], $22::smallint[], $23::text[], $24::text[], $25::text[], $26::timestamptz[],
        $27::timestamptz[], $28::bigint[], $29::text[])
    ON CONFLICT (message_id, attempt, part) DO UPDATE SET outcome = excluded.outcome,
        carrier_message_id = excluded.carrier_message_id, match_key = excluded.match_key,
        code = excluded.code, answered_at = excluded.answered_at,
        cost_micros = coalesce(excluded.cost_micros, submissions.cost_micros),
        cost_currency = coalesce(excluded.cost_currency, submissions.cost_currency)
), released AS (
    DELETE FROM leases WHERE id = ANY($30::uuid[])
)
SELECT count(*) FROM hooked
"""

# What never left goes back to the queue under the number of its attempt. When that may be written
# already, the message may be out again by now, which a lease of another number tells.
_LOCK: Final = """
SELECT FROM unnest($1::int[], $2::uuid[]) AS o(account_id, id)
JOIN messages m ON m.account_id = o.account_id AND m.id = o.id ORDER BY m.id FOR UPDATE OF m
"""
_OUT_AGAIN: Final = """
SELECT o.id FROM unnest($1::uuid[], $2::uuid[]) AS o(id, lease_id)
WHERE EXISTS (SELECT FROM leases WHERE id <> o.lease_id AND o.id = ANY(message_ids))
"""


class Settler:
    """Collects the outcomes of all lanes and writes them in batches."""

    def __init__(self, database: Database, clock: Clock, chance: Chance, leases: LeaseBook) -> None:
        self._database, self._clock, self._chance, self._leases = database, clock, chance, leases
        self._unclear = False  # the last try failed, and may have been committed all the same
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.look: Callable[[set[int]], None] = lambda carrier_ids: None
        self.counted: Callable[[Sequence[Outcome]], None] = lambda outcomes: None
        self.gatherer: Gatherer[Outcome] = Gatherer(
            "settle",
            self._write,
            clock,
            Bounds(BATCH_MOST, INBOX_MOST, REST_SECONDS, rest_times=2),
        )

    def put(self, outcome: Outcome) -> None:
        """One submission came to its end."""
        self.gatherer.put(outcome)

    async def _write(self, outcomes: list[Outcome]) -> None:
        now = self._clock.now()
        # A late answer and the unknown that it corrects may meet in one batch; an UPDATE takes a
        # row once.
        outcomes = sorted(outcomes, key=lambda o: o.submission.message_id)  # see receive.HOLD
        first, second = _apart(outcomes)
        decisions = [decide(outcome, now, self._chance) for outcome in first]
        done = self._leases.close(_uncounted(first))
        rows = await self._settle(first, decisions, done)
        self._leases.forget(done)
        _count(first)
        self.counted(first)
        if rows[0][0]:
            self.wake_webhooks()
        if requeued := {d.requeue_carrier for d in decisions if d.requeue_carrier is not None}:
            self.look(requeued)
        if second:
            await self._write(second)

    async def _settle(
        self, outcomes: list[Outcome], decisions: list[Decision], done: list[UUID]
    ) -> Rows:
        if not self._unclear:
            self._unclear = True
            rows = await self._database.fetch(SETTLE, *_arguments(outcomes, decisions, done))
        else:
            rows = await self._database.transact(
                lambda tx: _settle_unclear(tx, outcomes, decisions, done)
            )
        self._unclear = False
        return rows


async def _settle_unclear(
    tx: Connection,
    outcomes: Sequence[Outcome],
    decisions: Sequence[Decision],
    done: Sequence[UUID],
) -> Rows:
    gone = await _out_again(tx, outcomes, decisions)
    kept = [n for n, o in enumerate(outcomes) if o.submission.message_id not in gone]
    some = [outcomes[n] for n in kept], [decisions[n] for n in kept]
    rows: Rows = await tx.fetch(SETTLE, *_arguments(*some, done))
    return rows


async def _out_again(
    tx: Connection, outcomes: Sequence[Outcome], decisions: Sequence[Decision]
) -> set[UUID]:
    """Those of the messages that were given back and taken again; none can be until the commit."""
    pairs = zip(outcomes, decisions, strict=True)
    some = [outcome.submission for outcome, decision in pairs if not decision.counted]
    names = [one.message_id for one in some]
    await tx.execute(_LOCK, [one.account_id for one in some], names)
    rows = await tx.fetch(_OUT_AGAIN, names, [one.lease_id for one in some])
    return {row["id"] for row in rows}


def _uncounted(outcomes: Sequence[Outcome]) -> Iterable[UUID]:
    # A batch that failed is written again; its outcomes must not be counted off their leases twice.
    for outcome in outcomes:
        if not outcome.late and not outcome.lease_closed:
            outcome.lease_closed = True
            yield outcome.submission.lease_id


def _apart(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    first: list[Outcome] = []
    second: list[Outcome] = []
    seen = set()
    for outcome in outcomes:
        identifier = outcome.submission.message_id
        (second if identifier in seen else first).append(outcome)
        seen.add(identifier)
    return first, second


def _arguments(
    outcomes: Sequence[Outcome], decisions: Sequence[Decision], done: Sequence[Any]
) -> list[Any]:
    """Of SETTLE; the outcomes are in the order of their messages."""
    heads = [
        (
            o.submission.account_id, o.submission.message_id, ids.uuid7(), int(d.cause),
            o.answered_at, _parts_accepted(o), o.submission.attempt, d.counted, d.error_code,
            d.error_class, d.detail, o.code, d.requeue_carrier, d.requeue_at, d.fallbacks_used,
        )
        for o, d in zip(outcomes, decisions, strict=True)
    ]  # fmt: skip
    parts = [
        (
            o.submission.account_id, o.submission.message_id, o.submission.attempt, p.part,
            o.parts_total or o.submission.segments, o.submission.carrier_id, int(p.kind),
            p.carrier_message_id or None, p.match_key or None, p.code or None, o.submitted_at,
            o.answered_at, *(_cost(o, p) if o.price else _NO_COST),
        )
        for o, p in _recorded(outcomes)
    ]  # fmt: skip
    return [*columns(heads, 15), *columns(parts, 14), list(done)]


def _cost(outcome: Outcome, part: PartAnswer) -> tuple[int | None, str | None]:
    """A part's share of the price of its message, as long as no receipt tells its own."""
    taken = [one.part for one in outcome.parts if one.kind is OutcomeKind.ACCEPTED]
    if outcome.price is None or part.part not in taken:
        return _NO_COST
    share, rest = divmod(outcome.price.micros, len(taken))
    return share + (part.part == taken[0]) * rest, outcome.price.currency


def _parts_accepted(outcome: Outcome) -> int:
    accepted = sum(1 for part in outcome.parts if part.kind is OutcomeKind.ACCEPTED)
    return outcome.submission.parts_accepted + accepted


def _recorded(outcomes: Sequence[Outcome]) -> Iterable[tuple[Outcome, PartAnswer]]:
    for outcome in outcomes:
        for part in outcome.parts:
            # A throttled try that cost nothing leaves no trace; its message will come again under
            # the same number.
            if outcome.counts_as_attempt or part.kind is OutcomeKind.ACCEPTED:
                yield outcome, part


def _count(outcomes: Sequence[Outcome]) -> None:
    counts: dict[tuple[int, str], int] = {}
    for outcome in outcomes:
        key = (outcome.submission.carrier_id, outcome.kind.name.lower())
        counts[key] = counts.get(key, 0) + 1
    for (carrier_id, kind), count in counts.items():
        metrics.outcomes.labels(str(carrier_id), kind).inc(count)
