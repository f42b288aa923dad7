"""Whichever call to the database breaks, and however: what was promised is done, and once."""

import pytest
from structlog.testing import capture_logs

from features.webhooks.receiver import receiving
from on_file import OnFile
from onesixty.records import events, webhooks
from onesixty.storage.database import Database

from .journey import Journey, Process
from .trap import Breaks, JumpingClock

CALLS_MOST = 80


@pytest.mark.parametrize("breaks", Breaks, ids=lambda breaks: breaks.name)
async def test_every_call(database: Database, url: str, on_file: OnFile, breaks: Breaks) -> None:
    """From accepting to webhooks, each call fails once; all arrives once, and is told."""
    clock = JumpingClock()
    account = await on_file.account("acme")
    await on_file.carrier(account, name="sandbox")
    await on_file.route(account, await on_file.carrier(account, name="main"), name="all")
    async with receiving() as receiver:
        async with database.write() as tx:
            new = webhooks.NewEndpoint(receiver.url, events.mask(["*"]))
            await webhooks.create(tx, on_file.sealer, account, new, clock.now())
        process = await Process.start(url, clock, account)
        journey = Journey(url, clock, account, receiver, process)
        with capture_logs():
            for number in range(1, CALLS_MOST):
                trap = journey.process.trap
                trap.set(number, breaks)
                await journey.run(number)
                await journey.check()
                if not trap.sprung:
                    break
        await journey.process.die()
    assert 12 < number < CALLS_MOST - 1
