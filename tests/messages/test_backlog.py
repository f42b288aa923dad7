"""What is shown of a lane: how much waits, for how long, how fast it goes."""

from datetime import timedelta

from onesixty.messages.dispatch.backlog import Backlog
from onesixty.messages.types import Category, SendRequest

from .walk import NUMBER, Walk


async def test_what_is_due_is_counted(walk: Walk) -> None:
    """Waiting messages of every category count when they are due, from the oldest on."""
    backlog = Backlog(walk.database, walk.clock, walk.dispatcher)
    lane = walk.lane_of(walk.carrier)
    assert lane.describe()["queue"] is None
    walk.carrier.turn(up=False)
    for category in (Category.OTP, Category.MARKETING):
        await walk.send_many([SendRequest(NUMBER, f"{n}", category=category) for n in range(3)])
        await walk.clock.advance(10)
    await walk.send(send_at=walk.clock.now() + timedelta(seconds=60))
    await backlog.run_once()
    found = lane.describe()["queue"]
    assert found == {"due": 6, "more_than_that": False, "oldest_due_seconds": 20.0}
    walk.carrier.up = True
    await walk.claim()
    await backlog.run_once()
    assert lane.describe()["queue"]["due"] == 0


async def test_the_rate_is_that_of_accepted_messages(walk: Walk) -> None:
    """What the carrier takes counts, not what it is offered."""
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(40)])
    for n, one in enumerate(walk.carrier.unanswered()):
        (walk.carrier.accept if n % 2 else walk.carrier.refuse)(one)
    await walk.clock.advance(2)
    assert walk.lane_of(walk.carrier).describe()["observed_rate_per_second"] == 10.0
