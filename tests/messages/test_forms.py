"""Messages that are not plain text on their walk: what is accepted is sent, stored and shown."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from onesixty.carriers import registry
from onesixty.carriers.smpp.pdus import PduBuilder
from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.messages import render, screen
from onesixty.messages.states import Status
from onesixty.messages.types import (
    Category,
    Direction,
    Encoding,
    Message,
    Refusal,
    SendRequest,
)
from onesixty.smpp.pdus import Command, Pdu
from onesixty.sms import udh
from onesixty.sms.form import SILENT, Form, for_ports

from .walk import NUMBER, Walk

WAP = for_ports(2948, 9200)
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
DEFAULTS = {field.name: field.default for field in registry.SPECS["smpp"].fields}
FORMS = [
    (Form(message_class=0), "flash"),
    (Form(message_class=0), "вспышка"),
    (Form(udh=WAP), "for a port"),
    (Form(udh=udh.build(udh.shifts(single=1))), "ş"),
    (Form(protocol_id=SILENT), ""),
    (Form(data=bytes(range(256))), ""),
    (Form(udh=WAP, data=bytes(400), message_class=1), ""),
    (Form(data=b"\x80\x00", data_coding=0), ""),
    (Form(data_coding=0xC8), "voice mail"),
]


def draft() -> Message:
    """A message that acceptance has just begun with."""
    return Message(1, ids.uuid7(), Status.QUEUED, Direction.OUTBOUND, Category.OTP, NUMBER, "", NOW)


def builder(walk: Walk) -> PduBuilder:
    """The PDUs of the walk's carrier, if it were one of SMPP."""
    return PduBuilder(walk.carrier.number, DEFAULTS, chance(160))


def submitted(walk: Walk) -> list[Pdu]:
    """The PDUs of the one message that its carrier has in hand."""
    (one,) = walk.carrier.unanswered()
    pdus = builder(walk).submits(one, walk.clock.now())
    assert len(pdus) == one.segments
    walk.carrier.accept(one)
    return list(pdus.values())


async def test_what_goes_out_comes_in(walk: Walk) -> None:
    """Every form is on file as it was accepted, and the same when another platform has sent it."""
    for form, body in FORMS:
        sent = await walk.send(body, form=form)
        row = await walk.row(sent)
        assert (sent.form, row["form"]) == (form, form.to_json())
        for pdu in submitted(walk):
            came = Pdu(Command.DELIVER_SM, fields=pdu.fields, tlvs=pdu.tlvs)
            walk.inbound.put([builder(walk).inbound(came, walk.clock.now(), lambda *_: None)])
        await walk.received()
        await walk.settled()
        shown = await walk.database.fetch(
            "SELECT * FROM messages WHERE direction = 1 ORDER BY id DESC LIMIT 1"
        )
        there = render.message(shown[0], walk.keeper.book)
        here = render.message(row, walk.keeper.book)
        names = ("body", "udh", "ports", "message_class", "flash", "protocol_id", "silent")
        if form.data_coding != 0 and not udh_of_tables(form):
            assert {n: there.get(n) for n in names} == {n: here.get(n) for n in names}
            assert (there["segments"], there["encoding"]) == (here["segments"], here["encoding"])
        assert there.get("data", "") == here.get("data", "")


def udh_of_tables(form: Form) -> bool:
    """Whether the header only helps to read the text, so that nobody needs it afterwards."""
    return form.udh.endswith(udh.shifts(single=1)) and bool(form.udh)


async def test_nothing_that_a_handset_sends_is_dropped(walk: Walk) -> None:
    """Whatever octets come under whatever coding, with headers or not, are stored and answered."""
    luck, answers, build = chance(160), list[bool](), builder(walk)
    parts = 0
    for number in range(400):
        octets = luck.randbytes(luck.randrange(12))
        if luck.randrange(2):
            octets = udh.build(udh.concatenation(number, 2, 1 + number % 2)) + octets
        fields: dict[str, Any] = {
            "source_addr": f"4477009{number:05d}", "source_addr_ton": 1,
            "esm_class": luck.choice((0, 0x40, 0xC0)), "data_coding": luck.randrange(256),
            "protocol_id": luck.randrange(256), "short_message": octets,
        }  # fmt: skip
        came = build.inbound(
            Pdu(Command.DELIVER_SM, fields=fields), walk.clock.now(), lambda *_: None
        )
        came.acknowledge = answers.append
        parts += came.fragment.total > 1
        walk.inbound.put([came])
    await walk.received()
    assert answers == [True] * 400
    assert await walk.count("inbound_parts") == parts > 100
    rows = await walk.database.fetch("SELECT body, form FROM messages WHERE direction = 1")
    assert len(rows) == 400 - parts
    assert all("\ufffd" not in row["body"] or row["form"]["data"] for row in rows)


