"""Messages that nobody else brings to their end: sent once more, or ended when it is time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from messages.scripted import ScriptedCarrier, name_of
from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState, Submission
from onesixty.messages import leases
from onesixty.messages.dispatch import ends
from onesixty.messages.doubt.sweep import BEHIND
from onesixty.messages.types import Category, Message

DAY = 86_400
LONG = "x" * 400  # three segments
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


async def pass_time(walk: Walk, seconds: float) -> None:
    """Let time pass and look at what is due then; lanes claim what waits."""
    await walk.clock.advance(seconds)
    await walk.swept()
    await walk.claim()


async def resent(walk: Walk, **more: Any) -> tuple[Message, Submission, Submission]:
    """A message whose resend is in the hands of the carrier; both submissions."""
    message, first = await unanswered(walk, **more)
    before = len(walk.carrier.taken)
    await pass_time(walk, 6)
    return message, first, (await walk.carrier.took(before + 1))[before]


async def end(walk: Walk) -> None:
    """Let validity and grace go by."""
    await pass_time(walk, DAY + 3700)


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
    message, _, second = await resent(walk)
    assert second.attempt == 2
    walk.carrier.accept(second)
    await walk.settled()
    walk.carrier.receipt(second)
    await walk.received()
    assert await walk.told(message) == ["queued", "uncertain", "sent", "delivered"]
    row = await walk.row(message)
    assert (row["attempts"], row["possible_duplicate"]) == (2, True)
    await pass_time(walk, 700)
    assert await walk.count("doubts") == 0


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
    """The answer to a submit that was given up, though another of its message may be open."""
    held = carrier._open.pop(one.message_id, None)
    carrier.answer(one, kind, error_code="recipient_refused", error_class=ErrorClass.RECIPIENT)
    if held is not None:
        carrier._open[one.message_id] = held


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


async def sent(walk: Walk, **more: Any) -> tuple[Message, Submission]:
    """A message that the carrier took."""
    before = len(walk.carrier.taken)
    message = await walk.send(**more)
    one = (await walk.carrier.took(before + 1))[before]
    walk.carrier.accept(one)
    await walk.settled()
    return message, one


async def test_no_receipt_ends_a_message(walk: Walk) -> None:
    """A carrier that promised a receipt and sent none: it ends, and says what was known last."""
    message, one = await sent(walk)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    assert (await walk.count("doubts"), await walk.status(message)) == (1, "sent")
    walk.carrier.receipt(one, ReceiptState.ENROUTE)
    await walk.received()
    await end(walk)
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "sent", "expired"]
    assert (row["error_code"], row["error_class"]) == ("no_receipt", "carrier")
    assert row["error_detail"].endswith("last known: enroute")
    assert row["final_at"] == walk.clock.now()
    assert await walk.count("doubts") == 0


@pytest.mark.parametrize(("state", "status"), [(DELIVERED, "delivered"), (FAILED, "undelivered")])
async def test_a_late_receipt_overrules(walk: Walk, state: ReceiptState, status: str) -> None:
    """What the carrier says at last is right, after we had given up too."""
    message, one = await sent(walk)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    await end(walk)
    walk.carrier.receipt(one, state)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "expired", status]
    assert (await walk.row(message))["error_code"] == (
        None if state is DELIVERED else "undelivered"
    )


async def test_delivered_messages_cost_no_row(walk: Walk) -> None:
    """The position passes what has ended without leaving anything."""
    message, one = await sent(walk)
    walk.carrier.receipt(one)
    await walk.received()
    await pass_time(walk, 2 * BEHIND.total_seconds())
    assert (await walk.count("doubts"), await walk.status(message)) == (0, "delivered")


async def test_a_carrier_without_receipts_ends_with_sent(walk: Walk, on_file: OnFile) -> None:
    """Where the carrier is not asked for receipts "sent" is the end."""
    settings = {"host": "127.0.0.1", "system_id": "x", "receipts": False}
    number = await on_file.carrier(walk.account, kind="smpp", settings=settings, name="silent")
    message, _ = await sent(walk)
    await walk.database.fetch("UPDATE messages SET carrier_id = $1", number)
    await pass_time(walk, 2 * BEHIND.total_seconds())
    assert await walk.count("doubts") == 0
    await end(walk)
    assert await walk.status(message) == "sent"


async def test_what_is_sent_late_is_found_too(walk: Walk) -> None:
    """A message that waited long is looked for by when it was sent, not by when it was taken."""
    later = walk.clock.now() + timedelta(days=2)
    message = await walk.send(send_at=later, validity_seconds=3600)
    await pass_time(walk, 2 * DAY)
    walk.carrier.accept(*walk.carrier.unanswered())
    await walk.settled()
    # Ids are of real time: the event is as old as this test says that it is.
    await walk.database.fetch("UPDATE doubts_position SET event_id = $1", message.id)
    await pass_time(walk, 2 * 3600 + 60)
    assert await walk.told(message) == ["sent", "expired"]


async def test_only_one_process_sweeps(walk: Walk) -> None:
    """Two processes that look at once send one message once more, once."""
    await unanswered(walk)
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    await walk.clock.advance(6)
    await asyncio.gather(walk.sweeper.run_once(), other.sweeper.run_once())
    assert await walk.count("queue") == 1
    await walk.claim()
    assert len(walk.carrier.taken) == 2
    await other.close()


async def test_a_young_event_is_not_passed(walk: Walk) -> None:
    """What is younger than any write may take is left for later."""
    message, _ = await sent(walk)
    await pass_time(walk, BEHIND.total_seconds() - 60)
    assert await walk.count("doubts") == 0
    await pass_time(walk, 120)
    assert await walk.ask("SELECT message_id FROM doubts") == message.id


async def askable(walk: Walk, on_file: OnFile) -> ScriptedCarrier:
    """Make the messages so far those of a carrier that may be asked."""
    settings = {"host": "127.0.0.1", "system_id": "x", "query": True}
    number = await on_file.carrier(walk.account, kind="smpp", settings=settings, name="askable")
    carrier = await walk.lane(number)
    await walk.database.fetch("UPDATE messages SET carrier_id = $1", number)
    await walk.database.fetch("UPDATE submissions SET carrier_id = $1", number)
    return carrier


async def test_the_carrier_is_asked_first(walk: Walk, on_file: OnFile) -> None:
    """Where it may be asked it is, once, for the parts without a final receipt."""
    message, one = await sent(walk, body=LONG)
    walk.carrier.receipt(one, part=2)
    await walk.received()
    carrier = await askable(walk, on_file)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    assert carrier.asked == []
    await pass_time(walk, DAY + 3600 - BEHIND.total_seconds() - 60 - 120)
    assert [each.carrier_message_id for each in carrier.asked] == [name_of(one, 1), name_of(one, 3)]
    await pass_time(walk, 60)
    assert (len(carrier.asked), await walk.status(message)) == (2, "sent")
    for part in (1, 3):
        carrier.receipt(one, part=part)
    await walk.received()
    assert await walk.told(message) == ["queued", "sent", "delivered"]


async def test_a_carrier_that_is_down_is_asked_when_it_is_up(walk: Walk, on_file: OnFile) -> None:
    """Whoever has a session asks; without one the message ends all the same."""
    message, _ = await sent(walk)
    carrier = await askable(walk, on_file)
    await pass_time(walk, BEHIND.total_seconds() + 60)
    carrier.turn(up=False)
    await pass_time(walk, DAY + 3600 - BEHIND.total_seconds() - 60 - 120)
    assert carrier.asked == []
    carrier.turn(up=True)
    await pass_time(walk, 5)
    assert len(carrier.asked) == 1
    await pass_time(walk, 120)
    assert (await walk.row(message))["error_code"] == "no_receipt"
