"""A database that takes no writes for a while: nothing is promised, nothing is lost."""

import asyncio

import pytest

from .outages import OUTAGES
from .served import Platform, until

MESSAGES = 250
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("outage", OUTAGES)
async def test_writes_refused(platform: Platform, outage: str) -> None:
    """Clients are told to come back; what was promised before arrives once it takes writes."""
    begin, end = OUTAGES[outage]
    load = asyncio.create_task(platform.load(MESSAGES, insist=True))
    await platform.promised(100)
    async with platform.database() as connection:
        await connection.execute(begin)
        refusals = await platform.load(20)
        await connection.execute(end)
    assert refusals == {503: 20}
    assert (await load).keys() <= {202, 503}
    await until(platform.is_ready)
    await platform.check(await platform.come_to_rest())
