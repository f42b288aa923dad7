"""Time that tests move, ours and those of whoever tests with the simulators."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """A clock that stands still until `advance` moves it; sleepers wake in order of their time."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The start time plus all that `advance` added."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Seconds that `advance` added so far."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock that far."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._seconds + max(seconds, 0.0), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move the clock and let every sleeper whose time has come run."""
        until = self._seconds + seconds
        while due := [entry for entry in self._sleepers if entry[0] <= until]:
            entry = min(due, key=lambda sleeper: sleeper[0])
            self._sleepers.remove(entry)
            self._seconds = max(self._seconds, entry[0])
            if not entry[1].done():
                entry[1].set_result(None)
            await asyncio.sleep(0)
        self._seconds = until
        await asyncio.sleep(0)
