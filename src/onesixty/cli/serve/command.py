"""`onesixty serve`: the whole platform, in one process or in several."""

import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from onesixty import __version__
from onesixty.cli import local
from onesixty.cli.migrate import bring_up, explained
from onesixty.cli.serve.channel import HTTP, SMPP, SMPP_TLS
from onesixty.cli.serve.ports import Ports, address_of, listening
from onesixty.cli.serve.supervisor import Supervisor
from onesixty.cli.terminal import Failure, out, run
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


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one [8160].")] = None,
    smpp_port: Annotated[
        int | None, typer.Option(help="TCP port that customers bind to over SMPP; else none.")
    ] = None,
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
    more = {"smpp_port": smpp_port, "processes": processes, "role": role}
    settings = local.load(config, **given, **more)
    _check_connections(settings)
    log.configure(settings.log_level, as_json=settings.log_json)
    with listening(settings) as ports, _database(settings) as url:
        bring_up(url)
        with explained(url):
            (_serve_alone if settings.processes == 1 else _serve_many)(settings, url, ports)
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
def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        yield settings.database_url
        return
    with local.only_server(settings.data_dir), local.embedded_database(settings.data_dir) as server:
        yield server.url


def _serve_alone(settings: Settings, url: str, ports: Ports) -> None:
    from onesixty.cli.serve.process import serve_process  # a supervisor needs none of it

    def ready(parts: "App") -> None:
        _announce(settings, url, ports, parts.new_key)

    run(serve_process(settings, url, local.sealer(settings), ports, ready))


def _serve_many(settings: Settings, url: str, ports: Ports) -> None:
    clock, sealer = SystemClock(), local.sealer(settings)

    async def supervise() -> bool:
        database = await Database.open(url, connections=1)
        new_key = await prepare(database, sealer, settings.bootstrap_key, clock.now())
        await database.close()
        supervisor = Supervisor(settings, url, ports, clock)
        return await supervisor.run(lambda: _announce(settings, url, ports, new_key))

    if not run(supervise()):
        raise Failure("not every process ended in order; the log says why")


def _announce(settings: Settings, url: str, ports: Ports, new_key: str | None) -> None:
    address = f"http://{address_of(ports[HTTP])}"
    out.print(f"Onesixty {__version__} listens on {address} (reference: {address}/docs)")
    for kind, how in ((SMPP, ""), (SMPP_TLS, ", with TLS")):
        if kind in ports:
            out.print(f"Customers bind over SMPP to {address_of(ports[kind])}{how}")
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
