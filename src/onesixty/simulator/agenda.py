"""Things to do later, on one clock, with one task: a heap, however many messages wait in it."""

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from itertools import count

from onesixty.kit.clock import Clock

# Under load one wake-up serves all that falls due within it, and lets others run in between.
_GRAIN_SECONDS = 0.005


class Agenda:
    """Calls functions at their time, in the order of their times; equal times keep their order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._wake_at: float | None = None  # None: nobody sleeps
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Things yet to be done."""
        return len(self._heap)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` that much later; it must not raise."""
        at = self._clock.monotonic() + seconds
        heapq.heappush(self._heap, (at, next(self._numbers), action))
        if self._wake_at is None or at < self._wake_at:
            self._sleep_until(at)

    async def stop(self) -> None:
        """Forget everything that is yet to be done."""
        self._heap.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._task, self._wake_at = None, None

    def _sleep_until(self, at: float) -> None:
        if self._task is not None:
            self._task.cancel()
        self._wake_at = at
        self._task = asyncio.create_task(self._run(), name="simulator agenda")

    async def _run(self) -> None:
        least = 0.0
        while self._heap:
            self._wake_at = self._heap[0][0]
            wait = max(self._wake_at - self._clock.monotonic(), least)
            if wait > 0:
                await self._clock.sleep(wait)
            self._wake_at = float("-inf")  # what is added meanwhile is seen when this loop goes on
            self._run_due()
            least = _GRAIN_SECONDS
        self._wake_at, self._task = None, None

    def _run_due(self) -> None:
        heap, now = self._heap, self._clock.monotonic()
        while heap and heap[0][0] <= now:
            heapq.heappop(heap)[2]()
