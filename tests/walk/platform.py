"""The whole platform in one process, over real sockets, with a simulated SMSC and webhooks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import orjson
import uvicorn
from uvicorn.server import ServerState

from onesixty import app as composition
from onesixty.cli.serve.process import IDLE_SECONDS
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.http_server import protocol
from onesixty.kit.secrets import Sealer
from onesixty.messages.dispatch import Lane
from onesixty.settings import Settings
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc

from .hooks import Hooks, receiving

KEY = "os_live_walkwalkwalkwalkwalk"
PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.01
_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is decoded JSON, or the text."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Walk:
    """The running platform and what is around it."""

    app: composition.App
    url: str
    smsc: Smsc
    hooks: Hooks
    session: aiohttp.ClientSession
    webhook: dict[str, Any] = field(default_factory=dict)
    others: list[composition.App] = field(default_factory=list)  # processes beside the first

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """One request; `more`: `key` (None for none) and `headers`."""
        sent = dict(more.get("headers", ()))
        if (key := more.get("key", KEY)) is not None:
            sent["Authorization"] = f"Bearer {key}"
        data = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        async with self.session.request(
            method, self.url + path, data=data, headers=sent
        ) as response:
            raw = await response.read()
            json = response.content_type.endswith("json")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, orjson.loads(raw) if json else raw.decode())

    async def get(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """The body of a POST that must succeed."""
        answer = await self.ask("POST", path, body, **more)
        assert answer.status < 300, answer
        return answer.body

    async def send(self, to: str, body: str = "Hello", **more: Any) -> str:
        """The id of a message that must be accepted; `more`: its fields, or `key`."""
        key = {"key": more.pop("key")} if "key" in more else {}
        sent = {"to": to, "from": "ACME", "body": body} | more
        found: str = (await self.post("/v1/messages", sent, **key))["id"]
        return found

    async def message(self, identifier: str) -> dict[str, Any]:
        """A message as it stands now."""
        found: dict[str, Any] = await self.get(f"/v1/messages/{identifier}")
        return found

    async def ended(self, identifier: str) -> dict[str, Any]:
        """A message once its end was told by a webhook."""
        await self.hooks.end(identifier)
        return await self.message(identifier)

    async def carrier(self, name: str, smsc: Smsc, **settings: Any) -> None:
        """Add a carrier over SMPP and wait until it is connected; `rate` limits it."""
        rate = settings.pop("rate", None)
        given = {"host": "127.0.0.1", "port": smsc.port, "system_id": name, "window": 100}
        body = {"name": name, "kind": "smpp", "settings": given | settings, "rate_per_second": rate}
        await self.post("/v1/carriers", body)
        await self.up(name)

    async def change(self, name: str, **settings: Any) -> None:
        """Change settings of a carrier and wait until it runs with them."""
        lanes = self.app.dispatcher.lanes
        before = set(map(id, lanes.values()))
        answer = await self.ask("PATCH", f"/v1/carriers/{name}", {"settings": settings})
        assert answer.status == 200, answer
        await until(lambda: not before.issuperset(map(id, lanes.values())))
        await self.up(name)

    def slow(self, seconds: float) -> None:
        """Let the SMSC answer so late."""
        self.smsc.faults = parse_faults([f"answer_delay_seconds={seconds}"])

    async def route(self, name: str, *carriers: str, **more: Any) -> None:
        """Add a route over carriers, given as "name" or "name:weight"."""
        lanes = [one.partition(":") for one in carriers]
        chosen = [{"carrier": lane, "weight": int(weight or 1)} for lane, _, weight in lanes]
        await self.post("/v1/routes", {"name": name, "carriers": chosen} | more)

    async def up(self, name: str) -> None:
        """Wait until a carrier is connected."""

        async def is_up() -> bool:
            found = await self.get(f"/v1/carriers/{name}")
            return bool(found["state"]["status"] == "up")

        await until(is_up)

    def lane(self, name: str) -> Lane:
        """The lane of a carrier."""
        book = self.app.keeper.book
        number = next(one.id for one in book.carriers.values() if one.name == name)
        return self.app.dispatcher.lanes[number]

    async def statuses(self, batch: str) -> dict[str, int]:
        """How many messages of a batch stand at each status."""
        found: dict[str, int] = (await self.get(f"/v1/batches/{batch}"))["statuses"]
        return found

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of the database."""
        return [dict(row) for row in await self.app.database.fetch(statement, *arguments)]


async def until(
    holds: Callable[[], bool | Awaitable[bool]], seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a condition holds that tells nobody of its changes; TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await _clock.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def simulator(*faults: str, port: int = 0) -> AsyncIterator[Smsc]:
    """A simulated SMSC that remembers what it took."""
    smsc = Smsc(parse_faults(faults), clock=_clock, chance=chance(1), record=True)
    await smsc.start(port=port)
    yield smsc
    await smsc.stop()


@asynccontextmanager
async def serving(
    app: composition.App, listener: socket.socket | None = None
) -> AsyncIterator[str]:
    """The API on a port of this machine, a free one by default, by the protocol of `serve`."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app.server, lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
    )  # fmt: skip
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config, state, {}), sock=listener
    )
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def walking(database_url: str, *roles: str) -> AsyncIterator[Walk]:
    """The platform with the carrier "acme", a route to it, and a webhook for every event.

    It is as many processes as there are roles, or one; the first one answers.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(
        allow_private_urls=True,
        bootstrap_key=KEY,
        stop_seconds=5.0,
        public_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
    )
    async with AsyncExitStack() as stack:
        smsc = await stack.enter_async_context(simulator())
        hooks = await stack.enter_async_context(receiving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        apps = []
        for role in roles or ("all",):
            mine = replace(settings, role=role)
            app = await composition.build(mine, database_url, Sealer(b"walk"), _clock)
            await app.start()
            stack.push_async_callback(app.stop)
            apps.append(app)
        url = await stack.enter_async_context(serving(apps[0], listener))
        walk = Walk(apps[0], url, smsc, hooks, session, others=apps[1:])
        walk.webhook = await walk.post("/v1/webhooks", {"url": f"{hooks.url}/all"})
        hooks.secret = walk.webhook["secret"]
        await walk.carrier("acme", smsc)
        await walk.route("all", "acme")
        yield walk
