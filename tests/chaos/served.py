"""A server in a process of its own that can be killed, its carrier in this one, and load on it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from yarl import URL

from cli.programs import Served, data_folder, serve
from features.webhooks.receiver import Receiver, receiving
from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.messages.render import STATUS_NAMES
from onesixty.simulator.faults import Faults, parse_faults
from onesixty.simulator.smsc import Smsc
from onesixty.storage import embedded

from . import invariants

GOOD: Final = "/all"  # the path of the endpoint that is told of everything
KEY: Final = "os_live_chaoschaoschaoschaos"
BINDS, WINDOW = 2, 25
HELD_MOST: Final = 2 * BINDS * WINDOW  # by a lane, see messages/dispatch
RESPONSE_SECONDS: Final = 2.0  # after which a submit without an answer is uncertain
CONNECTIONS: Final = 16
PATIENCE_SECONDS: Final = 30.0
# A breaker that was opened more than once cools down for so long.
MOVING_SECONDS: Final = 80.0
REST_SECONDS: Final = 5.0
USUAL: Final = parse_faults(["answer_delay_seconds=0.01..0.1"])
_LOOK_SECONDS = 0.1
# 15 was sent again, and that is in doubt as well: there is no third time.
_DOUBTED: Final = "SELECT recipient, status = 4 AS once FROM messages WHERE status IN (4, 15)"
_STUCK: Final = """
SELECT m.status, m.recipient, max(e.at) AS at FROM messages m JOIN events e ON e.message_id = m.id
WHERE m.status NOT IN (6, 7, 8, 9, 10) GROUP BY m.id, m.status, m.recipient ORDER BY at LIMIT 20
"""
_UNTOLD: Final = invariants.AT_REST["an endpoint is still to be told"]
_MOVING: Final = """
SELECT EXISTS (SELECT FROM messages WHERE status IN (1, 2, 3, 5, 13, 14))
    OR EXISTS (SELECT FROM leases)
