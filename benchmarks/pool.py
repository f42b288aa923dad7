"""What taking a connection costs a small statement: `python benchmarks/pool.py`.

Microseconds of this process's processor for one statement, the shortest of many runs in turns.
"""

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

from onesixty.storage import embedded
from onesixty.storage.database import Database

QUERY: Final = "SELECT 1 WHERE $1::int[] IS NULL"
RUNS: Final = 40


class Unreset(asyncpg.Connection):
    """Without the round trip that asyncpg adds when a connection goes back."""

    def get_reset_query(self) -> str:
        """Nothing."""
        return ""


async def measure(url: str, count: int) -> None:
    """Print a line for each way to run a statement."""
    theirs: Any = await asyncpg.create_pool(url, min_size=1, max_size=4, connection_class=Unreset)
    ours = await Database.open(url, connections=4)
    async with ours.read() as held:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "on a connection that is held": lambda: held.fetch(QUERY, [1]),
            "through asyncpg's pool": lambda: theirs.fetch(QUERY, [1]),
            "through ours": lambda: ours.fetch(QUERY, [1]),
        }
        times = dict.fromkeys(ways, float("inf"))
        for _ in range(RUNS):
            for name, way in ways.items():
                times[name] = min(times[name], await _microseconds(way, count))
    for name, taken in times.items():
        print(f"{name:<44}{taken:>8.1f} µs of CPU a statement")
    await ours.close()
    await theirs.close()


async def _microseconds(way: Callable[[], Awaitable[object]], count: int) -> float:
    began = time.process_time_ns()
    for _ in range(count):
        await way()
    return (time.process_time_ns() - began) / 1000 / count


def main() -> None:
    """Start a database and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="statements a run [%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onesixty-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL does not run as root, and has to pass through
        server = embedded.start(Path(folder) / "data")
        try:
            uvloop.run(measure(server.url, options.count))
        finally:
            embedded.discard(server)


if __name__ == "__main__":
    main()
