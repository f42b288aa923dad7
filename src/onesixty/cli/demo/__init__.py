"""`onesixty demo`: the main job, visible, over real sockets, and checked to the last message.

The server is a process of its own, as for a user; carrier and webhook receiver are in this one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from onesixty.cli import client
from onesixty.cli.demo import carriers, report
from onesixty.cli.demo.check import faults
from onesixty.cli.demo.peers import Receiver, TimedRecord
from onesixty.cli.demo.run import Play, expected_events
from onesixty.cli.demo.server import running
from onesixty.cli.terminal import FAILED, err, out, run
from onesixty.kit.chance import chance
from onesixty.kit.clock import Clock, SystemClock
from onesixty.simulator.smsc import Smsc

app = typer.Typer(add_completion=False)

VERDICT: Final = "nothing was lost, nothing came twice, nothing was changed"
FAULTS_SHOWN: Final = 20
FRAME_SECONDS: Final = 0.1


@app.command()
def demo(
    by_carriers: Annotated[
        bool,
        typer.Option(
            "--carriers",
            help="Instead: some messages by every provider over HTTP, with failover between them.",
        ),
    ] = False,
) -> None:
    """Send 1,100 messages through a simulated carrier, watch them, and check every one of them."""
    found = run(carriers.demo() if by_carriers else _demo())
    for fault in found[:FAULTS_SHOWN]:
        err.print(f"wrong: {fault}", style="red")
    if found:
        err.print(f"{len(found)} things went wrong", style="bold red")
        raise typer.Exit(FAILED)
    out.print(carriers.VERDICT if by_carriers else VERDICT, style="bold green")


async def _demo() -> list[str]:
    clock = SystemClock()
    record, receiver = TimedRecord(clock), Receiver(clock)
    smsc = Smsc(clock=clock, chance=chance())
    smsc.record = record
    _say("starting a server with its own PostgreSQL, a simulated carrier and a webhook receiver")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running())
        smsc_port = await smsc.start(port=0)
        stack.push_async_callback(smsc.stop)
        hook = await receiver.start()
        stack.push_async_callback(receiver.stop)
        api = await stack.enter_async_context(client.connect(server.url, server.key))
        play = Play(api, clock, _say)
        receiver.trust(await play.set_up(smsc_port, hook))
        async with _watched(play, record, receiver, clock):
            await play.send_all()
            await play.see_the_end(receiver)
        _say("stopping the server\n")
        await server.stop()
        report.show(play.played, record, receiver)
        return faults(play.played, record, receiver) + server.faults()


def _say(text: str) -> None:
    out.print(text, style="dim")
    out.file.flush()


@contextlib.asynccontextmanager
async def _watched(
    play: Play, record: TimedRecord, receiver: Receiver, clock: Clock
) -> AsyncIterator[None]:
    """Bars that fill, where there is a terminal to see them."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal) as progress:
        accepted, carried, told = (
            progress.add_task(name, total=None) for name in ("accepted", "carried", "told of")
        )

        def update() -> None:
            total = len(play.played.plan)
            progress.update(accepted, completed=len(play.played.ids), total=total)
            away = sum(one.is_carried for one in play.played.plan.values())
            progress.update(carried, completed=len(record.first_at), total=away)
            events = expected_events(play.played)
            progress.update(told, completed=len(receiver.arrivals), total=events)

        async def keep_updating() -> None:
            while True:
                update()
                await clock.sleep(FRAME_SECONDS)

        task = asyncio.create_task(keep_updating())
        try:
            yield
        finally:
            task.cancel()
            update()
