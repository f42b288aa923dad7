"""A real HTTP server that takes webhooks and answers as a test tells it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web
from standardwebhooks import Webhook


@dataclass(frozen=True, slots=True)
class Taken:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, object]:
        """The event in its body."""
        found: dict[str, object] = orjson.loads(self.body)
        return found

    def verify(self, secret: bytes | str) -> None:
        """Raise unless the public library of Standard Webhooks accepts the signature."""
        Webhook(secret).verify(self.body, self.headers)


Answer = Callable[[Taken], web.Response]


@dataclass(slots=True)
class Receiver:
    """What came, and how to answer it. Requests to `/hang` are answered when `release` is set."""

    url: str = ""
    taken: list[Taken] = field(default_factory=list)
    answer: Answer = lambda taken: web.Response(text="ok")
    release: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def got(self, count: int, path: str = "") -> list[Taken]:
        """The requests to paths that begin so, as soon as there are that many."""

        def found() -> list[Taken]:
            return [one for one in self.taken if one.path.startswith(path)]

        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(found()) >= count)
        return found()

    async def handle(self, request: web.Request) -> web.Response:
        """Note the request, then answer it."""
        taken = Taken(request.path, dict(request.headers), await request.read())
        self.taken.append(taken)
        async with self._changed:
            self._changed.notify_all()
        if request.path.startswith("/hang"):
            await self.release.wait()
        return self.answer(taken)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    yield receiver
    receiver.release.set()
    await runner.cleanup()
