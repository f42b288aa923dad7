"""`onesixty simulate`: carriers of our own, with every fault that a carrier can have."""

import typer

from onesixty.cli.simulate import http, lookups, smsc
from onesixty.cli.terminal import out
from onesixty.simulator.fault_words import FaultOption, listing
from onesixty.simulator.faults import Faults
from onesixty.simulator.http.stage.faults import HttpFaults
from onesixty.simulator.numbers import NUMBERS

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Carriers that nobody pays for: they take everything and deliver nothing.",
)
app.add_typer(smsc.app)
app.add_typer(http.app)
app.add_typer(lookups.app)


@app.callback()
def simulate() -> None:
    """Carriers that nobody pays for: they take everything and deliver nothing."""


@app.command()
def faults() -> None:
    """List what can go wrong, over SMPP and over HTTP."""
    for name, options in (("smsc", Faults), ("http", HttpFaults)):
        out.print(f"onesixty simulate {name}", style="bold underline")
        for row in listing(options):
            _show(row)


@app.command()
def numbers() -> None:
    """List the numbers with a fate of their own; every other one is delivered at once."""
    for row in NUMBERS.values():
        out.print(f"{row.e164}  {row.title}")


def _show(row: FaultOption) -> None:
    value = "|".join(row.choices) or row.kind
    out.print(f"{row.name}={value}", style="bold")
    out.print(f"    {row.effect} [{row.default}]")
