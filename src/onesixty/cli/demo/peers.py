"""The peers of the server, in this process: a carrier that notes times, a webhook receiver."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from onesixty.kit.clock import Clock
from onesixty.simulator.submissions import Record
from onesixty.smpp.pdus import Pdu

PATH: Final = "/events"


class TimedRecord(Record):
    """What the simulated carrier took, and when the first part for each number came."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.first_at: dict[str, float] = {}

    def add(self, message_id: str, account: str, pdu: Pdu) -> None:
        """One accepted submit."""
        self.first_at.setdefault(f"+{pdu.text('destination_addr')}", self._clock.monotonic())
        super().add(message_id, account, pdu)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that came by webhook, signed as it must be."""

    event: dict[str, Any]
    at: float


class Receiver:
    """Takes webhooks, believes no unsigned one, and says when enough have come."""

    def __init__(self, clock: Clock) -> None:
        self.arrivals: list[Arrival] = []
        self.forged = 0
        self._clock = clock
        self._verifier: Webhook | None = None
        self._runner: web.AppRunner | None = None
        self._wanted, self._enough = 0, asyncio.Event()

    async def start(self) -> str:
        """Listen on a free port; the URL."""
        application = web.Application()
        application.router.add_post(PATH, self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, listener).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    def trust(self, secret: str) -> None:
        """What is signed with this secret is believed from now on."""
        self._verifier = Webhook(secret)

    async def wait_for(self, count: int) -> None:
        """Until so many have come."""
        self._wanted = count
        if len(self.arrivals) < count:
            self._enough.clear()
            await self._enough.wait()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            assert self._verifier is not None
            event = self._verifier.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        self.arrivals.append(Arrival(event, self._clock.monotonic()))
        if len(self.arrivals) >= self._wanted:
            self._enough.set()
        return web.Response(status=204)
