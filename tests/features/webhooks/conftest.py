"""A receiver, and the part of the platform that delivers to it."""

from collections.abc import AsyncIterator

import pytest

from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.storage.database import Database

from .platform import Platform
from .receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server that takes webhooks."""
    async with receiving() as found:
        yield found


@pytest.fixture
async def platform(
    database: Database, clock: ManualClock, sealer: Sealer, chance: Chance
) -> AsyncIterator[Platform]:
    """An account and its deliverers."""
    made = await Platform.build(database, clock, sealer, chance)
    yield made
    await made.stop()
