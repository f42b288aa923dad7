"""What carriers over HTTP tell beside a state: our own id of the message, prices, networks."""

from typing import Any
from uuid import UUID

import pytest

from on_file import OnFile
from onesixty.carriers.contract import OutcomeKind, Price, ReceiptState, Submission
from onesixty.kit import ids
from onesixty.messages import leases
from onesixty.messages.types import Message

from .walk import Walk

LONG = "x" * 400  # three segments
THEIRS = "the carrier's id"


async def handed_over(walk: Walk, body: str = "hello") -> tuple[Message, Submission]:
    """A message that is with its carrier."""
    before = len(walk.carrier.taken)
    message = await walk.send(body)
    return message, (await walk.carrier.took(before + 1))[before]


def bring(
    walk: Walk,
    one: Submission,
    state: ReceiptState = ReceiptState.DELIVERED,
    name: str = THEIRS,
    echo: UUID | None = None,
    **more: Any,
) -> None:
    """A receipt that names the message by our id, and nothing of its addresses."""
    receipt = walk.carrier.made_receipt(one, state, name)
    receipt.sender = receipt.recipient = receipt.text = ""
    receipt.message_id = echo or one.message_id
    for field, value in more.items():
        setattr(receipt, field, value)
    walk.carrier.bring(receipt)


async def reconcile(walk: Walk) -> None:
    """One look at all that is parked."""
    await walk.received()
    while await walk.reconciler.run_once():
        pass


async def costs(walk: Walk, message: Message) -> list[tuple[int | None, str | None]]:
    """What each part cost."""
    rows = await walk.database.fetch(
        "SELECT cost_micros, cost_currency FROM submissions WHERE message_id = $1"
        " ORDER BY attempt, part",
        message.id,
    )
    return [tuple(row) for row in rows]


async def test_a_lost_answer_is_found_by_our_id(walk: Walk) -> None:
    """A receipt with our id ends the doubt, and teaches the carrier's id for those after it."""
    message, one = await handed_over(walk)
    walk.carrier.leave_unknown(one)
    bring(walk, one, ReceiptState.ENROUTE)
    await walk.received()
    (part,) = await walk.parts(message)
    assert (part["carrier_message_id"], part["receipt_state"]) == (THEIRS, ReceiptState.ENROUTE)
    walk.carrier.receipt(one, name=THEIRS)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]


async def test_a_sign_of_life_ends_the_doubt(walk: Walk) -> None:
    """Any state of a lost submit shows that the carrier has it: it is never sent once more."""
    message, one = await handed_over(walk)
    walk.carrier.leave_unknown(one)
    bring(walk, one, ReceiptState.UNKNOWN)
    await walk.received()
    await walk.clock.advance(600)
    await walk.swept()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    assert len(walk.carrier.taken) == 1


async def test_a_receipt_in_flight_waits_for_the_answer(walk: Walk) -> None:
    """It is parked; whether the answer comes or is lost, it finds its message after that."""
    lost, one = await handed_over(walk)
    answered, two = await handed_over(walk)
    bring(walk, one)
    bring(walk, two, name=f"{two.message_id.hex}.1.1")
    await reconcile(walk)
    assert [await walk.status(each) for each in (lost, answered)] == ["sending", "sending"]
    walk.carrier.leave_unknown(one)
    walk.carrier.accept(two)
    await walk.settled()
    await reconcile(walk)
    assert [await walk.status(each) for each in (lost, answered)] == ["delivered", "delivered"]
    assert (await walk.parts(lost))[0]["carrier_message_id"] == THEIRS


async def test_echoes_of_others_are_not_believed(walk: Walk, on_file: OnFile) -> None:
    """Our id counts only when its message was handed to the carrier that the receipt came over."""
    message, one = await handed_over(walk)
    walk.carrier.leave_unknown(one)
    other = await walk.lane(await on_file.carrier(walk.account, name="other"))
    receipt = walk.carrier.made_receipt(one, ReceiptState.DELIVERED, THEIRS)
    receipt.carrier_id, receipt.message_id = other.number, one.message_id
    other.bring(receipt)
    await reconcile(walk)
    assert await walk.status(message) == "uncertain"
    walk.receiver.one_account = lambda: {other.number: [walk.carrier.number]}
    other.bring(receipt)
    await walk.received()
    assert await walk.status(message) == "delivered"


