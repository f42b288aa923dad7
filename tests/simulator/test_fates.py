"""Each number of the table does what the table says, over SMPP."""

import pytest

from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.numbers import NUMBERS
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import MessageState, is_receipt, parse_receipt

from .conftest import Start
from .esme import Esme, submit_sm

RECEIPTS: dict[str, list[tuple[str, str]]] = {
    "00": [("DELIVRD", "000")],
    "01": [("DELIVRD", "000")],
    "02": [],
    "03": [("UNDELIV", "003")],
    "04": [("UNDELIV", "005")],
    "05": [("UNDELIV", "006")],
    "06": [("UNDELIV", "007")],
    "07": [("UNDELIV", "008")],
    "08": [("DELIVRD", "000")],
    "09": [("DELIVRD", "000"), ("ENROUTE", "000"), ("DELIVRD", "000")],
    "10": [("DELIVRD", "000")],
    "11": [("DELIVRD", "000")],
    "12": [("DELIVRD", "000")],
    "13": [],
    "14": [("DELIVRD", "000")],
    "15": [("UNDELIV", "034")],
    "16": [("UNDELIV", "450")],
    "17": [],
    "18": [("DELIVRD", "000")],
}


def number(last: str) -> str:
    """A number of the table as it stands in destination_addr."""
    return f"150055501{last}"


def stats(pdus: list[Pdu]) -> list[tuple[str, str]]:
    """State and error of each receipt."""
    receipts = [parse_receipt(pdu) for pdu in pdus if is_receipt(pdu)]
    return [(receipt.stat, receipt.error) for receipt in receipts]


async def told(esme: Esme, clock: ManualClock, destination: str, text: bytes = b"hi") -> list[Pdu]:
    """Submit one message and let two minutes pass; what came."""
    esme.submit(destination, text)
    return await esme.pass_time(clock, 120)


@pytest.mark.parametrize(("last", "expected"), RECEIPTS.items())
async def test_receipts_of_each_number(
    start: Start, clock: ManualClock, last: str, expected: list[tuple[str, str]]
) -> None:
    """The receipts that a message to this number gets in two minutes."""
    _, esme = await start()
    assert stats(await told(esme, clock, number(last))) == expected


def test_every_number_is_tried_here() -> None:
    """The list above has all numbers of the table."""
    assert [f"+{number(last)}" for last in RECEIPTS] == list(NUMBERS)


async def test_delivery_after_one_second(start: Start, clock: ManualClock) -> None:
    """The receipt of 0100 comes after 1 s and not before; the plus sign does no harm."""
    _, esme = await start()
    esme.submit("+" + number("00"))
    assert stats(await esme.pass_time(clock, 0.9)) == []
    assert stats(await esme.pass_time(clock, 0.2)) == [("DELIVRD", "000")]


async def test_delivery_after_a_minute(start: Start, clock: ManualClock) -> None:
    """The receipt of 0101 comes after 60 s and not before."""
    _, esme = await start()
    esme.submit(number("01"))
    assert stats(await esme.pass_time(clock, 59)) == []
    assert stats(await esme.pass_time(clock, 2)) == [("DELIVRD", "000")]


async def test_a_lost_answer(start: Start, clock: ManualClock) -> None:
    """0108 never answers the submit; the receipt comes all the same."""
    smsc, esme = await start()
    came = await told(esme, clock, number("08"))
    assert [pdu.command for pdu in came] == [Command.DELIVER_SM]
    assert smsc.statistics.answers_dropped == 1


async def test_stop_is_replied(start: Start, clock: ManualClock) -> None:
    """0110 sends STOP back to where the message came from."""
    _, esme = await start()
    reply = (await told(esme, clock, number("10")))[-1]
    assert not is_receipt(reply)
    assert (reply.text("source_addr"), reply.text("destination_addr")) == (
        number("10"),
        "4915100000001",
    )
    assert reply.octets("short_message") == b"STOP"


async def test_an_echo_waits_for_all_parts(start: Start, clock: ManualClock) -> None:
    """0111 sends the whole text back once, whatever the order of its parts."""
    _, esme = await start()
    for part in (2, 1):
        header = bytes((5, 0, 3, 7, 2, part))
        text = header + (b"first " if part == 1 else b"second")
        esme.submit(number("11"), text, esm_class=0x40, registered_delivery=0)
    replies = [pdu for pdu in await esme.pass_time(clock, 10) if pdu.command == Command.DELIVER_SM]
    assert [pdu.octets("short_message") for pdu in replies] == [b"first second"]


async def test_only_the_second_part_fails(start: Start, clock: ManualClock) -> None:
    """Of three parts to 0112 the second is undelivered."""
    _, esme = await start()
    for part in (1, 2, 3):
        text = bytes((5, 0, 3, 9, 3, part)) + b"part"
        esme.submit(number("12"), text, esm_class=0x40)
    expected = [("DELIVRD", "000"), ("UNDELIV", "003"), ("DELIVRD", "000")]
    assert stats(await esme.pass_time(clock, 10)) == expected


async def test_throttled_for_thirty_seconds(start: Start, clock: ManualClock) -> None:
    """0113 refuses a text until 30 s after its first attempt, then delivers it."""
    smsc, esme = await start()
    assert (await esme.ask(submit_sm(number("13")))).status == 0x58
    await esme.pass_time(clock, 29)
    assert (await esme.ask(submit_sm(number("13")))).status == 0x58
    await esme.pass_time(clock, 1)
    assert (await esme.ask(submit_sm(number("13")))).status == 0
    assert stats(await esme.pass_time(clock, 2)) == [("DELIVRD", "000")]
    assert smsc.statistics.throttled == 2


async def test_refused_at_the_submit(start: Start) -> None:
    """0117 is an invalid destination."""
    _, esme = await start()
    assert (await esme.ask(submit_sm(number("17")))).status == 0x0B


async def test_the_state_is_kept_when_an_older_receipt_follows(
    start: Start, clock: ManualClock
) -> None:
    """query_sm of a message to 0109 says DELIVERED in the end."""
    _, esme = await start()
    message_id = (await esme.ask(submit_sm(number("09")))).text("message_id")
    await esme.pass_time(clock, 10)
    query = Pdu(Command.QUERY_SM, fields={"message_id": message_id, "source_addr": "4915100000001"})
    assert (await esme.ask(query)).number("message_state") == MessageState.DELIVERED
