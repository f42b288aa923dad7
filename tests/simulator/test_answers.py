"""What goes wrong with the answers to submits."""

import socket

import pytest

from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.answers import UNKNOWN_TLVS
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import is_receipt

from .conftest import Start
from .esme import submit_sm


def heads(pdus: list[Pdu]) -> list[tuple[int, int]]:
    """Status and sequence number of each submit_sm_resp."""
    return [(pdu.status, pdu.sequence) for pdu in pdus if pdu.command == Command.SUBMIT_SM_RESP]


async def test_dropped_answers_never_come(start: Start, clock: ManualClock) -> None:
    """Every second submit is taken, has its receipt, and is never answered."""
    smsc, esme = await start("drop_answers=every:2")
    sent = [esme.submit() for _ in range(4)]
    came = await esme.quiet() + await esme.pass_time(clock, 120)
    assert heads(came) == [(0, sent[0]), (0, sent[2])]
    assert sum(map(is_receipt, came)) == 4
    assert (smsc.statistics.accepted, smsc.statistics.answers_dropped) == (4, 2)


async def test_answers_can_be_delayed(start: Start, clock: ManualClock) -> None:
    """Nothing comes before the time, and the receipt not before the answer."""
    _, esme = await start("answer_delay_seconds=2")
    sent = esme.submit()
    assert await esme.pass_time(clock, 1.9) == []
    await clock.advance(0.1)
    answer, receipt = await esme.quiet()
    assert heads([answer]) == [(0, sent)]
    assert is_receipt(receipt)


async def test_random_delays_reorder_answers(start: Start, clock: ManualClock) -> None:
    """With a range of delays all answers come, in another order than they were asked for."""
    _, esme = await start("answer_delay_seconds=0.1..5")
    sent = [esme.submit(registered_delivery=0) for _ in range(20)]
    assert await esme.quiet() == []
    came = [sequence for _, sequence in heads(await esme.pass_time(clock, 6))]
    assert came != sent
    assert sorted(came) == sent


async def test_late_answers_come_after_their_time(start: Start, clock: ManualClock) -> None:
    """A late answer comes after `late_answer_seconds`; the others at once."""
    _, esme = await start("late_answers=every:2", "late_answer_seconds=90")
    on_time, late = esme.submit(registered_delivery=0), esme.submit(registered_delivery=0)
    assert heads(await esme.quiet()) == [(0, on_time)]
    assert await esme.pass_time(clock, 80) == []
    assert heads(await esme.pass_time(clock, 10)) == [(0, late)]


async def test_late_answers_do_not_stop_the_rest(start: Start, clock: ManualClock) -> None:
    """However many answers are due later, further submits are read and answered."""
    _, esme = await start("late_answers=1", window=2)
    for _ in range(50):
        esme.submit(registered_delivery=0)
    assert await esme.quiet() == []
    assert len(await esme.pass_time(clock, 90)) == 50


async def test_answers_can_come_twice(start: Start) -> None:
    """Both answers are the same."""
    _, esme = await start("duplicate_answers=1")
    esme.submit(registered_delivery=0)
    first, second = await esme.quiet()
    assert first == second


async def test_answers_can_bear_a_wrong_sequence_number(start: Start) -> None:
    """The answer cannot be matched with the submit."""
    _, esme = await start("wrong_sequence=1")
    sent = esme.submit(registered_delivery=0)
    (answer,) = await esme.quiet()
    assert answer.command == Command.SUBMIT_SM_RESP
    assert answer.sequence not in range(1, sent + 1)


async def test_submits_can_be_refused(start: Start) -> None:
    """Every third submit gets the status; it is not accepted and has no receipt."""
    smsc, esme = await start("refuse=every:3", "refuse_status=0x45")
    sent = [esme.submit() for _ in range(3)]
    came = await esme.quiet()
    assert heads(came) == [(0, sent[0]), (0, sent[1]), (0x45, sent[2])]
    assert sum(map(is_receipt, came)) == 2
    assert (smsc.statistics.accepted, smsc.statistics.refused) == (2, 1)


async def test_a_probability_refuses_about_that_share(start: Start) -> None:
    """Of many submits roughly the given share is refused."""
    smsc, esme = await start("refuse=0.3")
    for _ in range(200):
        esme.submit(registered_delivery=0)
    await esme.quiet()
    assert 30 < smsc.statistics.refused < 90


async def test_submits_beyond_the_rate_are_throttled(start: Start, clock: ManualClock) -> None:
    """Within one second only so many are taken; in the next second as many again."""
    smsc, esme = await start("throttle_above_per_second=3")
    for _ in range(5):
        esme.submit(registered_delivery=0)
    assert [status for status, _ in heads(await esme.quiet())] == [0, 0, 0, 0x58, 0x58]
    await clock.advance(1.0)
    esme.submit(registered_delivery=0)
    assert [status for status, _ in heads(await esme.quiet())] == [0]
    assert smsc.statistics.throttled == 2


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the kernel does not count segments")
async def test_answers_can_leave_octet_by_octet(start: Start) -> None:
    """One answer comes in many TCP segments, and is whole in the end."""
    _, esme = await start("split_writes")
    before = esme.segments()
    answer = await esme.ask(submit_sm(registered_delivery=0))
    assert answer.text("message_id")
    assert esme.segments() - before > 4  # the kernel joins what its first window does not take


async def test_answers_and_receipts_can_carry_unknown_tlvs(start: Start) -> None:
    """TLVs that no table has, one of them empty."""
    _, esme = await start("unknown_tlvs")
    esme.submit()
    for pdu in await esme.quiet():
        assert [tlv for tlv in pdu.tlvs if tlv in UNKNOWN_TLVS] == list(UNKNOWN_TLVS)
