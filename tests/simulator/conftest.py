"""A simulator on a port of its own, and clients of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc

from .esme import Esme

Start = Callable[..., Awaitable[tuple[Smsc, Esme]]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what a test opened, the last first."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def connect(stack: AsyncExitStack) -> Callable[[int], Awaitable[Esme]]:
    """Connects a client that is closed after the test."""

    async def one(port: int) -> Esme:
        esme = await Esme.connect(port)
        stack.push_async_callback(esme.close)
        return esme

    return one


@pytest.fixture
def start(
    stack: AsyncExitStack,
    clock: ManualClock,
    chance: Chance,
    connect: Callable[[int], Awaitable[Esme]],
) -> Start:
    """Starts a simulator with the faults of these words, and binds one transceiver to it."""

    async def one(*words: str, window: int = 100) -> tuple[Smsc, Esme]:
        smsc = Smsc(parse_faults(words), clock=clock, chance=chance, window=window, record=True)
        port = await smsc.start(port=0)
        stack.push_async_callback(smsc.stop)
        esme = await connect(port)
        await esme.bind()
        return smsc, esme

    return one


@pytest.fixture
def idle(clock: ManualClock, chance: Chance) -> Smsc:
    """A simulator that was never started."""
    return Smsc(clock=clock, chance=chance)
