"""Settling: what each outcome means for its message, written once for a whole batch."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from onesixty.carriers.contract import ErrorClass, Outcome, OutcomeKind, Submission
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.messages.dispatch.lane import THROTTLED_MOST
from onesixty.messages.settle.retries import RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS, decide
from onesixty.messages.states import Cause
from onesixty.messages.types import Message

from .scripted import name_of
from .walk import NUMBER, Walk

LONG = "x" * 400  # three segments
ACCEPTED, DEFERRED, REFUSED, UNKNOWN = OutcomeKind


async def sent_out(walk: Walk, body: str = "hello", **more: Any) -> tuple[Message, Submission]:
    """A message in the hands of its carrier."""
    message = await walk.send(body, **more)
    return message, (await walk.carrier.took(1))[-1]


async def test_accepted_is_sent(walk: Walk) -> None:
    """An accepted message is sent: its time, its part's id and key, its event, no lease."""
    message, one = await sent_out(walk)
    await walk.clock.advance(3)
    walk.carrier.accept(one)
    await walk.settled()
    row = await walk.row(message)
    assert (row["attempts"], row["parts_sent"], row["error_code"]) == (1, 1, None)
    assert row["sent_at"] == walk.clock.now()
    assert row["final_at"] is None
    (part,) = await walk.parts(message)
    assert (part["carrier_message_id"], part["outcome"]) == (name_of(one), ACCEPTED)
    assert await walk.ask("SELECT match_key FROM submissions") == name_of(one)
    assert await walk.told(message) == ["queued", "sent"]
    assert await walk.count("leases") == 0


async def test_refused_has_failed(walk: Walk) -> None:
    """A refusal is the end, with the carrier's own code beside ours."""
    message, one = await sent_out(walk)
    walk.carrier.refuse(one)
    await walk.settled()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "failed"]
    assert (row["error_code"], row["error_class"]) == ("recipient_refused", "recipient")
    assert (row["carrier_code"], row["error_detail"]) == ("0x0B", "no such number")
    assert row["final_at"] == walk.clock.now()
    assert (await walk.count("leases"), await walk.count("queue")) == (0, 0)


async def test_unknown_is_uncertain(walk: Walk) -> None:
    """Without an answer it may have been sent: it is not sent again by itself."""
    message, one = await sent_out(walk)
    walk.carrier.leave_unknown(one)
    await walk.settled()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "uncertain"]
    assert (row["error_code"], row["attempts"], row["final_at"]) == ("no_answer", 1, None)
    assert (await walk.count("leases"), await walk.count("queue")) == (0, 0)


async def test_deferred_comes_again_later(walk: Walk) -> None:
    """A deferred message waits longer each time, within its bounds, and then goes out."""
    message, one = await sent_out(walk)
    for attempt in range(1, 13):
        walk.carrier.defer(one)
        await walk.settled()
        assert await walk.status(message) == "queued"
        due: datetime = await walk.ask("SELECT due_at FROM queue")
        longest = min(RETRY_FIRST_SECONDS * 2 ** (attempt - 1), RETRY_MOST_SECONDS)
        wait = (due - walk.clock.now()).total_seconds()
        assert longest / 2 <= wait <= longest
        await walk.clock.advance(wait - 0.001)
        await walk.claim()
        assert len(walk.carrier.taken) == attempt
        await walk.clock.advance(0.001)
        await walk.claim()
        one = walk.carrier.taken[-1]
        assert one.attempt == attempt + 1
    walk.carrier.accept(one)
    await walk.settled()
    row = await walk.row(message)
    assert (row["attempts"], row["error_code"], row["carrier_code"]) == (13, None, None)
    assert await walk.told(message) == ["queued", "sent"]
    assert len(await walk.parts(message)) == 13


async def test_a_carrier_may_say_when(walk: Walk) -> None:
    """Where the carrier names a time to wait, that is when it comes again."""
    _, one = await sent_out(walk)
    walk.carrier.defer(one, retry_after_seconds=77.0)
    await walk.settled()
    due = await walk.ask("SELECT due_at FROM queue")
    assert due == walk.clock.now() + timedelta(seconds=77)


