"""What receipts cost, from the carrier to their rows: `python benchmarks/receive.py`."""

from collections.abc import Sequence

import _room
from onesixty.carriers.contract import Outcome, Receipt, ReceiptState
from onesixty.messages.receive import Receiver
from onesixty.messages.settle import Settler
from onesixty.records import events, webhooks


async def work(room: _room.Room, count: int) -> None:
    """A receipt for every message; for the second half somebody wants to hear of it."""
    await room.fill(count)
    settler = Settler(room.database, room.clock, room.luck, room.leases)
    settler.gatherer.start()
    for outcome in room.outcomes:
        settler.put(outcome)
    receiver = Receiver(room.database, room.clock, settler.gatherer.caught_up)
    receiver.gatherer.start()
    await settler.gatherer.caught_up()
    half = count // 2
    first, second = room.outcomes[:half], room.outcomes[half:]
    await room.measure("batches of 1,000", half, receive(room, receiver, first))
    await add_endpoint(room)
    await room.measure("batches of 1,000, each to a webhook", half, receive(room, receiver, second))
    await receiver.gatherer.stop()
    await settler.gatherer.stop()


async def receive(room: _room.Room, receiver: Receiver, outcomes: Sequence[Outcome]) -> None:
    """Bring a receipt for each, a thousand at a time."""
    for start in range(0, len(outcomes), _room.BATCH):
        some = outcomes[start : start + _room.BATCH]
        receiver.put([receipt(room, outcome) for outcome in some])
        await receiver.gatherer.caught_up()


def receipt(room: _room.Room, outcome: Outcome) -> Receipt:
    """As an SMSC sends it."""
    identifier = outcome.parts[0].carrier_message_id
    return Receipt(
        carrier_id=outcome.submission.carrier_id,
        carrier_message_id=identifier,
        match_keys=(identifier,),
        state=ReceiptState.DELIVERED,
        error="000",
        sender=outcome.submission.recipient,
        recipient=outcome.submission.sender or "",
        text=outcome.submission.body[:20],
        raw=f"id:{identifier} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201"
        f" stat:DELIVRD err:000 text:{outcome.submission.body[:20]}",
        received_at=room.clock.now(),
        acknowledge=lambda taken: None,
    )


async def add_endpoint(room: _room.Room) -> None:
    """One that is told of deliveries. Nothing is sent here: its rows stay in the outbox."""
    wanted = webhooks.NewEndpoint("http://127.0.0.1:9/", events.mask(["message.delivered"]))
    async with room.database.write() as tx:
        await webhooks.create(tx, room.sealer, room.caller.account_id, wanted, room.clock.now())


if __name__ == "__main__":
    _room.run(work, __doc__)
