"""What the receipts of a carrier teach: the form of its ids, its words, codes and dates.

Each process counts what comes to it and writes that to the row of the carrier once a minute; from
there all learn. A reading of ids is learnt after so many receipts in a row were found by it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from onesixty.carriers.contract import Receipt
from onesixty.kit import metrics
from onesixty.kit.clock import Clock
from onesixty.messages.receive.dates import read_date
from onesixty.messages.receive.find import CONFIGURED, Finds, Search
from onesixty.records import events
from onesixty.storage.database import Connection, Database

LEARNT_AFTER: Final = 20  # receipts in a row
KINDS_MOST: Final = 100  # different words, and codes, that are kept of a carrier
WINDOW_MINUTES: Final = 60
UNMATCHED_SHARE, UNMATCHED_LEAST = 0.05, 20  # of the receipts of that hour, to raise the alarm
KEPT_CHARACTERS: Final = 32  # of each
OTHER: Final = "other"
_log = structlog.get_logger()

_READ: Final = """
SELECT l.carrier_id, l.learned FROM carrier_learning l
WHERE l.carrier_id = ANY($1::int[]) ORDER BY l.carrier_id FOR UPDATE
"""
_WRITE: Final = """
INSERT INTO carrier_learning (carrier_id, learned, updated_at)
SELECT n.carrier_id, n.learned, $3
FROM unnest($1::int[], $2::jsonb[]) AS n(carrier_id, learned) JOIN carriers c ON c.id = n.carrier_id
ON CONFLICT (carrier_id) DO UPDATE SET learned = excluded.learned, updated_at = excluded.updated_at
"""
_FORMS: Final = """
SELECT carrier_id, learned->>'id_form' AS id_form FROM carrier_learning
WHERE learned->>'id_form' IS NOT NULL
"""


@dataclass(slots=True)
class _News:
    """What came since the last write."""

    forms: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    dates: Counter[str] = field(default_factory=Counter)
    offsets: Counter[str] = field(default_factory=Counter)
    total: int = 0
    unmatched: int = 0  # below zero when some of before were matched after all


class Learner:
    """Counts receipts and knows what was learnt; `learnt` are the readings to try first."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.learnt: dict[int, str] = {}
        self._news: dict[int, _News] = {}
        self._rows: dict[int, tuple[str, int]] = {}  # the last reading, how often in a row
        self._changed: set[int] = set()  # carriers of which something was learnt

    def note(self, receipts: Sequence[Receipt], finds: Finds, search: Search) -> None:
        """Receipts of a batch, and what was found of them."""
        usual = CONFIGURED if not (search.learnt or finds.guessed) else None
        rows = finds.rows
        counts = Counter(
            [
                (one.carrier_id, n in rows and (usual or finds.reading(n, one, search)), one.word,
                 one.error)
                for n, one in enumerate(receipts)
            ]
        )  # fmt: skip
        for (carrier_id, reading, word, code), count in counts.items():
            news = self._of(carrier_id)
            news.total += count
            news.words[word] += bool(word) * count
            news.codes[code] += bool(code) * count
            if reading:
                news.forms[reading] += count
                self._row(carrier_id, reading, count)
            else:
                news.unmatched += count
            result = "matched" if reading else "parked"
            metrics.receipts.labels(str(carrier_id), result).inc(count)
        self._note_date(receipts[-1])  # one of a batch is enough to learn from

    def rematched(self, counts: Mapping[int, int]) -> None:
        """So many receipts of these carriers were matched after they had been parked."""
        for carrier_id, count in counts.items():
            self._of(carrier_id).unmatched -= count
            metrics.receipts.labels(str(carrier_id), "rematched").inc(count)

    def unmatched(self) -> list[int]:
        """Carriers of which receipts were parked since the last write."""
        return [number for number, news in self._news.items() if news.unmatched > 0]

    async def run_once(self) -> bool:
        """Write what is new, and learn what other processes have learnt."""
        news, self._news = self._news, {}
        changed, self._changed = self._changed, set()
        is_written = False
        try:
            async with self._database.write() as tx:
                if news:
                    await self._write(tx, news, changed)
                forms = await tx.fetch(_FORMS)
            is_written = True
        finally:
            if not is_written:
                self._take_back(news, changed)
        stored = {row["carrier_id"]: row["id_form"] for row in forms}
        for number in self._changed:  # while this was being written
            stored[number] = self.learnt.get(number)
        self.learnt = {number: form for number, form in stored.items() if form}
        return False

    def _of(self, carrier_id: int) -> _News:
        return self._news.setdefault(carrier_id, _News())

    def _row(self, carrier_id: int, reading: str, count: int) -> None:
        """Count how often in a row a reading was the right one; often enough makes it the first."""
        last, before = self._rows.get(carrier_id, (reading, 0))
        count += before if last == reading else 0
        self._rows[carrier_id] = (reading, count)
        if count >= LEARNT_AFTER and reading != self.learnt.get(carrier_id, CONFIGURED):
            if reading == CONFIGURED:
                del self.learnt[carrier_id]
            else:
                self.learnt[carrier_id] = reading
            self._changed.add(carrier_id)
            _log.warning("carrier.id_form_learnt", carrier=carrier_id, id_form=reading)

    def _note_date(self, receipt: Receipt) -> None:
        if date := read_date(receipt.done_date, receipt.received_at):
            news = self._of(receipt.carrier_id)
            news.dates[date.form] += 1
            if date.offset_minutes is not None:
                news.offsets[str(date.offset_minutes)] += 1

    def _take_back(self, news: dict[int, _News], changed: set[int]) -> None:
        self._changed |= changed
        for number, one in news.items():
            newer = self._of(number)
            for name in _COUNTED:
                getattr(newer, name).update(getattr(one, name))
            newer.total += one.total
            newer.unmatched += one.unmatched

    async def _write(self, tx: Connection, news: Mapping[int, _News], changed: set[int]) -> None:
        now, numbers = self._clock.now(), sorted(news)
        known = {row["carrier_id"]: row["learned"] for row in await tx.fetch(_READ, numbers)}
        alarms = {}
        for number in numbers:
            learned = known.setdefault(number, {})
            _add(learned, news[number], now)
            if number in changed:
                learned["id_form"] = self.learnt.get(number)
            if alarm := _alarm(learned, now):
                alarms[number] = alarm
        await tx.execute(_WRITE, numbers, [known[number] for number in numbers], now)
        for number, (total, unmatched) in alarms.items():
            await _tell(tx, number, {"receipts": total, "unmatched": unmatched}, now)


