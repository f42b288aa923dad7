"""Messages without an answer: sent once more, whatever comes when."""

from typing import Any

import pytest

from messages.scripted import ScriptedCarrier
from messages.walk import Walk
from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState, Submission
from onesixty.messages import leases, render
from onesixty.messages.dispatch import ends
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Message

from .steps import LONG, end, pass_time

ACCEPTED, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN
DELIVERED, FAILED = ReceiptState.DELIVERED, ReceiptState.UNDELIVERABLE


async def unanswered(
    walk: Walk, category: Category = Category.OTP, **more: Any
) -> tuple[Message, Submission]:
    """A message that was handed over and never answered, and looked at once since."""
    before = len(walk.carrier.taken)
    message = await walk.send(category=category, **more)
    one = (await walk.carrier.took(before + 1))[before]
    walk.carrier.leave_unknown(one)
    await walk.settled()
    await walk.swept()
    return message, one


async def resent(walk: Walk, **more: Any) -> tuple[Message, Submission, Submission]:
    """A message whose resend is in the hands of the carrier; both submissions."""
    message, first = await unanswered(walk, **more)
    before = len(walk.carrier.taken)
    await pass_time(walk, 6)
    return message, first, (await walk.carrier.took(before + 1))[before]


async def known(walk: Walk) -> None:
    """Write all that carriers said."""
    await walk.settled()
    await walk.received()


async def is_duplicate(walk: Walk, message: Message) -> bool:
    """How the message is marked."""
    marked: bool = (await walk.row(message))["possible_duplicate"]
    return marked


@pytest.mark.parametrize(
    ("category", "seconds"),
    [
        (Category.OTP, 5),
        (Category.TRANSACTIONAL, 60),
        (Category.EMERGENCY, 60),
        (Category.MARKETING, None),
    ],
)
async def test_the_category_says_when_it_is_sent_again(
    walk: Walk, category: Category, seconds: int | None
) -> None:
    """Not before its time, and a marketing message never, is an unanswered one sent once more."""
    message, _ = await unanswered(walk, category)
    await pass_time(walk, (seconds or 600) - 1)
    assert (len(walk.carrier.taken), await is_duplicate(walk, message)) == (1, False)
    await pass_time(walk, 2)
    again = seconds is not None
    assert (len(walk.carrier.taken), await is_duplicate(walk, message)) == (1 + again, again)
    assert await walk.told(message) == ["queued", "uncertain"]
    assert await walk.status(message) == "uncertain"


async def test_a_resend_ends_the_doubt(walk: Walk) -> None:
    """The carrier takes the second submit: the message is sent, and marked."""
    message, first, second = await resent(walk)
    assert (second.attempt, second.expires_at) == (2, first.expires_at)  # what is left of it
    walk.carrier.accept(second)
    await walk.settled()
    walk.carrier.receipt(second)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "sent", "delivered"]
    row = await walk.row(message)
    assert (row["attempts"], row["possible_duplicate"]) == (2, True)
    await pass_time(walk, 700)
    assert await walk.count("doubts") == 0


async def test_a_resend_looks_uncertain_outside(walk: Walk) -> None:
    """A message that is being sent once more is shown as uncertain, marked, with its error."""
    message, _, second = await resent(walk)
    shown = render.message(await walk.row(message), walk.keeper.book)
    assert (shown["status"], shown["possible_duplicate"]) == ("uncertain", True)
    as_event = render.message(await walk.row(message), walk.keeper.book, int(Status.UNCERTAIN))
    assert as_event["error"]["code"] == "no_answer"
    walk.carrier.accept(second)
    await walk.settled()
    shown = render.message(await walk.row(message), walk.keeper.book)
    assert (shown["status"], shown["possible_duplicate"], shown["error"]) == ("sent", True, None)


async def test_a_resend_happens_once(walk: Walk) -> None:
    """A second silence leaves the message uncertain until its deadline, then it ends."""
    message, _, second = await resent(walk)
    walk.carrier.leave_unknown(second)
    await walk.settled()
    for _ in range(20):
        await pass_time(walk, 600)
    assert (len(walk.carrier.taken), await walk.status(message)) == (2, "uncertain")
    await end(walk)
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "uncertain", "expired"]
    assert (row["error_code"], row["error_class"], row["attempts"]) == ("no_answer", "carrier", 2)
    assert (await walk.count("doubts"), "Sweeper" in walk.hooks) == (0, False)


async def test_what_is_never_sent_again_ends_too(walk: Walk) -> None:
    """A marketing message without an answer ends after its validity and the grace, not before."""
    message, _ = await unanswered(walk, Category.MARKETING, validity_seconds=600)
    await pass_time(walk, 600 + 3590)
    assert await walk.status(message) == "uncertain"
    await pass_time(walk, 20)
    assert (await walk.status(message), (await walk.row(message))["error_code"]) == (
        "expired",
        "no_answer",
    )


