"""The part of the platform that delivers to ESMEs."""

from collections.abc import AsyncIterator

import pytest

from on_file import OnFile
from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.storage.database import Database

from .platform import Platform


@pytest.fixture
async def platform(
    database: Database, clock: ManualClock, chance: Chance, on_file: OnFile
) -> AsyncIterator[Platform]:
    """An ESME that is bound, and its deliverer."""
    made = await Platform.build(database, clock, chance, await on_file.account())
    yield made
    await made.deliverer.stop(5)
