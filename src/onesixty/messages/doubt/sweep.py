"""The owner of every message that nobody else will bring to its end.

Uncertain messages get a row in `doubts` where they become so. Sent ones get one only when their
receipt takes long: a position moves along the events that told of them, half an hour behind the
present, and leaves a row for each that is still sent. Rows are looked at when they are due; what is
done then is decided in `verdict.py`. One process at a time does this.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import (
    AskableCarrier,
    Carrier,
    OutcomeKind,
    Question,
    ReceiptState,
)
from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.messages import store
from onesixty.messages.doubt.verdict import Known, Policy, Try, Verdict, judge
from onesixty.messages.receive import HOLD, PartNews, apply
from onesixty.messages.states import (
    FINAL,
    RECEIPT_FINAL,
    UNTOLD,
    Cause,
    Status,
    sql_next,
    sql_set,
)
from onesixty.messages.types import Category
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
LOCK: Final = 0x0160_0162  # advisory
LOOKS_MOST: Final = 500
BEHIND: Final = timedelta(minutes=30)  # most receipts are here by then; longer than any write takes
ASKS_MOST: Final = 50  # of one carrier in one round: they share its window with messages
PASS_EVERY_SECONDS: Final = 10.0
PASS_MOST: Final = 5000
PASS_FIRST, PASS_LONGEST = timedelta(seconds=10), timedelta(hours=1)

DUE: Final = """
SELECT message_id, account_id FROM doubts WHERE due_at <= $1 ORDER BY due_at LIMIT $2
"""
LOOK: Final = """
SELECT m.account_id, m.id, m.status, m.category, m.segments, m.carrier_id, m.expires_at,
    m.possible_duplicate, m.sender, m.recipient, m.past_steps, d.since, d.asked,
    EXISTS (SELECT FROM queue q
        WHERE q.account_id = m.account_id AND q.message_id = m.id) AS waits
FROM unnest($1::int[], $2::uuid[]) AS n(account_id, message_id)
JOIN messages m ON m.account_id = n.account_id AND m.id = n.message_id
JOIN doubts d ON d.message_id = n.message_id AND d.due_at <= $3
ORDER BY m.id
"""
TRIES: Final = """
SELECT account_id, message_id, attempt, part, parts, outcome, receipt_state, receipt_error,
    receipt_at, carrier_id, carrier_message_id, match_key FROM submissions
WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, attempt, part
"""
RESEND: Final = f"""
WITH moved AS (
    UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.RESENT)))},
        possible_duplicate = true
    FROM unnest($1::int[], $2::uuid[], $3::boolean[]) AS n(account_id, message_id, whole)
    WHERE m.account_id = n.account_id AND m.id = n.message_id
        AND {sql_next("m.status", str(int(Cause.RESENT)))} <> 0
    RETURNING m.account_id, m.id, m.carrier_id, m.category, m.expires_at, m.flow,
        CASE WHEN n.whole THEN m.fallbacks[1] END AS next_carrier
)
INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at, flow,
    next_carrier)
SELECT id, account_id, carrier_id, category, $4, expires_at, coalesce(flow, ''), next_carrier
FROM moved RETURNING carrier_id
"""
_NEXT = sql_next("m.status", "n.cause", "m.steps")
MOVE: Final = f"""
UPDATE messages m SET status = {_NEXT},
    sequence = m.sequence + ({_NEXT} <> ALL({sql_set(UNTOLD)}))::int,
    sent_at = CASE WHEN n.cause = {Cause.ACCEPTED} THEN $7 ELSE m.sent_at END,
    final_at = CASE WHEN {_NEXT} = ANY({sql_set(FINAL)}) THEN $7 END,
    error_code = CASE n.cause WHEN {Cause.ACCEPTED} THEN NULL WHEN {Cause.SILENCE} THEN n.error_code
        ELSE coalesce(nullif(m.error_code, 'no_answer'), n.error_code) END,
    error_class = CASE n.cause WHEN {Cause.ACCEPTED} THEN NULL WHEN {Cause.SILENCE}
        THEN n.error_class ELSE coalesce(m.error_class, n.error_class) END,
    error_detail = CASE WHEN n.cause = {Cause.ACCEPTED} THEN NULL
        WHEN n.cause = {Cause.SILENCE} OR m.error_code = 'no_answer' THEN n.detail
        ELSE m.error_detail END
FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[])
    AS n(account_id, message_id, cause, error_code, error_class, detail)
WHERE m.account_id = n.account_id AND m.id = n.message_id AND {_NEXT} <> 0
RETURNING m.account_id, m.id, m.status AS type, m.sequence,
    m.callback_url IS NOT NULL AS callback, {store.sql_esme("m.origin", "m.status")} AS esme
