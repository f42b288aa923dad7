"""Channel fallback: one message goes on by its next channel, in time or when one fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from chaos.invariants import violations
from on_file import OnFile
from onesixty.carriers.content import Content, Template
from onesixty.carriers.contract import OutcomeKind, ReceiptState
from onesixty.messages import leases, render
from onesixty.messages.dispatch import ends, fallback
from onesixty.messages.types import Category, Channel, Message, Step
from onesixty.storage.database import Database

from .scripted import ScriptedCarrier
from .walk import Walk

FIRST = Step(Channel.WHATSAPP, after_seconds=60, content=Content(template=Template("code")))
SECOND = Step(Channel.SMS, after_seconds=30, body="By SMS: 481220", sender="ACME")
LAST = Step(Channel.MMS, body="By MMS")
PLAN = (FIRST, SECOND, LAST)


@pytest.fixture
async def chat(walk: Walk, on_file: OnFile) -> AsyncIterator[ScriptedCarrier]:
    """A carrier for WhatsApp; all else goes by the first one. All invariants hold at the end."""
    number = await on_file.carrier(walk.account, name="chat")
    await on_file.route(walk.account, number, match={"channel": ["whatsapp"]}, position=1)
    await walk.keeper.refresh()
    yield await walk.lane(number)
    async with walk.database.read() as connection:
        assert await violations(connection, at_rest=False) == []


async def sent(walk: Walk, carrier: ScriptedCarrier, **more: Any) -> Message:
    """A message of three steps that its first carrier has accepted."""
    message = await walk.send("481220", **{"steps": PLAN, **more})
    carrier.accept(carrier.taken[-1])
    await walk.settled()
    return message


async def shown(walk: Walk, message: Message) -> dict[str, Any]:
    """The message as a caller sees it."""
    return render.message(await walk.row(message), walk.keeper.book)


async def plan(walk: Walk, message: Message) -> list[tuple[str, str]]:
    """The channels of its plan and where each stands."""
    steps = (await shown(walk, message))["fallback"]
    return [(step["channel"], step["state"]) for step in steps]


async def test_a_step_that_is_refused_is_followed_at_once(
    walk: Walk, chat: ScriptedCarrier
) -> None:
    """Nobody is told of a failure while a step is to come; the next one goes out as composed."""
    message = await walk.send("481220", steps=PLAN)
    (first,) = chat.taken
    assert (first.channel, first.body, first.sender) == ("whatsapp", "", None)
    assert first.content == FIRST.content
    chat.refuse(first)
    await walk.settled()
    assert await walk.status(message) == "queued"
    assert await walk.told(message) == ["queued"]
    await walk.fell_back()
    (second,) = walk.carrier.taken
    assert (second.message_id, second.attempt, second.tries) == (message.id, 2, 1)
    assert (second.channel, second.body, second.sender) == ("sms", "By SMS: 481220", "ACME")
    assert second.content is None
    now = await shown(walk, message)
    assert (now["status"], now["channel"], now["carrier"]) == ("sending", "sms", "main")
    (tried, *_) = now["fallback"]
    assert tried["error"]["code"] == "recipient_refused"
    assert tried["carrier"] == "chat"
    walk.carrier.accept(second)
    await walk.settled()
    walk.carrier.receipt(second)
    await walk.received()
    assert await plan(walk, message) == [
        ("whatsapp", "failed"), ("sms", "current"), ("mms", "not_needed"),
    ]  # fmt: skip
    # "queued" is how the event of a fallback shows the message: it waits for its next carrier.
    assert await walk.told(message) == ["queued", "queued", "sent", "delivered"]


async def test_a_step_whose_time_is_over_is_followed(walk: Walk, chat: ScriptedCarrier) -> None:
    """Each step has its own time, from its begin; the last one is left alone."""
    message = await sent(walk, chat)
    await walk.clock.advance(59)
    await walk.fell_back()
    assert await walk.status(message) == "sent"
    await walk.clock.advance(1)
    await walk.fell_back()
    (second,) = walk.carrier.taken
    assert second.channel == "sms"
    walk.carrier.accept(second)
    await walk.settled()
    await walk.clock.advance(30)
    await walk.fell_back()
    assert walk.carrier.taken[1].channel == "mms"
    assert await plan(walk, message) == [
        ("whatsapp", "timed_out"), ("sms", "timed_out"), ("mms", "current"),
    ]  # fmt: skip
    assert await walk.count("fallbacks") == 0


@pytest.mark.parametrize("state", [ReceiptState.UNDELIVERABLE, ReceiptState.EXPIRED])
async def test_a_receipt_of_failure_is_followed(
    walk: Walk, chat: ScriptedCarrier, state: ReceiptState
) -> None:
    """What the carrier could not deliver goes on; the failure of the last step ends the message."""
    message = await sent(walk, chat, steps=(FIRST, Step(Channel.SMS)))
    chat.receipt(chat.taken[0], state, error="131026")
    await walk.received()
    assert await walk.told(message) == ["queued", "sent"]
    await walk.fell_back()
    (second,) = walk.carrier.taken
    assert second.body == "481220"
    walk.carrier.accept(second)
    await walk.settled()
    walk.carrier.receipt(second, ReceiptState.UNDELIVERABLE)
    await walk.received()
    assert await walk.status(message) == "undelivered"
    assert (await walk.told(message))[-1] == "undelivered"


@pytest.mark.parametrize("state", [ReceiptState.DELIVERED, ReceiptState.READ])
async def test_what_arrived_goes_nowhere_else(
    walk: Walk, chat: ScriptedCarrier, state: ReceiptState
) -> None:
    """A message that was delivered, or read, in time ends with its first step."""
    message = await sent(walk, chat)
    chat.receipt(chat.taken[0], state)
    await walk.received()
    await walk.clock.advance(3600)
    await walk.fell_back()
    assert not walk.carrier.taken
    assert await walk.status(message) == state.name.lower()
    assert await walk.count("fallbacks") == 0


async def test_a_late_delivery_drops_the_step_that_waits(walk: Walk, chat: ScriptedCarrier) -> None:
    """When the earlier channel delivers at last, the later one is not sent any more."""
    walk.carrier.turn(up=False)
    message = await sent(walk, chat)
    await walk.clock.advance(60)
    await walk.fell_back()
    assert await walk.status(message) == "queued"
    chat.receipt(chat.taken[0])
    await walk.received()
    assert await walk.status(message) == "delivered"
    walk.carrier.turn(up=True)
    await walk.claim()
    await walk.clock.advance(3600)
    await walk.fell_back()
    assert not walk.carrier.taken
    assert await walk.count("queue") == 0


@pytest.mark.parametrize("answered", [False, True])
async def test_two_deliveries_make_no_third(
    walk: Walk, chat: ScriptedCarrier, *, answered: bool
) -> None:
    """A delivery of the first step counts though the second is out; both are on file."""
    message = await sent(walk, chat)
    await walk.clock.advance(60)
    await walk.fell_back()
    (second,) = walk.carrier.taken
    if answered:
        walk.carrier.accept(second)
        await walk.settled()
    chat.receipt(chat.taken[0])
    await walk.received()
    assert await walk.status(message) == "delivered"
    if not answered:
        walk.carrier.accept(second)
        await walk.settled()
    walk.carrier.receipt(second)
    await walk.received()
    await walk.clock.advance(3600)
    await walk.fell_back()
    assert len(walk.carrier.taken) == 1
    assert await walk.status(message) == "delivered"
    states = [part["receipt_state"] for part in await walk.parts(message)]
    assert states == [ReceiptState.DELIVERED] * 2
    assert (await walk.told(message))[-1] == "delivered"


@pytest.mark.parametrize("body", ["short", "long " * 60])
async def test_a_late_failure_of_an_earlier_step_changes_nothing(
    walk: Walk, chat: ScriptedCarrier, body: str
) -> None:
    """Only the present channel can fail the message, of however many parts it is there."""
    steps = (FIRST, Step(Channel.SMS, body=body, after_seconds=60), LAST)
    message = await sent(walk, chat, steps=steps)
    await walk.clock.advance(60)
    await walk.fell_back()
    (second,) = walk.carrier.taken
    walk.carrier.accept(second)
    await walk.settled()
    chat.receipt(chat.taken[0], ReceiptState.UNDELIVERABLE)
    await walk.received()
    assert await walk.status(message) == "sent"
    for part in range(1, second.segments + 1):
        walk.carrier.receipt(second, part=part)
    await walk.received()
    assert await walk.status(message) == "delivered"


async def test_a_delivery_corrects_the_failure_of_the_last_step(
    walk: Walk, chat: ScriptedCarrier
) -> None:
    """The handset is right: what arrived by an earlier channel is delivered after all."""
    message = await sent(walk, chat, steps=(FIRST, Step(Channel.SMS)))
    await walk.clock.advance(60)
    await walk.fell_back()
    walk.carrier.refuse(walk.carrier.taken[0])
    await walk.settled()
    assert await walk.status(message) == "failed"
    chat.receipt(chat.taken[0])
    await walk.received()
    assert await walk.status(message) == "delivered"


async def test_what_waits_or_is_in_doubt_goes_on_in_time(walk: Walk, chat: ScriptedCarrier) -> None:
    """A carrier that takes nothing, or keeps silent, holds up a step no longer than it has."""
    silent = await walk.send("481220", steps=PLAN)
    chat.leave_unknown(chat.taken[0])
    await walk.settled()
    assert await walk.status(silent) == "uncertain"
    chat.turn(up=False)
    waiting = await walk.send("481220", steps=PLAN)
    await walk.clock.advance(60)
    await walk.fell_back()
    assert {one.message_id for one in walk.carrier.taken} == {silent.id, waiting.id}
    assert await plan(walk, waiting) == [
        ("whatsapp", "timed_out"), ("sms", "current"), ("mms", "waiting"),
    ]  # fmt: skip
    assert await walk.count("queue") == 0


async def test_a_late_answer_of_an_earlier_step_is_none_of_the_present_one(
    walk: Walk, chat: ScriptedCarrier
) -> None:
    """The first carrier says at last that it took it: the second still has to answer."""
    message = await walk.send("481220", steps=PLAN)
    chat.leave_unknown(chat.taken[0])
    await walk.settled()
    await walk.clock.advance(60)
    await walk.fell_back()
    chat.accept(chat.taken[0])
    await walk.settled()
    assert await walk.status(message) == "sending"
    walk.carrier.refuse(walk.carrier.taken[0])
    await walk.settled()
    await walk.fell_back()
    assert walk.carrier.taken[1].channel == "mms"


async def test_what_a_carrier_has_in_hand_is_left_to_it(walk: Walk, chat: ScriptedCarrier) -> None:
    """The time is over while the carrier has not answered: its answer is waited for."""
    message = await walk.send("481220", steps=PLAN)
    await walk.clock.advance(60)
    await walk.fell_back()
    assert await walk.status(message) == "sending"
    chat.accept(chat.taken[0])
    await walk.settled()
    await walk.clock.advance(1)
    await walk.fell_back()
    assert len(walk.carrier.taken) == 1


@pytest.mark.parametrize("stage", ["waiting", "failed", "sent"])
async def test_cancelling_ends_the_plan(walk: Walk, chat: ScriptedCarrier, stage: str) -> None:
    """What waits is cancelled; of what is out the steps to come are dropped."""
    if stage == "waiting":
        chat.turn(up=False)
    message = await walk.send("481220", steps=PLAN)
    if stage == "failed":
        chat.refuse(chat.taken[0])
    elif stage == "sent":
        chat.accept(chat.taken[0])
    await walk.settled()
    async with walk.database.write() as tx:
        stopped, _ = await ends.cancel(tx, walk.account, [message.id], walk.clock.now())
    assert stopped == {message.id}
    await walk.clock.advance(3600)
    await walk.fell_back()
    assert not walk.carrier.taken
    assert await walk.status(message) == ("sent" if stage == "sent" else "canceled")
    assert await walk.count("fallbacks") == 0
    if stage == "sent":
        chat.receipt(chat.taken[0], ReceiptState.UNDELIVERABLE)
        await walk.received()
        assert await walk.status(message) == "undelivered"


async def test_expiry_ends_the_plan(walk: Walk, chat: ScriptedCarrier) -> None:
    """No step begins after the validity: a failed one is then the end."""
    first = Step(Channel.WHATSAPP, content=FIRST.content)
    message = await sent(walk, chat, steps=(first, Step(Channel.SMS)), validity_seconds=600)
    chat.receipt(chat.taken[0], ReceiptState.UNDELIVERABLE)
    await walk.received()
    late = await sent(walk, chat, steps=(first, Step(Channel.SMS)), validity_seconds=600)
    await walk.clock.advance(601)
    await walk.fell_back()
    assert await walk.status(message) == "expired"
    chat.receipt(chat.taken[1], ReceiptState.UNDELIVERABLE)
    await walk.received()
    assert await walk.status(late) == "undelivered"
    assert not walk.carrier.taken


async def test_where_nobody_tells_sent_is_the_end(walk: Walk, chat: ScriptedCarrier) -> None:
    """A carrier without receipts cannot say that it was delivered: its word is enough."""
    await walk.ask(
        "UPDATE carriers SET settings = settings || '{\"receipts\": false}' WHERE id = $1"
        " RETURNING 1",
        chat.number,
    )
    message = await sent(walk, chat)
    await walk.clock.advance(60)
    await walk.fell_back()
    assert await walk.status(message) == "sent"
    assert not walk.carrier.taken


async def test_parts_of_an_earlier_step_are_not_taken_for_those_of_the_next(
    walk: Walk, chat: ScriptedCarrier
) -> None:
    """A step is sent whole, and again in the parts that it lacks, whatever went out before it."""
    steps = (FIRST, Step(Channel.SMS, body="long " * 60))
    await sent(walk, chat, steps=steps)
    await walk.clock.advance(60)
    await walk.fell_back()
    (second,) = walk.carrier.taken
    assert (second.segments, list(second.accepted)) == (2, [])
    kinds = {1: OutcomeKind.DEFERRED, 2: OutcomeKind.ACCEPTED}
    walk.carrier.defer(second, parts=kinds)
    await walk.settled()
    await walk.clock.advance(10)
    await walk.claim()
    assert list(walk.carrier.taken[1].accepted) == [2]


async def test_two_processes_advance_a_step_once(walk: Walk, chat: ScriptedCarrier) -> None:
    """However many look at once, and however often, a step goes out once."""
    messages = [await sent(walk, chat) for _ in range(3)]
    await walk.clock.advance(60)
    others = [fallback.Fallbacks(walk.database, walk.clock) for _ in range(3)]
    await asyncio.gather(*(one.run_once() for one in (*others, walk.fallbacks)))
    await walk.claim()
    assert sorted(one.message_id for one in walk.carrier.taken) == [one.id for one in messages]
    assert [await walk.told(one) for one in messages] == [["queued", "sent", "queued"]] * 3


async def test_what_another_process_advanced_meanwhile_is_left(
    walk: Walk, chat: ScriptedCarrier
) -> None:
    """A round that saw a step due, and then waited for another's round, leaves it alone."""
    message = await sent(walk, chat)
    await walk.clock.advance(60)
    late = _LateDatabase(walk.database, walk.fallbacks.run_once)
    await fallback.Fallbacks(cast(Database, late), walk.clock).run_once()
    await walk.claim()
    assert len(walk.carrier.taken) == 1
    assert await walk.told(message) == ["queued", "sent", "queued"]


