"""A database connection that breaks when it is told to, and a clock that jumps."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import asyncpg

from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.storage.database import Connection, Database, Rows


class Breaks(Enum):
    """What happens at the call that is trapped."""

    BEFORE = "before anything was done"
    AFTER = "after it was committed, before the answer came"
    DIES = "after it was committed, and the process dies"


class Trap(Database):
    """Counts calls; the one that it was set for fails, and after DIES every later one too."""

    calls = 0
    at = 0  # the number of the call that fails; 0: none
    breaks = Breaks.BEFORE
    sprung = False

    def set(self, at: int, breaks: Breaks) -> None:
        """Begin to count, from 1."""
        self.calls, self.at, self.breaks, self.sprung = 0, at, breaks, False

    @property
    def is_dead(self) -> bool:
        """Whether the process that uses it is taken for dead."""
        return self.sprung and self.breaks is Breaks.DIES

    @contextlib.asynccontextmanager
    async def read(self, use: str | None = None) -> AsyncIterator[Connection]:
        """A connection, unless it breaks."""
        trapped = self._step()
        async with super().read(use) as connection:
            yield connection
        self._end(trapped)

    @contextlib.asynccontextmanager
    async def write(self, use: str | None = None) -> AsyncIterator[Connection]:
        """A transaction, unless it breaks."""
        trapped = self._step()
        async with super().write(use) as connection:
            yield connection
        self._end(trapped)

    async def fetch(self, statement: str, *arguments: Any) -> Rows:
        """One statement, unless it breaks."""
        trapped = self._step()
        rows = await super().fetch(statement, *arguments)
        self._end(trapped)
        return rows

    def _step(self) -> bool:
        self.calls += 1
        trapped = self.calls == self.at
        if self.is_dead or (trapped and self.breaks is Breaks.BEFORE):
            self._end(trapped=True)
        return trapped

    def _end(self, trapped: bool) -> None:
        if trapped:
            self.sprung = True
            raise asyncpg.ConnectionDoesNotExistError("the test broke it")


class JumpingClock(ManualClock):
    """It runs by itself, nobody sleeps for long on it, and `advance` takes it forward or back."""

    def __init__(self) -> None:
        super().__init__()
        self._system, self._shift = SystemClock(), timedelta()

    def now(self) -> datetime:
        """The wall clock, after all its jumps."""
        return self._system.now() + self._shift

    def monotonic(self) -> float:
        """Seconds that only jump forward."""
        return self._system.monotonic() + self._seconds

    async def sleep(self, seconds: float) -> None:
        """Let others run; whoever backs off tries again at once."""
        await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Jump; the monotonic clock follows only forward."""
        self._shift += timedelta(seconds=seconds)
        self._seconds += max(0.0, seconds)
        await asyncio.sleep(0)