"""
_HASTEN: Final = """
UPDATE webhook_queue q SET due_at = now() FROM (
    SELECT event_id, endpoint_id FROM webhook_queue WHERE due_at > now() FOR UPDATE SKIP LOCKED
) AS later WHERE q.event_id = later.event_id AND q.endpoint_id = later.endpoint_id
"""
_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Stand:
    """How a message stands."""

    status: str
    handset: str
    may_be_double: bool
    taken: int
    """How often the SMSC had taken it before this was known."""


@dataclass(slots=True)
class Platform:
    """The server, which may be started again on its data directory, and what it promised."""

    data_dir: Path
    smsc: Smsc
    hooks: Receiver
    session: aiohttp.ClientSession
    server: Served
    processes: int = 1
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The handset of each message that was answered with 202."""
    numbers: int = 0
    _acknowledged_more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and body of one answer; `headers` with _ for -."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.session.request(
            method,
            self.server.url + path,
            json=body,
            headers=sent | {"Authorization": f"Bearer {KEY}"},
        ) as response:
            return response.status, await response.json(content_type=None)

    async def post(self, path: str, body: Any) -> Any:
        """The answer to a POST that must succeed."""
        status, answer = await self.ask("POST", path, body)
        assert status < 300, answer
        return answer

    async def load(self, count: int, *, insist: bool = False) -> Counter[int]:
        """Post so many messages over all connections, each to its own handset, each once.

        Gives how often each status came; 0 stands for a connection that broke. Who insists asks
        again under the same key until it is 202.
        """
        first, self.numbers = self.numbers, self.numbers + count
        waiting = iter(range(first, first + count))
        answers: Counter[int] = Counter()

        async def post() -> None:
            for number in waiting:
                while (status := await self._send(number)) != 202 and insist:
                    answers[status] += 1
                    await _clock.sleep(_LOOK_SECONDS)
                answers[status] += 1

        await asyncio.gather(*[post() for _ in range(CONNECTIONS)])
        return answers

    async def _send(self, number: int) -> int:
        handset = f"+447{700_900_000 + number:09d}"
        body = {"to": handset, "from": "ACME", "body": f"number {number}"}
        try:
            status, answer = await self.ask(
                "POST", "/v1/messages", body, Idempotency_Key=f"number {number}"
            )
        except (aiohttp.ClientError, ConnectionError):
            return 0
        if status == 202:
            async with self._acknowledged_more:
                self.acknowledged[answer["id"]] = handset
                self._acknowledged_more.notify_all()
        return status

    async def promised(self, count: int) -> None:
        """Wait until so many messages are acknowledged."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._acknowledged_more:
            await self._acknowledged_more.wait_for(lambda: len(self.acknowledged) >= count)

    async def start_again(self) -> None:
        """Start the server again, on the same data and port."""
        port = URL(self.server.url).port
        assert port
        self.server = await asyncio.to_thread(_serve, self.data_dir, self.processes, port)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of our own to its database, which is started if it is down."""
        server = await asyncio.to_thread(embedded.start, self.data_dir)
        connection = await asyncpg.connect(server.url)
        try:
            yield connection
        finally:
            await connection.close()

    async def doubted(self) -> set[str]:
        """The messages that ever were uncertain, also those that a receipt has settled since."""
        async with self.database() as connection:
            rows = await connection.fetch("SELECT DISTINCT message_id FROM events WHERE type = 4")
        return {ids.to_text("msg", row["message_id"]) for row in rows}

    async def stands(self) -> dict[str, Stand]:
        """How every message stands, by its id."""
        taken = self.taken()
        async with self.database() as connection:
            rows = await connection.fetch(
                "SELECT id, status, recipient, possible_duplicate FROM messages WHERE direction = 0"
            )
        return {
            ids.to_text("msg", row["id"]): Stand(
                STATUS_NAMES[row["status"]],
                row["recipient"],
                row["possible_duplicate"],
                taken[row["recipient"]],
            )
            for row in rows
        }

    def taken(self) -> Counter[str]:
        """How often each handset's message was taken by the SMSC."""
        assert self.smsc.record is not None
        return Counter(f"+{one.destination}" for one in self.smsc.record.submissions)

    async def come_to_rest(
        self, seconds: float = MOVING_SECONDS, *, final: bool = False
    ) -> dict[str, Stand]:
        """How every message stands once nothing is on its way any more, webhooks too.

        What the SMSC took is then known to have ended: its receipts have come. With `final`
        everything else was sent again; only what the SMSC took neither time is still in doubt.
        """
        async with self.database() as connection:
            await self._messages_come_to_rest(connection, seconds, final=final)
            await self._all_is_told(connection, _UNTOLD)
            await self._invariants_hold(connection, at_rest=True)
        return await self.stands()

    async def told(self, path: str) -> None:
        """Wait until messages are at rest and the endpoint at this path was told of all."""
        async with self.database() as connection:
            await self._messages_come_to_rest(connection, PATIENCE_SECONDS)
            number = await connection.fetchval(
                "SELECT id FROM webhook_endpoints WHERE url = $1", self.hooks.url + path
            )
            await self._all_is_told(connection, f"{_UNTOLD} AND endpoint_id = {number}")
            await self._invariants_hold(connection, at_rest=False)

    async def _messages_come_to_rest(
        self, connection: asyncpg.Connection, seconds: float, *, final: bool = False
    ) -> None:
        async def are_they() -> bool:
            if await connection.fetchval(_MOVING):
                return False
            taken = self.taken()
            doubted = await connection.fetch(_DOUBTED)
            return not any((final and row["once"]) or taken[row["recipient"]] for row in doubted)

        try:
            await until(are_they, seconds)
        except TimeoutError:
            stuck = await connection.fetch(_STUCK)
            shown = [
                f"{STATUS_NAMES[row['status']]} to {row['recipient']},"
                f" taken {self.taken()[row['recipient']]} times, since {row['at']:%H:%M:%S}"
                for row in stuck
            ]
            raise AssertionError(f"messages do not come to rest: {shown}") from None

    async def _invariants_hold(self, connection: asyncpg.Connection, *, at_rest: bool) -> None:
        broken: list[str] = []

        async def do_they() -> bool:  # unless something in doubt is being sent again right now
            broken[:] = await invariants.violations(connection, at_rest=at_rest)
            return not broken

        with contextlib.suppress(TimeoutError):
            await until(do_they, REST_SECONDS)
        assert broken == []

    async def _all_is_told(self, connection: asyncpg.Connection, untold: str) -> None:
        async def is_it() -> bool:
            # What dead processes were about to tell, and what failed, comes due much later.
            await connection.execute(_HASTEN)
            return not await connection.fetch(untold)

        await until(is_it)

    async def check(self, stands: dict[str, Stand]) -> Counter[str]:
        """Assert that nothing was lost or sent twice; how many acknowledged ones stand where."""
        for one in stands.values():
            assert one.taken <= 1 + one.may_be_double, one
        assert self.acknowledged.keys() <= stands.keys()
        twice = Counter(one.handset for one in stands.values())
        assert {handset: n for handset, n in twice.items() if n > 1} == {}
        for message in self.acknowledged:
            stand = stands[message]
            ended = stand.status in ("delivered", "undelivered")
            in_doubt = stand.status in ("uncertain", "failed") and not stand.taken
            assert (ended and (stand.taken or stand.may_be_double)) or in_doubt, (message, stand)
        async with self.database() as connection:
            events = await connection.fetch("SELECT id FROM events WHERE type < 40")
        told = {one.headers["webhook-id"] for one in self.hooks.taken if one.path == GOOD}
        assert {ids.to_text("evt", row["id"]) for row in events} <= told
        return Counter(stands[message].status for message in self.acknowledged)

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
async def running(
    seed: int = 1, faults: Faults = USUAL, processes: int = 1
) -> AsyncIterator[Platform]:
    """A server on a new data directory, with a route to a simulated SMSC that takes its time."""
    smsc = Smsc(faults, clock=_clock, chance=chance(seed), record=True)
    await smsc.start(port=0)
    connector = aiohttp.TCPConnector(limit=0)
    with data_folder() as data_dir:
        server = await asyncio.to_thread(_serve, data_dir, processes)
        async with receiving() as hooks, aiohttp.ClientSession(connector=connector) as session:
            platform = Platform(data_dir, smsc, hooks, session, server, processes)
            try:
                await _set_up(platform)
                yield platform
            finally:
                await asyncio.to_thread(platform.server.kill)
                await smsc.stop()


def _serve(data_dir: Path, processes: int, port: int = 0) -> Served:
    environment = {"ONESIXTY_BOOTSTRAP_KEY": KEY, "ONESIXTY_ALLOW_PRIVATE_URLS": "true"}
    arguments = ("--port", str(port), "--processes", str(processes))
    return serve(data_dir, *arguments, **environment)


async def _set_up(platform: Platform) -> None:
    settings = {
        "host": "127.0.0.1", "port": platform.smsc.port, "system_id": "chaos", "binds": BINDS,
        "window": WINDOW, "response_seconds": RESPONSE_SECONDS,
    }  # fmt: skip
    await platform.post("/v1/webhooks", {"url": platform.hooks.url + GOOD})
    await platform.post("/v1/carriers", {"name": "acme", "kind": "smpp", "settings": settings})
    await platform.post("/v1/routes", {"name": "all", "carriers": [{"carrier": "acme"}]})
    await until(platform.is_up)