"""
FALL: Final = """
INSERT INTO fallbacks (message_id, account_id, due_at)
SELECT *, $3 FROM unnest($1::uuid[], $2::int[])
ON CONFLICT (message_id) DO UPDATE SET due_at = excluded.due_at
"""
KEEP: Final = """
UPDATE doubts d SET due_at = n.due_at, asked = d.asked OR n.asked
FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[]) AS n(message_id, due_at, asked)
WHERE d.message_id = n.message_id
"""
DROP: Final = "DELETE FROM doubts WHERE message_id = ANY($1::uuid[])"
# The primary key of events, account by account: so nothing has to be kept up for this.
PASS: Final = f"""
SELECT e.id, e.account_id, e.message_id FROM accounts a CROSS JOIN LATERAL (
    SELECT id, account_id, message_id FROM events
    WHERE account_id = a.id AND id > $1 AND id <= $2 AND type = {Status.SENT}
    ORDER BY id LIMIT $3
) e ORDER BY e.id LIMIT $3
"""
DOUBT: Final = f"""
INSERT INTO doubts (message_id, account_id, since, due_at)
SELECT m.id, m.account_id, $3, $3
FROM unnest($1::int[], $2::uuid[]) AS told(account_id, message_id)
JOIN messages m ON m.account_id = told.account_id AND m.id = told.message_id
WHERE m.status = {Status.SENT} AND m.carrier_id <> ALL($4::int[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _Carriers:
    """What carriers tell: those that give no receipts, and those that may be asked."""

    silent: frozenset[int]
    askable: frozenset[int]


@dataclass(slots=True)
class _News:
    """Whom to wake after the commit."""

    hooked: int = 0
    queued: set[int] = field(default_factory=set)
    questions: dict[int, list[Question]] = field(default_factory=dict)


class Sweeper:
    """Looks every second for messages in doubt that are due."""

    def __init__(self, database: Database, clock: Clock, policy: Policy) -> None:
        self._database, self._clock, self._policy = database, clock, policy
        self._pass_at = clock.monotonic()
        self._slice = PASS_FIRST
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.carrier_at: Callable[[int], Carrier | None] = lambda carrier_id: None
        self.is_called = True  # far sides that tell by HTTP reach us
        self.look: Callable[[set[int]], None] = lambda carrier_ids: None

    async def run_once(self) -> bool:
        """One round; True when there is more to do."""
        now, news = self._clock.now(), _News()
        due = await self._database.fetch(DUE, now, LOOKS_MOST)
        passing = self._clock.monotonic() >= self._pass_at
        if not due and not passing:
            return False
        async with self._database.write() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return False
            carriers = await _carriers(tx, self.is_called)
            if due:
                await self._look(tx, due, carriers, news)
            passed = await self._pass(tx, now, carriers) if passing else False
        if passing and not passed:
            self._pass_at = self._clock.monotonic() + PASS_EVERY_SECONDS
        if news.hooked:
            self.wake_webhooks()
        if news.queued:
            self.look(news.queued)
        for carrier_id, questions in news.questions.items():
            if isinstance(carrier := self.carrier_at(carrier_id), AskableCarrier):
                carrier.ask(questions)
        return passed or len(due) >= LOOKS_MOST

    async def _look(
        self, tx: Connection, due: Sequence[Any], carriers: _Carriers, news: _News
    ) -> None:
        now = self._clock.now()
        named = [row["account_id"] for row in due], [row["message_id"] for row in due]
        # Whoever changes a message, or its row in doubts, waits here or made us wait.
        await tx.execute(HOLD, *named)
        tries: dict[UUID, list[Any]] = {}
        for row in await tx.fetch(TRIES, named[1]):
            tries.setdefault(row["message_id"], []).append(row)
        if told := _told(tries.values()):
            news.hooked += (await apply(tx, told, every_try=True)).hooked
        verdicts = []
        for row in await tx.fetch(LOOK, *named, now):
            # What earlier channels did is no sign of what the present one does.
            before = store.attempts_before(row)
            own = [one for one in tries.get(row["id"], ()) if one["attempt"] > before]
            known = _known(row, own, carriers)
            verdict = judge(known, now, self._policy)
            if verdict.ask and not self._ask(row, own, news):
                verdict = replace(verdict, ask=False)  # later, or by a process that has a session
            verdicts.append((row, verdict))
        await self._do(tx, verdicts, now, news)

    async def _do(
        self, tx: Connection, verdicts: Sequence[tuple[Any, Verdict]], now: datetime, news: _News
    ) -> None:
        again = [
            (row["account_id"], row["id"], v.is_whole)
            for row, v in verdicts
            if v.cause is Cause.RESENT
        ]
        if again:
            queued = await tx.fetch(RESEND, *zip(*again, strict=True), now)
            news.queued |= {row["carrier_id"] for row in queued}
            _log.warning("doubt.resent", messages=len(queued))
        moves = [
            (row["account_id"], row["id"], int(v.cause), v.error_code, v.error_class, v.detail)
            for row, v in verdicts
            if v.cause not in (None, Cause.RESENT)
        ]
        if moves:
            moved = await tx.fetch(MOVE, *zip(*moves, strict=True), now)
            if told := [row for row in moved if row["type"] not in UNTOLD]:
                news.hooked += await store.note(tx, told, now)
            if fell := [row for row in moved if row["type"] == Status.FALLING_BACK]:
                named = [row["id"] for row in fell], [row["account_id"] for row in fell]
                await tx.execute(FALL, *named, now)
            _log.info("doubt.ended", messages=len(moved))
        if kept := [(r["id"], v.look_at, v.ask) for r, v in verdicts if v.look_at]:
            await tx.execute(KEEP, *zip(*kept, strict=True))
        if gone := [row["id"] for row, verdict in verdicts if not verdict.look_at]:
            await tx.execute(DROP, gone)

    def _ask(self, row: Any, tries: Sequence[Any], news: _News) -> bool:
        number = row["carrier_id"]
        carrier, asked = self.carrier_at(number), news.questions.setdefault(number, [])
        if not isinstance(carrier, AskableCarrier) or not carrier.is_up():
            return False
        if len(asked) >= ASKS_MOST:
            return False
        asked += [
            Question(one["carrier_message_id"], one["match_key"], row["sender"], row["recipient"])
            for one in tries
            if one["carrier_id"] == number
            and one["carrier_message_id"]
            and one["match_key"]  # else nothing would find the part by the answer
            and ReceiptState(one["receipt_state"]) not in RECEIPT_FINAL
        ]
        return True

    async def _pass(self, tx: Connection, now: datetime, carriers: _Carriers) -> bool:
        """Move the position along; True when it is not where it should be yet."""
        position = await tx.fetchval("SELECT event_id FROM doubts_position")
        end = now - BEHIND
        until = min(end, ids.time_of(position) + self._slice)
        last = ids.first_at(until)
        if last <= position:
            return False
        told = await tx.fetch(PASS, position, last, PASS_MOST)
        if told:
            named = [row["account_id"] for row in told], [row["message_id"] for row in told]
            await tx.execute(DOUBT, *named, now, sorted(carriers.silent))
        full = len(told) >= PASS_MOST
        # Where little happened the steps grow, so that a long stop is made up for soon.
        self._slice = PASS_FIRST if full else min(self._slice * 2, PASS_LONGEST)
        reached = told[-1]["id"] if full else last
        await tx.execute("UPDATE doubts_position SET event_id = $1", reached)
        return full or until < end


async def _carriers(tx: Connection, is_called: bool) -> _Carriers:
    silent, askable = set(), set()
    for row in await tx.fetch("SELECT id, kind, settings FROM carriers"):
        spec = registry.SPECS.get(row["kind"])
        settings: Mapping[str, Any] = row["settings"]
        is_askable = settings.get("query", False)
        if spec is None or not spec.tells(settings):
            silent.add(row["id"])
        elif is_askable:
            askable.add(row["id"])
        elif spec.calls and not is_called:
            silent.add(row["id"])  # what it would tell comes to nobody
    return _Carriers(frozenset(silent), frozenset(askable))


def _told(messages: Any) -> list[PartNews]:
    """For each message one of the parts that have a receipt: what all of them say is looked up."""
    firsts = [next((row for row in rows if row["receipt_state"]), None) for rows in messages]
    return [
        PartNews(
            row["account_id"], row["message_id"], row["attempt"], row["part"], row["parts"],
            ReceiptState(row["receipt_state"]), row["receipt_error"] or "", row["receipt_at"],
            "", "",
        )
        for row in firsts
        if row is not None
    ]  # fmt: skip


def _known(row: Any, tries: Sequence[Any], carriers: _Carriers) -> Known:
    return Known(
        status=Status(row["status"]),
        category=Category(row["category"]),
        total=max((one["parts"] for one in tries), default=row["segments"]),
        tries=[
            Try(one["part"], OutcomeKind(one["outcome"]), ReceiptState(one["receipt_state"]))
            for one in tries
        ],
        expires_at=row["expires_at"],
        since=row["since"],
        is_duplicate=row["possible_duplicate"],
        waits=row["waits"],
        tells=row["carrier_id"] not in carriers.silent,
        askable=row["carrier_id"] in carriers.askable and not row["asked"],
    )
