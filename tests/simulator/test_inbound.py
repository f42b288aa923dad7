"""Messages from handsets."""

from collections.abc import Awaitable, Callable

import pytest

from onesixty.kit.chance import Chance
from onesixty.simulator.inbound import PartOrder, address, inbound_pdus
from onesixty.simulator.smsc import Smsc
from onesixty.simulator.submissions import Joiner, read_fragment
from onesixty.smpp.codec import EncodeError
from onesixty.smpp.pdus import Command, Pdu, Tag
from onesixty.sms.segments import Concatenation, SegmentationError

from .conftest import Start
from .esme import Esme

Connect = Callable[[int], Awaitable[Esme]]
LONG = "Привет, как дела? " * 12


def joined(pdus: list[Pdu]) -> list[str]:
    """The texts of the messages that these parts make."""
    joiner = Joiner()
    wholes = [joiner.add("", read_fragment(pdu)) for pdu in pdus]
    return [whole.text for whole in wholes if whole is not None]


async def test_a_message_is_delivered(start: Start) -> None:
    """A short message comes as one deliver_sm that is no receipt."""
    smsc, esme = await start()
    smsc.receive_from("+4917212345", "+491771", "Hello €")
    (pdu,) = await esme.quiet()
    assert pdu.command == Command.DELIVER_SM
    assert pdu.number("esm_class") == 0
    assert (pdu.text("source_addr"), pdu.text("destination_addr")) == ("4917212345", "491771")
    assert pdu.octets("short_message") == b"Hello \x1be"
    assert smsc.statistics.inbound == 1


@pytest.mark.parametrize("long", list(Concatenation))
@pytest.mark.parametrize("order", list(PartOrder))
async def test_a_long_message_is_delivered(
    start: Start, long: Concatenation, order: PartOrder
) -> None:
    """However it is split, and in whatever order its parts come, the text is there once."""
    smsc, esme = await start()
    smsc.receive_from("+4917212345", "12345", LONG, long=long, order=order)
    pdus = await esme.quiet()
    parts = 1 if long is Concatenation.PAYLOAD else 4
    assert len(pdus) == parts * (2 if order is PartOrder.REPEATED else 1)
    if parts > 1:
        assert joined(pdus) == [LONG]
    assert all((pdu.tlv(Tag.MESSAGE_PAYLOAD) is not None) == (parts == 1) for pdu in pdus)


def test_shuffled_parts_are_out_of_order(chance: Chance) -> None:
    """A shuffle of many parts does not leave them in order."""
    pdus = inbound_pdus(
        address("+491"),
        address("+492"),
        "x" * 1530,
        long=Concatenation.UDH8,
        order=PartOrder.SHUFFLED,
        chance=chance,
    )
    sequences = [read_fragment(pdu).sequence for pdu in pdus]
    assert sequences != sorted(sequences)
    assert sorted(sequences) == list(range(1, 11))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+491701234567", (1, 1, "491701234567")),
        ("491701234567", (1, 1, "491701234567")),
        ("12345", (3, 0, "12345")),
        ("+12345", (1, 1, "12345")),
        ("Shop", (5, 0, "Shop")),
    ],
)
def test_addresses_have_their_type(written: str, expected: tuple[int, int, str]) -> None:
    """International numbers, short codes and names each have their TON and NPI."""
    assert address(written) == expected


async def test_it_goes_to_the_account_that_is_named(start: Start, connect: Connect) -> None:
    """To the named account, or to the one that bound last."""
    smsc, first = await start()
    second = await connect(smsc.port)
    await second.bind(name="other")
    smsc.receive_from("+491", "+492", "to the last")
    smsc.receive_from("+491", "+492", "to the named", account="esme")
    assert [pdu.octets("short_message") for pdu in await first.quiet()] == [b"to the named"]
    assert [pdu.octets("short_message") for pdu in await second.quiet()] == [b"to the last"]


async def test_it_waits_for_the_account(start: Start, connect: Connect) -> None:
    """A message to an account that is not bound comes with its bind."""
    smsc, _ = await start()
    smsc.receive_from("+491", "+492", "early", account="later")
    later = await connect(smsc.port)
    await later.bind(name="later")
    assert [pdu.octets("short_message") for pdu in await later.quiet()] == [b"early"]


async def test_what_cannot_be_sent_is_refused_at_once(start: Start, idle: Smsc) -> None:
    """Impossible addresses, endless texts and unknown accounts are the caller's errors."""
    smsc, _ = await start()
    with pytest.raises(EncodeError):
        smsc.receive_from("x" * 30, "+492", "hi")
    with pytest.raises(SegmentationError):
        smsc.receive_from("+491", "+492", "x" * 40_000)
    with pytest.raises(LookupError):
        idle.receive_from("+491", "+492", "hi")
    assert smsc.statistics.inbound == 0
