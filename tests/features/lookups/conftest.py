"""Lookups over a real database and a simulated source."""

from collections.abc import AsyncIterator

import pytest

from messages.walk import Walk
from on_file import OnFile
from onesixty.kit.manual_clock import ManualClock
from onesixty.storage.database import Database

from .platform import Looking


@pytest.fixture
async def looking(
    database: Database, clock: ManualClock, on_file: OnFile
) -> AsyncIterator[Looking]:
    """A walk with two carriers; numbers of 234-15 go to the second one."""
    account = await on_file.account("first")
    sandbox = await on_file.carrier(account, name="sandbox")
    first, second = [await on_file.carrier(account, name=name) for name in ("first", "second")]
    await on_file.route(account, second, name="vodafone", match={"network": ["23415"]}, position=1)
    await on_file.route(account, first, name="others")
    walk = await Walk.open(database, clock, account, sandbox)
    for number in (first, second):
        await walk.lane(number)
    looking = await Looking.open(walk, on_file.sealer)
    yield looking
    await looking.close()
    await walk.close()
