"""Long-running work: loops that survive their bugs, gatherers that make batches of single items."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from onesixty.kit.clock import Clock

T = TypeVar("T")
_log = structlog.get_logger()
BACKOFF_FIRST_SECONDS, BACKOFF_MOST_SECONDS = 0.1, 5.0
FEW, MANY = 8, 200  # items of a batch: too few to be worth waiting for others, and enough


class Loop:
    """Calls `run_once` again and again. A true answer means that there may be more; else it waits.

    It waits for `wake()` or `idle_seconds`, whichever is first. A bug is logged and backed off
    from, never fatal.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[bool]],
        clock: Clock,
        *,
        idle_seconds: float,
    ) -> None:
        self._name, self._run_once, self._clock, self._idle = name, run_once, clock, idle_seconds
        self._event = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin on the running event loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        """There is something to do now."""
        self._event.set()

    async def stop(self) -> None:
        """Cancel it and wait for its end."""
        self._stopping = True
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _run(self) -> None:
        backoff = BACKOFF_FIRST_SECONDS
        while not self._is_stopping():
            self._event.clear()
            try:
                more = await self._run_once()
            except Exception as error:  # noqa: BLE001 - a loop outlives its bugs
                if self._is_stopping():
                    return  # broken off in the middle of something
                _log.exception("loop.failed", loop=self._name, error=repr(error), wait=backoff)
            else:
                backoff = BACKOFF_FIRST_SECONDS
                if not more:
                    await self._wait()
                continue
            await self._clock.sleep(backoff)
            backoff = min(backoff * 2, BACKOFF_MOST_SECONDS)

    async def _wait(self) -> None:
        # Not wait_for: before Python 3.12 it may lose a cancellation, and `stop` would wait for
        # ever.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._idle):
                await self._event.wait()


class Full(Exception):  # noqa: N818 - a state of the inbox, told to its caller
    """The inbox holds as many items as it may."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many items a gatherer writes together, how many wait at most, how long it rests."""

    batch_max: int
    inbox_max: int
    rest_seconds: float = 0.0  # at most
    rest_times: float = 1.0  # as long as its last write

    def rest(self, took: float, items: int) -> float:
        """Seconds until the next batch, after one of so many items that took so many to write."""
        return min(took * self.rest_times, self.rest_seconds) if items > FEW else 0.0


class Gatherer(Generic[T]):
    """While one batch is written the next one gathers; an idle one takes a single item at once.

    A batch costs a statement and a commit however small it is. With `rest_seconds` a busy one,
    whose last batch had more than FEW items, rests in proportion to the time that it took to write,
    but no longer than so, unless MANY are there or somebody waits until it has caught up. Writes
    take long where the machine is short of time, which fewer of them give back.

    When `write` raises, the batch is kept and written again after a back-off, so items are only
    ever dropped by `write` returning. Where somebody waits for each item, `give_up` tells them
    instead.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[T]], Awaitable[None]],
        clock: Clock,
        bounds: Bounds,
        give_up: Callable[[list[T], Exception], None] | None = None,
    ) -> None:
        self._name, self._write, self._clock = name, write, clock
        self._bounds = bounds
        self._resting: asyncio.Future[None] | None = None
        self._give_up = give_up
        self._items: list[T] = []
        self._event = asyncio.Event()
        self._taken_in = self._written = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether `put` would raise."""
        return len(self._items) >= self._bounds.inbox_max

    def start(self) -> None:
        """Begin on the running event loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    def put(self, item: T) -> None:
        """Take one item; raises Full at the limit."""
        if self.is_full:
            raise Full(self._name)
        self._items.append(item)
        self._taken_in += 1
        self._event.set()
        if len(self._items) == MANY:
            self._hurry()

    async def caught_up(self) -> None:
        """Wait until all that was put before this call is written."""
        if self._written < self._taken_in:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._taken_in, future))
            self._hurry()
            await future

    async def stop(self) -> None:
        """Cancel; await `caught_up` first to lose nothing."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        rest_until, time = 0.0, self._clock.monotonic
        while True:
            await self._event.wait()
            await self._rest(rest_until - time())
            began = time()
            batch = self._items[: self._bounds.batch_max]
            del self._items[: len(batch)]
            if not self._items:
                self._event.clear()
            if batch:
                await self._write_until_done(batch)
                self._written += len(batch)
                ended = time()
                rest_until = ended + self._bounds.rest(ended - began, len(batch))
            while self._waiters and self._waiters[0][0] <= self._written:
                waiter = self._waiters.popleft()[1]
                if not waiter.done():
                    waiter.set_result(None)

    async def _rest(self, seconds: float) -> None:
        if seconds > 0 and not self._waiters and len(self._items) < MANY:
            loop = asyncio.get_running_loop()
            self._resting = loop.create_future()
            timer = loop.call_later(seconds, self._hurry)
            try:
                await self._resting
            finally:
                timer.cancel()

    def _hurry(self) -> None:
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)

    async def _write_until_done(self, batch: list[T]) -> None:
        backoff = BACKOFF_FIRST_SECONDS
        while True:
            try:
                return await self._write(batch)
            except Exception as error:  # noqa: BLE001 - kept and written again
                if self._give_up is not None:
                    return self._give_up(batch, error)
                _log.exception(
                    "batch.failed",
                    batch=self._name,
                    items=len(batch),
                    error=repr(error),
                    wait=backoff,
                )
            await self._clock.sleep(backoff)
            backoff = min(backoff * 2, BACKOFF_MOST_SECONDS)
