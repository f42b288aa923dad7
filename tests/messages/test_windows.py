"""The 24 hours after a person has written: inside, outside, and where nobody knows."""

from datetime import timedelta

import pytest

from messages.scripted import ScriptedCarrier
from messages.walk import Walk
from onesixty.carriers.content import WHATSAPP, Content, Template, TemplateState
from onesixty.carriers.contract import Inbound, ignored
from onesixty.kit import ids
from onesixty.messages import windows
from onesixty.messages.types import Channel, Message, Refusal, SendRequest
from onesixty.records import channel_templates
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment

PERSON = "+447700900999"
TEMPLATE = Content(template=Template("order_update", "en", ("Ana",)))


@pytest.fixture
async def chat(walk: Walk) -> ScriptedCarrier:
    """A carrier of WhatsApp that has been here for a week."""
    async with walk.database.write() as tx:
        await tx.execute(
            "UPDATE carriers SET kind = 'whatsapp', created_at = $1 WHERE id = $2",
            walk.clock.now() - timedelta(days=7),
            walk.carrier.number,
        )
    await walk.keeper.refresh()
    return walk.carrier


async def write(walk: Walk, sender: str = PERSON) -> None:
    """The person writes."""
    fragment = Fragment(Encoding.UCS2, "hi".encode("utf-16-be"))
    inbound = Inbound(
        walk.carrier.number, sender, "+447700900000", fragment, walk.clock.now(), ignored,
        carrier_message_id=ids.uuid7().hex, channel=WHATSAPP,
    )  # fmt: skip
    walk.inbound.put([inbound])
    await walk.received()


async def answer(
    walk: Walk, body: str = "hello", content: Content | None = None
) -> Message | Refusal:
    """What becomes of an answer."""
    request = SendRequest(PERSON, body, channel=Channel.WHATSAPP, content=content)
    taken = await walk.acceptor.accept(request, walk.caller())
    assert isinstance(taken, Message | Refusal)
    return taken


async def test_inside_and_outside(walk: Walk, chat: ScriptedCarrier) -> None:
    """Refused until the person writes and a day later again; a template passes at any time."""
    refused = await answer(walk)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.pointer) == ("outside_window", "/to")
    assert "never written" in refused.detail
    assert isinstance(await answer(walk, "", TEMPLATE), Message)
    await write(walk)
    assert isinstance(await answer(walk), Message)
    await walk.clock.advance(25 * 3600)
    refused = await answer(walk)
    assert isinstance(refused, Refusal)
    assert refused.detail == "this person wrote last 25 hours ago"
    assert await walk.count("messages WHERE direction = 0") == 2


async def test_a_batch_is_refused_one_by_one(walk: Walk, chat: ScriptedCarrier) -> None:
    """Those whose window is open go; the others are told why."""
    await write(walk)
    requests = [
        SendRequest(to, "hello", channel=Channel.WHATSAPP) for to in (PERSON, "+447700900998")
    ]
    taken = await walk.acceptor.accept_batch(requests, walk.caller(), ids.uuid7())
    assert isinstance(taken, list)
    assert [type(one) for one in taken] == [Message, Refusal]


async def test_a_young_carrier_does_not_know(walk: Walk, chat: ScriptedCarrier) -> None:
    """On its first day people may have written elsewhere: the provider decides."""
    async with walk.database.write() as tx:
        await tx.execute("UPDATE carriers SET created_at = $1", walk.clock.now())
    assert isinstance(await answer(walk), Message)


async def test_a_template_that_is_not_approved(walk: Walk, chat: ScriptedCarrier) -> None:
    """Once the templates were read, only those that the provider takes now pass; why, in words."""
    known = [TemplateState("order_update", "en", "PAUSED"), TemplateState("code", "de", "APPROVED")]
    async with walk.database.write() as tx:
        await channel_templates.replace(tx, chat.number, known, walk.clock.now())
    await walk.keeper.refresh()
    refused = await answer(walk, "", TEMPLATE)
    assert isinstance(refused, Refusal)
    assert refused.code == "template_not_approved"
    assert refused.detail == "the template order_update (en) is paused"
    assert isinstance(await answer(walk, "", Content(template=Template("code", "de"))), Message)


async def test_until_when(walk: Walk, chat: ScriptedCarrier) -> None:
    """A day after the last word; an earlier one that comes late shortens nothing."""
    async with walk.database.read() as connection:
        assert await windows.open_until(connection, chat.number, PERSON) is None
    await write(walk)
    async with walk.database.read() as connection:
        until = await windows.open_until(connection, chat.number, PERSON)
    assert until == walk.clock.now() + timedelta(hours=24)


@pytest.mark.parametrize(
    ("number", "known_as"),
    [
        ("+5215512345678", "+525512345678"),
        ("+5491123456789", "+541123456789"),
        ("+5511987654321", "+551187654321"),
        ("+551187654321", "+551187654321"),
        ("+447700900123", "+447700900123"),
        ("+525512345678", "+525512345678"),
    ],
)
def test_numbers_that_whatsapp_writes_otherwise(number: str, known_as: str) -> None:
    """Mexico, Argentina and Brazil: with and without a digit it is the same person."""
    assert windows.contact(number) == known_as