_COUNTED: Final = ("forms", "words", "codes", "dates", "offsets")


def recent(learned: Mapping[str, Any], now: datetime) -> tuple[int, int]:
    """Receipts of the last hour, and how many of them were matched with nothing."""
    since = _minute(now) - WINDOW_MINUTES
    minutes = [one for one in learned.get("minutes", ()) if one[0] > since]
    return sum(one[1] for one in minutes), max(0, sum(one[2] for one in minutes))


def _add(learned: dict[str, Any], news: _News, now: datetime) -> None:
    for name in _COUNTED:
        counts = learned.setdefault(name, {})
        for word, count in getattr(news, name).items():
            if count:
                key = word[:KEPT_CHARACTERS]
                kept = key if key in counts or len(counts) < KINDS_MOST else OTHER
                counts[kept] = counts.get(kept, 0) + count
    minute = _minute(now)
    minutes = [one for one in learned.get("minutes", ()) if one[0] > minute - WINDOW_MINUTES]
    if minutes and minutes[-1][0] == minute:
        last = minutes.pop()
        minutes.append([minute, last[1] + news.total, last[2] + news.unmatched])
    else:
        minutes.append([minute, news.total, news.unmatched])
    learned["minutes"] = minutes


def _alarm(learned: dict[str, Any], now: datetime) -> tuple[int, int] | None:
    """The numbers to raise the alarm with, at most once in the time that they are counted over."""
    total, unmatched = recent(learned, now)
    if unmatched < UNMATCHED_LEAST or unmatched <= UNMATCHED_SHARE * total:
        return None
    if learned.get("alarmed_minute", 0) > _minute(now) - WINDOW_MINUTES:
        return None
    learned["alarmed_minute"] = _minute(now)
    return total, unmatched


async def _tell(tx: Connection, carrier_id: int, counts: dict[str, int], now: datetime) -> None:
    row = await tx.fetchrow("SELECT account_id, name, kind FROM carriers WHERE id = $1", carrier_id)
    if row is None:
        return
    _log.warning("carrier.receipts_unmatched", carrier=row["name"], **counts)
    data = {"carrier": row["name"], "kind": row["kind"], **counts}
    await events.tell(tx, row["account_id"], "carrier.receipts_unmatched", data, now)


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60
