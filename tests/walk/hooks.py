"""A receiver of webhooks that verifies what comes and keeps it by message."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook

PATIENCE_SECONDS = 30.0
ENDS = frozenset(
    f"message.{status}"
    for status in ("delivered", "undelivered", "failed", "expired", "canceled", "read")
)


@dataclass(slots=True)
class Hooks:
    """Events in the order of their coming; `status` is what it answers."""

    url: str = ""
    secret: str = ""
    status: int = 200
    events: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """The `webhook-id` of what was answered with an error, as often as it came."""
    ids: list[str] = field(default_factory=list)
    """The `webhook-id` of what was taken."""
    _by_message: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def of(self, message: str) -> list[dict[str, Any]]:
        """The events of a message, by their sequence."""
        return sorted(self._by_message.get(message, ()), key=lambda one: int(one["sequence"]))

    def types(self, message: str) -> list[str]:
        """The types of a message's events without their `message.`, by their sequence."""
        return [str(one["type"]).removeprefix("message.") for one in self.of(message)]

    def ended(self, message: str) -> bool:
        """Whether an event told of the end of a message, and all before it came too: events may
        overtake each other.
        """
        told = {one["sequence"] for one in self._by_message.get(message, ())}
        ends = [one["sequence"] for one in self.of(message) if one["type"] in ENDS]
        return bool(ends) and told.issuperset(range(1, ends[0]))

    async def end(self, *messages: str) -> None:
        """Wait until all of these have ended; TimeoutError."""
        await self.until(lambda: all(map(self.ended, messages)))

    async def told(self, message: str, kind: str) -> dict[str, Any]:
        """Wait for the event of a message that has this type, given without `message.`."""
        await self.until(lambda: kind in self.types(message))
        return next(one for one in self.of(message) if one["type"] == f"message.{kind}")

    async def inbound(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many messages from handsets."""

        def found() -> list[dict[str, Any]]:
            return [one["data"] for one in self.events if one["type"] == "message.received"]

        await self.until(lambda: len(found()) >= count)
        return found()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition on what came holds; TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(holds)

    async def take(self, request: web.Request) -> web.Response:
        """Verify and keep an event, or refuse it."""
        body, identifier = await request.read(), request.headers["webhook-id"]
        if self.status >= 300:
            self.refused.append(identifier)
        else:
            Webhook(self.secret).verify(body, dict(request.headers))
            event = orjson.loads(body)
            assert event["id"] == identifier
            self.ids.append(identifier)
            self.events.append(event)
            if event["type"].startswith("message."):
                self._by_message.setdefault(event["data"]["id"], []).append(event)
        async with self._changed:
            self._changed.notify_all()
        return web.Response(status=self.status)


@asynccontextmanager
async def receiving() -> AsyncIterator[Hooks]:
    """A receiver on a free port of this machine."""
    hooks = Hooks()
    app = web.Application()
    app.router.add_post("/{path:.*}", hooks.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    hooks.url = f"http://{host}:{port}"
    yield hooks
    await runner.cleanup()