async def test_nothing_is_sent_again_after_its_validity(walk: Walk) -> None:
    """A message that is no longer wanted when its time comes is not sent once more."""
    message, _ = await unanswered(walk, Category.TRANSACTIONAL, validity_seconds=30)
    await pass_time(walk, 61)
    assert (len(walk.carrier.taken), await is_duplicate(walk, message)) == (1, False)


@pytest.mark.parametrize("when", ["waiting", "out", "answered"])
async def test_a_late_answer_ends_the_doubt_at_any_time(walk: Walk, when: str) -> None:
    """The first submit was taken after all, while its resend waits, is out, or was not answered."""
    message, first = await unanswered(walk)
    await walk.clock.advance(6)
    await walk.swept()
    if when != "waiting":
        await walk.claim()
    if when == "answered":
        walk.carrier.leave_unknown(walk.carrier.taken[1])
        await walk.settled()
    answer_late(walk.carrier, first)
    await walk.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    await walk.claim()
    assert len(walk.carrier.taken) == (1 if when == "waiting" else 2)
    if when == "out":
        walk.carrier.accept(walk.carrier.taken[1])
        await walk.settled()
    await walk.clock.advance(40)
    await walk.reconciler.run_once()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    assert (await walk.count("queue"), await walk.count("leases")) == (0, 0)


def answer_late(carrier: ScriptedCarrier, one: Submission, kind: OutcomeKind = ACCEPTED) -> None:
    """The answer to a submit that was given up."""
    carrier.answer(one, kind, error_code="recipient_refused", error_class=ErrorClass.RECIPIENT)


@pytest.mark.parametrize("kind", [OutcomeKind.REFUSED, OutcomeKind.DEFERRED])
async def test_a_late_no_leaves_it_to_the_resend(walk: Walk, kind: OutcomeKind) -> None:
    """The first submit was not taken: what the second comes to is what counts."""
    message, first, second = await resent(walk)
    answer_late(walk.carrier, first, kind)
    await walk.settled()
    assert (await walk.status(message), await walk.count("queue")) == ("uncertain", 0)
    walk.carrier.accept(second)
    await walk.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]


async def test_both_refused_is_failed(walk: Walk) -> None:
    """When it is known that neither submit was taken the message failed, by the last error."""
    message, first, second = await resent(walk)
    answer_late(walk.carrier, first, OutcomeKind.REFUSED)
    walk.carrier.refuse(second)
    await walk.settled()
    await pass_time(walk, 10)
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "uncertain", "failed"]
    assert (row["error_code"], row["error_class"]) == ("recipient_refused", "recipient")


async def test_a_refused_resend_is_not_a_failure(walk: Walk) -> None:
    """The first submit may have been taken: the message stays uncertain, and may be delivered."""
    message, first, second = await resent(walk)
    walk.carrier.refuse(second)
    await walk.settled()
    await pass_time(walk, 300)
    assert await walk.status(message) == "uncertain"
    walk.carrier.receipt(first, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    assert await walk.told(message) == ["queued", "uncertain", "delivered"]


async def test_a_deferred_resend_is_tried_again(walk: Walk) -> None:
    """The carrier has not taken the second submit: that one is repeated like any other."""
    message, _, second = await resent(walk)
    walk.carrier.defer(second, retry_after_seconds=1.0)
    await walk.settled()
    assert (await walk.status(message), await walk.count("queue")) == ("uncertain", 1)
    await pass_time(walk, 2)
    third = walk.carrier.taken[2]
    assert third.attempt == 3
    walk.carrier.accept(third)
    await walk.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]


