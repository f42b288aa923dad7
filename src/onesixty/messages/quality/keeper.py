"""The sliding window of quality: counts to the table, standings from it, both to the router.

Every process adds its counts; one at a time judges, under an advisory lock; all read the standings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import structlog

from onesixty.carriers import loopback
from onesixty.kit.clock import Clock
from onesixty.messages.quality.counting import CONVERTED, FIRST_CLASS, WIDTH, Counter, minute_of
from onesixty.messages.quality.judging import (
    CLASSES,
    Change,
    Level,
    Options,
    Pair,
    Sample,
    Standing,
    judge,
)
from onesixty.messages.receive.find import RECIPIENTS
from onesixty.records import events
from onesixty.records.routes.facts import Quality
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
LOCK: Final = 0x0160_0167  # advisory
IDLE_SECONDS: Final = 5.0
JUDGE_SECONDS: Final = 15.0
WINDOW_MINUTES: Final = 10
WIDE_MINUTES: Final = 60  # for pairs with too little traffic for the window
YOUNG_MINUTES: Final = 2  # receipts of these are still to come
KEPT_MINUTES: Final = 120
_NAMES: Final = (
    "sent", "failed", "delivered", "undelivered", *(f"within_{n}" for n in range(CLASSES)),
    "converted", "unconverted", "contradicted",
)  # fmt: skip

ADD: Final = f"""
INSERT INTO carrier_quality (carrier_id, country, minute, {", ".join(_NAMES)})
SELECT * FROM unnest($1::int[], $2::text[], $3::int[],
    {", ".join(f"${n}::int[]" for n in range(4, 4 + WIDTH))})
ON CONFLICT (carrier_id, country, minute) DO UPDATE SET
    {", ".join(f"{name} = carrier_quality.{name} + excluded.{name}" for name in _NAMES)}
"""
# A window begins with the last change of its pair: what was before has been judged.
SAMPLES: Final = f"""
SELECT q.carrier_id, q.country, {", ".join(f"sum({name})::int AS {name}" for name in _NAMES)}
FROM carrier_quality q LEFT JOIN carrier_standings s
    ON s.carrier_id = q.carrier_id AND s.country = q.country
WHERE q.minute >= $1 AND q.minute < $2
    AND (s.since IS NULL OR q.minute >= extract(epoch FROM s.since)::bigint / 60)
GROUP BY q.carrier_id, q.country
"""
READ: Final = """
SELECT carrier_id, country, level, since, why, rate, median_seconds, coverage, sample
FROM carrier_standings
"""
STAND: Final = """
INSERT INTO carrier_standings AS s (carrier_id, country, level, since, why, rate, median_seconds,
    coverage, sample, at)
SELECT n.*, $10 FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::text[],
    $6::float8[], $7::float8[], $8::float8[], $9::int[])
    AS n(carrier_id, country, level, since, why, rate, median_seconds, coverage, sample)
JOIN carriers c ON c.id = n.carrier_id
ON CONFLICT (carrier_id, country) DO UPDATE SET level = excluded.level, since = excluded.since,
    why = excluded.why, rate = excluded.rate, median_seconds = excluded.median_seconds,
    coverage = excluded.coverage, sample = excluded.sample, at = excluded.at
WHERE (s.level, s.since, s.rate, s.median_seconds, s.coverage, s.sample)
    IS DISTINCT FROM (excluded.level, excluded.since, excluded.rate, excluded.median_seconds,
    excluded.coverage, excluded.sample)
"""
FORGET: Final = "DELETE FROM carrier_quality WHERE minute < $1"
_EVENTS: Final = {
    Level.GOOD: "carrier.recovered",
    Level.DEGRADED: "carrier.degraded",
    Level.SUSPECT: "carrier.suspected",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What one judging looks at."""

    samples: dict[Pair, Sample]
    standings: dict[Pair, Standing]


