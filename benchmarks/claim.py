"""What claiming costs, from the queue to the carrier: `python benchmarks/claim.py`."""

import time
from typing import Final

import _room
from onesixty.kit import ids
from onesixty.messages.dispatch.lane import LANE_MOST
from onesixty.messages.types import Category, SendRequest

ACCOUNTS: Final = 100
SCHEDULED: Final = 200_000
CODES: Final = 20

# The messages of an account over again, for accounts that are not on file: claims do not ask.
_SHARE_OUT = f"""
WITH given AS (
    SELECT message_id, 1000 + row_number() OVER () % {ACCOUNTS} AS account_id FROM queue
), moved AS (
    UPDATE messages m SET account_id = given.account_id FROM given WHERE m.id = given.message_id
)
UPDATE queue SET account_id = given.account_id FROM given
WHERE queue.message_id = given.message_id
"""
_SCHEDULE = f"""
INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at)
SELECT gen_random_uuid(), $1, $2, 3, now() + interval '1 day', now() + interval '2 days'
FROM generate_series(1, {SCHEDULED})
"""


async def work(room: _room.Room, count: int) -> None:
    """A queue that grew while the carrier was down, taken by its lane.

    Its plan is of a time when the queue was empty, as it mostly is.
    """
    await room.database.fetch("VACUUM ANALYZE queue")
    await room.lane.run_once()
    await fill(room, count)
    await room.measure(f"claims of {LANE_MOST:,}", count, claim_all(room))
    await fill(room, count)
    async with room.database.write() as tx:
        await tx.execute("SET LOCAL enable_hashjoin = on")
        await tx.execute(_SHARE_OUT)
    await room.measure(f"the same, of {ACCOUNTS} accounts in turn", count, claim_all(room))
    account, carrier = room.caller.account_id, room.lane.carrier_id
    await room.database.fetch(_SCHEDULE, account, carrier)
    await fill(room, count)
    name = f"the same, {SCHEDULED:,} scheduled behind them"
    await room.measure(name, count, claim_all(room))
    assert len(room.outcomes) == count * 3
    await fill(room, count)
    await codes(room)


async def fill(room: _room.Room, count: int) -> None:
    """Queue messages while the carrier is down."""
    room.carrier.up = False
    await room.fill(count)
    room.carrier.up = True


async def claim_all(room: _room.Room) -> None:
    """Run the lane until the queue is empty."""
    while await room.lane.run_once():
        pass


async def codes(room: _room.Room) -> None:
    """One-time passwords behind a campaign: from the send to the carrier, one after the other."""
    took = []
    room.lane.backlog = True
    for number in range(CODES):
        request = SendRequest(f"+4477009{number:05d}", "481220", "ACME", Category.OTP)
        before, began = len(room.outcomes), time.perf_counter()
        await room.acceptor.accept_batch([request], room.caller, ids.uuid7())
        while len(room.outcomes) == before:
            await room.lane.run_once()
        took.append(time.perf_counter() - began)
    worst = max(took) * 1000
    print(f"{'a code behind a campaign, the slowest':<44}{worst:>10.1f} ms")


if __name__ == "__main__":
    _room.run(work, __doc__)
