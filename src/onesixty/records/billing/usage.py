"""Usage: what ended messages were, line by line, and added up by day.

A line is written once, when its message has ended, in the transaction that settles it. The sums of
a day can be made again from its lines at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from onesixty.records.billing.book import Billing
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Rows

LOCK: Final = 0x0160_0166  # advisory: who settles, or adds days up again
_KEY: Final = "day, account_id, country, carrier_id, channel, currency, cost_currency"
_SUMS: Final = ("messages", "segments", "delivered", "charged", "cost")
_ADDED: Final = ", ".join(f"sum({name})::bigint" for name in _SUMS)
COUNT: Final = f"""
WITH draft AS (
    SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::date[], $4::int[], $5::text[], $6::int[],
        $7::smallint[], $8::text[], $9::text[], $10::int[], $11::int[], $12::int[], $13::bigint[],
        $14::bigint[])
    AS draft(id, line, day, account_id, country, carrier_id, channel, currency, cost_currency,
        messages, segments, delivered, charged, cost)
), written AS (
    INSERT INTO charges (id, line, {_KEY}, {", ".join(_SUMS)})
    SELECT id, line, {_KEY}, {", ".join(_SUMS)} FROM draft
)
INSERT INTO usage ({_KEY}, {", ".join(_SUMS)})
SELECT {_KEY}, {_ADDED} FROM draft GROUP BY {_KEY} ORDER BY {_KEY}
ON CONFLICT ({_KEY}) DO UPDATE SET
    {", ".join(f"{name} = usage.{name} + excluded.{name}" for name in _SUMS)}
"""
_AGAIN: Final = f"""
INSERT INTO usage ({_KEY}, {", ".join(_SUMS)})
SELECT {_KEY}, {_ADDED} FROM charges WHERE day = $1 GROUP BY {_KEY}
"""
_LINE: Final = """
SELECT account_id, country, carrier_id, channel, currency, cost_currency FROM charges
WHERE id = $1 AND line = 0
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What is counted of a message, or of a refund; the order is that of COUNT."""

    id: UUID
    line: int
    day: date
    account_id: int
    country: str
    carrier_id: int
    channel: int
    currency: str
    cost_currency: str = ""
    messages: int = 0
    segments: int = 0
    delivered: int = 0
    charged: int = 0  # in `currency`
    cost: int = 0  # in `cost_currency`


_fields: Final = attrgetter(*(one.name for one in fields(Line)))


async def count(tx: Connection, lines: Sequence[Line]) -> None:
    """Write lines, and add them to their days."""
    await tx.execute(COUNT, *columns([_fields(line) for line in lines], 14))


async def count_refund(tx: Connection, line: Line) -> None:
    """Count a refund where its message was counted, or under no carrier when it is of none."""
    found = await tx.fetchrow(_LINE, line.id)
    if found:
        fields = {name: getattr(line, name) for name in ("id", "day", "charged")}
        line = Line(**fields | dict(found), line=-1)
    await count(tx, [line])


async def add_up(tx: Connection, day: date) -> int:
    """Make the sums of a day again from its lines; return how many sums there are."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    await tx.execute("DELETE FROM usage WHERE day = $1", day)
    done: str = await tx.execute(_AGAIN, day)
    return int(done.rpartition(" ")[2])


GROUPS: Final[dict[str, str]] = {
    "day": "day",
    "account": "account_id",
    "country": "country",
    "carrier": "carrier_id",
    "channel": "channel",
}


async def report(
    connection: Connection, account_id: int, days: tuple[date, date], groups: Sequence[str]
) -> Rows:
    """Sums of an account and those below it, from the first day to the last, by these GROUPS.

    Amounts of different currencies are in rows of their own.
    """
    names = ", ".join([*(f"u.{GROUPS[name]}" for name in groups), "u.currency", "u.cost_currency"])
    sums = ", ".join(f"sum(u.{name})::bigint AS {name}" for name in _SUMS)
    rows: Rows = await connection.fetch(
        "WITH RECURSIVE below AS (SELECT id FROM accounts WHERE id = $1"
        " UNION ALL SELECT a.id FROM accounts a JOIN below ON a.parent_id = below.id)"
        f" SELECT {names}, {sums} FROM usage u JOIN below ON below.id = u.account_id"
        f" WHERE u.day BETWEEN $2 AND $3 GROUP BY {names} ORDER BY {names}",
        account_id,
        *days,
    )
    return rows


@dataclass(slots=True)
class Margin:
    """What was earned under one heading, in the reference currency."""

    messages: int = 0
    delivered: int = 0
    revenue: int = 0
    cost: int = 0
    without_cost: int = 0  # messages whose cost nobody knows
    missing_rates: set[str] | None = None  # currencies that could not be converted

    @property
    def percent(self) -> Decimal | None:
        """The margin as a part of the revenue; None without revenue."""
        if self.revenue <= 0:
            return None
        return round(Decimal(self.revenue - self.cost) * 100 / self.revenue, 2)


def margins(
    rows: Sequence[Any], groups: Sequence[str], billing: Billing
) -> dict[tuple[Any, ...], Margin]:
    """The margins of a report by its groups: everything converted, nothing mixed.

    Amounts without a rate are left out, and named.
    """
    found: dict[tuple[Any, ...], Margin] = {}
    for row in rows:
        one = found.setdefault(tuple(row[GROUPS[name]] for name in groups), Margin())
        one.messages += row["messages"]
        one.delivered += row["delivered"]
        if not row["cost_currency"]:
            one.without_cost += row["messages"]
        one.revenue += _converted(one, row["charged"], row["currency"], billing)
        one.cost += _converted(one, row["cost"], row["cost_currency"], billing)
    return found


def _converted(margin: Margin, micros: int, currency: str, billing: Billing) -> int:
    value = billing.convert(micros, currency, billing.reference)
    if value is None:
        margin.missing_rates = (margin.missing_rates or set()) | {currency}
    return value or 0
