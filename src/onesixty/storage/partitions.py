"""Monthly parts of the big tables.

They are partitioned by UUIDv7 (or by the UUIDv7 of their message), hence by time: a month is
dropped whole when its retention ends, and the working set of every index is the newest part.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg

from onesixty.kit import ids

# Updates of a status stay on their page (HOT) while there is room. A batch updates all rows of a
# page at once, so half of it is left free. Measured: a fifth less on the disk than with 75 %, since
# no update needs new index entries, and a fifth less CPU for receipts.
_FILL = {
    "messages": 50, "submissions": 50, "receipts": 100, "events": 100, "deliveries": 100,
    "transfers": 100, "charges": 100,
}  # fmt: skip
TABLES = tuple(_FILL)
_LOCK = 0x0160_0161  # advisory


async def ensure(connection: asyncpg.Connection, since: datetime, months: int = 3) -> list[str]:
    """Make the missing parts of every big table; return their names.

    Parts are for the month of `since` and those after it, `months` in all. To be called in a
    transaction: it holds the lock by which processes make parts one after the other.
    """
    wanted = [
        (table, f"{table}_{start:%Y_%m}", start, end)
        for start, end in _months(since, months)
        for table in TABLES
    ]
    if not await _missing(connection, [name for _, name, _, _ in wanted]):
        return []
    # IF NOT EXISTS does not help two processes that start at once.
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    missing = await _missing(connection, [name for _, name, _, _ in wanted])
    for table, name, start, end in wanted:
        if name in missing:
            await connection.execute(_create(table, name, start, end))
    return sorted(missing)


async def _missing(connection: asyncpg.Connection, names: list[str]) -> set[str]:
    # Not to_regclass: within a transaction it remembers what was not there before.
    rows = await connection.fetch(
        "SELECT relname::text FROM pg_class WHERE relname = ANY($1::text[])"
        " AND relnamespace = current_schema()::regnamespace",
        names,
    )
    return set(names) - {row["relname"] for row in rows}


def _months(since: datetime, count: int) -> Iterator[tuple[datetime, datetime]]:
    """The beginnings of so many months and of those after them."""
    year, month = since.year, since.month
    for _ in range(count):
        start = datetime(year, month, 1, tzinfo=UTC)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        yield start, datetime(year, month, 1, tzinfo=UTC)


def _create(table: str, name: str, start: datetime, end: datetime) -> str:
    # Attached, not made as a part: that would lock out all who use the big table, and wait for
    # them, so the walk and this could wait for each other. PostgreSQL adds the indexes.
    return (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        f" INCLUDING STORAGE INCLUDING COMPRESSION) WITH (fillfactor = {_FILL[table]});"
        f"ALTER TABLE {table} ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{ids.first_at(start)}') TO ('{ids.first_at(end)}')"
    )
