"""What becomes of a delivery that fails, and of an endpoint that goes on failing."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from onesixty.features.webhooks import schedule
from onesixty.features.webhooks.deliver import Deliverer
from onesixty.records import webhooks

from .platform import Platform
from .receiver import Receiver, Taken


def failing(taken: Taken) -> web.Response:
    """The answer of an endpoint that is broken."""
    return web.Response(status=500, text="out of order")


async def test_the_ladder(platform: Platform, receiver: Receiver) -> None:
    """Each failure waits longer, to the 13th attempt 70 hours on; then it stays in the log."""
    receiver.answer = failing
    endpoint = await platform.endpoint(receiver.url)
    await platform.event(endpoint["id"])
    deliverer, began = platform.deliverer(), platform.clock.now()
    for number, delay in enumerate(schedule.DELAYS_SECONDS, 1):
        before = platform.clock.now()
        await platform.run(deliverer)
        (row,) = await platform.outbox()
        assert row["attempts"] == number
        waits = (row["due_at"] - before).total_seconds()
        assert delay * 0.9 <= waits <= delay * 1.1
        await platform.advance_to(row["due_at"] - timedelta(seconds=0.1))
        assert not await deliverer.run_once(), "not yet"
        await platform.advance_to(row["due_at"])
    assert platform.clock.now() - began < timedelta(hours=80)
    await platform.run(deliverer)
    assert await platform.outbox() == []
    log = await platform.log()
    assert [entry["attempt"] for entry in log] == list(range(1, 14))
    assert log[-1]["next_attempt_at"] is None
    assert (log[-1]["status_code"], log[-1]["error"]) == (500, "answered 500")
    assert log[-1]["response"] == "out of order"
    assert len({taken.headers["webhook-id"] for taken in receiver.taken}) == 1


async def test_a_later_attempt_succeeds(platform: Platform, receiver: Receiver) -> None:
    """An endpoint that recovers gets what it missed, with a fresh timestamp and signature."""
    receiver.answer = failing
    endpoint = await platform.endpoint(receiver.url)
    await platform.event(endpoint["id"])
    deliverer = platform.deliverer()
    await platform.run(deliverer)
    receiver.answer = lambda taken: web.Response(status=204)
    await platform.clock.advance(6)
    await platform.run(deliverer)
    first, second = receiver.taken
    second.verify(endpoint["secret"])
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 6
    assert await platform.outbox() == []


@pytest.mark.parametrize(("asked", "waits"), [("120", 120), ("86400", 3600), ("1", 5)])
async def test_retry_after(
    platform: Platform, receiver: Receiver, asked: str, waits: float
) -> None:
    """An endpoint that asks for a pause with 503 gets it, up to an hour, and nothing else
    meanwhile.
    """
    headers = {"Retry-After": asked}
    receiver.answer = lambda taken: web.Response(status=503, headers=headers)
    endpoint = await platform.endpoint(receiver.url)
    await platform.event(endpoint["id"])
    deliverer = platform.deliverer()
    await platform.run(deliverer)
    (row,) = await platform.outbox()
    assert (row["due_at"] - platform.clock.now()).total_seconds() == pytest.approx(waits, rel=0.1)
    await platform.event(endpoint["id"])
    await platform.run(deliverer)
    assert len(receiver.taken) == 1, "the pause holds for other events too"
    await platform.clock.advance(waits * 1.1)
    await platform.run(deliverer)
    assert len(receiver.taken) >= 2


async def test_retry_after_as_a_date(platform: Platform, receiver: Receiver) -> None:
    """Retry-After may be a date (RFC 9110, 10.2.3)."""
    until = format_datetime(platform.clock.now() + timedelta(minutes=10), usegmt=True)
    receiver.answer = lambda taken: web.Response(status=429, headers={"Retry-After": until})
    endpoint = await platform.endpoint(receiver.url)
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer())
    (row,) = await platform.outbox()
    assert (row["due_at"] - platform.clock.now()).total_seconds() == pytest.approx(600)


async def test_gone(platform: Platform, receiver: Receiver) -> None:
    """410 disables the endpoint at once; what waited for it is in the log as given up."""
    receiver.answer = lambda taken: web.Response(status=410)
    endpoint = await platform.endpoint(receiver.url)
    for _ in range(20):
        await platform.event(endpoint["id"])
    deliverer = platform.deliverer()
    await platform.run(deliverer)
    await platform.run(deliverer)
    row = await platform.endpoint_row(endpoint["id"])
    assert row["disabled_at"] is not None
    assert row["disabled_reason"] == "it answered 410 Gone"
    assert await platform.outbox() == []
    log = await platform.log()
    assert len({entry["event_id"] for entry in log}) == 20
    assert all(entry["next_attempt_at"] is None for entry in log)
    assert any("the endpoint is off: it answered 410 Gone" in entry["error"] for entry in log)


async def test_disabled_after_72_hours(platform: Platform, receiver: Receiver) -> None:
    """An endpoint that failed for 72 hours without one success is disabled, and nothing is kept for
    it.
    """
    receiver.answer = failing
    endpoint = await platform.endpoint(receiver.url)
    deliverer = platform.deliverer()
    for _ in range(72):
        await platform.event(endpoint["id"])
        await platform.run(deliverer)
        assert (await platform.endpoint_row(endpoint["id"]))["disabled_at"] is None
        await platform.clock.advance(3600)
    await _fail_once(platform, deliverer, endpoint)
    row = await platform.endpoint_row(endpoint["id"])
    assert row["disabled_reason"] == "it failed for 72 hours without one success"
    await platform.run(deliverer)
    assert await platform.outbox() == []


async def test_one_success_is_enough(platform: Platform, receiver: Receiver) -> None:
    """A success within the 72 hours begins a new count, whichever process had it."""
    receiver.answer = failing
    endpoint = await platform.endpoint(receiver.url)
    deliverer, other = platform.deliverer(), platform.deliverer()
    for _ in range(3):
        await _fail_once(platform, deliverer, endpoint)
        await platform.clock.advance(20 * 3600)
    assert (await platform.endpoint_row(endpoint["id"]))["failing_since"] is not None
    receiver.answer = lambda taken: web.Response()
    await platform.event(endpoint["id"])
    await platform.run(other)
    assert (await platform.endpoint_row(endpoint["id"]))["failing_since"] is None
    receiver.answer = failing
    await platform.clock.advance(20 * 3600)
    await _fail_once(platform, deliverer, endpoint)
    assert (await platform.endpoint_row(endpoint["id"]))["disabled_at"] is None


async def test_a_failing_endpoint_is_known_after_a_restart(
    platform: Platform, receiver: Receiver
) -> None:
    """A new process begins with one call at a time where the last one had only failures."""
    receiver.answer = failing
    endpoint = await platform.endpoint(f"{receiver.url}/hang")
    receiver.release.set()
    before = platform.deliverer()
    await _fail_once(platform, before, endpoint)
    await platform.clock.advance(61)
    await _fail_once(platform, before, endpoint)
    receiver.release.clear()
    tried = len(receiver.taken)
    for _ in range(20):
        await platform.event(endpoint["id"])
    after = platform.deliverer()
    while await after.run_once():
        pass
    assert len(await receiver.got(tried + 1)) == tried + 1


async def test_removed(platform: Platform, receiver: Receiver) -> None:
    """What waits for a removed endpoint is dropped, and nothing is called."""
    endpoint = await platform.endpoint(receiver.url)
    await platform.event(endpoint["id"])
    async with platform.database.write() as tx:
        await webhooks.remove(tx, platform.account_id, endpoint["public_id"], platform.clock.now())
    await platform.keeper.refresh()
    await platform.run(platform.deliverer())
    assert (await platform.outbox(), receiver.taken) == ([], [])


async def test_another_master_key(platform: Platform, receiver: Receiver) -> None:
    """A secret that does not open is a failure that says so; nothing goes out unsigned."""
    endpoint = await platform.endpoint(receiver.url)
    await platform.database.fetch("UPDATE webhook_endpoints SET secret = 'sealed by another key'")
    await platform.keeper.refresh()
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer())
    (entry,) = await platform.log()
    assert "ONESIXTY_SECRET_KEY" in entry["error"]
    assert receiver.taken == []


async def _fail_once(platform: Platform, deliverer: Deliverer, endpoint: dict[str, Any]) -> None:
    await platform.event(endpoint["id"])
    await platform.run(deliverer)
