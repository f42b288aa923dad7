"""query_sm, cancel_sm and replace_sm."""

from collections.abc import Awaitable, Callable

import pytest

from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import MessageState, parse_receipt
from onesixty.smpp.statuses import Status
from onesixty.smpp.times import decode_time

from .conftest import Start
from .esme import RECIPIENT, Esme, submit_sm

SENDER = "4915100000001"
Connect = Callable[[int], Awaitable[Esme]]


def about(command: Command, message_id: str, source: str = SENDER, **more: str) -> Pdu:
    """A request about a message."""
    fields = {"message_id": message_id, "source_addr": source} | more
    return Pdu(command, fields=dict(fields))


async def submitted(esme: Esme, **more: object) -> str:
    """Submit one message; its id."""
    return (await esme.ask(submit_sm(**more))).text("message_id")  # type: ignore[arg-type]


async def test_a_query_tells_the_state(start: Start, clock: ManualClock) -> None:
    """First on its way, then delivered, with the time of it."""
    _, esme = await start("receipt_delay_seconds=5")
    query = about(Command.QUERY_SM, await submitted(esme, registered_delivery=0))
    answer = await esme.ask(query)
    assert answer.number("message_state") == MessageState.ENROUTE
    assert answer.text("final_date") == ""
    await clock.advance(5)
    answer = await esme.ask(query)
    assert answer.number("message_state") == MessageState.DELIVERED
    assert decode_time(answer.text("final_date")) == clock.now()


async def test_a_query_tells_the_error(start: Start) -> None:
    """The error of an undelivered message is in the answer."""
    _, esme = await start("undelivered=1", "undelivered_error=042")
    answer = await esme.ask(about(Command.QUERY_SM, await submitted(esme)))
    assert answer.number("message_state") == MessageState.UNDELIVERABLE
    assert answer.number("error_code") == 42


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (Command.QUERY_SM, Status.RQUERYFAIL),
        (Command.CANCEL_SM, Status.RCANCELFAIL),
        (Command.REPLACE_SM, Status.RREPLACEFAIL),
    ],
)
async def test_messages_of_others_do_not_exist(
    start: Start, connect: Connect, command: Command, status: Status
) -> None:
    """Unknown ids, another source and another account are told apart from nothing."""
    smsc, esme = await start("receipt_delay_seconds=60")
    message_id = await submitted(esme)
    stranger = await connect(smsc.port)
    await stranger.bind(name="stranger")
    assert (await esme.ask(about(command, "nothing"))).status == status
    assert (await esme.ask(about(command, message_id, "1"))).status == status
    assert (await stranger.ask(about(command, message_id))).status == status
    assert (await esme.ask(about(command, message_id))).status == 0


async def test_a_cancelled_message_is_never_delivered(start: Start, clock: ManualClock) -> None:
    """Its receipt says DELETED, and no other follows; it cannot be cancelled twice."""
    _, esme = await start("receipt_delay_seconds=5")
    message_id = await submitted(esme)
    esme.send(about(Command.CANCEL_SM, message_id))
    answer, receipt = sorted(await esme.quiet(), key=lambda pdu: not pdu.is_response)
    assert answer.status == 0
    assert parse_receipt(receipt).state is MessageState.DELETED
    assert await esme.pass_time(clock, 30) == []
    again = await esme.ask(about(Command.CANCEL_SM, message_id))
    assert again.status == Status.RCANCELFAIL


async def test_a_cancel_without_id_takes_all_between_two_addresses(
    start: Start, clock: ManualClock
) -> None:
    """Those pending between the same source and destination go, others stay."""
    _, esme = await start("receipt_delay_seconds=5")
    for destination in (RECIPIENT, RECIPIENT, "49170999"):
        await submitted(esme, destination=destination)
    cancel = about(Command.CANCEL_SM, "", destination_addr=RECIPIENT)
    esme.send(cancel)
    came = await esme.pass_time(clock, 10)
    states = [parse_receipt(pdu).state.name for pdu in came if not pdu.is_response]
    assert states == ["DELETED", "DELETED", "DELIVERED"]
    assert (await esme.ask(cancel)).status == Status.RCANCELFAIL


async def test_a_replaced_message_has_its_new_text(start: Start, clock: ManualClock) -> None:
    """The receipt quotes the new text; what was delivered cannot be replaced."""
    _, esme = await start("receipt_delay_seconds=5")
    replace = about(Command.REPLACE_SM, await submitted(esme))
    replace.fields |= {"short_message": b"better", "registered_delivery": 1}
    assert (await esme.ask(replace)).status == 0
    (receipt,) = await esme.pass_time(clock, 6)
    assert parse_receipt(receipt).text == "better"
    assert (await esme.ask(replace)).status == Status.RREPLACEFAIL
