"""Webhook receivers at their worst harm neither messages nor each other."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from features.webhooks.receiver import Taken

from .served import GOOD, Platform

MESSAGES = 200
FAILS_EVERY = 25
BAD = ("/hang", "/redirect", "/broken")
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def bad(platform: Platform) -> AsyncIterator[None]:
    """Endpoints beside the good one: they hang, redirect, fail, or nobody is there."""
    hooks = platform.hooks
    urls = [*(hooks.url + path for path in BAD), "http://127.0.0.1:1/dead"]
    made = [(await platform.post("/v1/webhooks", {"url": url}))["id"] for url in urls]
    usual = hooks.answer
    yield
    hooks.answer = usual
    for endpoint in made:
        await platform.ask("DELETE", f"/v1/webhooks/{endpoint}")
    hooks.release.set()
    hooks.release.clear()


@pytest.mark.usefixtures("bad")
async def test_bad_receivers(platform: Platform) -> None:
    """The good endpoint is told of everything in time, again where it failed; none is followed."""
    hooks, tries = platform.hooks, Counter[str]()
    failed: set[str] = set()

    def answer(taken: Taken) -> web.Response:
        event = taken.headers["webhook-id"]
        if taken.path == "/redirect":
            return web.Response(status=302, headers={"Location": f"{hooks.url}/elsewhere"})
        tries[event] += taken.path == GOOD
        if taken.path == GOOD and tries[event] == 1 and len(tries) % FAILS_EVERY == 0:
            failed.add(event)
        return web.Response(
            status=500
            if taken.path == "/broken" or (event in failed and tries[event] == 1)
            else 200
        )

    hooks.answer = answer
    assert await platform.load(MESSAGES) == {202: MESSAGES}
    await platform.told(GOOD)
    await platform.check(await platform.stands())
    assert len(failed) >= 2 * MESSAGES // FAILS_EVERY
    assert all(tries[event] > 1 for event in failed)
    paths = {one.path for one in hooks.taken}
    assert {*BAD, GOOD} <= paths
    assert "/elsewhere" not in paths
