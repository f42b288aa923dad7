"""Time, handed in through constructors so that tests run the platform on a clock they move."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What a part may ask of time."""

    def now(self) -> datetime:
        """The wall clock, always in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""
        ...


class SystemClock:
    """The clock of the machine."""

    def __init__(self) -> None:
        self._millis, self._now = 0, _EPOCH

    def now(self) -> datetime:
        """The wall clock in UTC, to the millisecond, which is all that is shown of a time.

        What is asked for in one millisecond gets one object: batches then hold few different times.
        """
        millis = time.time_ns() // 1_000_000
        if millis != self._millis:
            # In this order: another thread finds no old time under the new number.
            self._now = _EPOCH + timedelta(milliseconds=millis)
            self._millis = millis
        return self._now

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)
