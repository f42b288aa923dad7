"""Messages from handsets, on their way to the customers that their numbers belong to."""

from onesixty.carriers.contract import Inbound
from onesixty.kit.clock import SystemClock
from onesixty.smpp.pdus import Command, Pdu, Tag
from onesixty.smpp.receipts import is_receipt
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import Form, for_ports
from onesixty.sms.reassembly import Fragment

from .customer import Office

HANDSET, NUMBER = "+447700900123", "+447700900111"


async def say(
    desk: Office, text: str | Fragment, to: str = NUMBER, form: Form | None = None
) -> None:
    """Have a message come from a handset, and wait until it is stored and acknowledged."""
    fragment = (
        text if isinstance(text, Fragment) else Fragment(Encoding.UCS2, text.encode("utf-16-be"))
    )
    acknowledged: list[bool] = []
    carrier = next(iter(desk.app.keeper.book.carriers))
    now = SystemClock().now()
    desk.app.inbound.put([Inbound(carrier, HANDSET, to, fragment, now, acknowledged.append, form)])
    await desk.app.inbound.gatherer.caught_up()
    assert acknowledged == [True]


def text_of(pdu: Pdu) -> str:
    """The text of a deliver_sm that is no receipt."""
    assert pdu.command == Command.DELIVER_SM
    assert not is_receipt(pdu)
    codec = {0: "ascii", 8: "utf-16-be"}[pdu.number("data_coding")]
    return pdu.user_data().decode(codec)


async def test_to_the_only_customer(desk: Office) -> None:
    """Whole messages arrive in order, with their addresses; they wait while nobody is bound."""
    await desk.esme(long_inbound="payload")
    texts = ["Hello", "Привет", "x" * 500]
    for text in texts:
        await say(desk, text)
    await desk.waiting(len(texts))
    client = await desk.bound(command=Command.BIND_RECEIVER)
    pdus = [await client.read() for _ in texts]
    assert [text_of(pdu) for pdu in pdus] == texts
    assert {pdu.text("source_addr") for pdu in pdus} == {HANDSET[1:]}
    assert {pdu.text("destination_addr") for pdu in pdus} == {NUMBER[1:]}
    assert [pdu.tlv(Tag.MESSAGE_PAYLOAD) is not None for pdu in pdus] == [False, False, True]
    await desk.waiting(0)


async def test_each_to_its_own(desk: Office) -> None:
    """Customers with numbers get what comes for these; what is for nobody waits for nobody."""
    await desk.esme("one", numbers=[NUMBER])
    await desk.esme("two", numbers=["+4420*"])
    one, two = await desk.bound("one"), await desk.bound("two")
    await say(desk, "to two", "+442071838750")
    await say(desk, "to nobody", "+15005550100")
    await say(desk, "to one")
    assert text_of(await one.read()) == "to one"
    assert text_of(await two.read()) == "to two"
    assert await one.quiet() == await two.quiet() == []
    await desk.waiting(0)


async def test_what_is_no_text(desk: Office) -> None:
    """A message to ports arrives with its header and its octets."""
    await desk.esme()
    client = await desk.bound()
    header, data = for_ports(2948, 9200), bytes(range(50))
    await say(desk, Fragment(Encoding.BINARY, data), form=Form(udh=header, data_coding=4))
    pdu = await client.read()
    assert (pdu.number("esm_class"), pdu.number("data_coding")) == (0x40, 4)
    assert pdu.octets("short_message") == header + data


async def test_long_ones_in_parts(desk: Office) -> None:
    """A long message takes a deliver_sm for each part, and is over when all were taken."""
    await desk.esme(window=1)
    client = await desk.bound()
    client.answers = None
    await say(desk, "x" * 400)
    for number in (1, 2, 3):
        pdu = await client.read()
        assert pdu.octets("short_message")[:6][-2:] == bytes((3, number))
        await desk.waiting(1)
        client.respond(pdu)
    await desk.waiting(0)
