"""The loopback carrier plays every scenario of the number table."""

import pytest

from conformance.bench import LONG, Bench, submission
from conformance.peers import LoopbackPeer, built
from onesixty.carriers.contract import OutcomeKind, Receipt, ReceiptState
from onesixty.carriers.loopback import LoopbackCarrier
from onesixty.kit.chance import Chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.numbers import NUMBERS, PREFIX, Answer, State
from onesixty.sms.form import Form, for_ports

SOON = 2.0  # seconds; what takes longer is not waited for
ANSWERS = {
    Answer.ACCEPT: OutcomeKind.ACCEPTED,
    Answer.DROP: OutcomeKind.UNKNOWN,
    Answer.THROTTLE: OutcomeKind.DEFERRED,
    Answer.REFUSE: OutcomeKind.REFUSED,
}
STATES = {
    State.DELIVERED: ReceiptState.DELIVERED,
    State.UNDELIVERED: ReceiptState.UNDELIVERABLE,
    State.ENROUTE: ReceiptState.ENROUTE,
    State.READ: ReceiptState.READ,
}


@pytest.fixture
def bench(chance: Chance) -> Bench:
    """A loopback carrier that is not started yet."""
    clock, peer = SystemClock(), LoopbackPeer()
    settings = {"window": 100, "response_seconds": 0.05}
    return Bench(built("loopback", settings, clock, chance), peer, clock)


def of(bench: Bench, number: str) -> list[Receipt]:
    """The receipts from a number, in the order in which they came."""
    return [receipt for receipt in bench.receipts if receipt.sender == number]


async def test_every_number_plays_its_scenario(bench: Bench) -> None:
    """Answer, receipts and their errors are those of the table, in their order."""
    await bench.up()
    numbers = [one for one in NUMBERS.values() if one.scenario.answer is not Answer.THROTTLE]
    await bench.send(*(submission(one.e164) for one in numbers))
    expected = {
        one.e164: [
            (STATES[step.state], step.error if step.state is State.UNDELIVERED else "")
            for step in one.scenario.receipts
            if step.after_seconds <= SOON and one.scenario.answer is not Answer.REFUSE
        ]
        for one in numbers
    }
    total = sum(map(len, expected.values()))
    await bench.until(lambda: len(bench.receipts) >= total)
    for one in numbers:
        came = [(receipt.state, receipt.error) for receipt in of(bench, one.e164)]
        assert came == expected[one.e164], one.title
    for outcome in bench.final():
        scenario = NUMBERS[outcome.submission.recipient].scenario
        assert outcome.kind is ANSWERS[scenario.answer]
    bench.check()
    await bench.carrier.stop(0.0)


async def test_a_part_may_fail_alone(bench: Bench) -> None:
    """Of a long message to one number of the table only the second part is undelivered."""
    await bench.up()
    await bench.send(submission(PREFIX + "12", LONG))
    await bench.until(lambda: len(bench.receipts) >= 3)
    (outcome,) = bench.final()
    names = [part.carrier_message_id for part in outcome.parts]
    states = {receipt.carrier_message_id: receipt.state for receipt in bench.receipts}
    assert [states[name] for name in names] == [
        ReceiptState.DELIVERED,
        ReceiptState.UNDELIVERABLE,
        ReceiptState.DELIVERED,
    ]
    await bench.carrier.stop(0.0)


async def test_an_unanswered_message_gets_its_receipt(bench: Bench) -> None:
    """The id that a lost answer would have had is that of the receipt, and nobody knows it."""
    await bench.up()
    await bench.send(submission(PREFIX + "08"))
    assert bench.parts(OutcomeKind.UNKNOWN)[0].carrier_message_id == ""
    await bench.until(lambda: bool(bench.receipts))
    assert bench.receipts[0].carrier_message_id
    await bench.carrier.stop(0.0)


async def test_nothing_comes_after_the_stop(bench: Bench) -> None:
    """A stopped carrier brings no receipt of before."""
    await bench.up()
    await bench.send(submission(PREFIX + "00"))
    await bench.carrier.stop(0.0)
    await bench.carrier.start(bench)
    await bench.send(submission(PREFIX + "03"))
    await bench.until(lambda: bool(bench.receipts))
    assert {receipt.sender for receipt in bench.receipts} == {PREFIX + "03"}
    await bench.carrier.stop(0.0)


async def test_an_echo_has_the_form_of_what_it_got(bench: Bench) -> None:
    """Binary data and its header come back as they went out."""
    await bench.up()
    form = Form(udh=for_ports(2948, 9200), data=b"\x01\xff")
    one = submission(PREFIX + "11")
    one.body, one.form = "", form
    carrier = bench.carrier
    assert isinstance(carrier, LoopbackCarrier)
    carrier._reply(one, one.body)  # which it does after two seconds
    (came,) = bench.inbounds
    assert (came.fragment.octets, came.form) == (b"\x01\xff", form)
