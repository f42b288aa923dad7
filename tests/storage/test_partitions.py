"""Monthly parts: made ahead over the end of a year, repeatable, each row in the right one."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from onesixty.kit import ids
from onesixty.kit.clock import SystemClock
from onesixty.storage import partitions
from onesixty.storage.database import Connection, Database

NOVEMBER = datetime(2040, 11, 17, 13, 45, tzinfo=UTC)
MONTHS = ["2040_11", "2040_12", "2041_01"]
MILLISECOND = timedelta(milliseconds=1)


async def event_at(tx: Connection, moment: datetime) -> str:
    """The part that an event of this moment is stored in."""
    part: str = await tx.fetchval(
        "INSERT INTO events (account_id, id, type, sequence, at) VALUES (1, $1, 40, 1, $2)"
        " RETURNING tableoid::regclass::text",
        ids.uuid7(int(moment.timestamp() * 1000)),
        moment,
    )
    return part


async def test_parts_are_made_over_the_end_of_a_year(database: Database) -> None:
    """Every big table gets the month of the time and those after it."""
    async with database.write() as tx:
        made = await partitions.ensure(tx, NOVEMBER, months=3)
    assert sorted(made) == sorted(f"{table}_{at}" for table in partitions.TABLES for at in MONTHS)


async def test_what_is_there_is_left_alone(database: Database) -> None:
    """A second call makes nothing; a later one only what is new; rows stay."""
    async with database.write() as tx:
        await partitions.ensure(tx, NOVEMBER, months=2)
        await event_at(tx, NOVEMBER)
        assert await partitions.ensure(tx, NOVEMBER, months=2) == []
        made = await partitions.ensure(tx, NOVEMBER, months=3)
        assert sorted(made) == sorted(f"{table}_2041_01" for table in partitions.TABLES)
        assert await tx.fetchval("SELECT count(*) FROM events_2040_11") == 1


async def test_processes_that_start_at_once_share_the_work(database: Database) -> None:
    """However many make the parts of a new month at once, each part is made once."""

    async def start() -> list[str]:
        async with database.write() as tx:
            return await partitions.ensure(tx, NOVEMBER, months=1)

    made = await asyncio.gather(*(start() for _ in range(4)))
    assert sorted(map(len, made)) == [0, 0, 0, len(partitions.TABLES)]


async def test_parts_are_made_while_messages_walk(database: Database) -> None:
    """Neither waits for the other: who is in the middle of a change goes on in every big table."""
    async with database.write() as walk:
        await event_at(walk, SystemClock().now())
        async with asyncio.timeout(30):
            async with database.write() as tx:
                assert await partitions.ensure(tx, NOVEMBER, months=1)
                for table in partitions.TABLES:
                    await walk.execute(f"DELETE FROM {table} WHERE account_id = 160")
                await event_at(walk, SystemClock().now())


async def test_parts_have_what_their_table_has(database: Database) -> None:
    """Indexes, the primary key, defaults, columns that must not be NULL; and room for updates."""
    indexes = (
        "SELECT split_part(pg_get_indexdef(indexrelid), ' USING ', 2) || indisprimary AS made"
        " FROM pg_index WHERE indrelid = $1::regclass"
    )
    columns = (
        "SELECT attname, atttypid, attnotnull, attstorage, pg_get_expr(adbin, adrelid)"
        " FROM pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    async with database.write() as tx:
        await partitions.ensure(tx, NOVEMBER, months=1)
        for table in partitions.TABLES:
            part = f"{table}_2040_11"
            assert set(await tx.fetch(indexes, part)) == set(await tx.fetch(indexes, table))
            assert await tx.fetch(columns, part) == await tx.fetch(columns, table)
        options = await tx.fetchval(
            "SELECT reloptions FROM pg_class WHERE relname = 'messages_2040_11'"
        )
        assert options == ["fillfactor=50"]


@pytest.mark.parametrize(
    ("moment", "part"),
    [
        (datetime(2040, 11, 1, tzinfo=UTC), "events_2040_11"),
        (NOVEMBER, "events_2040_11"),
        (datetime(2040, 12, 1, tzinfo=UTC) - MILLISECOND, "events_2040_11"),
        (datetime(2040, 12, 1, tzinfo=UTC), "events_2040_12"),
        (datetime(2041, 1, 1, tzinfo=UTC) - MILLISECOND, "events_2040_12"),
        (datetime(2041, 1, 1, tzinfo=UTC), "events_2041_01"),
        (datetime(2041, 2, 1, tzinfo=UTC) - MILLISECOND, "events_2041_01"),
    ],
)
async def test_rows_land_in_their_month(database: Database, moment: datetime, part: str) -> None:
    """The first and the last millisecond of a month, in UTC, belong to its part."""
    async with database.write() as tx:
        await partitions.ensure(tx, NOVEMBER, months=3)
        assert await event_at(tx, moment) == part


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2040, 11, 1, tzinfo=UTC) - MILLISECOND,
        datetime(2041, 2, 1, tzinfo=UTC),
    ],
)
async def test_there_is_no_part_for_other_months(database: Database, moment: datetime) -> None:
    """Nothing catches rows of months without a part: a missing part is noticed."""
    async with database.write() as tx:
        await partitions.ensure(tx, NOVEMBER, months=3)
    with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
        async with database.write() as tx:
            await event_at(tx, moment)
