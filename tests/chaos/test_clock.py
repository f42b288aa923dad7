"""A clock that is set forward or back in the middle of the work."""

import pytest

from on_file import OnFile
from onesixty.storage.database import Database

from .journey import beginning


@pytest.mark.parametrize("seconds", [-2.0, 2.0, -3600.0, 3600.0, -86_000.0, 86_000.0])
async def test_clock_is_set(database: Database, on_file: OnFile, seconds: float) -> None:
    """What was sent before the jump and after it arrives once and is told, whatever the clock."""
    async with beginning(database, on_file) as journey:
        journey.jump = seconds
        await journey.run(1)
        await journey.check()
