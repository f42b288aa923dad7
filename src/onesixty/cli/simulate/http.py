"""`onesixty simulate http`: providers over HTTP, as their customers see them."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any

import orjson
import typer

from onesixty.cli import client
from onesixty.cli.simulate.adding import add
from onesixty.cli.simulate.smsc import in_words
from onesixty.cli.terminal import USAGE, Failure, out, reason, run_until_interrupted
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.fault_words import FaultError, parse_options
from onesixty.simulator.http.far_side import FarSide
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.cast import far_sides
from onesixty.simulator.http.stage.faults import HttpFaults

app = typer.Typer(add_completion=False)


@app.command()
def http(
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Whom to play, such as twilio; all when none is given."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="TCP port of the first; 0 takes free ones, else they follow it."
        ),
    ] = 8170,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What goes wrong: see `faults`."),
    ] = None,
    is_added: Annotated[
        bool,
        typer.Option(
            "--add", help="Add a carrier for each to the server, which is called back by it."
        ),
    ] = False,
    url: client.Url = client.URL,
    key: client.Key = None,
    seed: Annotated[int | None, typer.Option(help="Of chance, to see the same run again.")] = None,
) -> None:
    """Run simulated providers over HTTP until Ctrl-C. Some numbers have fates: `numbers`."""
    try:
        faults = parse_options(HttpFaults, fault or ())
    except FaultError as error:
        raise Failure(str(error), USAGE) from None
    clock = SystemClock()
    stages = [
        Stage(far_side(clock), clock=clock, chance=chance(seed), faults=faults)
        for far_side in _chosen(kind or ())
    ]
    run_until_interrupted(_serve(stages, host, port, (url, key) if is_added else None))
    for stage in stages:
        if stage.statistics.requests:
            out.print(f"{stage.far_side.name}: {in_words(stage.statistics)}")


def _chosen(kinds: Sequence[str]) -> list[type[FarSide]]:
    known = far_sides()
    if unknown := [one for one in kinds if one not in known]:
        raise Failure(f"nobody plays {unknown[0]}; there are: {', '.join(known)}", USAGE)
    return [known[one] for one in dict.fromkeys(kinds)] or list(known.values())


async def _serve(
    stages: Sequence[Stage], host: str, port: int, server: tuple[str, str | None] | None
) -> None:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(client.connect(*server)) if server else None
        for place, stage in enumerate(stages):
            wanted = port and port + place
            try:
                await stage.start(host, wanted)
            except OSError as error:
                raise Failure(
                    f"cannot listen on {host}, port {wanted}: {reason(error)}; name another --port"
                ) from None
            stack.push_async_callback(stage.stop)
            out.print(f"{stage.far_side.name} listens on {stage.url}")
            if api is None:
                out.print(f"    add it: POST /v1/carriers {_body(stage)}", style="dim")
            else:
                out.print(f"    it is the carrier {await add(api, stage)}", style="dim")
        out.print("end it with Ctrl-C")
        out.file.flush()
        await asyncio.Event().wait()


def _body(stage: Stage) -> str:
    name = stage.far_side.name
    body: dict[str, Any] = {"name": name, "kind": name, "settings": stage.settings()}
    return orjson.dumps(body).decode()
