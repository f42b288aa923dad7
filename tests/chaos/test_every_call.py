"""Whichever call to the database breaks, and however: what was promised is done, and once."""

import pytest
from structlog.testing import capture_logs

from on_file import OnFile
from onesixty.storage.database import Database

from .journey import beginning
from .trap import Breaks

CALLS_MOST = 80


@pytest.mark.parametrize("breaks", Breaks, ids=lambda breaks: breaks.name)
async def test_every_call(database: Database, on_file: OnFile, breaks: Breaks) -> None:
    """From accepting to webhooks, each call fails once; all arrives once, and is told."""
    async with beginning(database, on_file) as journey:
        with capture_logs():
            for number in range(1, CALLS_MOST):
                trap = journey.process.trap
                trap.set(number, breaks)
                await journey.run(number)
                await journey.check()
                if not trap.sprung:
                    break
    assert 12 < number < CALLS_MOST - 1
