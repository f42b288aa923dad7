"""`onesixty esmes`: SMPP customers, directly in the database, seen by a running server at once."""

from typing import Annotated, Any

import typer

from onesixty.cli import local
from onesixty.cli.records.keys import LISTED_MOST, find_account
from onesixty.cli.terminal import USAGE, Failure, out, print_table, run
from onesixty.kit.secrets import password_hash, token
from onesixty.messages.render import timestamp
from onesixty.records import accounts, esmes

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Customers who bind over SMPP, directly in the database: also while the server runs.",
)

AccountName = Annotated[str, typer.Option("--account", metavar="NAME", help="Whose ESMEs.")]
SystemId = Annotated[str, typer.Argument(metavar="SYSTEM_ID", help="What it binds as.")]


@app.command()
def add(
    system_id: SystemId,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="ONESIXTY_ESME_PASSWORD",
            metavar="TEXT",
            help="1 to 8 characters, best by the environment; else one is made and printed.",
        ),
    ] = None,
    ip: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="From where it may connect; anywhere if not given."),
    ] = None,
    sender: Annotated[
        list[str] | None,
        typer.Option(metavar="SENDER", help="What it may send from; anything if not given."),
    ] = None,
    max_binds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Sessions at a time.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Open requests of a session.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, metavar="N", help="Requests a second; no limit.")
    ] = None,
    account: AccountName = accounts.ROOT,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Let a customer bind; `PATCH /v1/esmes/SYSTEM_ID` changes the rest of its settings."""
    if not esmes.is_system_id(system_id):
        raise Failure(f"{system_id} is no system_id: 1 to 15 of A-Z a-z 0-9 _ . @ -", USAGE)
    given = password or token(esmes.PASSWORD_MOST)
    esmes.check_password(given)
    settings = esmes.check(
        {
            "allowed_ips": ip,
            "allowed_senders": sender,
            "max_binds": max_binds,
            "window": window,
            "rate_per_second": rate,
        }
    )

    async def work(url: str) -> None:
        async with local.transaction(url) as tx:
            number = await find_account(tx, account)
            await esmes.create(tx, number, system_id, password_hash(given), settings)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        run(work(url))
    out.print(f"{system_id} may bind, where the server listens for SMPP (ONESIXTY_SMPP_PORT)")
    if password is None:
        out.print(f"password, shown once: {given}")


@app.command("list")
def list_esmes(
    account: AccountName = accounts.ROOT,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """List the ESMEs of an account, newest first; `GET /v1/esmes` tells who is bound."""

    async def work(url: str) -> list[Any]:
        async with local.transaction(url) as tx:
            return await esmes.listing(tx, await find_account(tx, account), None, LISTED_MOST)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        rows = run(work(url))
    print_table(
        ("SYSTEM ID", "ENABLED", "FROM", "BINDS", "WINDOW", "PER SECOND", "CREATED"),
        [_line(row) for row in rows],
    )


@app.command()
def remove(
    system_id: SystemId,
    account: AccountName = accounts.ROOT,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Let a customer bind no more: its sessions end at once."""

    async def work(url: str) -> bool:
        async with local.transaction(url) as tx:
            row = await esmes.find(tx, await find_account(tx, account), system_id)
            if row is not None:
                await esmes.remove(tx, row["id"])
        return row is not None

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        if not run(work(url)):
            raise Failure(f"the account {account} has no ESME {system_id}")
    out.print(f"{system_id} is removed")


def _line(row: Any) -> tuple[Any, ...]:
    settings = esmes.settings_of(row["settings"])
    return (
        row["system_id"],
        "yes" if row["enabled"] else "no",
        " ".join(settings.allowed_ips) or "anywhere",
        str(settings.max_binds),
        str(settings.window),
        None if settings.rate_per_second is None else f"{settings.rate_per_second:g}",
        timestamp(row["created_at"]),
    )
