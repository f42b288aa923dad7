"""Two processes share one database and the binds of one carrier; either may die or go."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from onesixty.kit.chance import chance

from .served import BINDS, HELD_MOST, PATIENCE_SECONDS, Platform, running, until

MESSAGES = 350
EARLIEST, LATEST = 120, 200  # it comes after so many acknowledgements
TAKEOVER_SECONDS = 10.0
_HOLDERS = """
SELECT n.name, count(slot.pid) FROM nodes n
JOIN pg_locks own ON own.locktype = 'advisory' AND own.classid = 160 AND own.objid = n.id
    AND own.pid = n.backend
LEFT JOIN pg_locks slot ON slot.locktype = 'advisory' AND slot.classid = 161
    AND slot.pid = n.backend
    AND slot.objid::int8 / 64 = (SELECT id FROM carriers WHERE name = 'acme')
GROUP BY n.name
"""
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Platform]:
    """A server of two processes with a carrier in this one."""
    async with running(processes=2) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def platform(shared: Platform) -> Platform:
    """The shared server, each of its processes with its share of the binds."""
    shared.acknowledged.clear()
    await until(lambda: shares(shared, [1, 1]))
    return shared


async def holders(platform: Platform) -> dict[int, int]:
    """How many binds each living process holds, by its id."""
    async with platform.database() as connection:
        rows = await connection.fetch(_HOLDERS)
    return {int(row["name"].split()[-1]): row["count"] for row in rows}


async def shares(platform: Platform, wanted: list[int]) -> bool:
    """Whether so many processes hold so many binds, and all of these stand."""
    if sorted((await holders(platform)).values()) != wanted:
        return False
    _, carrier = await platform.ask("GET", "/v1/carriers/acme")
    phases = [bind["phase"] for bind in carrier["state"].get("binds", ())]
    return phases == ["bound"] * BINDS


async def test_one_is_killed(platform: Platform) -> None:
    """After kill -9 of one of two nothing is lost, and the other holds all binds within 10 s."""
    load = asyncio.create_task(platform.load(MESSAGES, insist=True))
    await platform.promised(chance(6).randrange(EARLIEST, LATEST))
    victim, survivor = await holders(platform)
    os.kill(victim, signal.SIGKILL)

    async def has_all() -> bool:
        return (await holders(platform)).get(survivor) == BINDS

    await until(has_all, TAKEOVER_SECONDS)
    assert (await load)[202] == MESSAGES
    await platform.check(await platform.come_to_rest())
    assert len(await platform.doubted()) <= HELD_MOST


async def test_one_is_stopped(platform: Platform) -> None:
    """SIGTERM of one of two under load leaves nothing in doubt; another takes its place."""
    before = await platform.doubted()
    load = asyncio.create_task(platform.load(MESSAGES, insist=True))
    await platform.promised(chance(7).randrange(EARLIEST, LATEST))
    leaving, staying = await holders(platform)
    os.kill(leaving, signal.SIGTERM)

    async def is_replaced() -> bool:
        now = await holders(platform)
        return leaving not in now and staying in now and len(now) == 2

    await until(is_replaced, 2 * PATIENCE_SECONDS)
    assert (await load)[202] == MESSAGES
    assert (await platform.check(await platform.come_to_rest())).keys() == {"delivered"}
    assert await platform.doubted() == before


async def test_metrics_are_of_all(platform: Platform) -> None:
    """Metrics tell of both processes, whichever is asked."""
    before = await accepted(platform)
    await platform.load(100)
    assert {await accepted(platform) - before for _ in range(4)} == {100}


async def accepted(platform: Platform) -> float:
    """How many messages the server says that it accepted."""
    async with platform.session.get(platform.server.url + "/metrics") as response:
        lines = (await response.text()).splitlines()
    return float(
        next(one for one in lines if one.startswith("onesixty_messages_accepted_")).split()[1]
    )


async def test_all_stop(platform: Platform) -> None:
    """SIGTERM of the whole server ends every process in order."""
    process = platform.server.process
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == 0
    assert await holders(platform) == {}