async def test_throttling_costs_no_attempt(walk: Walk) -> None:
    """Throttled submissions leave no trace: their messages keep their place."""
    message, one = await sent_out(walk)
    one.throttled = THROTTLED_MOST
    walk.carrier.throttle(one)
    await walk.settled()
    row = await walk.row(message)
    assert (row["attempts"], await walk.status(message)) == (0, "queued")
    assert await walk.parts(message) == []
    await walk.clock.advance(1)
    await walk.claim()
    assert walk.carrier.taken[-1].attempt == 1


async def test_retries_end_with_the_validity(walk: Walk) -> None:
    """When the next try would come after the validity the message is expired, and says why."""
    message, one = await sent_out(walk, validity_seconds=60)
    walk.carrier.defer(one, retry_after_seconds=60.0, detail="busy")
    await walk.settled()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "expired"]
    assert (row["error_code"], row["error_class"]) == ("expired", "expired")
    assert "busy" in row["error_detail"]
    assert (row["attempts"], await walk.count("queue")) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "error_class", "attempt", "moves_on"),
    [
        (REFUSED, ErrorClass.CARRIER, 1, True),
        (REFUSED, ErrorClass.CONFIG, 1, True),
        (REFUSED, ErrorClass.RECIPIENT, 1, False),
        (REFUSED, ErrorClass.CONTENT, 1, False),
        (DEFERRED, ErrorClass.CARRIER, 1, False),
        (DEFERRED, ErrorClass.CARRIER, 2, False),
        (DEFERRED, ErrorClass.CARRIER, 3, True),
        (DEFERRED, ErrorClass.THROTTLE, 9, False),
        (DEFERRED, ErrorClass.RECIPIENT, 9, False),
        (UNKNOWN, ErrorClass.CARRIER, 9, False),
        (ACCEPTED, None, 1, False),
    ],
)
def test_when_the_next_carrier_has_its_turn(
    kind: OutcomeKind, error_class: str | None, attempt: int, moves_on: bool, chance: Chance
) -> None:
    """Faults of a carrier move a message on: refusals at once, others at the third attempt."""
    now = ManualClock().now()
    one = submission(attempt=attempt, fallbacks=[7, 8])
    outcome = Outcome(one, kind, now, now, error_class=error_class)
    decision = decide(outcome, now, chance)
    assert (decision.requeue_carrier == 7) is moves_on
    if moves_on:
        assert (decision.cause, decision.requeue_at) == (Cause.DEFERRED, now)
        assert decision.fallbacks_used == 1


def submission(attempt: int, fallbacks: list[int]) -> Submission:
    """One to carrier 1."""
    return Submission(
        account_id=1, message_id=ids.uuid7(), carrier_id=1, attempt=attempt, priority=2, sender="A",
        recipient=NUMBER, body="x", encoding="gsm7", segments=1, lease_id=ids.uuid7(),
        expires_at=ManualClock().now() + timedelta(days=1), fallbacks=fallbacks,
    )  # fmt: skip


async def test_carriers_are_tried_in_their_order(walk: Walk) -> None:
    """Refused for a fault of the carrier, a message goes through all the route has, then fails."""
    numbers = [walk.carrier.number]
    for n in (2, 3):
        number = await walk.ask(
            "INSERT INTO carriers (public_id, account_id, name, kind, settings)"
            " VALUES ($1, $2, $3, 'loopback', '{}') RETURNING id",
            ids.uuid7(), walk.account, f"carrier {n}",
        )  # fmt: skip
        numbers.append(number)
        await walk.lane(number)
    await walk.route_over(*numbers)
    message = await walk.send()
    for n, carrier in enumerate(walk.carriers):
        await walk.claim()
        (one,) = await carrier.took(1)
        assert (one.carrier_id, one.attempt) == (carrier.number, n + 1)
        assert list(one.fallbacks) == numbers[n + 1 :]
        carrier.refuse(one, ErrorClass.CARRIER)
        await walk.settled()
    row = await walk.row(message)
    assert await walk.told(message) == ["queued", "failed"]
    assert (row["carrier_id"], row["attempts"]) == (numbers[-1], 3)
    assert [part["carrier_id"] for part in await walk.parts(message)] == numbers


