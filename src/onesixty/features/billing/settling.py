"""Looks at messages whose price is held, and turns holds into charges or releases.

Each hold has a time at which it is looked at next: soon at first, then less and less often. What
the message has become decides (`verdict.py`); transfers, balances, caps and usage are written in
the transaction that takes the hold away, so each is settled once. One process at a time does this.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import OutcomeKind
from onesixty.features.billing.verdict import Known, Verdict, judge
from onesixty.kit.clock import Clock
from onesixty.messages.states import Status
from onesixty.records.billing import holds, usage
from onesixty.records.billing.book import Billing, CapRecord
from onesixty.records.billing.books import WAYS, Kind
from onesixty.records.billing.usage import Line
from onesixty.records.snapshot import Snapshot, SnapshotKeeper
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
LOOKS_MOST: Final = 1000
IDLE_SECONDS: Final = 1.0
UNUSED_SECONDS: Final = 60.0  # between looks where nobody pays (any more)

DUE: Final = """
SELECT message_id, account_id FROM holds WHERE due_at <= $1 ORDER BY due_at LIMIT $2
"""
# Before their messages are read: who ends one of these meanwhile comes to wake its hold after this.
HELD: Final = """
SELECT message_id FROM holds WHERE message_id = ANY($1::uuid[]) ORDER BY message_id FOR UPDATE
"""
LOOK: Final = """
SELECT h.message_id, h.account_id, h.payer_id, h.micros, h.charged, h.charge, h.country, h.caps,
    h.cap_micros, h.at, m.status, m.send_at, m.sent_at, m.expires_at, m.price_micros, m.segments,
    m.carrier_id, m.channel, m.recipient, m.past_steps, m.steps IS NOT NULL AS has_steps
FROM unnest($1::uuid[], $2::int[]) AS n(message_id, account_id)
JOIN holds h ON h.message_id = n.message_id
LEFT JOIN messages m ON m.account_id = n.account_id AND m.id = n.message_id
"""
COSTS: Final = f"""
SELECT message_id, attempt, carrier_id, cost_micros, cost_currency, submitted_at FROM submissions
WHERE message_id = ANY($1::uuid[])
    AND (outcome = {OutcomeKind.ACCEPTED} OR cost_micros IS NOT NULL)
"""
_CHARGE, _RELEASE = WAYS[Kind.CHARGE], WAYS[Kind.RELEASE]
SETTLE: Final = f"""
WITH settled AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[])
    AS settled(payer_id, id, charged, released)
), written AS (
    INSERT INTO transfers (account_id, id, kind, source, target, micros, at)
    SELECT payer_id, id, {Kind.CHARGE}, {_CHARGE[0]}, {_CHARGE[1]}, charged, $5::timestamptz
    FROM settled WHERE charged > 0
    UNION ALL
    SELECT payer_id, id, {Kind.RELEASE}, {_RELEASE[0]}, {_RELEASE[1]}, released, $5::timestamptz
    FROM settled WHERE released > 0
), moved AS (
    UPDATE balances b SET held = b.held - n.charged - n.released,
        revenue = b.revenue + n.charged, available = b.available + n.released
    FROM unnest($6::int[], $7::bigint[], $8::bigint[]) AS n(account_id, charged, released)
    WHERE b.account_id = n.account_id
), given_back AS (
    UPDATE cap_counters c SET micros = greatest(0, c.micros - n.micros)
    FROM unnest($9::int[], $10::date[], $11::bigint[]) AS n(cap_id, since, micros)
    WHERE c.cap_id = n.cap_id AND c.since = n.since
), kept AS (
    UPDATE holds h SET charged = n.charged, due_at = n.due_at
    FROM unnest($12::uuid[], $13::bigint[], $14::timestamptz[]) AS n(message_id, charged, due_at)
    WHERE h.message_id = n.message_id
)
DELETE FROM holds WHERE message_id = ANY($15::uuid[])
"""


@dataclass(slots=True)
class _Work:
    """What is to be written."""

    settled: list[tuple[int, UUID, int, int]] = field(default_factory=list)
    kept: list[tuple[UUID, int | None, datetime]] = field(default_factory=list)
    ended: list[Any] = field(default_factory=list)  # rows with what was charged
    back: dict[tuple[int, date], int] = field(default_factory=dict)  # to caps


class HoldSettler:
    """Looks every second for holds that are due."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keeper: SnapshotKeeper,
        network: Callable[[str], str | None],
    ) -> None:
        """`network` tells the MCC and MNC of a number, as far as they are known."""
        self._database, self._clock, self._keeper = database, clock, keeper
        self._network = network
        self._look_at = clock.monotonic()

    async def run_once(self) -> bool:
        """One round; True when there is more to do."""
        book = self._keeper.book
        if not book.billing.payers and self._clock.monotonic() < self._look_at:
            return False
        self._look_at = self._clock.monotonic() + UNUSED_SECONDS
        now = self._clock.now()
        due = await self._database.fetch(DUE, now, LOOKS_MOST)
        if not due:
            return False
        async with self._database.write() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", usage.LOCK):
                return False
            await self._settle(tx, due, book, now)
        return len(due) >= LOOKS_MOST

    async def _settle(
        self, tx: Connection, due: Sequence[Any], book: Snapshot, now: datetime
    ) -> None:
        named = [row["message_id"] for row in due], [row["account_id"] for row in due]
        work, silent = _Work(), _silent(book)
        caps = {cap.id: cap for some in book.billing.caps.values() for cap in some}
        await tx.fetch(HELD, named[0])
        for row in await tx.fetch(LOOK, *named):
            _sort(work, row, judge(_known(row, silent), now), caps)
        await tx.fetch(holds.LOCK, sorted({payer_id for payer_id, *_ in work.settled}))
        if work.back:
            since = [number for number, _ in work.back], [day for _, day in work.back]
            await tx.fetch(holds.LOCK_CAPS, *since)
        await tx.execute(SETTLE, *_arguments(work, now))
        if work.ended:
            ids = [row["message_id"] for row, _ in work.ended]
            costs: dict[UUID, list[Any]] = {}
            for row in await tx.fetch(COSTS, ids):
                costs.setdefault(row["message_id"], []).append(row)
            lines = [
                line
                for row, charged in work.ended
                for line in _lines(row, charged, self._costs(row, costs, book.billing), book)
            ]
            await usage.count(tx, lines)
            _log.info("billing.settled", messages=len(work.ended))

    def _costs(
        self, row: Any, costs: Mapping[UUID, Sequence[Any]], billing: Billing
    ) -> dict[tuple[int, str], int]:
        """What carriers took, by carrier and currency: in their words, else after their lists."""
        sums: dict[tuple[int, str], int] = {}
        for part in costs.get(row["message_id"], ()):
            if part["cost_micros"] is not None:
                found: tuple[int, str] | None = (part["cost_micros"], part["cost_currency"])
            else:
                number, at = row["recipient"], part["submitted_at"]
                network, channel = self._network(number), _channel(row, part["attempt"])
                found = billing.cost(part["carrier_id"], number, network, channel, at)
            if found:
                name = (part["carrier_id"], found[1])
                sums[name] = sums.get(name, 0) + found[0]
        return sums


