"""What questions cost: so many are granted as the caps of their source allow, and never more.

The rows of a source's month are locked while it is decided, so processes take turns.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from onesixty.records.lookups.book import SourceRecord
from onesixty.storage.database import Connection, Rows

BEGIN: Final = """
INSERT INTO lookup_spending (source_id, day) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
LOCK: Final = """
SELECT day, micros, told FROM lookup_spending
WHERE source_id = $1 AND day >= $2 ORDER BY day FOR UPDATE
"""
TAKE: Final = """
UPDATE lookup_spending SET questions = questions + $3, micros = micros + $4, told = told OR $5
WHERE source_id = $1 AND day = $2
"""
FAIL: Final = """
UPDATE lookup_spending SET failed = failed + 1, error = $3 WHERE source_id = $1 AND day = $2
"""
GIVE_BACK: Final = """
UPDATE lookup_spending SET questions = questions - 1, micros = micros - $3, failed = failed + 1,
    error = $4
WHERE source_id = $1 AND day = $2
"""
SPENT: Final = """
SELECT source_id, sum(micros)::bigint AS month, sum(micros) FILTER (WHERE day = $1)::bigint AS day,
    sum(questions) FILTER (WHERE day = $1)::int AS questions,
    sum(failed) FILTER (WHERE day = $1)::int AS failed,
    (array_agg(error ORDER BY day DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
FROM lookup_spending WHERE day BETWEEN $2 AND $1 GROUP BY source_id
"""


class Purse:
    """The locked rows of a source; from `open_purse` to the end of its transaction."""

    def __init__(self, source: SourceRecord, today: date, rows: Rows) -> None:
        self._source, self._today = source, today
        month = sum(row["micros"] for row in rows)
        day = sum(row["micros"] for row in rows if row["day"] == today)
        self._left = {
            name: cap - spent
            for name, cap, spent in (
                ("day", source.day_cap, day),
                ("month", source.month_cap, month),
            )
            if cap is not None
        }
        self._told = any(row["told"] for row in rows if row["day"] == today)

    def room(self, wanted: int) -> int:
        """How many of so many questions the caps allow."""
        if not self._source.price or not self._left:
            return wanted
        affordable: int = min(self._left.values()) // self._source.price
        return max(0, min(wanted, affordable))

    async def take(self, tx: Connection, count: int, *, over: bool) -> str | None:
        """Count so many questions; `over`: more were wanted than there was room for.

        Returns the cap to be told of: once a day.
        """
        cap = min(self._left, key=self._left.__getitem__) if over and not self._told else None
        if count or cap:
            micros = count * self._source.price
            await tx.execute(TAKE, self._source.id, self._today, count, micros, cap is not None)
        return cap


async def open_purse(tx: Connection, source: SourceRecord, now: datetime) -> Purse:
    """Lock what a source has cost in this month."""
    today = _day(now)
    await tx.execute(BEGIN, source.id, today)
    return Purse(source, today, await tx.fetch(LOCK, source.id, today.replace(day=1)))


async def fail(tx: Connection, source: SourceRecord, asked_at: datetime, error: str) -> None:
    """A question was sent, and no answer came that could be read: it is paid."""
    await tx.execute(FAIL, source.id, _day(asked_at), error)


async def give_back(tx: Connection, source: SourceRecord, asked_at: datetime, error: str) -> None:
    """A question never left: it costs nothing."""
    await tx.execute(GIVE_BACK, source.id, _day(asked_at), source.price, error)


async def spent(connection: Connection, now: datetime) -> dict[int, Any]:
    """Of this day and month by source: month, day (micros), questions, failed, error."""
    today = _day(now)
    rows: Sequence[Any] = await connection.fetch(SPENT, today, today.replace(day=1))
    return {row["source_id"]: row for row in rows}


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
