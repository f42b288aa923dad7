"""Whatever ends a message that came over SMPP writes the receipt that its client asked for."""

from datetime import timedelta
from typing import Any

import pytest

from onesixty.carriers.contract import ReceiptState
from onesixty.messages.dispatch import ends
from onesixty.messages.doubt.sweep import BEHIND
from onesixty.messages.states import Status
from onesixty.messages.types import Message

from .doubt.steps import end, pass_time
from .walk import Walk

ESME = 7
ENDS, FAILURES, SUCCESSES, ALSO_SENT = 1, 2, 3, 16
RECEIPTS = """
SELECT array_agg(e.type ORDER BY e.sequence) FROM webhook_queue q JOIN events e ON e.id = q.event_id
WHERE q.endpoint_id = $1
"""


async def over_smpp(walk: Walk, registered: int, **more: Any) -> Message:
    """A message from an ESME."""
    return await walk.send(origin={"esme": ESME, "registered": registered}, **more)


async def receipts(walk: Walk) -> list[int] | None:
    """The statuses that the ESME is to be told of."""
    found: list[int] | None = await walk.ask(RECEIPTS, -ESME)
    return found


@pytest.mark.parametrize(
    ("registered", "state", "told"),
    [
        (0, ReceiptState.DELIVERED, None),
        (ENDS, ReceiptState.DELIVERED, [Status.DELIVERED]),
        (ENDS | ALSO_SENT, ReceiptState.UNDELIVERABLE, [Status.SENT, Status.UNDELIVERED]),
        (FAILURES, ReceiptState.DELIVERED, None),
        (FAILURES, ReceiptState.EXPIRED, [Status.EXPIRED]),
        (SUCCESSES, ReceiptState.DELIVERED, [Status.DELIVERED]),
        (SUCCESSES, ReceiptState.REJECTED, None),
        (ALSO_SENT, ReceiptState.DELIVERED, [Status.SENT]),
        (ENDS | 0xE0 | 0x0C, ReceiptState.DELIVERED, [Status.DELIVERED]),  # bits that mean nothing
    ],
)
async def test_by_the_carrier(
    walk: Walk, registered: int, state: ReceiptState, told: list[Status] | None
) -> None:
    """A submit that is taken and a receipt: what registered_delivery asked for, nothing else."""
    await over_smpp(walk, registered)
    (one,) = await walk.carrier.took(1)
    walk.carrier.accept(one)
    await walk.settled()
    walk.carrier.receipt(one, state)
    await walk.received()
    assert await receipts(walk) == told


async def test_refused(walk: Walk) -> None:
    """A message that its carrier refuses."""
    await over_smpp(walk, ENDS)
    walk.carrier.refuse((await walk.carrier.took(1))[0])
    await walk.settled()
    assert await receipts(walk) == [Status.FAILED]


async def test_by_us(walk: Walk) -> None:
    """One that is cancelled, one whose validity ends, and one that the carrier says nothing of."""
    await over_smpp(walk, ENDS)
    walk.carrier.accept((await walk.carrier.took(1))[0])
    await walk.settled()
    walk.carrier.turn(up=False)
    message = await over_smpp(walk, ENDS)
    async with walk.database.write() as tx:
        await ends.cancel(tx, walk.account, [message.id], walk.clock.now())
    assert await receipts(walk) == [Status.CANCELED]
    await over_smpp(walk, ENDS, validity_seconds=60)
    await ends.expire(walk.database, walk.clock.now() + timedelta(seconds=60))
    assert sorted(await receipts(walk) or ()) == [Status.EXPIRED, Status.CANCELED]
    await pass_time(walk, BEHIND.total_seconds() + 60)
    await end(walk)
    assert sorted(await receipts(walk) or ()) == [Status.EXPIRED] * 2 + [Status.CANCELED]


async def test_others_cost_nothing(walk: Walk) -> None:
    """A message that came over HTTP makes no row for anybody."""
    await walk.send()
    walk.carrier.accept((await walk.carrier.took(1))[0])
    await walk.settled()
    assert await walk.count("webhook_queue") == 0
