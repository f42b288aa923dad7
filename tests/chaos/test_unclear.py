"""A commit whose answer is lost, while its rows go on without waiting for us."""

from collections.abc import AsyncIterator

import pytest

from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import ErrorClass
from onesixty.kit.manual_clock import ManualClock

from .served import until
from .trap import Breaks, Trap


@pytest.fixture
async def trap(url: str) -> AsyncIterator[Trap]:
    """A database whose answers can be lost."""
    made = await Trap.open(url, connections=2)
    assert isinstance(made, Trap)
    yield made
    await made.close()


@pytest.fixture
async def walk(trap: Trap, clock: ManualClock, on_file: OnFile) -> AsyncIterator[Walk]:
    """A process on that database; nothing happens by itself."""
    account = await on_file.account("acme")
    sandbox = await on_file.carrier(account, name="sandbox")
    number = await on_file.carrier(account, name="main")
    await on_file.route(account, number, name="all")
    walk = await Walk.open(trap, clock, account, sandbox)
    await walk.lane(number)
    yield walk
    await walk.close()


@pytest.mark.parametrize("breaks", [Breaks.BEFORE, Breaks.AFTER], ids=lambda one: one.name)
async def test_what_is_out_again_is_not_given_back(trap: Trap, walk: Walk, breaks: Breaks) -> None:
    """A message that never left goes back to the queue once, though that is written twice."""
    message = await walk.send()
    (one,) = walk.carrier.taken
    trap.set(1, breaks)
    walk.carrier.defer(one, ErrorClass.CARRIER, counts_as_attempt=False, retry_after_seconds=0.0)

    async def broke() -> bool:
        return trap.sprung

    await until(broke)
    await walk.claim()  # before it is written again
    await walk.clock.advance(1)
    await walk.settled()
    await walk.claim()
    assert len(walk.carrier.taken) == 2
    assert (await walk.status(message), await walk.count("queue")) == ("sending", 0)
    walk.carrier.accept(walk.carrier.taken[-1])
    await walk.settled()
    await walk.claim()
    assert (await walk.status(message), len(walk.carrier.taken)) == ("sent", 2)
    assert await walk.count("leases") == 0
