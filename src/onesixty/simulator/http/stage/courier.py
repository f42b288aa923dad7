"""Brings callbacks to the customer, and again when it could not take them."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from onesixty.kit.clock import Clock
from onesixty.simulator.http.far_side import CallbackRequest

TRIES: Final = 5
WAIT_SECONDS: Final = 1.0  # between two tries
ANSWER_SECONDS: Final = 15.0
KEPT_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Brought:
    """One try to bring a callback, and the status that it was answered; None: no answer."""

    call: CallbackRequest
    status: int | None


class Courier:
    """Tries after WAIT_SECONDS again what was answered 5xx or not at all; 4xx ends it."""

    def __init__(self, clock: Clock) -> None:
        self.brought: deque[Brought] = deque(maxlen=KEPT_MOST)
        """Every try, oldest first."""
        self.on_brought: Callable[[], None] = lambda: None
        self._clock = clock
        self._session: ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, call: CallbackRequest) -> None:
        """Begin to bring it."""
        task = asyncio.create_task(self.deliver(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, call: CallbackRequest) -> None:
        """Bring it, and return when it was taken or given up."""
        for attempt in range(TRIES):
            if attempt:
                await self._clock.sleep(WAIT_SECONDS)
            status = await self._bring(call)
            self.brought.append(Brought(call, status))
            self.on_brought()
            if status is not None and status < 500:
                return

    async def caught_up(self) -> None:
        """Wait until all that was sent was taken or given up."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def stop(self) -> None:
        """Give up whatever is on its way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _bring(self, call: CallbackRequest) -> int | None:
        if self._session is None:
            self._session = ClientSession(
                timeout=ClientTimeout(total=ANSWER_SECONDS), cookie_jar=DummyCookieJar()
            )
        try:
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers=call.headers,
                data=call.body or None,
                allow_redirects=False,
                skip_auto_headers=("Content-Type",),
            ) as answer:
                await answer.read()
                return answer.status
        except (ClientError, OSError):
            return None
