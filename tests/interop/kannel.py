"""Kannel as a client: its bearerbox binds to us, its smsbox takes and brings messages over HTTP."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus, unquote_to_bytes

import aiohttp
from aiohttp import web

from onesixty.cli.demo.ports import free_port
from onesixty.kit.clock import SystemClock

from .live import PATIENCE_SECONDS

PROGRAMS: Final = [
    shutil.which(name, path="/usr/sbin:/usr/local/sbin") for name in ("bearerbox", "smsbox")
]
INSTALLED: Final = all(PROGRAMS)
_LOOK_SECONDS: Final = 0.1
_UTF16: Final = 2  # Kannel's own number for it, not a data_coding
_CONF: Final = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = interop
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
log-file = "{folder}/bearerbox.log"
log-level = 1
dlr-storage = internal
sms-combine-concatenated-mo-timeout = 60

group = smsc
smsc = smpp
smsc-id = onesixty
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
interface-version = 34
max-pending-submits = 20
enquire-link-interval = 5
reconnect-delay = 1
source-addr-ton = 5
source-addr-npi = 0
source-addr-autodetect = yes
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
sendsms-interface = 127.0.0.1
log-file = "{folder}/smsbox.log"
log-level = 1
max-pending-requests = 100

group = sendsms-user
username = interop
password = interop
max-messages = 20
concatenation = true

group = sms-service
keyword = default
catch-all = true
concatenation = true
max-messages = 0
get-url = "{sink}/mo?from=%p&to=%P&coding=%c&text=%b&charset=%C&udh=%u"
"""


@dataclass(slots=True)
class Kannel:
    """A running Kannel, and what it told of: receipts by their token, messages from handsets."""

    session: aiohttp.ClientSession
    send_url: str
    sink_url: str
    receipts: dict[str, list[int]] = field(default_factory=dict)
    """The kinds of receipt that came for a token: 1 delivered, 2 not delivered, 8 accepted."""
    ids: dict[str, set[str]] = field(default_factory=dict)
    """The ids that the receipts for a token name."""
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    """From, to and text."""

    async def send(self, to: str, text: str, token: str, *, gsm: bool) -> None:
        """Have a message sent; its receipts will be booked under the token."""
        report = f"{self.sink_url}/dlr?token={token}&kind=%d&id=%F"
        words = {
            "username": "interop", "password": "interop", "from": "Shop", "to": to,
            "dlr-mask": "31", "dlr-url": report, "charset": "UTF-8", "text": text,
            "coding": "0" if gsm else str(_UTF16),
        }  # fmt: skip
        query = "&".join(f"{name}={quote_plus(value)}" for name, value in words.items())
        async with self.session.get(f"{self.send_url}?{query}") as answer:
            assert answer.status == 202, await answer.text()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is true of what it told."""
        clock = SystemClock()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await clock.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def kannel(smpp_port: int, system_id: str, password: str) -> AsyncIterator[Kannel]:
    """Kannel, which binds to a port of this machine."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onesixty-kannel-")))
        ports = {name: free_port() for name in ("admin", "boxes", "send")}
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = Kannel(session, f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms", "")
        found.sink_url = await _sink(found, stack)
        conf = folder / "kannel.conf"
        conf.write_text(_CONF.format(
            folder=folder, smpp=smpp_port, system_id=system_id, password=password,
            sink=found.sink_url, **ports,
        ))  # fmt: skip
        for program, port in zip(PROGRAMS, (ports["boxes"], ports["send"]), strict=True):
            assert program
            await stack.enter_async_context(_running(program, conf))
            await _answers(port)
        yield found


@contextlib.asynccontextmanager
async def _running(program: str, conf: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        program, str(conf), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answers(port: int) -> None:
    clock = SystemClock()
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await clock.sleep(_LOOK_SECONDS)


async def _sink(told: Kannel, stack: contextlib.AsyncExitStack) -> str:
    """The HTTP server that Kannel tells; its URL."""

    async def receipt(request: web.Request) -> web.Response:
        token = request.query["token"]
        told.receipts.setdefault(token, []).append(int(request.query["kind"]))
        if request.query["id"]:
            told.ids.setdefault(token, set()).add(request.query["id"])
        return web.Response()

    async def message(request: web.Request) -> web.Response:
        raw = request.rel_url.raw_query_string
        given = dict(one.split("=", 1) for one in raw.split("&"))
        octets = _octets(given["text"])
        text = octets.decode("utf-16-be" if given["coding"] == str(_UTF16) else "utf-8")
        told.messages.append((request.query["from"], request.query["to"], text))
        return web.Response()

    app = web.Application()
    app.router.add_get("/dlr", receipt)
    app.router.add_get("/mo", message)
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{port}"


def _octets(text: str) -> bytes:
    """What stands behind the percent signs; it may be no UTF-8."""
    return unquote_to_bytes(text.replace("+", " "))
