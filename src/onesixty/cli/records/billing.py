"""`onesixty billing`: balances and the ledger, directly in the database."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from onesixty.cli import local
from onesixty.cli.records.keys import find_account
from onesixty.cli.terminal import USAGE, Failure, out, print_table, run
from onesixty.kit import ids, money
from onesixty.kit.clock import SystemClock
from onesixty.records.billing import ledger, usage
from onesixty.records.billing.books import Kind
from onesixty.records.billing.checking import check as check_ledger
from onesixty.records.billing.ledger import Payment

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Balances and the ledger, directly in the database: also while the server runs.",
)


@app.command()
def balances(data_dir: local.DataDir = None, database_url: local.DatabaseUrl = None) -> None:
    """List the accounts that pay: what each has, what is held of it, what it spent."""

    async def work(url: str) -> list[Any]:
        async with local.transaction(url) as tx:
            return await ledger.listing(tx)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        rows = run(work(url))
    names = ("available", "held", "revenue")
    print_table(
        ("ACCOUNT", "MODE", "CURRENCY", "AVAILABLE", "HELD", "SPENT"),
        [
            (row["name"], row["mode"], row["currency"], *(money.amount(row[n]) for n in names))
            for row in rows
        ],
    )


@app.command()
def topup(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="Name of an account that pays.")
    ],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 12.50.")],
    reference: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Kept with it, such as a payment's id.")
    ] = None,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Add money to a balance; it counts at once."""
    micros = money.micros(amount)
    if not micros:
        raise Failure(f"{amount} is no amount: give one such as 12.50", USAGE)

    async def work(url: str) -> Any:
        async with local.transaction(url) as tx:
            number = await find_account(tx, account)
            payment = Payment(Kind.TOPUP, micros, reference, ids.uuid7())
            return await ledger.pay(tx, number, payment, SystemClock().now())

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        row = run(work(url))
    out.print(f"{account} has {money.amount(row['available'])} {row['currency']} now")


@app.command()
def check(data_dir: local.DataDir = None, database_url: local.DatabaseUrl = None) -> None:
    """Add the whole ledger up anew and compare it with what is kept; exit code 1 if it differs."""

    async def work(url: str) -> list[str]:
        async with local.transaction(url) as tx:
            return await check_ledger(tx)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        wrong = run(work(url))
    if wrong:
        raise Failure("\n".join(wrong))
    out.print("the ledger adds up")


@app.command()
def rebuild(
    day: Annotated[
        datetime,
        typer.Option(metavar="DATE", formats=["%Y-%m-%d"], help="The day, UTC: 2026-11-30."),
    ],
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Make the usage of a day again from the lines of its messages."""
    wanted = day.replace(tzinfo=UTC).date()

    async def work(url: str) -> int:
        async with local.transaction(url) as tx:
            return await usage.add_up(tx, wanted)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        count = run(work(url))
    out.print(f"the usage of {wanted} has {count} rows")
