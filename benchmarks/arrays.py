"""What a column of a batch costs until it is octets for PostgreSQL, ours beside asyncpg's own way:
`python benchmarks/arrays.py`.

The second argument of each statement is refused, so that nothing is sent: what is left is the
encoding. Times are of the processor, the shortest of many runs.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from onesixty.kit import ids
from onesixty.storage import arrays, embedded
from onesixty.storage.database import Database

RUNS: Final = 100
Statement = Any


def columns(count: int) -> dict[str, tuple[str, Sequence[Any]]]:
    """Columns as batches have them, with their types."""
    now = datetime.now(UTC)
    places = range(count)
    return {
        "the same int": ("int", [7] * count),
        "ints": ("int", list(places)),
        "smallints": ("smallint", [place % 5 for place in places]),
        "booleans": ("boolean", [place % 2 == 0 for place in places]),
        "ids": ("uuid", [ids.uuid7() for _ in places]),
        "the same time": ("timestamptz", [now] * count),
        "times": ("timestamptz", [now + timedelta(microseconds=place) for place in places]),
        "the same text": ("text", ["ACME"] * count),
        "numbers": ("text", [f"+4477009{place:05d}" for place in places]),
        "texts": ("text", [f"Your parcel {place**2} arrives tomorrow" for place in places]),
        "texts beyond ASCII": ("text", [f"Ваша посылка {place**2} завтра" for place in places]),
        "texts, half of them NULL": ("text", [None if place % 2 else "x" for place in places]),
        "JSON": ("jsonb", [{"order": place} for place in places]),
    }


async def measure(url: str, count: int) -> None:
    """Print nanoseconds for an element of each column."""
    theirs = await asyncpg.connect(url)
    await theirs.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=arrays.json, decoder=arrays.from_json
    )
    database = await Database.open(url, connections=1)
    print(f"{f'{count:,} elements, ns of CPU for each':<40}{'asyncpg':>10}{'ours':>10}")
    async with database.read() as ours:
        for name, (kind, column) in columns(count).items():
            query = f"SELECT $1::{kind}[], $2::int"
            statements = await theirs.prepare(query), await ours.prepare(query)
            times = await _fastest(statements, column)
            print(f"{name:<40}" + "".join(f"{one / count:>10.0f}" for one in times))
    await database.close()
    await theirs.close()


async def _fastest(statements: Sequence[Statement], column: Sequence[Any]) -> list[float]:
    full, empty = [float("inf")] * len(statements), [float("inf")] * len(statements)
    for _ in range(RUNS):  # in turns, since the machine changes its pace
        for number, statement in enumerate(statements):
            full[number] = min(full[number], await _encode(statement, column))
            empty[number] = min(empty[number], await _encode(statement, ()))
    return [one - without for one, without in zip(full, empty, strict=True)]


async def _encode(statement: Statement, column: Sequence[Any]) -> int:
    began = time.process_time_ns()
    for _ in range(5):
        with contextlib.suppress(asyncpg.DataError):
            await statement.fetch(column, "no number")
    return (time.process_time_ns() - began) // 5


def main() -> None:
    """Start a database and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="elements [%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onesixty-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL does not run as root, and has to pass through
        server = embedded.start(Path(folder) / "data")
        try:
            asyncio.run(measure(server.url, options.count))
        finally:
            embedded.discard(server)


if __name__ == "__main__":
    main()
