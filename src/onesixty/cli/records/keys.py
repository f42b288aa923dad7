"""`onesixty keys`: API keys, directly in the database, seen by a running server at once."""

from typing import Annotated, Any

import typer

from onesixty.cli import local
from onesixty.cli.terminal import Failure, out, print_table, run
from onesixty.kit import ids
from onesixty.kit.clock import SystemClock
from onesixty.messages.render import timestamp
from onesixty.records import accounts, keys
from onesixty.storage.database import Connection

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="API keys, directly in the database: also while the server runs.",
)

LISTED_MOST = 1000
AccountName = Annotated[str, typer.Option("--account", metavar="NAME", help="Whose keys.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="To recognise it by.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE", help="What it may do, such as messages:write; all if not given."
        ),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Its messages go to the sandbox, never to a carrier.")
    ] = False,
    account: AccountName = accounts.ROOT,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Make a key and print it: the only time that it is shown."""

    async def work(url: str) -> keys.NewKey:
        async with local.transaction(url) as tx:
            number = await find_account(tx, account)
            return await keys.create(tx, number, name, scope or ["*"], test=test)

    settings = local.load(data_dir=data_dir, database_url=database_url)
    with local.database_url(settings) as url:
        key = run(work(url))
    out.print(key.text)


@app.command("list")
def list_keys(
    account: AccountName = accounts.ROOT,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """List the keys of an account, newest first, without the keys themselves."""

    async def work(url: str) -> list[Any]:
        async with local.transaction(url) as tx:
            return await keys.listing(tx, await find_account(tx, account), None, LISTED_MOST)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        rows = run(work(url))
    print_table(
        ("ID", "NAME", "BEGINS WITH", "SCOPES", "CREATED", "EXPIRES", "REVOKED"),
        [
            (
                ids.to_text("key", row["id"]), row["name"], row["hint"], " ".join(row["scopes"]),
                *(timestamp(row[at]) for at in ("created_at", "expires_at", "revoked_at")),
            )
            for row in rows
        ],
    )  # fmt: skip


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="key_..., as `list` shows it.")],
    account: AccountName = accounts.ROOT,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """End a key at once."""
    identifier = ids.from_text("key", key_id)
    if identifier is None:
        raise Failure(f"{key_id} is no id of a key: `onesixty keys list` shows them")

    async def work(url: str) -> bool:
        async with local.transaction(url) as tx:
            return await keys.revoke(
                tx, await find_account(tx, account), identifier, SystemClock().now()
            )

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        if not run(work(url)):
            raise Failure(
                f"the account {account} has no key {key_id}: `onesixty keys list` shows them"
            )
    out.print(f"{key_id} is revoked")


async def find_account(tx: Connection, name: str) -> int:
    """The number of an account by its name; raises Failure."""
    number = await accounts.find(tx, name)
    if number is None:
        there = [row["name"] for row in await accounts.listing(tx)]
        advice = (
            f"there are: {', '.join(there)}"
            if there
            else "`onesixty serve` makes the first one when it starts"
        )
        raise Failure(f"there is no account {name}; {advice}")
    return number
