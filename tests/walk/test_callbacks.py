"""Carriers that call us by HTTP, over the whole platform: receipts, replies, several processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from onesixty.app import App
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.fault_words import Share
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.cast import far_sides
from onesixty.simulator.http.stage.faults import HttpFaults

from .platform import Walk, until, walking

OURS, THEIRS = "+12025550100", "+12025550199"
_clock = SystemClock()


@asynccontextmanager
async def twilio(walk: Walk, faults: HttpFaults) -> AsyncIterator[Stage]:
    """A carrier over HTTP that all messages tagged "http" go by, and its far side."""
    stage = Stage(far_sides()["twilio"](_clock), clock=_clock, chance=chance(1), faults=faults)
    await stage.start()
    body = {"name": "twilio", "kind": "twilio", "settings": stage.settings()}
    carrier = await walk.post("/v1/carriers", body)
    stage.inbound_url = carrier["callbacks"]["inbound"]["url"]
    await walk.route("http", "twilio", match={"tag": ["http"]}, position=1)
    await walk.up("twilio")
    try:
        yield stage
    finally:
        await stage.stop()


def watched(app: App) -> list[None]:
    """Has an entry for each time that the process is told to look for parked receipts."""
    told: list[None] = []
    parked = app.reconciler.parked

    def note() -> None:
        told.append(None)
        parked()

    app.reconciler.parked = note  # type: ignore[method-assign]
    return told


@pytest.mark.parametrize("roles", [("all",), ("api", "dispatch", "notify")])
async def test_receipts_and_messages_come_by_http(url: str, roles: tuple[str, ...]) -> None:
    """They come to the process that answers, early or after a lost answer, and are told of."""
    faults = HttpFaults(receipt_early=Share(every=2), drop_answers=Share(every=3))
    async with walking(url, *roles) as walk, twilio(walk, faults) as stage:
        woken = [watched(other) for other in walk.others if other.role == "dispatch"]
        sent = [
            await walk.send(THEIRS, f"text {n}", **{"from": OURS}, tags=["http"]) for n in range(3)
        ]
        for identifier in sent:
            assert (await walk.ended(identifier))["status"] == "delivered"
        assert sorted(one.text for one in stage.submitted) == ["text 0", "text 1", "text 2"]
        stage.say(THEIRS, OURS, "hello yourself")

        async def is_here() -> bool:
            page = await walk.get("/v1/messages?direction=inbound")
            return [one["body"] for one in page["data"]] == ["hello yourself"]

        await until(is_here)
        assert all(woken)  # a receipt came before its answer, to the process that answers
        shown = await walk.get("/v1/carriers/twilio")
        assert shown["last_refused_call"] is None
