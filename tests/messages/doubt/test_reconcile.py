"""Bringing together what came apart: receipts before their answers, submits never answered."""

import asyncio
from datetime import timedelta

import pytest

from messages.scripted import name_of
from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState, Submission
from onesixty.messages.doubt.reconcile import YOUNG
from onesixty.messages.types import Message

LONG = "x" * 400  # three segments
DELIVERED, UNDELIVERABLE = ReceiptState.DELIVERED, ReceiptState.UNDELIVERABLE
ANSWER = "the id that the lost answer had"


async def unanswered(walk: Walk, body: str = "hello") -> tuple[Message, Submission]:
    """A message that was handed over and never answered."""
    before = len(walk.carrier.taken)
    message = await walk.send(body)
    one = (await walk.carrier.took(before + 1))[before]
    walk.carrier.leave_unknown(one)
    await walk.settled()
    return message, one


async def reconcile(walk: Walk) -> None:
    """One look at all that is parked."""
    await walk.received()
    while await walk.reconciler.run_once():
        pass


async def test_a_receipt_may_overtake_its_answer(walk: Walk) -> None:
    """A receipt that comes before the answer to its submit is parked and matched by its id."""
    message = await walk.send()
    (one,) = await walk.carrier.took(1)
    walk.carrier.receipt(one)
    await reconcile(walk)
    assert await walk.status(message) == "sending"
    walk.carrier.accept(one)
    await walk.settled()
    await reconcile(walk)
    assert await walk.told(message) == ["queued", "sent", "delivered"]
    assert await walk.ask("SELECT message_id FROM receipts") == message.id
    assert "Reconciler" not in walk.hooks  # nobody is told of anything


async def test_parts_may_overtake_their_answer(walk: Walk) -> None:
    """Receipts of all parts that come before the answer make the message delivered after it."""
    message = await walk.send(LONG)
    (one,) = await walk.carrier.took(1)
    for part in (3, 1, 2):
        walk.carrier.receipt(one, part=part)
    await walk.received()
    walk.carrier.accept(one)
    await walk.settled()
    await reconcile(walk)
    assert await walk.told(message) == ["queued", "sent", "delivered"]


async def test_an_unanswered_submit_is_found_by_its_address(walk: Walk) -> None:
    """The receipt of a submit whose answer was lost ends its doubt, and its id is kept."""
    message, one = await unanswered(walk)
    await walk.clock.advance(2)
    walk.carrier.receipt(one, name=ANSWER)
    await reconcile(walk)
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]
    (part,) = await walk.parts(message)
    assert part["carrier_message_id"] == ANSWER


async def test_receipts_after_the_first_are_found_by_their_id(walk: Walk) -> None:
    """Once a receipt has told the id of an unanswered submit, further ones are matched by it."""
    message, one = await unanswered(walk)
    walk.carrier.receipt(one, ReceiptState.ENROUTE, name=ANSWER)
    await reconcile(walk)
    assert await walk.status(message) == "uncertain"
    walk.carrier.receipt(one, name=ANSWER)
    await reconcile(walk)
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]


async def test_several_receipts_at_once_for_one_unanswered_submit(walk: Walk) -> None:
    """An intermediate receipt, the final one and its repeat all belong to one submit."""
    first, one = await unanswered(walk)
    second, _ = await unanswered(walk)
    for state in (ReceiptState.ENROUTE, DELIVERED, DELIVERED):
        walk.carrier.receipt(one, state, name=ANSWER)
    for _ in range(3):
        await reconcile(walk)
    assert await walk.status(first) == "delivered"
    assert await walk.status(second) == "uncertain"
    assert await walk.ask("SELECT count(*) FROM receipts WHERE message_id = $1", first.id) == 3


async def test_two_to_one_number_get_a_receipt_each(walk: Walk) -> None:
    """Of two unanswered messages to one number each takes one of two receipts."""
    messages = [(await unanswered(walk, f"text {n}"))[0] for n in range(2)]
    one = walk.carrier.taken[0]
    walk.carrier.receipt(one, name="a")
    await reconcile(walk)
    statuses = [await walk.status(message) for message in messages]
    assert sorted(statuses) == ["delivered", "uncertain"]
    walk.carrier.receipt(one, name="b")
    await reconcile(walk)
    assert [await walk.status(message) for message in messages] == ["delivered"] * 2
    ids = {(await walk.parts(message))[0]["carrier_message_id"] for message in messages}
    assert ids == {"a", "b"}


async def test_the_text_that_a_receipt_quotes_tells_which(walk: Walk) -> None:
    """Among several unanswered messages to one number the quoted text decides."""
    first, one = await unanswered(walk, "your code is 1")
    second, two = await unanswered(walk, "good morning")
    walk.carrier.receipt(two, UNDELIVERABLE, name="b")
    walk.carrier.receipt(one, DELIVERED, name="a")
    await reconcile(walk)
    assert (await walk.status(first), await walk.status(second)) == ("delivered", "undelivered")


