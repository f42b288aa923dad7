"""What waits for ESMEs: delivered until it is taken, in order, and never for ever."""

from datetime import timedelta

import pytest

from onesixty.features.esme_delivery.deliver import (
    HOLD_FIRST_SECONDS,
    HOUSEKEEPING_SECONDS,
    LEASE_SECONDS,
)
from onesixty.features.esme_delivery.notices import ReceiptNotice
from onesixty.features.esme_delivery.verdicts import DELAYS_SECONDS, KEPT, REFUSED_MOST
from onesixty.messages.states import Status
from onesixty.smpp import statuses
from onesixty.smpp.link import Answer

from .platform import LOST, NOT_SENT, SILENT, TAKEN, Platform, refused

NO_TIME = timedelta(0)
LATER, NEVER, OTHER = (
    statuses.Status.RX_T_APPN,
    statuses.Status.RX_R_APPN,
    statuses.Status.RINVDSTADR,
)


async def test_what_is_taken_is_over(platform: Platform) -> None:
    """A receipt that was answered with 0 leaves the outbox and is in the log."""
    message = await platform.receipt()
    (notice,) = await platform.deliver()
    assert isinstance(notice, ReceiptNotice)
    assert (notice.message_id, notice.status) == (message, Status.DELIVERED)
    assert await platform.waits() == []
    (entry,) = await platform.log()
    assert (entry["url"], entry["attempt"], entry["status_code"]) == ("smpp:client", 1, 0)
    assert (entry["error"], entry["next_attempt_at"]) == (None, None)


@pytest.mark.parametrize("answer", [refused(LATER), SILENT], ids=["temporary", "no answer"])
async def test_it_comes_again_later(platform: Platform, answer: Answer) -> None:
    """Refused for now, or not answered: again after waits that grow, for 72 hours and no longer."""
    await platform.receipt()
    began, delays = platform.clock.now(), []
    while await platform.deliver(answer):
        for wait in await platform.waits():
            delays.append(wait.total_seconds())
            await platform.clock.advance(wait.total_seconds())
    for delay, usual in zip(delays, DELAYS_SECONDS, strict=False):
        assert 0.9 * usual <= delay <= 1.1 * usual
    assert await platform.waits() == []
    assert KEPT - timedelta(hours=2) < platform.clock.now() - began <= KEPT
    assert (await platform.log())[-1]["next_attempt_at"] is None


async def test_what_an_esme_will_never_take_is_dropped(platform: Platform) -> None:
    """A permanent refusal ends it at the first attempt, another reason after a few; all logged."""
    await platform.receipt()
    await platform.deliver(refused(NEVER))
    assert await platform.waits() == []
    assert (await platform.log())[0]["error"].startswith("ESME_RX_R_APPN")
    await platform.receipt()
    for _ in range(REFUSED_MOST):
        assert await platform.deliver(refused(OTHER))
        await platform.clock.advance(3600)
    assert await platform.waits() == []
    assert len(await platform.log()) == 1 + REFUSED_MOST


async def test_what_was_never_sent_is_no_attempt(platform: Platform) -> None:
    """What came back unsent is due at once, as often as it takes."""
    await platform.receipt()
    for _ in range(3):
        await platform.deliver(NOT_SENT)
        assert await platform.waits() == [NO_TIME]
    assert await platform.log() == []


async def test_a_lost_session_delivers_again_at_once(platform: Platform) -> None:
    """What was unanswered when a session broke is due with the next; the second time it waits."""
    await platform.receipt()
    await platform.deliver(LOST)
    assert await platform.waits() == [NO_TIME]
    await platform.deliver(LOST)
    assert (await platform.waits())[0] > NO_TIME


async def test_a_late_answer_counts(platform: Platform) -> None:
    """A receipt that is taken after it was given up as unanswered does not come again."""
    await platform.receipt()
    await platform.run()
    ((_, on_answer),) = platform.door.handed
    on_answer(SILENT)
    await platform.deliverer.settling.caught_up()
    assert len(await platform.waits()) == 1
    on_answer(TAKEN._replace(late=True))
    await platform.deliverer.settling.caught_up()
    assert await platform.waits() == []


async def test_nothing_is_claimed_for_who_is_not_bound(platform: Platform) -> None:
    """Without a session its rows stay due; as soon as there is one they flow."""
    del platform.door.places[platform.esme]
    await platform.receipt()
    assert await platform.deliver() == []
    assert await platform.waits() == [NO_TIME]
    platform.door.places[platform.esme] = 10
    assert len(await platform.deliver()) == 1


