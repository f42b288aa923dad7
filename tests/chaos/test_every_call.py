"""Whichever call to the database breaks, and however: what was promised is done, and once."""

import pytest
from structlog.testing import capture_logs

from on_file import OnFile
from onesixty.storage.database import Database

from .journey import beginning
from .trap import Breaks

CALLS_MOST = 80
# The plain failure at every call; the rarer ones at every third, which are not the same.
STEPS = {Breaks.BEFORE: (1, 1), Breaks.AFTER: (1, 3), Breaks.DIES: (2, 3)}


@pytest.mark.parametrize("breaks", Breaks, ids=lambda breaks: breaks.name)
async def test_every_call(database: Database, on_file: OnFile, breaks: Breaks) -> None:
    """From accepting to webhooks, each call fails once; all arrives once, and is told."""
    first, step = STEPS[breaks]
    async with beginning(database, on_file) as journey:
        with capture_logs():
            for number in range(first, CALLS_MOST, step):
                trap = journey.process.trap
                trap.set(number, breaks)
                await journey.run(number)
                await journey.check()
                if not trap.sprung:
                    break
    assert 12 < number < CALLS_MOST - step
