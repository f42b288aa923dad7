"""`onesixty accounts`: tenants, directly in the database, seen by a running server at once."""

from typing import Annotated, Any

import typer

from onesixty.cli import local
from onesixty.cli.records.keys import find_account
from onesixty.cli.terminal import USAGE, Failure, out, print_table, run
from onesixty.kit import ids
from onesixty.messages.render import timestamp
from onesixty.records import accounts
from onesixty.sms import sender as senders

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Accounts, directly in the database: also while the server runs.",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique on this server.")],
    parent: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The account above it, whose routes and carriers serve it."
        ),
    ] = accounts.ROOT,
    default_sender: Annotated[
        str | None, typer.Option(metavar="SENDER", help="`from` of its messages that have none.")
    ] = None,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Make an account; `onesixty keys create --account NAME` makes its first key."""
    sender = _sender(default_sender)
    settings = local.load(data_dir=data_dir, database_url=database_url)

    async def work(url: str) -> None:
        async with local.transaction(url) as tx:
            above = await find_account(tx, parent)
            await accounts.create(tx, local.sealer(settings), name, above, sender)

    with local.database_url(settings) as url:
        run(work(url))
    out.print(f"made the account {name}; next: onesixty keys create first --account {name}")


@app.command("list")
def list_accounts(data_dir: local.DataDir = None, database_url: local.DatabaseUrl = None) -> None:
    """List all accounts, oldest first."""

    async def work(url: str) -> list[Any]:
        async with local.transaction(url) as tx:
            return await accounts.listing(tx)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        rows = run(work(url))
    names = {row["id"]: row["name"] for row in rows}
    print_table(
        ("ID", "NAME", "PARENT", "DEFAULT SENDER", "CREATED"),
        [
            (
                ids.to_text("acc", row["public_id"]), row["name"], names.get(row["parent_id"]),
                row["default_sender"], timestamp(row["created_at"]),
            )
            for row in rows
        ],
    )  # fmt: skip


def _sender(text: str | None) -> str | None:
    if text is None:
        return None
    checked = senders.classify(text)
    if isinstance(checked, senders.SenderError):
        raise Failure(f"--default-sender {text}: {checked.message}", USAGE)
    return checked.value
