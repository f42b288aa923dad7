"""One server for all tests of a worker: to make a database anew takes longer than most of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .served import USUAL, Platform, running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared() -> AsyncIterator[Platform]:
    """A server in a process of its own with a carrier in this one."""
    async with running() as found:
        yield found


@pytest.fixture
def platform(shared: Platform) -> Platform:
    """The shared server, of which nothing is promised yet, and an SMSC without faults."""
    shared.acknowledged.clear()
    shared.smsc.faults = USUAL
    return shared
