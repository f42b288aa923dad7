"""What settling costs, from the carrier's answer to its rows: `python benchmarks/settle.py`."""

from collections.abc import Sequence

import _room
from onesixty.carriers.contract import Outcome
from onesixty.messages.settle import Settler


async def work(room: _room.Room, count: int) -> None:
    """Accepted outcomes, in batches as a busy and as a quiet platform has them."""
    await room.fill(count)
    settler = Settler(room.database, room.clock, room.luck, room.leases)
    settler.gatherer.start()
    half = count // 2
    for size, some in ((1000, room.outcomes[:half]), (100, room.outcomes[half:])):
        await room.measure(f"batches of {size:,}", len(some), settle(settler, some, size))
    await settler.gatherer.stop()


async def settle(settler: Settler, outcomes: Sequence[Outcome], size: int) -> None:
    """Put them in that many at a time, waiting for each lot."""
    for start in range(0, len(outcomes), size):
        for outcome in outcomes[start : start + size]:
            settler.put(outcome)
        await settler.gatherer.caught_up()


if __name__ == "__main__":
    _room.run(work, __doc__)
