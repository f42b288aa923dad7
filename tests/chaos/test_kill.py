"""Whatever is killed, and whenever: what was acknowledged is sent, and nothing is sent twice."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from onesixty.kit.chance import chance
from onesixty.storage import embedded

from .served import WINDOW, Platform, running, until

MESSAGES = 2000
EARLIEST, LATEST = 800, 1000  # the kill comes after so many acknowledgements
STOP_SECONDS = 20.0
# One server for all: to make a database anew takes longer than any of these tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Platform]:
    """A server in a process of its own with a carrier in this one."""
    async with running() as found:
        yield found


@pytest.fixture
def platform(shared: Platform) -> Platform:
    """The shared server, of which nothing is promised yet."""
    shared.acknowledged.clear()
    return shared


def check(platform: Platform, statuses: dict[str, str]) -> Counter[str]:
    """Assert that nothing was lost or sent twice; how many acknowledged ones stand where."""
    taken = platform.taken()
    assert {handset: times for handset, times in taken.items() if times > 1} == {}
    assert platform.acknowledged.keys() <= statuses.keys()
    for message, handset in platform.acknowledged.items():
        wanted = "delivered" if taken[handset] else "uncertain"
        assert (handset, statuses[message]) == (handset, wanted)
    return Counter(statuses[message] for message in platform.acknowledged)


async def test_server(platform: Platform) -> None:
    """After kill -9 amid the load each acknowledged message arrived once, or is uncertain."""
    load = asyncio.create_task(platform.load(MESSAGES))
    await platform.promised(chance(1).randrange(EARLIEST, LATEST))
    platform.server.kill()
    answers = await load
    assert answers.keys() == {202, 0}
    await platform.start_again()
    assert (await platform.load(100))[202] == 100
    stands = check(platform, await platform.come_to_rest())
    assert stands["uncertain"] <= 2 * WINDOW  # as many as a lane holds
    assert await platform.doubted()  # else the kill met nothing in flight


async def test_server_with_carrier_down(platform: Platform) -> None:
    """What only waits when the server is killed is never in doubt: all of it arrives once."""
    before, port = await platform.doubted(), platform.smsc.port
    await platform.smsc.stop()
    load = asyncio.create_task(platform.load(MESSAGES))
    await platform.promised(chance(3).randrange(EARLIEST, LATEST))
    platform.server.kill()
    await load
    await platform.start_again()
    await platform.smsc.start(port=port)
    assert check(platform, await platform.come_to_rest()).keys() == {"delivered"}
    assert await platform.doubted() == before


async def test_database(platform: Platform) -> None:
    """The server outlives kill -9 of its database, and goes on by itself once that is back."""
    load = asyncio.create_task(platform.load(MESSAGES))
    await platform.promised(chance(4).randrange(EARLIEST, LATEST))
    os.kill(embedded.start(platform.data_dir).postmaster_pid, signal.SIGKILL)
    answers = await load
    assert answers.keys() <= {202, 503}
    await asyncio.to_thread(embedded.start, platform.data_dir)
    await until(platform.is_ready)
    assert (await platform.load(100))[202] == 100
    check(platform, await platform.come_to_rest())


async def test_sigterm(platform: Platform) -> None:
    """A server that is asked to stop amid the load finishes what it began, and goes on later."""
    before = await platform.doubted()
    load = asyncio.create_task(platform.load(MESSAGES))
    await platform.promised(chance(5).randrange(EARLIEST, LATEST))
    async with asyncio.timeout(STOP_SECONDS):
        assert await asyncio.to_thread(platform.server.stop) == 0
    await load
    await platform.start_again()
    assert check(platform, await platform.come_to_rest()).keys() == {"delivered"}
    assert await platform.doubted() == before