async def test_what_a_carrier_has_begun_stays_with_it(walk: Walk) -> None:
    """A long message of which one carrier has a part is not continued by another."""
    await walk.route_over(walk.carrier.number, walk.sandbox)
    message, one = await sent_out(walk, LONG)
    assert one.fallbacks
    parts = {1: ACCEPTED, 2: REFUSED, 3: REFUSED}
    walk.carrier.answer(one, REFUSED, parts=parts, error_class=ErrorClass.CARRIER)
    await walk.settled()
    assert await walk.status(message) == "failed"


@pytest.mark.parametrize("accepted", [{1}, {2}, {1, 2}, {1, 3}, {2, 3}])
async def test_a_long_message_goes_on_with_what_is_missing(walk: Walk, accepted: set[int]) -> None:
    """Parts that the carrier has are not sent again, and all others are, whichever they are."""
    message, one = await sent_out(walk, LONG)
    parts = {n: ACCEPTED if n in accepted else DEFERRED for n in (1, 2, 3)}
    walk.carrier.answer(one, DEFERRED, parts=parts, error_class=ErrorClass.CARRIER)
    await walk.settled()
    await walk.clock.advance(2)
    await walk.claim()
    again = walk.carrier.taken[-1]
    assert (again.attempt, set(again.accepted)) == (2, accepted)
    assert again.parts_accepted == len(accepted)
    walk.carrier.accept(again)
    await walk.settled()
    row = await walk.row(message)
    assert (await walk.status(message), row["parts_sent"]) == ("sent", 3)
    outcomes = {
        (part["attempt"], part["part"]): part["outcome"] for part in await walk.parts(message)
    }
    assert {part for (_, part), kind in outcomes.items() if kind == ACCEPTED} == {1, 2, 3}
    assert walk.lane_of(walk.carrier)._segments_out == 0


async def test_parts_of_a_throttled_message_are_kept(walk: Walk) -> None:
    """Where one part was accepted and the rest throttled the accepted one is on file."""
    message, one = await sent_out(walk, LONG)
    parts = {1: ACCEPTED, 2: DEFERRED, 3: DEFERRED}
    more = {"error_class": ErrorClass.THROTTLE, "counts_as_attempt": False}
    walk.carrier.answer(one, DEFERRED, parts=parts, retry_after_seconds=1.0, **more)
    await walk.settled()
    assert [part["part"] for part in await walk.parts(message)] == [1]
    await walk.clock.advance(1)
    await walk.claim()
    again = walk.carrier.taken[-1]
    assert (again.attempt, list(again.accepted)) == (1, [1])
    walk.carrier.accept(again)
    await walk.settled()
    assert [part["part"] for part in await walk.parts(message)] == [1, 2, 3]
    assert (await walk.row(message))["attempts"] == 1


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("late", "status"),
    [(ACCEPTED, "sent"), (REFUSED, "failed"), (DEFERRED, "queued"), (UNKNOWN, "uncertain")],
)
async def test_a_late_answer_ends_the_doubt(
    walk: Walk, late: OutcomeKind, status: str, together: bool
) -> None:
    """An answer after the wait was given up counts, in the same batch or later, as one attempt."""
    message, one = await sent_out(walk)
    walk.carrier.leave_unknown(one)
    if not together:
        await walk.settled()
    walk.carrier.answer(one, late, error_class=ErrorClass.CARRIER)
    await walk.settled()
    assert await walk.status(message) == status
    assert (await walk.row(message))["attempts"] == 1
    parts = await walk.parts(message)
    assert [(part["attempt"], part["outcome"]) for part in parts] == [(1, late)]
    assert await walk.count("leases") == 0
    expected = ["queued", "uncertain", *({"sent", "failed"} & {status})]
    assert await walk.told(message) == expected
    lane = walk.lane_of(walk.carrier)
    assert (lane._held, lane._segments_out) == (0, 0)
    if late is DEFERRED:
        await walk.clock.advance(3)
        await walk.claim()
        assert walk.carrier.taken[-1].attempt == 2