async def test_addresses_do_not_overrule_an_echo(walk: Walk) -> None:
    """A receipt for one message is not taken for another one to the same number."""
    message, one = await handed_over(walk)
    walk.carrier.leave_unknown(one)
    receipt = walk.carrier.made_receipt(one, ReceiptState.DELIVERED, THEIRS)
    receipt.message_id = ids.uuid7()
    walk.carrier.bring(receipt)
    await reconcile(walk)
    assert await walk.status(message) == "uncertain"


async def test_a_whole_message_of_a_dead_process(walk: Walk) -> None:
    """A carrier that takes messages whole has one part of it, which one receipt settles."""
    message, one = await handed_over(walk, LONG)
    await walk.node.leave()
    now, wholes = walk.clock.now(), [walk.carrier.number]
    assert await leases.rescue(walk.database, walk.node.number + 1, now, wholes) == 1
    assert [part["outcome"] for part in await walk.parts(message)] == [OutcomeKind.UNKNOWN]
    bring(walk, one)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]


@pytest.mark.parametrize("word", [ReceiptState.NONE, ReceiptState.UNKNOWN])
async def test_states_that_say_nothing(walk: Walk, word: ReceiptState) -> None:
    """An unknown word, or "unknown", is kept; the message stays sent and ends by its time."""
    message, one = await handed_over(walk)
    walk.carrier.accept(one)
    walk.carrier.receipt(one, word)
    await walk.received()
    assert await walk.status(message) == "sent"
    assert await walk.ask("SELECT state FROM receipts WHERE message_id = $1", message.id) == word
    for _ in range(3):
        await walk.clock.advance(86_400 / 2 + 3600)
        await walk.swept()
    assert await walk.told(message) == ["queued", "sent", "expired"]
    assert (await walk.row(message))["error_code"] == "no_receipt"


async def test_the_price_of_an_answer_is_shared_by_its_parts(walk: Walk) -> None:
    """What a carrier takes for a message is kept with its parts, to the last millionth."""
    message, one = await handed_over(walk, LONG)
    walk.carrier.answer(one, OutcomeKind.ACCEPTED, price=Price(100_000, "EUR"))
    plain, two = await handed_over(walk)
    walk.carrier.accept(two)
    await walk.settled()
    assert await costs(walk, message) == [(33_334, "EUR"), (33_333, "EUR"), (33_333, "EUR")]
    assert await costs(walk, plain) == [(None, None)]


async def test_prices_of_receipts(walk: Walk) -> None:
    """A receipt tells the price of its part; the last word counts, and a repeat adds nothing."""
    message, one = await handed_over(walk)
    walk.carrier.answer(one, OutcomeKind.ACCEPTED, price=Price(50_000, "EUR"))
    name = f"{one.message_id.hex}.1.1"
    bring(walk, one, ReceiptState.ENROUTE, name, price=Price(60_000, "EUR"))
    await walk.received()
    assert await costs(walk, message) == [(60_000, "EUR")]
    for _ in range(2):
        bring(walk, one, name=name, price=Price(70_000, "USD"))
        await walk.received()
    assert await costs(walk, message) == [(70_000, "USD")]
    assert await walk.status(message) == "delivered"


async def test_the_price_of_a_parked_receipt_is_not_lost(walk: Walk) -> None:
    """It is written when the receipt finds its message after all."""
    message, one = await handed_over(walk)
    bring(walk, one, price=Price(42, "EUR"), network="23410")
    await walk.received()
    walk.carrier.leave_unknown(one)
    await walk.settled()
    await reconcile(walk)
    assert await costs(walk, message) == [(42, "EUR")]
    kept = await walk.database.fetch("SELECT echoed, network, message_id FROM receipts")
    assert [tuple(row) for row in kept] == [(message.id, "23410", message.id)]