@pytest.mark.parametrize("when", ["waiting", "out", "taken"])
async def test_a_receipt_of_the_first_submit_counts_at_any_time(walk: Walk, when: str) -> None:
    """It arrived at the first time: delivered, whatever becomes of the resend."""
    message, first = await unanswered(walk)
    await walk.clock.advance(6)
    await walk.swept()
    if when != "waiting":
        await walk.claim()
    if when == "taken":
        walk.carrier.accept(walk.carrier.taken[1])
        await walk.settled()
    walk.carrier.receipt(first, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    assert (await walk.told(message))[-1] == "delivered"
    await walk.claim()
    for one in walk.carrier.unanswered():
        walk.carrier.refuse(one)
    await walk.settled()
    assert (await walk.told(message))[-1] == "delivered"
    assert len(walk.carrier.taken) == (1 if when == "waiting" else 2)


async def test_a_failure_of_one_submit_waits_for_the_other(walk: Walk) -> None:
    """A receipt that one submit failed ends nothing while the other may arrive."""
    message, first, second = await resent(walk)
    walk.carrier.receipt(first, FAILED, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    assert await walk.status(message) == "uncertain"
    walk.carrier.accept(second)
    await walk.settled()
    await pass_time(walk, 60)
    assert await walk.status(message) == "sent"
    walk.carrier.receipt(second, FAILED)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "sent", "undelivered"]


@pytest.mark.parametrize("last", ["refused", "unknown"])
async def test_a_failed_first_and_a_lost_second(walk: Walk, last: str) -> None:
    """The first failed, the second was refused: undelivered, once somebody looks at both."""
    message, first, second = await resent(walk)
    walk.carrier.receipt(first, FAILED, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    walk.carrier.refuse(second) if last == "refused" else walk.carrier.leave_unknown(second)
    await walk.settled()
    await pass_time(walk, 60)
    assert await walk.told(message) == ["queued", "uncertain", "undelivered"]


async def test_a_receipt_of_the_first_fails_after_the_second_was_taken(walk: Walk) -> None:
    """Its own failure does not end a message of which another submit is with the carrier."""
    message, first, second = await resent(walk)
    walk.carrier.accept(second)
    await walk.settled()
    walk.carrier.receipt(first, FAILED, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    await pass_time(walk, 600)
    assert await walk.status(message) == "sent"
    walk.carrier.receipt(second)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "sent", "delivered"]


async def test_any_sign_stops_the_resend(walk: Walk) -> None:
    """An intermediate receipt says that the carrier has it: it is sent, once."""
    message, first = await unanswered(walk)
    walk.carrier.receipt(first, ReceiptState.ENROUTE, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    await pass_time(walk, 6)
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    assert (len(walk.carrier.taken), await is_duplicate(walk, message)) == (1, False)


async def test_only_missing_parts_are_sent_again(walk: Walk) -> None:
    """Parts with an answer or a receipt are not sent a second time."""
    message = await walk.send(LONG, category=Category.OTP)
    (first,) = await walk.carrier.took(1)
    walk.carrier.answer(first, UNKNOWN, parts={1: ACCEPTED, 2: UNKNOWN, 3: UNKNOWN})
    await walk.settled()
    walk.carrier.receipt(first, name="lost id")  # of part 2, as far as anybody can tell
    await walk.received()
    await walk.reconciler.run_once()
    await walk.swept()
    await pass_time(walk, 6)
    second = walk.carrier.taken[1]
    assert sorted(second.accepted) == [1, 2]
    walk.carrier.accept(second)
    await walk.settled()
    for one, part in ((first, 1), (second, 3)):
        walk.carrier.receipt(one, part=part)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "sent", "delivered"]


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_a_resend_that_leaves_the_queue_leaves_the_doubt(walk: Walk, how: str) -> None:
    """Cancelling stops the resend only; so does the end of the validity before it is sent."""
    message, first = await unanswered(walk, validity_seconds=60)
    await walk.clock.advance(6)
    await walk.swept()
    assert await walk.count("queue") == 1
    if how == "cancelled":
        async with walk.database.write() as tx:
            gone, _ = await ends.cancel(tx, walk.account, [message.id], walk.clock.now())
        assert gone == set()
    else:
        await walk.clock.advance(60)
        await ends.expire(walk.database, walk.clock.now())
    await pass_time(walk, 60)
    assert (len(walk.carrier.taken), await walk.status(message)) == (1, "uncertain")
    walk.carrier.receipt(first, FAILED, name="lost id")
    await walk.received()
    await walk.reconciler.run_once()
    await pass_time(walk, 600)
    assert await walk.told(message) == ["queued", "uncertain", "undelivered"]


async def test_a_resend_may_die_with_its_process(walk: Walk) -> None:
    """A resend in the hands of a process that died is the second silence, told once."""
    message, first = await unanswered(walk)
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await other.lane(walk.carrier.number)
    await walk.clock.advance(6)
    await walk.swept()
    await other.claim()
    assert len(other.carrier.taken) == 1
    await other.node._connection.close()
    await leases.rescue(walk.database, walk.node.number, walk.clock.now())
    assert await walk.told(message) == ["queued", "uncertain"]
    assert (await walk.row(message))["attempts"] == 2
    answer_late(walk.carrier, first)
    await walk.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    await other.close()


async def test_what_a_dead_process_held_is_sent_again(walk: Walk) -> None:
    """A message that a process took with it is in doubt like any other."""
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await other.lane(walk.carrier.number)
    message = await other.send(category=Category.OTP)
    await other.node._connection.close()
    await leases.rescue(walk.database, walk.node.number, walk.clock.now())
    await walk.swept()
    await pass_time(walk, 6)
    (again,) = await walk.carrier.took(1)
    assert again.attempt == 2
    other.carrier.accept(*other.carrier.taken)  # it was alive after all
    await other.settled()
    assert await walk.told(message) == ["queued", "uncertain", "sent"]
    await other.close()
