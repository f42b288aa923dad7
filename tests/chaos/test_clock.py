"""A clock that is set forward or back in the middle of the work."""

from collections.abc import AsyncIterator

import pytest

from features.webhooks.receiver import receiving
from on_file import OnFile
from onesixty.records import events, webhooks
from onesixty.storage.database import Database

from .journey import Journey, Process
from .trap import JumpingClock


@pytest.fixture
async def journey(database: Database, url: str, on_file: OnFile) -> AsyncIterator[Journey]:
    """A process on a clock that jumps, and all that is around it."""
    clock = JumpingClock()
    account = await on_file.account("acme")
    await on_file.carrier(account, name="sandbox")
    await on_file.route(account, await on_file.carrier(account, name="main"), name="all")
    async with receiving() as receiver:
        async with database.write() as tx:
            new = webhooks.NewEndpoint(receiver.url, events.mask(["*"]))
            await webhooks.create(tx, on_file.sealer, account, new, clock.now())
        process = await Process.start(url, clock, account)
        made = Journey(url, clock, account, receiver, process)
        yield made
        await made.process.die()


@pytest.mark.parametrize("seconds", [-2.0, 2.0, -3600.0, 3600.0, -86_000.0, 86_000.0])
async def test_clock_is_set(journey: Journey, seconds: float) -> None:
    """What was sent before the jump and after it arrives once and is told, whatever the clock."""
    journey.jump = seconds
    await journey.run(1)
    await journey.check()