async def test_a_lease_goes_with_its_last_message(walk: Walk) -> None:
    """A lease row stays while one of its messages is out, and goes with the last."""
    await asyncio.gather(*(walk.send(f"{n}") for n in range(3)))
    taken = await walk.carrier.took(3)
    assert len({one.lease_id for one in taken}) == 1
    for one in taken:
        assert await walk.count("leases") == 1
        walk.carrier.accept(one)
        await walk.settled()
    assert (await walk.count("leases"), len(walk.leases)) == (0, 0)


async def test_events_reach_the_outbox_with_the_change(walk: Walk, on_file: Any) -> None:
    """Each event has a row for every endpoint that takes its type, and one for the callback URL."""
    everything = await on_file.endpoint(walk.account, "*")
    failures = await on_file.endpoint(walk.account, "message.failed")
    gone = await on_file.endpoint(walk.account, "*")
    await walk.ask(
        "UPDATE webhook_endpoints SET removed_at = now() WHERE id = $1 RETURNING 1", gone
    )
    other = await on_file.endpoint(await on_file.account(), "*")
    plain, first = await sent_out(walk)
    called, _ = await sent_out(walk, callback_url="http://127.0.0.1/")
    walk.carrier.refuse(first)
    walk.carrier.accept(walk.carrier.taken[1])
    await walk.settled()
    rows = await walk.database.fetch(
        "SELECT e.message_id, e.type, q.endpoint_id FROM webhook_queue q"
        " JOIN events e ON e.id = q.event_id"
    )
    assert {tuple(row) for row in rows} == {
        (plain.id, 2, everything),
        (plain.id, 8, everything),
        (plain.id, 8, failures),
        (called.id, 2, everything),
        (called.id, 5, everything),
        (called.id, 5, 0),
    }
    assert other not in {row["endpoint_id"] for row in rows}
    assert {"accept", "Settler"} <= set(walk.hooks)


@pytest.mark.parametrize("kind", list(OutcomeKind))
async def test_a_batch_that_is_written_again_changes_nothing(walk: Walk, kind: OutcomeKind) -> None:
    """After an unclear commit the same outcomes are written again: no harm, no second event."""
    message, one = await sent_out(walk)
    now = walk.clock.now()
    outcome = Outcome(one, kind, now, now, error_class=ErrorClass.CARRIER)
    await walk.settler._write([outcome])
    before = dict(await walk.row(message))
    told, queued = await walk.told(message), await walk.count("queue")
    await walk.settler._write([outcome])
    assert dict(await walk.row(message)) == before
    assert (await walk.told(message), await walk.count("queue")) == (told, queued)


async def test_an_old_outcome_does_not_touch_the_next_attempt(walk: Walk) -> None:
    """Written again when the message is already out once more, an outcome changes nothing."""
    outcomes: list[Outcome] = []
    walk.dispatcher.report = outcomes.append
    message, one = await sent_out(walk)
    walk.carrier.defer(one)
    await walk.settler._write(outcomes[:1])
    await walk.clock.advance(3)
    await walk.claim()
    assert walk.carrier.taken[-1].attempt == 2
    await walk.settler._write(outcomes[:1])
    assert (await walk.status(message), await walk.count("queue")) == ("sending", 0)
    walk.carrier.accept(walk.carrier.taken[-1])
    await walk.settler._write(outcomes[1:])
    assert (await walk.status(message), (await walk.row(message))["attempts"]) == ("sent", 2)