async def test_a_long_unanswered_message_takes_a_receipt_for_each_part(walk: Walk) -> None:
    """Three receipts with ids that nobody knows are the three parts of an unanswered message."""
    message, one = await unanswered(walk, LONG)
    for name in ("a", "b"):
        walk.carrier.receipt(one, name=name)
    await reconcile(walk)
    assert await walk.status(message) == "uncertain"
    walk.carrier.receipt(one, name="c")
    await reconcile(walk)
    assert await walk.status(message) == "delivered"


@pytest.mark.parametrize("what", ["number", "carrier", "too early"])
async def test_a_receipt_of_somebody_else_is_left_alone(
    walk: Walk, on_file: OnFile, what: str
) -> None:
    """Another number, another carrier, or a time before the submit: it is not for this message."""
    await walk.clock.advance(10)
    message, one = await unanswered(walk)
    bringer = walk.carrier
    if what == "carrier":
        bringer = await walk.lane(await on_file.carrier(walk.account))
    receipt = bringer.made_receipt(one, DELIVERED, "x")
    if what == "number":
        receipt.sender = "447700900123"
    if what == "too early":
        receipt.received_at -= timedelta(seconds=5)
    bringer.bring(receipt)
    await reconcile(walk)
    assert await walk.status(message) == "uncertain"


async def test_an_answered_submit_is_not_found_by_address(walk: Walk) -> None:
    """A stray receipt does not touch a message whose ids are known."""
    message = await walk.send()
    (one,) = await walk.carrier.took(1)
    walk.carrier.accept(one)
    walk.carrier.receipt(one, UNDELIVERABLE, name="stray")
    await reconcile(walk)
    assert await walk.status(message) == "sent"


async def test_a_late_answer_after_the_receipt_changes_no_status(walk: Walk) -> None:
    """When the answer comes at last, after the receipt, the message stays delivered."""
    message, one = await unanswered(walk)
    walk.carrier.receipt(one, name=name_of(one))
    await reconcile(walk)
    walk.carrier.answer(one, OutcomeKind.ACCEPTED)
    await walk.settled()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]
    assert row["attempts"] == 1
    walk.carrier.receipt(one)
    await walk.received()
    assert await walk.ask("SELECT count(*) FROM receipts WHERE message_id IS NULL") == 0


async def test_a_late_deferral_after_the_receipt_sends_nothing_again(walk: Walk) -> None:
    """A message that arrived is not sent again, whatever its late answer says."""
    message, one = await unanswered(walk)
    walk.carrier.receipt(one, name=ANSWER)
    await reconcile(walk)
    walk.carrier.answer(one, OutcomeKind.DEFERRED, error_class=ErrorClass.CARRIER)
    await walk.settled()
    assert (await walk.status(message), await walk.count("queue")) == ("delivered", 0)


async def test_old_receipts_are_not_looked_at_for_ever(walk: Walk) -> None:
    """Ten minutes after the last receipt was parked the reconciler asks for none any more."""
    message = await walk.send()
    (one,) = await walk.carrier.took(1)
    walk.carrier.receipt(one)
    await reconcile(walk)
    await walk.clock.advance(YOUNG.total_seconds() + 1)
    walk.carrier.accept(one)
    await walk.settled()
    await reconcile(walk)
    assert await walk.status(message) == "sent"


async def test_two_processes_may_look_at_once(walk: Walk) -> None:
    """Two reconcilers that look at the same receipts match each of them once."""
    message, one = await unanswered(walk)
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    walk.carrier.receipt(one, name=ANSWER)
    await walk.received()
    await asyncio.gather(walk.reconciler.run_once(), other.reconciler.run_once())
    await reconcile(walk)
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]
    await other.close()


@pytest.mark.parametrize("is_answered", [True, False])
async def test_what_came_over_another_carrier(
    walk: Walk, on_file: OnFile, is_answered: bool
) -> None:
    """A parked receipt is also looked for with carriers that are the same account."""
    other = await walk.lane(await on_file.carrier(walk.account))
    message = await walk.send()
    (one,) = await walk.carrier.took(1)
    other.receipt(one)
    await walk.received()
    if is_answered:
        walk.carrier.accept(one)
    else:
        walk.carrier.leave_unknown(one)
    await walk.settled()
    await reconcile(walk)
    assert await walk.status(message) == ("sent" if is_answered else "uncertain")
    walk.reconciler.one_account = lambda: {other.number: [walk.carrier.number]}
    await reconcile(walk)
    assert await walk.status(message) == "delivered"
