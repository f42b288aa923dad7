"""A simulated lookup source: it knows the network of every number that the shipped plan knows.

Numbers that end in 7 were ported to another network of the same country; those that end in 0 are
not reachable. `known` says otherwise for single numbers.
"""

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web

from onesixty.sms import networks
from onesixty.sms.networks import Network

KEY: Final = "lookup-key"
CLOSE_SECONDS: Final = 0.01


class SimulatedLookups:
    """`GET /lookup/{digits}?key=...`, answered in JSON."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        """Networks by number in E.164; "" stands for a number that nobody has."""
        self.answers: dict[str, dict[str, Any]] = {}
        """Whole answers by number, instead of its own."""
        self.asked: list[str] = []
        self.status = 200
        """With another one it answers nothing but an error."""
        self.called = asyncio.Event()
        """A question came."""
        self.gate = asyncio.Event()
        """Answers wait until it is set."""
        self.gate.set()
        self.url = ""
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; raises OSError."""
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=CLOSE_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        taken = self._runner.addresses[0][1]
        self.url = f"http://{host}:{taken}"

    async def stop(self) -> None:
        """Close every connection."""
        if self._runner:
            await self._runner.cleanup()

    def settings(self) -> dict[str, Any]:
        """The settings of a lookup source that asks here."""
        return {
            "base_url": self.url,
            "api_key": KEY,
            "request": {"method": "GET", "url": "{base_url}/lookup/{to_digits}?key={api_key}"},
            "answer": {
                "network": "/mccmnc",
                "ported": {"match": {"/ported": True}},
                "valid": {"match": {"/status": "found"}},
                "reachable": {"match": {"/reachable": True}},
            },
        }

    def find(self, number: str) -> dict[str, Any]:
        """What it says of a number in E.164."""
        found = networks.shipped().find(number)
        here = found[1] if found else None
        code = self.known.get(number)
        if code is None:
            code = (_other(here) if number.endswith("7") else here.code) if here else ""
        if not code:
            return {"number": number, "status": "not_found"}
        return {
            "number": number,
            "status": "found",
            "mccmnc": code,
            "ported": here is not None and here.code != code,
            "reachable": not number.endswith("0"),
        }

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.called.set()
        await self.gate.wait()
        start, _, digits = request.path.rpartition("/")
        if request.query.get("key") != KEY:
            return _json(401, {"error": "the key is wrong"})
        if request.method != "GET" or start != "/lookup" or not digits.isdecimal():
            return _json(404, {"error": "no such path"})
        self.asked.append(f"+{digits}")
        if self.status != 200:
            return _json(self.status, {"error": "we are sorry"})
        return _json(200, self.answers.get(f"+{digits}") or self.find(f"+{digits}"))


def _other(network: Network) -> str:
    """Another network of the same country, the next one in the table."""
    same = sorted({one.code for _, one in networks.known() if one.code[:3] == network.code[:3]})
    return same[(same.index(network.code) + 1) % len(same)]


def _json(status: int, told: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(told), headers={"Content-Type": "application/json"}
    )