class _LateDatabase:
    """Another process does its round whenever this one has looked for what is due."""

    def __init__(self, database: Database, other: Callable[[], Awaitable[bool]]) -> None:
        self._database, self._other, self.write = database, other, database.write

    async def fetch(self, statement: str, *arguments: Any) -> Any:
        """As the database has it, and then old."""
        rows = await self._database.fetch(statement, *arguments)
        await self._other()
        return rows


async def test_the_plan_outlives_the_process(walk: Walk, chat: ScriptedCarrier) -> None:
    """A process dies with a step in its hands, and one that had failed: the next goes on once."""
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    lost_carrier = await other.lane(chat.number)
    lost = await other.send("1", steps=PLAN)
    failed = await other.send("2", steps=(FIRST, LAST))
    lost_carrier.refuse(lost_carrier.taken[1])
    await other.settled()
    await other.node._connection.close()
    assert await leases.rescue(walk.database, walk.node.number, walk.clock.now()) == 1
    assert await walk.status(lost) == "uncertain"
    await walk.fell_back()
    assert [one.message_id for one in walk.carrier.taken] == [failed.id]
    await walk.clock.advance(60)
    await walk.fell_back()
    assert [one.message_id for one in walk.carrier.taken] == [failed.id, lost.id]
    assert walk.carrier.taken[1].attempt == 2
    await other.close()


