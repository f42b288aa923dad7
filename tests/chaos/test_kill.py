"""Whatever is killed, and whenever: what was acknowledged is sent, and nothing is sent twice."""

import asyncio
import os
import signal

import pytest

from onesixty.kit.chance import chance
from onesixty.storage import embedded

from .served import HELD_MOST, Platform, until

MESSAGES = 300
EARLIEST, LATEST = 120, 200  # the kill comes after so many acknowledgements
STOP_SECONDS = 20.0
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_server(platform: Platform) -> None:
    """After kill -9 amid the load each acknowledged message arrived once, or is uncertain."""
    load = asyncio.create_task(platform.load(MESSAGES))
    await platform.promised(chance(1).randrange(EARLIEST, LATEST))
    platform.server.kill()
    answers = await load
    assert answers.keys() == {202, 0}
    await platform.start_again()
    assert (await platform.load(50))[202] == 50
    stands = await platform.check(await platform.come_to_rest())
    assert stands["uncertain"] <= HELD_MOST
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
    assert (await platform.check(await platform.come_to_rest())).keys() == {"delivered"}
    assert await platform.doubted() == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_database(platform: Platform, how: signal.Signals) -> None:
    """The server outlives a crash and a quick stop of its database, and goes on."""
    load = asyncio.create_task(platform.load(MESSAGES, insist=True))
    await platform.promised(chance(4).randrange(EARLIEST, LATEST))
    os.kill(embedded.start(platform.data_dir).postmaster_pid, how)
    await asyncio.to_thread(embedded.start, platform.data_dir)
    answers = await load
    assert answers.keys() <= {202, 503}
    await until(platform.is_ready)
    await platform.check(await platform.come_to_rest())


async def test_sigterm(platform: Platform) -> None:
    """A server that is asked to stop amid the load finishes what it began, and goes on later."""
    before = await platform.doubted()
    load = asyncio.create_task(platform.load(MESSAGES))
    await platform.promised(chance(5).randrange(EARLIEST, LATEST))
    async with asyncio.timeout(STOP_SECONDS):
        assert await asyncio.to_thread(platform.server.stop) == 0
    await load
    await platform.start_again()
    assert (await platform.check(await platform.come_to_rest())).keys() == {"delivered"}
    assert await platform.doubted() == before
