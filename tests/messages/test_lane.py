"""What waits in a lane goes on, though the wake-up for it was lost."""

from onesixty.messages.dispatch.rates import Rate

from .walk import Walk


async def test_what_waits_for_its_rate_is_looked_at(walk: Walk) -> None:
    """A full lane sends what its rate allows by now, also when nobody woke it."""
    lane = walk.lane_of(walk.carrier)
    lane.limit(Rate(2.0))
    for number in range(2):
        await walk.send(f"{number}")
    assert (len(walk.carrier.taken), lane.room()) == (1, 0)
    assert lane._timer is not None
    lane._timer.cancel()
    await walk.clock.advance(1)
    await lane.run_once()
    assert len(walk.carrier.taken) == 2
