"""Over which links receipts and messages go, and what happens when nobody takes them."""

from collections.abc import Awaitable, Callable

from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import is_receipt, parse_receipt
from onesixty.smpp.statuses import Status

from .conftest import Start
from .esme import Esme, submit_sm

Connect = Callable[[int], Awaitable[Esme]]


async def bound(connect: Connect, port: int, command: Command, name: str = "esme") -> Esme:
    """One more link of an account."""
    esme = await connect(port)
    assert (await esme.bind(command, name=name)).status == 0
    return esme


async def test_receipts_come_back_over_the_link_that_submitted(
    start: Start, connect: Connect
) -> None:
    """Of two transceivers the one that submitted gets the receipt."""
    smsc, first = await start()
    second = await bound(connect, smsc.port, Command.BIND_TRANSCEIVER)
    second.submit()
    assert sum(map(is_receipt, await second.quiet())) == 1
    assert await first.quiet() == []


async def test_receivers_take_turns_for_a_transmitter(start: Start, connect: Connect) -> None:
    """What a transmitter submits is told to the receiving links in turn, to no other account."""
    smsc, first = await start()
    second = await bound(connect, smsc.port, Command.BIND_RECEIVER)
    stranger = await bound(connect, smsc.port, Command.BIND_RECEIVER, "stranger")
    transmitter = await bound(connect, smsc.port, Command.BIND_TRANSMITTER)
    for _ in range(4):
        transmitter.submit()
    assert [pdu.command for pdu in await transmitter.quiet()] == [Command.SUBMIT_SM_RESP] * 4
    assert len(await first.quiet()) == 2
    assert len(await second.quiet()) == 2
    assert await stranger.quiet() == []


async def test_receipts_wait_for_a_link(start: Start, connect: Connect) -> None:
    """While no receiving link is bound they are kept, in order."""
    smsc, first = await start()
    await first.close()
    transmitter = await bound(connect, smsc.port, Command.BIND_TRANSMITTER)
    ids = [(await transmitter.ask(submit_sm())).text("message_id") for _ in range(3)]
    receiver = await bound(connect, smsc.port, Command.BIND_RECEIVER)
    assert [parse_receipt(pdu).id for pdu in await receiver.quiet()] == ids


async def test_unanswered_receipts_come_again_after_a_reconnect(
    start: Start, connect: Connect
) -> None:
    """A receipt that the client read but never answered is delivered on its next link."""
    smsc, first = await start()
    first.answers = None
    first.submit()
    _, unanswered = await first.quiet()
    await first.close()
    second = await bound(connect, smsc.port, Command.BIND_TRANSCEIVER)
    assert await second.receipt() == parse_receipt(unanswered)
    await second.quiet()
    assert (smsc.statistics.redelivered, smsc.statistics.delivered) == (1, 1)


async def test_unanswered_receipts_come_again_in_time(start: Start, clock: ManualClock) -> None:
    """On a link that stays up a receipt is repeated in time; late answers are fine."""
    smsc, esme = await start()
    esme.answers = None
    esme.submit()
    _, first = await esme.quiet()
    again = await esme.pass_time(clock, 65)
    assert [parse_receipt(pdu) for pdu in again] == [parse_receipt(first)]
    for pdu in (first, *again):
        esme.respond(pdu)
    assert await esme.pass_time(clock, 65) == []
    assert (smsc.statistics.redelivered, smsc.statistics.delivered) == (1, 1)


async def test_the_window_is_respected(start: Start) -> None:
    """No more receipts are open than the window has, and the rest follows the answers."""
    _, esme = await start(window=3)
    esme.answers = None
    for _ in range(5):
        esme.submit()
    receipts = [pdu for pdu in await esme.quiet() if is_receipt(pdu)]
    assert len(receipts) == 3
    esme.respond(receipts[0])
    esme.respond(receipts[1])
    assert len(await esme.quiet()) == 2


async def test_a_busy_client_is_asked_again(start: Start, clock: ManualClock) -> None:
    """ESME_RX_T_APPN brings the receipt again, later and later."""
    smsc, esme = await start()
    esme.answers = Status.RX_T_APPN
    esme.submit()
    assert sum(map(is_receipt, await esme.quiet())) == 1
    assert len(await esme.pass_time(clock, 1.1)) == 1
    assert await esme.pass_time(clock, 1.5) == []
    esme.answers = 0
    assert len(await esme.pass_time(clock, 0.6)) == 1
    assert await esme.pass_time(clock, 120) == []
    assert (smsc.statistics.redelivered, smsc.statistics.delivered) == (2, 1)


async def test_what_the_client_does_not_want_is_given_up(start: Start, clock: ManualClock) -> None:
    """ESME_RX_R_APPN ends it at once, any other error after three attempts."""
    smsc, esme = await start()
    esme.answers = Status.RX_R_APPN
    esme.submit()
    assert len([pdu for pdu in await esme.pass_time(clock, 120) if is_receipt(pdu)]) == 1
    esme.answers = Status.RSYSERR
    esme.submit()
    assert len([pdu for pdu in await esme.pass_time(clock, 120) if is_receipt(pdu)]) == 3
    assert smsc.statistics.given_up == 2


async def test_broken_links_lose_nothing(start: Start, connect: Connect) -> None:
    """Receipts of messages whose link broke come over the next one."""
    smsc, first = await start()
    first.answers = None
    for _ in range(3):
        first.submit()
    await first.quiet()
    smsc.break_links()
    await first.ended()
    second = await bound(connect, smsc.port, Command.BIND_RECEIVER)
    assert len(await second.quiet()) == 3


async def test_a_departing_client_gets_nothing_more(start: Start, clock: ManualClock) -> None:
    """After an unbind no receipt is written to the link; it waits."""
    smsc, esme = await start("receipt_delay_seconds=5")
    await esme.ask(submit_sm())
    assert (await esme.ask(Pdu(Command.UNBIND))).command == Command.UNBIND_RESP
    await clock.advance(10)
    await esme.close()
    assert smsc.statistics.receipts == 1
    assert smsc.statistics.delivered == 0