async def test_no_more_than_there_is_room_for(platform: Platform) -> None:
    """An ESME is given what it has room for; the rest follows with its answers."""
    platform.door.places[platform.esme] = 3
    for _ in range(5):
        await platform.receipt()
    await platform.run()
    assert len(platform.door.handed) == 3
    platform.door.answer(TAKEN, 1)
    await platform.run()
    assert len(platform.door.handed) == 3
    assert len(await platform.waits()) == 4  # leased, but for the one that was never claimed


async def test_many_esmes_are_asked_for_first(platform: Platform) -> None:
    """With more ESMEs bound than are claimed from apart, those with news are found all the same."""
    others = dict.fromkeys(range(1000, 1100), 10)
    platform.door.places |= others
    late = await platform.new_esme("late")
    platform.door.places[late] = 1
    await platform.receipt()
    await platform.receipt(esme=late)
    assert {notice.esme_id for notice in await platform.deliver()} == {platform.esme, late}


async def test_a_dead_process_leaves_a_lease(platform: Platform) -> None:
    """What nobody settled comes due again when its lease ends."""
    await platform.receipt()
    await platform.run()
    await platform.start_anew()
    assert await platform.deliver() == []
    assert await platform.waits() == [timedelta(seconds=LEASE_SECONDS)]
    await platform.clock.advance(LEASE_SECONDS)
    assert len(await platform.deliver()) == 1


async def test_receipts_of_a_message_in_order(platform: Platform) -> None:
    """What was written for one message goes out in the order of its events."""
    message = await platform.receipt(Status.SENT)
    await platform.receipt(Status.DELIVERED, message)
    given = [
        notice.status for notice in await platform.deliver() if isinstance(notice, ReceiptNotice)
    ]
    assert given == [Status.SENT, Status.DELIVERED]


async def test_an_old_status_is_not_told_after_a_new_one(platform: Platform) -> None:
    """A receipt that has to come again ends when a later one of its message is there."""
    message = await platform.receipt(Status.SENT)
    await platform.deliver(refused(LATER))
    await platform.receipt(Status.DELIVERED, message)
    await platform.clock.advance(10)
    (notice,) = await platform.deliver()
    assert isinstance(notice, ReceiptNotice)
    assert notice.status is Status.DELIVERED
    assert await platform.waits() == []
    assert "overtook" in [entry["error"] for entry in await platform.log() if entry["error"]][-1]


async def test_who_asks_to_wait_is_let_alone(platform: Platform) -> None:
    """After a temporary refusal nothing goes to this ESME for a second; a new bind ends that."""
    await platform.receipt()
    await platform.deliver(refused(LATER))
    await platform.receipt()
    assert await platform.deliver() == []
    await platform.clock.advance(HOLD_FIRST_SECONDS)
    assert len(await platform.deliver(refused(LATER))) == 1
    await platform.receipt()
    platform.deliverer.bound(platform.esme)
    assert len(await platform.deliver()) == 1


async def test_what_cannot_be_written_is_given_up(platform: Platform) -> None:
    """A notice that has no PDU ends, with the reason in the log."""
    await platform.receipt()
    platform.door.objection = "it cannot be written"
    await platform.deliver()
    assert await platform.waits() == []
    assert (await platform.log())[0]["error"] == "given up: it cannot be written"


@pytest.mark.parametrize("change", ["removed_at = now()", "enabled = false"])
async def test_who_is_off_has_nothing_waiting(platform: Platform, change: str) -> None:
    """What waits for an ESME that was removed or disabled ends within a minute, in the log."""
    del platform.door.places[platform.esme]
    await platform.receipt()
    other = await platform.new_esme("other")
    await platform.receipt(esme=other)
    await platform.database.fetch(f"UPDATE esmes SET {change} WHERE id = $1", platform.esme)
    await platform.clock.advance(HOUSEKEEPING_SECONDS)
    await platform.run()
    assert len(await platform.waits()) == 1
    (entry,) = await platform.log()
    assert entry["endpoint_id"] == -platform.esme
    assert "the ESME is" in entry["error"]


async def test_who_never_binds_loses_what_is_old(platform: Platform) -> None:
    """What nobody fetched in 72 hours ends, in the log."""
    del platform.door.places[platform.esme]
    await platform.receipt()
    await platform.clock.advance(KEPT.total_seconds() - 1)
    await platform.run()
    assert len(await platform.waits()) == 1
    await platform.clock.advance(HOUSEKEEPING_SECONDS)
    await platform.run()
    assert await platform.waits() == []
    assert (await platform.log())[0]["error"] == "given up: nobody bound to fetch it"


async def test_a_slow_customer_gets_it_once(platform: Platform) -> None:
    """What is in hand for longer than its lease is not handed over a second time."""
    await platform.receipt()
    await platform.run()
    await platform.clock.advance(LEASE_SECONDS)
    await platform.run()
    assert len(platform.door.handed) == 1
    platform.door.answer()
    await platform.deliverer.settling.caught_up()
    assert await platform.waits() == []
