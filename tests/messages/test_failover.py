"""Failover: what waits for a carrier that takes nothing goes to the next one, in time."""

from datetime import timedelta
from typing import Any

import pytest

from on_file import OnFile
from onesixty.carriers.contract import ErrorClass, OutcomeKind
from onesixty.messages.dispatch.breaker import RUN
from onesixty.messages.dispatch.failover import BATCH, Failover, Graces
from onesixty.messages.types import Category, SendRequest

from .walk import NUMBER, Walk

URGENT, OTHER = 2.0, 30.0


@pytest.fixture
async def failover(walk: Walk, on_file: OnFile) -> Failover:
    """Two carriers more, in this order after the first one."""
    numbers = [walk.carrier.number, *[await on_file.carrier(walk.account) for _ in range(2)]]
    await walk.route_over(*numbers)
    for number in numbers[1:]:
        await walk.lane(number)
    return Failover(walk.database, walk.clock, walk.dispatcher, Graces(URGENT, OTHER))


async def all_down(walk: Walk, count: int = 3, **more: Any) -> None:
    """Messages for the first carrier, taken while none was up."""
    for carrier in walk.carriers:
        carrier.turn(up=False)
    await walk.claim()
    await walk.send_many([SendRequest(NUMBER, f"{n}", **more) for n in range(count)])


async def queued_for(walk: Walk) -> dict[int, int]:
    """How many messages wait for which carrier."""
    async with walk.database.read() as connection:
        rows = await connection.fetch("SELECT carrier_id, count(*) FROM queue GROUP BY 1")
    return {row[0]: row[1] for row in rows}


@pytest.mark.parametrize(
    ("category", "grace"),
    [(Category.OTP, URGENT), (Category.EMERGENCY, URGENT), (Category.MARKETING, OTHER)],
)
async def test_they_go_to_the_next_carrier_after_a_grace(
    walk: Walk, failover: Failover, category: Category, grace: float
) -> None:
    """Codes leave a carrier that is down soon, other messages later; none before its grace."""
    await all_down(walk, category=category)
    first, second, _ = walk.carriers
    second.turn(up=True)
    await walk.clock.advance(grace - 0.1)
    await failover.run_once()
    assert await queued_for(walk) == {first.number: 3}
    await walk.clock.advance(0.2)
    await failover.run_once()
    await walk.claim()
    assert len(second.taken) == 3
    second.accept(*second.taken)
    await walk.settled()
    rows = await walk.ask("SELECT count(*) FROM messages WHERE status = 5 AND carrier_id = $1",
                          second.number)  # fmt: skip
    assert rows == 3


async def test_a_fallback_that_is_down_is_passed_over(walk: Walk, failover: Failover) -> None:
    """They go to the first that is up, however far down the list; then there is none left."""
    await all_down(walk, BATCH + 1)
    first, _, third = walk.carriers
    await walk.clock.advance(OTHER)
    await failover.run_once()
    assert await queued_for(walk) == {first.number: BATCH + 1}
    third.up = True
    await failover.run_once()
    assert await queued_for(walk) == {third.number: BATCH + 1}
    assert await walk.ask("SELECT count(next_carrier) FROM queue") == 0
    assert await walk.ask("SELECT sum(cardinality(fallbacks)) FROM messages") == 0


async def test_without_another_carrier_they_wait(walk: Walk, failover: Failover) -> None:
    """Nothing moves while no other is up, and nothing is asked again and again."""
    await all_down(walk)
    first = walk.carrier
    await walk.clock.advance(OTHER)
    for _ in range(3):
        await failover.run_once()
    assert await queued_for(walk) == {first.number: 3}
    first.turn(up=True)
    await walk.claim()
    assert len(first.taken) == 3


async def test_paused_and_closed_carriers_lose_them_too(walk: Walk, failover: Failover) -> None:
    """It does not matter why a carrier takes nothing: paused, disabled or removed."""
    first, second, third = walk.carriers
    await all_down(walk)
    first.up = second.up = third.up = True
    walk.lane_of(first).paused = walk.lane_of(third).paused = True
    for carrier in (first, third):
        walk.lane_of(carrier).on_room()
    await walk.clock.advance(OTHER)
    await failover.run_once()
    assert await queued_for(walk) == {second.number: 3}
    await walk.dispatcher.close(second.number, 0.0)
    walk.lane_of(third).paused = False
    walk.lane_of(third).on_room()
    await failover.run_once()
    await walk.clock.advance(OTHER)
    await failover.run_once()
    await walk.claim()
    assert len(third.taken) == 3


@pytest.mark.parametrize("lost", [True, False])
async def test_a_lost_link_opens_no_breaker(walk: Walk, lost: bool) -> None:
    """Silence says that a carrier fails; a connection that ended under a full window does not."""
    first = walk.carriers[0]
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(RUN)])
    for one in await first.took(RUN):
        error = {"error_code": "no_answer", "error_class": ErrorClass.CARRIER}
        first.answer(one, OutcomeKind.UNKNOWN, lost=lost, **error)
    assert walk.lane_of(first).breaker.is_open is not lost


async def test_an_open_breaker_counts_as_down(walk: Walk, failover: Failover) -> None:
    """What a carrier that fails holds up leaves it; what failed comes after its back-off."""
    first, second, _ = walk.carriers
    first.window = RUN
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(RUN * 2)])
    while not walk.lane_of(first).breaker.is_open:
        first.defer(first.unanswered()[0])
    for one in first.unanswered():
        first.defer(one)
    await walk.settled()
    assert second.taken == []
    await walk.clock.advance(OTHER)
    await failover.run_once()
    await walk.claim()
    assert len(second.taken) == RUN * 2


async def test_the_future_and_the_begun_stay(walk: Walk, failover: Failover) -> None:
    """A scheduled message is not moved before its time, one that is partly sent never."""
    first, second, _ = walk.carriers
    first.window = 3
    await walk.send("x" * 400)
    (one,) = await first.took(1)
    parts = {1: OutcomeKind.ACCEPTED, 2: OutcomeKind.DEFERRED, 3: OutcomeKind.DEFERRED}
    first.answer(one, OutcomeKind.DEFERRED, parts=parts, error_class=ErrorClass.CARRIER)
    await walk.settled()
    await all_down(walk, 1, send_at=walk.clock.now() + timedelta(seconds=OTHER * 3))
    second.turn(up=True)
    await walk.clock.advance(OTHER * 2)
    await failover.run_once()
    assert await queued_for(walk) == {first.number: 2}
    await walk.clock.advance(OTHER)
    await failover.run_once()
    assert await queued_for(walk) == {first.number: 1, second.number: 1}