class QualityKeeper:
    """Knows how every carrier stands in every country; `of` is what routing asks."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        records: SnapshotKeeper,
        options: Options,
        *,
        judges: bool = True,
    ) -> None:
        """`judges`: takes its turn at judging; a process that only answers does not."""
        self.counter = Counter()
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.known: Mapping[Pair, Quality] = MappingProxyType({})
        self.version = 0  # grows when `known` changes: what was decided by it is decided anew
        self._database, self.clock, self._records = database, clock, records
        self._options, self._judges = options, judges
        self._judged_at = float("-inf")

    def of(self, carrier_id: int, country: str | None) -> Quality | None:
        """How well a carrier delivers to a country; None: too little is known."""
        return self.known.get((carrier_id, country or ""))

    async def run_once(self) -> bool:
        """Write what was counted, judge when it is time, read; always False, for the loop."""
        await self._flush()
        if self._judges and self.clock.monotonic() - self._judged_at >= JUDGE_SECONDS:
            self._judged_at = self.clock.monotonic()
            async with self._database.write() as tx:
                told = await self._judge(tx, self.clock.now())
            if told:
                self.wake_webhooks()
        self._publish(await self._database.fetch(READ))
        return False

    async def _flush(self) -> None:
        if strangers := self.counter.strangers():
            rows = await self._database.fetch(
                RECIPIENTS,
                [one.account_id for one in strangers],
                [one.message_id for one in strangers],
            )
            recipients = {row["id"]: row["recipient"] for row in rows}
            for one in strangers:
                self.counter.known(one, recipients.get(one.message_id, ""))
        taken = self.counter.take()
        if not taken:
            return
        added = [(*key, *counts) for key, counts in sorted(taken.items())]
        try:
            async with self._database.write() as tx:
                await tx.execute(ADD, *columns(added, 3 + WIDTH))
        except BaseException:
            self.counter.give_back(taken)
            raise

    async def _judge(self, tx: Connection, now: datetime) -> int:
        """One process at a time; how many changes were told."""
        if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
            return 0
        found = await self._look(tx, now)
        played = {
            one.id for one in self._records.book.carriers.values() if one.kind == loopback.SPEC.kind
        }
        real = {pair: one for pair, one in found.samples.items() if pair[0] not in played}
        changes = judge(real, found.standings, now, self._options)
        standings = found.standings | {(c.carrier_id, c.country): c.standing for c in changes}
        rows = [
            _row(pair, sample, standings.get(pair, Standing()))
            for pair, sample in sorted(found.samples.items())
        ]
        written = set(found.samples)
        rows += [
            _row(pair, Sample(), standings[pair])
            for pair in sorted((c.carrier_id, c.country) for c in changes)
            if pair not in written
        ]
        if rows:
            await tx.execute(STAND, *columns(rows, 9), now)
        await tx.execute(FORGET, minute_of(now) - KEPT_MINUTES)
        for change in changes:
            await self._tell(tx, change, now)
        return len(changes)

    async def _look(self, tx: Connection, now: datetime) -> _Found:
        until = minute_of(now) - YOUNG_MINUTES + 1
        narrow = _samples(await tx.fetch(SAMPLES, until - WINDOW_MINUTES, until))
        wide = _samples(await tx.fetch(SAMPLES, until - WIDE_MINUTES, until))
        enough = {
            pair: one
            for pair, one in narrow.items()
            if one.sent + one.failed >= self._options.sample
        }
        standings = {
            (row["carrier_id"], row["country"]): Standing(
                Level(row["level"]), row["since"], row["why"]
            )
            for row in await tx.fetch(READ)
        }
        return _Found(wide | enough, standings)

    async def _tell(self, tx: Connection, change: Change, now: datetime) -> None:
        carrier = self._records.book.carriers.get(change.carrier_id)
        if carrier is None:
            return
        level = change.standing.level
        _log.warning("quality.changed", carrier=carrier.name, country=change.country, level=level)
        data = {
            "carrier": carrier.name,
            "kind": carrier.kind,
            "country": change.country,
            "detail": change.standing.why,
        }
        await events.tell(tx, carrier.account_id, _EVENTS[level], data, now)

    def _publish(self, rows: Sequence[Any]) -> None:
        known = {
            (row["carrier_id"], row["country"]): Quality(
                delivered_rate=row["rate"] or 0.0,
                median_seconds=row["median_seconds"],
                coverage=row["coverage"] or 0.0,
                level=row["level"],
                sample=row["sample"],
                why=row["why"],
            )
            for row in rows
            if row["level"] != Level.GOOD
            or (row["rate"] is not None and row["sample"] >= self._options.sample)
        }
        if known != dict(self.known):
            self.known = MappingProxyType(known)
            self.version += 1


def _row(pair: Pair, sample: Sample, standing: Standing) -> tuple[Any, ...]:
    """What STAND takes; shares to the hundredth, so that little changes where little happens."""
    return (
        *pair, str(standing.level), standing.since, standing.why,
        _rounded(sample.rate, 2), _rounded(sample.median_seconds, 0), _rounded(sample.coverage, 2),
        sample.sent,
    )  # fmt: skip


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _samples(rows: Sequence[Any]) -> dict[Pair, Sample]:
    found: dict[Pair, Sample] = {}
    for row in rows:
        counts = list(row)[2:]
        sent, failed, delivered, undelivered = counts[:FIRST_CLASS]
        converted, unconverted, contradicted = counts[CONVERTED:]
        found[row["carrier_id"], row["country"]] = Sample(
            sent=sent,
            failed=failed,
            delivered=delivered,
            undelivered=undelivered,
            times=tuple(counts[FIRST_CLASS:CONVERTED]),
            converted=converted,
            unconverted=unconverted,
            contradicted=contradicted,
        )
    return found
