"""`onesixty simulate lookups`: a lookup source of our own."""

import asyncio
from typing import Annotated, Any

import orjson
import typer

from onesixty.cli.terminal import Failure, out, reason, run_until_interrupted
from onesixty.simulator.http.lookups import SimulatedLookups

app = typer.Typer(add_completion=False)


@app.command()
def lookups(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")] = (
        8169
    ),
) -> None:
    """Run a simulated lookup source until Ctrl-C. Numbers that end in 7 are ported."""
    source = SimulatedLookups()
    run_until_interrupted(_serve(source, host, port))
    out.print(f"questions {len(source.asked):,}")


async def _serve(source: SimulatedLookups, host: str, port: int) -> None:
    try:
        await source.start(host, port)
    except OSError as error:
        raise Failure(
            f"cannot listen on {host}, port {port}: {reason(error)}; name another --port"
        ) from None
    body: dict[str, Any] = {"settings": source.settings(), "price": "0.004", "day_cap": "1"}
    out.print(f"the simulated lookup source listens on {source.url}; end it with Ctrl-C")
    out.print(
        f"    add it: PUT /v1/lookup-sources/simulated {orjson.dumps(body).decode()}", style="dim"
    )
    out.file.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await source.stop()
