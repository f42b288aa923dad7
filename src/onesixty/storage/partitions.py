"""Monthly parts of the big tables.

They are partitioned by UUIDv7 (or by the UUIDv7 of their message), hence by time: a month is
dropped whole when its retention ends, and the working set of every index is the newest part.
"""

from datetime import UTC, datetime

import asyncpg

from onesixty.kit import ids

# Updates of a status stay on their page (HOT) while there is room: these tables are updated once or
# twice a row.
_FILL = {"messages": 75, "submissions": 80, "receipts": 100, "events": 100, "deliveries": 100}
TABLES = tuple(_FILL)


async def ensure(connection: asyncpg.Connection, since: datetime, months: int = 3) -> list[str]:
    """Make the missing parts of every big table; return their names.

    Parts are for the month of `since` and those after it, `months` in all.
    """
    made = []
    year, month = since.year, since.month
    for _ in range(months):
        start = datetime(year, month, 1, tzinfo=UTC)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        end = datetime(year, month, 1, tzinfo=UTC)
        for table in TABLES:
            name = f"{table}_{start:%Y_%m}"
            if await connection.fetchval("SELECT to_regclass($1)", name) is None:
                await connection.execute(_create(table, name, start, end))
                made.append(name)
    return made


def _create(table: str, name: str, start: datetime, end: datetime) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} "
        f"FOR VALUES FROM ('{ids.first_at(start)}') TO ('{ids.first_at(end)}') "
        f"WITH (fillfactor = {_FILL[table]})"
    )
