"""What claiming costs, from the queue to the carrier: `python benchmarks/claim.py`."""

import _room
from onesixty.messages.dispatch.lane import LANE_MOST


async def work(room: _room.Room, count: int) -> None:
    """A queue that grew while the carrier was down, taken by its lane.

    Its plan is of a time when the queue was empty, as it mostly is.
    """
    await room.database.fetch("VACUUM ANALYZE queue")
    await room.lane.run_once()
    room.carrier.up = False
    await room.fill(count)
    room.carrier.up = True
    await room.measure(f"claims of {LANE_MOST:,}", count, claim_all(room))
    assert len(room.outcomes) == count


async def claim_all(room: _room.Room) -> None:
    """Run the lane until the queue is empty."""
    while await room.lane.run_once():
        pass


if __name__ == "__main__":
    _room.run(work, __doc__)
