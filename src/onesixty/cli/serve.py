"""`onesixty serve`: the whole platform in one process."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Annotated, Final

import typer
import uvicorn

from onesixty import __version__
from onesixty import app as platform
from onesixty.cli import local
from onesixty.cli.migrate import bring_up, explained
from onesixty.cli.terminal import Failure, out, reason, run
from onesixty.entrypoints.rest.server import Server
from onesixty.kit import log
from onesixty.kit.clock import SystemClock
from onesixty.kit.http_server import Protocol
from onesixty.kit.secrets import Sealer
from onesixty.settings import Settings

app = typer.Typer(add_completion=False)

BACKLOG: Final = 2048
LONG_ANSWER_SECONDS: Final = 3  # what requests in progress get when the server is asked to stop
# Where a server is reached that listens on all addresses of the machine.
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one [8160].")] = None,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
    config: local.ConfigFile = None,
) -> None:
    """Run the platform until Ctrl-C or SIGTERM, on a PostgreSQL of yours or the embedded one."""
    # Until the server runs, SIGTERM is as Ctrl-C: what was begun is taken back in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = local.load(
        config, host=host, port=port, data_dir=data_dir, database_url=database_url
    )
    log.configure(settings.log_level, as_json=settings.log_json)
    with _listening(settings.host, settings.port) as listener, _database(settings) as url:
        bring_up(url)
        with explained(url):
            run(_serve(settings, url, local.sealer(settings), listener))
    out.print("stopped")


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """The listening socket, taken before anything is changed: who connects now waits."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        advice = (
            "is another Onesixty running? Name another --port" if port else "name another --host"
        )
        raise Failure(f"cannot listen on {host}, port {port}: {reason(error)}; {advice}") from None
    with listener:
        yield listener


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        yield settings.database_url
        return
    with local.only_server(settings.data_dir), local.embedded_database(settings.data_dir) as server:
        yield server.url


async def _serve(settings: Settings, url: str, sealer: Sealer, listener: socket.socket) -> None:
    parts = await platform.build(settings, url, sealer, SystemClock())
    try:
        for account in parts.keeper.book.accounts.values():
            sealer.open(
                account.signing_secret
            )  # a wrong master key is found now, not at the first webhook
        await parts.start()
        server = _HttpServer(_http_config(parts.server))
        _stop_on_signals(server, parts.server)
        _announce(settings, url, listener, parts.new_key)
        await server.serve(sockets=[listener])
    finally:
        await parts.stop()


class _HttpServer(uvicorn.Server):
    """uvicorn, with the signals left to us: it would end the process by them in the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _http_config(server: Server) -> uvicorn.Config:
    return uvicorn.Config(
        server,
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here trusts what a proxy says of the client
        backlog=BACKLOG,
        timeout_graceful_shutdown=LONG_ANSWER_SECONDS,
    )


def _stop_on_signals(server: uvicorn.Server, doors: Server) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        doors.end_streams()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)  # a second one ends the process at once

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _announce(settings: Settings, url: str, listener: socket.socket, new_key: str | None) -> None:
    host, port = listener.getsockname()[:2]
    host = _EVERY_ADDRESS.get(host, host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    out.print(f"Onesixty {__version__} listens on {address} (reference: {address}/docs)")
    if settings.database_url is None:
        out.print(f"Data lives in {settings.data_dir.resolve()} (embedded PostgreSQL)")
        if not settings.allow_private_urls:
            out.print(
                "Webhooks to this machine or a private network are refused;"
                " to allow them start with ONESIXTY_ALLOW_PRIVATE_URLS=true"
            )
    else:
        out.print(f"Data lives in {local.shown(url)}")
    if new_key is not None and settings.bootstrap_key is None:
        _announce_key(address, new_key)
    out.print("Ready. End it with Ctrl-C.")
    out.file.flush()


def _announce_key(address: str, key: str) -> None:
    out.print(
        "\nYour first API key. It is shown once, so keep it (another: `onesixty keys create`):"
    )
    out.print(f"\n    {key}\n", style="bold")
    out.print(
        "What next? Lead all messages to the test carrier, which sends nothing, and send one:\n"
    )
    out.print(
        f"    export ONESIXTY_URL={address} ONESIXTY_KEY={key}\n"
        '    curl $ONESIXTY_URL/v1/routes -H "Authorization: Bearer $ONESIXTY_KEY" \\\n'
        "        -H 'Content-Type: application/json' \\\n"
        '        -d \'{"name": "all", "carriers": [{"carrier": "sandbox"}]}\'\n'
        '    onesixty send --to +14155550123 --from ACME "Hello"\n'
    )
