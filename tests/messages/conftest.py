"""A process of the platform on a fresh database, with one account and one scripted carrier."""

from collections.abc import AsyncIterator

import pytest

from on_file import OnFile
from onesixty.kit.manual_clock import ManualClock
from onesixty.storage.database import Database

from .walk import Walk


@pytest.fixture
async def walk(database: Database, clock: ManualClock, on_file: OnFile) -> AsyncIterator[Walk]:
    """One account whose messages all go to one carrier with a window of 100."""
    account = await on_file.account("acme")
    sandbox = await on_file.carrier(account, name="sandbox")
    number = await on_file.carrier(account, name="main")
    await on_file.route(account, number, name="all")
    walk = await Walk.open(database, clock, account, sandbox)
    await walk.lane(number)
    yield walk
    await walk.close()