async def test_a_form_waits_in_the_queue(walk: Walk) -> None:
    """A message that is claimed from the queue has its form, as one that was handed over."""
    walk.carrier.window = 0
    sent = await walk.send("", form=FORMS[6][0])
    assert walk.carrier.unanswered() == []
    walk.carrier.window = 100
    await walk.claim()
    (one,) = walk.carrier.unanswered()
    assert (one.form, one.encoding, one.segments) == (sent.form, "binary", 4)


@pytest.mark.parametrize(
    ("form", "body", "encoding", "segments"),
    [
        (Form(data=bytes(140)), "", Encoding.BINARY, 1),
        (Form(data=bytes(141)), "", Encoding.BINARY, 2),
        (Form(udh=WAP, data=bytes(133)), "", Encoding.BINARY, 1),
        (Form(udh=WAP, data=bytes(134)), "", Encoding.BINARY, 2),
        (Form(udh=WAP), "a" * 152, Encoding.GSM7, 1),
        (Form(udh=WAP), "a" * 153, Encoding.GSM7, 2),
        (Form(udh=WAP), "я" * 67, Encoding.UCS2, 2),
        (Form(data=bytes(160), data_coding=0), "", Encoding.GSM7, 1),
        (Form(data=bytes(142), data_coding=8), "", Encoding.UCS2, 2),
        (Form(data_coding=8), "plain", Encoding.UCS2, 1),
        (Form(data_coding=3), "café", Encoding.LATIN1, 1),
        (Form(udh=udh.build(udh.concatenation(1, 2, 1)), data=bytes(134)), "", Encoding.BINARY, 1),
        (Form(udh=bytes.fromhex("0401020001")), "", Encoding.GSM7, 1),
    ],
)
def test_segments(form: Form, body: str, encoding: Encoding, segments: int) -> None:
    """The header takes its room in every part, and octets count in the unit of their coding."""
    message = draft()
    assert screen.compose(message, SendRequest(NUMBER, body, form=form)) is None
    assert (message.encoding, message.segments, message.form) == (encoding, segments, form)


@pytest.mark.parametrize(
    ("form", "body", "code", "pointer"),
    [
        (Form(data=b""), "", "empty_body", "/data"),
        (Form(message_class=0), "", "empty_body", "/body"),
        (Form(udh=b"\x05\x00"), "text", "invalid_udh", "/udh"),
        (Form(udh=bytes([135, 0x70, 133]) + bytes(133)), "text", "invalid_udh", "/udh"),
        (Form(data=bytes(1341)), "", "body_too_long", "/data"),
        (Form(udh=udh.build(udh.concatenation(1, 2, 1)), data=bytes(135)), "", "body_too_long",
         "/data"),
        (Form(data_coding=0xF0), "я", "not_encodable", "/body"),
        (Form(data_coding=4), "text", "not_encodable", "/body"),
    ],
)  # fmt: skip
def test_refusals(form: Form, body: str, code: str, pointer: str) -> None:
    """What cannot be sent is refused with the field that is wrong."""
    refusal = screen.compose(draft(), SendRequest(NUMBER, body, form=form))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.pointer) == (code, pointer)


def test_how_forms_look(walk: Walk) -> None:
    """Only what a message has is shown; plain text shows nothing new."""
    seen: list[dict[str, Any]] = []
    for form in (None, FORMS[0][0], FORMS[6][0], FORMS[4][0], Form(missing_parts=(2,))):
        message = walk.acceptor.preview(SendRequest(NUMBER, "x"), walk.caller())
        assert not isinstance(message, Refusal)
        plain = render.message(message, walk.keeper.book)
        message.form = form
        shown = render.message(message, walk.keeper.book)
        seen.append({name: value for name, value in shown.items() if name not in plain})
    assert seen == [
        {},
        {"message_class": 0, "flash": True},
        {
            "data": base64.b64encode(bytes(400)).decode(),
            "udh": WAP.hex(),
            "ports": {"source": 9200, "destination": 2948},
            "message_class": 1,
        },
        {"protocol_id": 64, "silent": True},
        {"missing_parts": [2]},
    ]