def _known(row: Any, silent: frozenset[int]) -> Known:
    return Known(
        status=None if row["status"] is None else Status(row["status"]),
        charge=row["charge"],
        price=row["price_micros"] or 0,
        at=row["at"],
        send_at=row["send_at"],
        sent_at=row["sent_at"],
        expires_at=row["expires_at"],
        has_steps=row["has_steps"],
        is_silent=row["carrier_id"] in silent,
    )


def _sort(work: _Work, row: Any, verdict: Verdict, caps: Mapping[int, CapRecord]) -> None:
    """What a verdict means for a hold."""
    charged: int | None = row["charged"]
    if charged is None and verdict.charged is not None:
        charged = min(row["micros"], verdict.charged)
        work.settled.append((row["payer_id"], row["message_id"], charged, row["micros"] - charged))
        for cap_id, micros in zip(row["caps"] or (), row["cap_micros"] or (), strict=True):
            back = micros - micros * charged // row["micros"] if row["micros"] else 0
            if back and (cap := caps.get(cap_id)):
                name = (cap_id, cap.since(row["at"]))
                work.back[name] = work.back.get(name, 0) + back
    if verdict.look_at is None:
        work.ended.append((row, charged or 0))
    else:
        work.kept.append((row["message_id"], charged, verdict.look_at))


def _arguments(work: _Work, now: datetime) -> list[Any]:
    sums: dict[int, list[int]] = {}
    for payer_id, _, charged, released in work.settled:
        one = sums.setdefault(payer_id, [0, 0])
        one[0] += charged
        one[1] += released
    balances = [(payer_id, *one) for payer_id, one in sorted(sums.items())]
    back = [(*name, micros) for name, micros in sorted(work.back.items())]
    ended = [row["message_id"] for row, _ in work.ended]
    return [
        *columns(work.settled, 4),
        now,
        *columns(balances, 3),
        *columns(back, 3),
        *columns(work.kept, 3),
        ended,
    ]


def _lines(
    row: Any, charged: int, costs: Mapping[tuple[int, str], int], book: Snapshot
) -> list[Line]:
    """One line for the message, and one for each further carrier or currency that it cost."""
    if row["status"] is None:  # its month was dropped
        return []
    sums = dict(costs)
    own = next((name for name in sums if name[0] == row["carrier_id"]), None)
    cost_currency, cost = (own[1], sums.pop(own)) if own else ("", 0)
    day = row["at"].astimezone(UTC).date()
    country, currency = row["country"] or "", book.accounts[row["payer_id"]].currency
    dimensions = (day, row["account_id"], country)
    first = Line(
        row["message_id"], 0, *dimensions, row["carrier_id"] or 0, row["channel"], currency,
        cost_currency, 1, row["segments"],
        int(row["status"] in (Status.DELIVERED, Status.READ)), charged, cost,
    )  # fmt: skip
    others = [
        Line(
            row["message_id"], number, *dimensions, carrier_id, row["channel"], currency, unit,
            cost=micros,
        )
        for number, ((carrier_id, unit), micros) in enumerate(sorted(sums.items()), 1)
    ]  # fmt: skip
    return [first, *others]


def _channel(row: Any, attempt: int) -> int:
    """The channel of an attempt: the message may have fallen back to another one since."""
    for past in row["past_steps"] or ():
        if attempt <= past["attempts"]:
            channel: int = past["channel"]
            return channel
    now: int = row["channel"]
    return now


def _silent(book: Snapshot) -> frozenset[int]:
    """Carriers that give no receipts."""
    return frozenset(
        one.id
        for one in book.carriers.values()
        if (spec := registry.SPECS.get(one.kind)) is None
        or "receipts" not in spec.receives
        or not one.settings.get("receipts", True)
    )
