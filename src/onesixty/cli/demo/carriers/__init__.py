"""`onesixty demo --carriers`: every provider over HTTP, simulated, with failover between them."""

from contextlib import AsyncExitStack

from onesixty.cli import client
from onesixty.cli.demo.carriers import report
from onesixty.cli.demo.carriers.check import faults
from onesixty.cli.demo.carriers.play import Play
from onesixty.cli.demo.ports import free_port
from onesixty.cli.demo.server import running
from onesixty.cli.terminal import out
from onesixty.kit.clock import SystemClock

VERDICT = "every message arrived, each once, by the carrier that it should; all of it was told of"


async def demo() -> list[str]:
    """Play it; what went wrong, in words."""
    _say("starting a server with its own PostgreSQL, and the simulated providers")
    port = free_port()  # it must know its public URL before it listens
    async with AsyncExitStack() as stack:
        public = {"ONESIXTY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        server = await stack.enter_async_context(running(port, public))
        api = await stack.enter_async_context(client.connect(server.url, server.key))
        play = Play(api, SystemClock(), _say)
        await play.set_up(stack)
        await play.send_all()
        await play.see_the_end()
        _say("stopping the server\n")
        await server.stop()
        report.show(play.played)
        return faults(play.played) + server.faults()


def _say(text: str) -> None:
    out.print(text, style="dim")
    out.file.flush()
