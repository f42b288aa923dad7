"""A whole server as its users run it, in a process of its own, and what its API says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from cli.programs import data_folder, serve
from onesixty.cli.demo.ports import free_port
from onesixty.kit.clock import SystemClock

KEY: Final = "os_live_interopinteropinterop"
PATIENCE_SECONDS: Final = 240.0
_LOOK_SECONDS: Final = 0.5
_PAGE: Final = 1000
_FINAL: Final = {"delivered", "undelivered", "failed", "expired", "canceled", "rejected"}
_clock = SystemClock()


class MissingPeerError(Exception):
    """What a run needs is not on this machine."""


@dataclass(slots=True)
class Live:
    """A running server, its API and its SMPP port."""

    url: str
    smpp_port: int
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that is no problem."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=headers
        ) as response:
            answer = await response.json(content_type=None)
            assert response.status < 300, answer
            return answer

    async def carrier(self, name: str, port: int, **settings: Any) -> None:
        """Add an SMPP carrier on this machine, for all messages; wait until it is up."""
        settings = {"host": "127.0.0.1", "port": port, "system_id": "esme"} | settings
        await self.ask("POST", "/v1/carriers", {"name": name, "kind": "smpp", "settings": settings})
        await self.ask("POST", "/v1/routes", {"name": name, "carriers": [{"carrier": name}]})
        await self._is_up(name)

    async def change(self, name: str, **settings: Any) -> None:
        """Change settings of a carrier; wait until it is up with them."""
        await self.ask("PATCH", f"/v1/carriers/{name}", {"settings": settings})
        await self._is_up(name)

    async def esme(self, system_id: str, password: str, **settings: Any) -> None:
        """Let a customer bind; wait until the server knows it."""
        body = {"system_id": system_id, "password": password} | settings
        await self.ask("POST", "/v1/esmes", body)

    async def send(self, bodies: Sequence[dict[str, Any]]) -> list[str]:
        """Send them as one batch, of which none may be refused; their ids."""
        answer = await self.ask("POST", "/v1/messages/batch", {"messages": bodies})
        assert answer["refused"] == 0, answer
        return [one["id"] for one in answer["results"]]

    async def messages(self, direction: str) -> list[dict[str, Any]]:
        """All messages of a direction, oldest first."""
        found: list[dict[str, Any]] = []
        query = f"/v1/messages?direction={direction}&limit={_PAGE}"
        page = await self.ask("GET", query)
        found += page["data"]
        while page["next"]:
            page = await self.ask("GET", f"{query}&after={page['next']}")
            found += page["data"]
        return found[::-1]

    async def _is_up(self, name: str) -> None:
        async def is_it() -> bool:
            carrier = await self.ask("GET", f"/v1/carriers/{name}")
            return bool(carrier["state"]["status"] == "up")

        await until(is_it)

    async def settled(self, least: int) -> list[dict[str, Any]]:
        """All outbound messages once there are at least so many, each in its final status."""

        async def are_they() -> bool:
            found[:] = await self.messages("outbound")
            return len(found) >= least and all(one["status"] in _FINAL for one in found)

        found: list[dict[str, Any]] = []
        await until(are_they)
        return found

    async def received(self, count: int) -> list[dict[str, Any]]:
        """All inbound messages once there are so many."""

        async def are_they() -> bool:
            found[:] = await self.messages("inbound")
            return len(found) >= count

        found: list[dict[str, Any]] = []
        await until(are_they)
        return found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds that tells nobody of its changes; TimeoutError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await _clock.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def live(processes: int = 1) -> AsyncIterator[Live]:
    """A server on a new data directory, stopped in order at the end."""
    port = free_port()
    environment = {"ONESIXTY_BOOTSTRAP_KEY": KEY, "ONESIXTY_SMPP_PORT": str(port)}
    with data_folder() as data_dir:
        server = await asyncio.to_thread(
            serve, data_dir, "--processes", str(processes), **environment
        )
        try:
            async with aiohttp.ClientSession() as session:
                yield Live(server.url, port, session)
        finally:
            code = await asyncio.to_thread(server.stop)
        assert code == 0