async def test_a_doubt_is_that_of_the_present_step(walk: Walk, chat: ScriptedCarrier) -> None:
    """What an earlier carrier said is no sign of what the present one did: it is asked again."""
    steps = (FIRST, Step(Channel.SMS))
    message = await sent(walk, chat, steps=steps, category=Category.OTP)
    chat.receipt(chat.taken[0], ReceiptState.UNDELIVERABLE)
    await walk.received()
    await walk.fell_back()
    walk.carrier.leave_unknown(walk.carrier.taken[0])
    await walk.settled()
    await walk.swept()
    assert await walk.status(message) == "uncertain"
    await walk.clock.advance(6)
    await walk.swept()
    await walk.claim()
    again = walk.carrier.taken[1]
    assert (again.attempt, list(again.accepted)) == (3, [])
    walk.carrier.refuse(again)
    await walk.settled()
    assert await walk.status(message) == "uncertain"


async def test_refused_twice_in_doubt_goes_on(walk: Walk, chat: ScriptedCarrier) -> None:
    """A resend and its first submit that are both refused are the failure of a step."""
    message = await walk.send("1", steps=(FIRST, Step(Channel.SMS)), category=Category.OTP)
    chat.leave_unknown(chat.taken[0])
    await walk.settled()
    await walk.clock.advance(6)
    await walk.swept()
    await walk.claim()
    chat.refuse(chat.taken[1])
    chat.answer(chat.taken[0], OutcomeKind.REFUSED, error_code="recipient_refused")
    await walk.settled()
    await walk.clock.advance(5)
    await walk.swept()
    await walk.fell_back()
    assert [one.message_id for one in walk.carrier.taken] == [message.id]
    assert await walk.told(message) == ["queued", "uncertain", "queued"]


async def test_a_claim_and_a_fallback_do_not_meet(walk: Walk, chat: ScriptedCarrier) -> None:
    """A place in the queue that somebody takes is left to him: the message goes on later."""
    chat.turn(up=False)
    message = await walk.send("481220", steps=PLAN)
    await walk.clock.advance(60)
    async with walk.database.write() as claiming:
        await claiming.execute("DELETE FROM queue WHERE message_id = $1", message.id)
        await walk.fallbacks.run_once()
        assert await walk.status(message) == "queued"
        assert (await walk.row(message))["past_steps"] is None
        await claiming.execute(
            "INSERT INTO queue (message_id, account_id, carrier_id, priority, due_at, expires_at)"
            " VALUES ($1, $2, $3, 1, $4::timestamptz, $4::timestamptz + interval '1 day')",
            message.id,
            message.account_id,
            chat.number,
            walk.clock.now(),
        )
    await walk.clock.advance(1)
    await walk.fell_back()
    assert len(walk.carrier.taken) == 1
