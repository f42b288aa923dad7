"""`onesixty serve`: the whole platform, in one process or in several."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from onesixty import __version__
from onesixty.cli import local
from onesixty.cli.migrate import bring_up, explained
from onesixty.cli.serve.channel import BACKLOG
from onesixty.cli.serve.supervisor import Supervisor
from onesixty.cli.terminal import Failure, out, reason, run
from onesixty.kit import log
from onesixty.kit.clock import SystemClock
from onesixty.records.bootstrap import prepare
from onesixty.settings import Settings
from onesixty.storage import embedded
from onesixty.storage.database import Database

if TYPE_CHECKING:
    from onesixty.app import App

app = typer.Typer(add_completion=False)

_FOR_OTHERS: Final = 20  # connections for commands, migrations and the database itself
# Where a server is reached that listens on all addresses of the machine.
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one [8160].")] = None,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
    config: local.ConfigFile = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that share the port and the work [1].")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="What they do: api, dispatch, notify, or all, the default.")
    ] = None,
) -> None:
    """Run the platform until Ctrl-C or SIGTERM, on a PostgreSQL of yours or the embedded one."""
    # Until the server runs, SIGTERM is as Ctrl-C: what was begun is taken back in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = {"host": host, "port": port, "data_dir": data_dir, "database_url": database_url}
    settings = local.load(config, **given, processes=processes, role=role)
    _check_connections(settings)
    log.configure(settings.log_level, as_json=settings.log_json)
    with _listening(settings.host, settings.port) as listener, _database(settings) as url:
        bring_up(url)
        with explained(url):
            (_serve_alone if settings.processes == 1 else _serve_many)(settings, url, listener)
    out.print("stopped")


def _check_connections(settings: Settings) -> None:
    """Raise Failure when the embedded database has too few connections for so many processes."""
    wanted = settings.processes * (settings.database_connections + 2)
    if settings.database_url is None and wanted > embedded.CONNECTIONS_MOST - _FOR_OTHERS:
        raise Failure(
            f"{settings.processes} processes want {wanted} connections, and the embedded database"
            f" has {embedded.CONNECTIONS_MOST - _FOR_OTHERS}: lower ONESIXTY_DATABASE_CONNECTIONS"
            " or --processes, or use a PostgreSQL of your own"
        )


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


def _serve_alone(settings: Settings, url: str, listener: socket.socket) -> None:
    from onesixty.cli.serve.process import serve_process  # a supervisor needs none of it

    def ready(parts: "App") -> None:
        _announce(settings, url, listener, parts.new_key)

    run(serve_process(settings, url, local.sealer(settings), listener, ready))


def _serve_many(settings: Settings, url: str, listener: socket.socket) -> None:
    clock, sealer = SystemClock(), local.sealer(settings)

    async def supervise() -> bool:
        database = await Database.open(url, connections=1)
        new_key = await prepare(database, sealer, settings.bootstrap_key, clock.now())
        await database.close()
        supervisor = Supervisor(settings, url, listener, clock)
        return await supervisor.run(lambda: _announce(settings, url, listener, new_key))

    if not run(supervise()):
        raise Failure("not every process ended in order; the log says why")


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
    if settings.processes > 1:
        out.print(f"{settings.processes} processes share the work")
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
