"""One process of `serve`: the platform, and HTTP over it, until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from onesixty import app as platform
from onesixty.app import App
from onesixty.cli.serve import systemd
from onesixty.cli.serve.channel import BACKLOG, HTTP, LEAVING, SIGNALS, Channel
from onesixty.cli.serve.ports import Ports
from onesixty.kit.clock import SystemClock
from onesixty.kit.http_server import protocol
from onesixty.kit.secrets import Sealer
from onesixty.settings import Settings

LONG_ANSWER_SECONDS: Final = 3  # what requests in progress get when the server is asked to stop
# Longer than clients and load balancers keep a connection (most 60 s at most): who closes it first
# may cross a request on its way.
IDLE_SECONDS: Final = 75
_BEAT_TICKS: Final = 10  # of uvicorn, 0.1 s each


async def serve_process(
    settings: Settings,
    url: str,
    sealer: Sealer,
    intake: "Ports | Channel",
    ready: Callable[[App], None],
) -> None:
    """Run until SIGTERM or SIGINT. Connections come from listening sockets or a channel."""
    clock = SystemClock()
    parts = await platform.build(settings, url, sealer, clock)
    try:
        for account in parts.keeper.book.accounts.values():
            # a wrong master key is found now, not at the first webhook
            sealer.open(account.signing_secret)
        await parts.start()
        channel = intake if isinstance(intake, Channel) else None
        server = _HttpServer(_http_config(parts), channel, parts)
        for kind, smpp in parts.door.servers.items():
            if isinstance(intake, Channel):
                smpp.watch()
            elif kind in intake:
                await smpp.start_on(intake[kind])
        _stop_on_signals(server, parts)
        ready(parts)
        if isinstance(intake, Channel):
            await server.serve(sockets=[])
        else:
            with systemd.attended(clock):
                await server.serve(sockets=[intake[HTTP]])
    finally:
        await parts.stop()


class _HttpServer(uvicorn.Server):
    """uvicorn, with the signals left to us: it would end the process by them in the end."""

    def __init__(self, config: uvicorn.Config, channel: Channel | None, parts: App) -> None:
        super().__init__(config)
        self._channel, self._smpp = channel, parts.door.servers
        self._connecting: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections from now on."""
        await super().startup(sockets)
        if self._channel is not None:
            asyncio.get_running_loop().add_reader(self._channel.fileno(), self._take)

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s; true to end."""
        if self._channel is not None and counter % _BEAT_TICKS == 0:
            smpp = sum(len(server.links) for server in self._smpp.values())
            self._channel.beat(len(self.server_state.connections), smpp)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, answer what was asked."""
        if self._channel is not None:
            self._take()  # what came before the supervisor knew
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            if self._connecting:
                await asyncio.wait(self._connecting)
        await super().shutdown(sockets)

    def leave(self) -> None:
        """Begin to end: `serve` returns soon."""
        self.should_exit = True
        if self._channel is not None:
            self._channel.beat(LEAVING)

    def _take(self) -> None:
        assert self._channel is not None
        taken = self._channel.take()
        if taken is None:  # nobody would start us again, or stop us
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True
        for kind, connection in taken or ():
            task = asyncio.create_task(self._connect(kind, connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, kind: str, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        config = self.config
        try:
            if kind != HTTP:
                return await self._smpp[kind].take(connection)
            connection.setblocking(False)
            await loop.connect_accepted_socket(
                lambda: protocol(config, self.server_state, self.lifespan.state, loop), connection
            )
        except OSError:  # it is gone already
            connection.close()


def _http_config(parts: App) -> uvicorn.Config:
    return uvicorn.Config(
        parts.server,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here trusts what a proxy says of the client
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=LONG_ANSWER_SECONDS,
    )


def _stop_on_signals(server: _HttpServer, parts: App) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        parts.stopping()
        server.leave()
        parts.server.end_streams()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
