"""`onesixty simulate smsc`: a carrier of our own, with every fault that a carrier can have."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.live import Live
from rich.table import Table

from onesixty.cli.terminal import USAGE, Failure, out, reason, run_until_interrupted
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.fault_words import FaultError
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc
from onesixty.simulator.statistics import Statistics

app = typer.Typer(add_completion=False)
FRAMES_PER_SECOND: Final = 4


@app.command()
def smsc(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")
    ] = 2775,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What goes wrong: see `faults`."),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYSTEM_ID:PASSWORD", help="Who may bind; everybody when none is given."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of chance, to see the same run again.")] = None,
) -> None:
    """Run a simulated SMSC (SMPP 3.3 to 5.0) until Ctrl-C. Some numbers have fates: `numbers`."""
    try:
        faults = parse_faults(fault or ())
    except FaultError as error:
        raise Failure(str(error), USAGE) from None
    centre = Smsc(faults, clock=SystemClock(), chance=chance(seed), accounts=_accounts(account))
    run_until_interrupted(_serve(centre, host, port))
    out.print(in_words(centre.statistics))


async def _serve(centre: Smsc, host: str, port: int) -> None:
    try:
        taken = await centre.start(host, port)
    except OSError as error:
        raise Failure(
            f"cannot listen on {host}, port {port}: {reason(error)}; name another --port"
        ) from None
    out.print(f"the simulated SMSC listens on {host}, port {taken}; end it with Ctrl-C")
    out.file.flush()
    try:
        if out.is_terminal:
            with Live(
                get_renderable=lambda: _table(centre.statistics),
                console=out,
                refresh_per_second=FRAMES_PER_SECOND,
            ):
                await asyncio.Event().wait()
        else:
            await asyncio.Event().wait()
    finally:
        await centre.stop()


def _accounts(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    if wrong := [one for one in given if ":" not in one]:
        raise Failure(f"--account {wrong[0]}: write SYSTEM_ID:PASSWORD", USAGE)
    return dict(one.split(":", 1) for one in given)


def _table(statistics: Statistics) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, count in asdict(statistics).items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    return table


def in_words(statistics: Any) -> str:
    """The counts of a dataclass that are not 0."""
    counted = {name: count for name, count in asdict(statistics).items() if count}
    return (
        ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counted.items())
        or "nothing happened"
    )
