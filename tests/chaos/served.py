"""A server in a process of its own that can be killed, its carrier in this one, and load on it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from cli.programs import Served, data_folder, serve
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc

KEY = "os_live_chaoschaoschaoschaos"
WINDOW = 50
CONNECTIONS = 16
PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_clock = SystemClock()


@dataclass(slots=True)
class Platform:
    """The server, which may be started again on its data directory, and what it promised."""

    data_dir: Path
    smsc: Smsc
    session: aiohttp.ClientSession
    server: Served
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The handset of each message that was answered with 202."""
    numbers: int = 0
    _acknowledged_more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of one answer."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.session.request(
            method, self.server.url + path, json=body, headers=headers
        ) as response:
            return response.status, await response.json(content_type=None)

    async def post(self, path: str, body: Any) -> None:
        """A POST that must succeed."""
        status, answer = await self.ask("POST", path, body)
        assert status < 300, answer

    async def load(self, count: int) -> Counter[int]:
        """Post so many messages over all connections, each to its own handset, each once.

        Gives how often each status came; 0 stands for a connection that broke.
        """
        first, self.numbers = self.numbers, self.numbers + count
        waiting = iter(range(first, first + count))
        answers: Counter[int] = Counter()

        async def post() -> None:
            for number in waiting:
                handset = f"+4477009{number:05d}"
                body = {"to": handset, "from": "ACME", "body": f"number {number}"}
                try:
                    status, answer = await self.ask("POST", "/v1/messages", body)
                except (aiohttp.ClientError, ConnectionError):
                    status = 0
                answers[status] += 1
                if status == 202:
                    async with self._acknowledged_more:
                        self.acknowledged[answer["id"]] = handset
                        self._acknowledged_more.notify_all()

        await asyncio.gather(*[post() for _ in range(CONNECTIONS)])
        return answers

    async def promised(self, count: int) -> None:
        """Wait until so many messages are acknowledged."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._acknowledged_more:
            await self._acknowledged_more.wait_for(lambda: len(self.acknowledged) >= count)

    async def start_again(self) -> None:
        """Start the server again, on the same data and port."""
        port = URL(self.server.url).port
        assert port
        self.server = await asyncio.to_thread(_serve, self.data_dir, port)

    async def doubted(self) -> set[str]:
        """The messages that ever were uncertain, also those that a receipt has settled since."""
        _, page = await self.ask("GET", "/v1/events?type=message.uncertain&limit=1000")
        assert page["next"] is None
        return {event["data"]["id"] for event in page["data"]}

    async def statuses(self) -> dict[str, str]:
        """How every message stands, by its id."""
        found: dict[str, str] = {}
        path: str | None = "/v1/messages?direction=outbound&limit=1000"
        while path:
            _, page = await self.ask("GET", path)
            found |= {one["id"]: one["status"] for one in page["data"]}
            path = (
                page["next"] and f"/v1/messages?direction=outbound&limit=1000&after={page['next']}"
            )
        return found

    def taken(self) -> Counter[str]:
        """How often each handset's message was taken by the SMSC."""
        assert self.smsc.record is not None
        return Counter(f"+{one.destination}" for one in self.smsc.record.submissions)

    async def come_to_rest(self) -> dict[str, str]:
        """How every message stands once nothing is on its way any more.

        What the SMSC took is then known to be delivered: its receipts have come.
        """
        found: dict[str, str] = {}

        async def is_at_rest() -> bool:
            path = "/v1/messages?direction=outbound&status=queued,sending,sent&limit=1"
            _, moving = await self.ask("GET", path)
            if moving["data"]:
                return False
            found.update(await self.statuses())
            taken = self.taken()
            return all(
                status == "delivered"
                or (status == "uncertain" and not taken[self.acknowledged.get(message, "")])
                for message, status in found.items()
            )

        await until(is_at_rest)
        return found

    async def is_ready(self) -> bool:
        """Whether the server can take messages."""
        with contextlib.suppress(aiohttp.ClientError):
            status, _ = await self.ask("GET", "/readyz")
            return status == 200
        return False

    async def is_up(self) -> bool:
        """Whether the carrier is connected."""
        _, carrier = await self.ask("GET", "/v1/carriers/acme")
        return bool(carrier["state"]["status"] == "up")


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds that tells nobody of its changes; TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await _clock.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Platform]:
    """A server on a new data directory, with a route to a simulated SMSC that takes its time."""
    faults = parse_faults(["answer_delay_seconds=0.01..0.1"])
    smsc = Smsc(faults, clock=_clock, chance=chance(1), record=True)
    await smsc.start(port=0)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    with data_folder() as data_dir:
        server = await asyncio.to_thread(_serve, data_dir)
        async with aiohttp.ClientSession(connector=connector) as session:
            platform = Platform(data_dir, smsc, session, server)
            try:
                await _set_up(platform)
                yield platform
            finally:
                await asyncio.to_thread(platform.server.kill)
                await smsc.stop()


def _serve(data_dir: Path, port: int = 0) -> Served:
    environment = {"ONESIXTY_BOOTSTRAP_KEY": KEY, "ONESIXTY_ALLOW_PRIVATE_URLS": "true"}
    return serve(data_dir, "--port", str(port), **environment)


async def _set_up(platform: Platform) -> None:
    settings = {"host": "127.0.0.1", "port": platform.smsc.port, "system_id": "chaos"}
    body = {"name": "acme", "kind": "smpp", "settings": settings | {"window": WINDOW}}
    await platform.post("/v1/carriers", body)
    await platform.post("/v1/routes", {"name": "all", "carriers": [{"carrier": "acme"}]})
    await until(platform.is_up)
