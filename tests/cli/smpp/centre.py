"""A simulated message centre for commands that run to their end beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.programs import Ended, onesixty
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc

PASSWORD = {"ONESIXTY_SMPP_PASSWORD": "secret"}


@asynccontextmanager
async def centre(*faults: str) -> AsyncIterator[tuple[Smsc, tuple[str, ...]]]:
    """It lets in "me" with "secret"; the options that lead there."""
    smsc = Smsc(
        parse_faults(faults),
        clock=SystemClock(),
        chance=chance(1),
        accounts={"me": "secret"},
        record=True,
    )
    port = await smsc.start(port=0)
    yield smsc, ("--host", "127.0.0.1", "--port", str(port), "--system-id", "me")
    await smsc.stop()


async def run(*arguments: str, **environment: str) -> Ended:
    """A command, while this loop goes on serving."""
    return await asyncio.to_thread(onesixty, *arguments, **environment)
