"""No step of the walk asks the database once for each message: any batch costs the same."""

import asyncio

import pytest

from onesixty.carriers.contract import ReceiptState
from onesixty.messages.types import SendRequest

from .counting import statements
from .scripted import name_of
from .walk import NUMBER, Walk

SIZES = [2, 300]


def requests(count: int) -> list[SendRequest]:
    """So many requests for long messages."""
    return [SendRequest(NUMBER, f"{n} " + "x" * 200) for n in range(count)]


@pytest.mark.parametrize("count", SIZES)
async def test_accepting_a_batch(walk: Walk, count: int) -> None:
    """A batch of messages is one statement for all, and one for the batch itself.

    Once their explanation is stored: the first message before.
    """
    await walk.send()
    async with statements(walk.database) as asked:
        await walk.send_many(requests(count))
    assert len(asked) == 2


@pytest.mark.parametrize("count", SIZES)
async def test_accepting_single_messages_that_gather(walk: Walk, count: int) -> None:
    """Single messages that come at once are one statement, once their explanation is stored."""
    await walk.send()
    async with statements(walk.database) as asked:
        await asyncio.gather(*(walk.send(f"{n}") for n in range(count)))
    assert len(asked) == 1


@pytest.mark.parametrize("count", SIZES)
async def test_claiming(walk: Walk, count: int) -> None:
    """What waits in the queue is claimed by one statement for a whole window."""
    walk.carrier.turn(up=False)
    await walk.send_many(requests(count))
    walk.carrier.up, walk.carrier.window = True, 1000
    async with statements(walk.database) as asked:
        await walk.lane_of(walk.carrier).run_once()
    assert len(walk.carrier.taken) == count
    assert len(asked) == 1


@pytest.mark.parametrize("count", SIZES)
async def test_settling(walk: Walk, count: int) -> None:
    """Outcomes that come at once are one statement, whatever their kinds."""
    walk.carrier.window = 1000
    await walk.send_many(requests(count))
    taken = await walk.carrier.took(count)
    async with statements(walk.database) as asked:
        for n, one in enumerate(taken):
            (walk.carrier.accept, walk.carrier.refuse, walk.carrier.leave_unknown)[n % 3](one)
        await walk.settled()
    assert len(asked) == 1
    assert await walk.count("leases") == 0


@pytest.mark.parametrize("count", SIZES)
async def test_receiving(walk: Walk, count: int) -> None:
    """Receipts that come at once take five statements: find, store, hold, siblings, apply."""
    walk.carrier.window = 1000
    await walk.send_many(requests(count))
    taken = await walk.carrier.took(count)
    walk.carrier.accept(*taken)
    await walk.settled()
    async with statements(walk.database) as asked:
        walk.carrier.bring(
            *(
                walk.carrier.made_receipt(one, ReceiptState.DELIVERED, name_of(one, part))
                for one in taken
                for part in (1, 2)
            )
        )
        await walk.received()
    assert len(asked) == 5
    assert await walk.ask("SELECT count(*) FROM messages WHERE status = 6") == count
