"""Messages that are not plain text, on the wire: one side reads what the other one sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onesixty.carriers import registry
from onesixty.carriers.contract import Inbound, Submission
from onesixty.carriers.smpp.pdus import PduBuilder
from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.simulator.submissions import Record
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import SILENT, Form, for_ports, from_json
from onesixty.sms.reassembly import assemble

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
DEFAULTS = {field.name: field.default for field in registry.SPECS["smpp"].fields}
WAP = for_ports(2948, 9200)
PART = udh.build(udh.concatenation(0xAB, 3, 2))
CONCATENATIONS = ("udh8", "udh16", "sar", "payload")


def builder(**given: Any) -> PduBuilder:
    """With these settings and the defaults."""
    return PduBuilder(1, DEFAULTS | given, chance(160))


def submission(form: Form, body: str = "") -> Submission:
    """One on its way out, in the encoding and segments that acceptance chooses."""
    plan = form.plan(body)
    return Submission(
        account_id=1, message_id=ids.uuid7(), carrier_id=1, attempt=1, priority=2, sender="ACME",
        recipient="+447700900000", body=body, encoding=plan.encoding.value,
        segments=plan.segments, expires_at=NOW + timedelta(days=1), lease_id=ids.uuid7(), form=form,
    )  # fmt: skip


def submitted(build: PduBuilder, one: Submission) -> list[Pdu]:
    """What the SMSC reads: every PDU through the wire."""
    return [decode(encode(pdu)) for pdu in build.submits(one, NOW).values()]


def received(pdus: list[Pdu], **given: Any) -> list[Inbound]:
    """What another platform reads when the SMSC delivers these as they were submitted."""
    build = builder(**given)
    came = [Pdu(Command.DELIVER_SM, fields=dict(one.fields), tlvs=list(one.tlvs)) for one in pdus]
    return [build.inbound(pdu, NOW, lambda pdu, status: None) for pdu in came]


@pytest.mark.parametrize(
    ("form", "body", "coding"),
    [
        (Form(message_class=0), "flash", 0x10),
        (Form(message_class=2), "for the SIM", 0x12),
        (Form(message_class=0), "вспышка", 0x18),
        (Form(message_class=1, data=b"\x01"), "", 0xF5),
        (Form(data=b"\x01"), "", 0x04),
        (Form(udh=WAP, data=b"\x01"), "", 0x04),
        (Form(protocol_id=SILENT), "", 0x00),
        (Form(data=b"\x01", data_coding=0xF6, protocol_id=0x7F), "", 0xF6),
        (Form(data_coding=0xC8), "voice mail", 0xC8),
    ],
)
def test_data_coding(form: Form, body: str, coding: int) -> None:
    """Class and kind of data follow the GSM data coding scheme; what a client gave stays."""
    (pdu,) = submitted(builder(), submission(form, body))
    assert pdu.number("data_coding") == coding
    assert pdu.number("protocol_id") == form.protocol_id
    assert bool(pdu.number("esm_class") & 0x40) is bool(form.udh)


@pytest.mark.parametrize("concatenation", CONCATENATIONS)
def test_a_header_of_the_client_goes_untouched(concatenation: str) -> None:
    """A part that somebody else cut keeps its own number, whatever the carrier's way is."""
    build = builder(concatenation=concatenation)
    (pdu,) = submitted(build, submission(Form(udh=PART), "part two"))
    assert pdu.user_data() == PART + b"part two"
    assert pdu.octets("short_message")
    assert pdu.number("esm_class") == 0x40
    assert pdu.tlv(Tag.SAR_MSG_REF_NUM) is None


@pytest.mark.parametrize("concatenation", CONCATENATIONS)
def test_ports_stand_in_every_part(concatenation: str) -> None:
    """A long message for a port is numbered in the header of its ports, never beside it."""
    form = Form(udh=WAP, data=bytes(range(250)))
    one = submission(form)
    pdus = submitted(builder(concatenation=concatenation), one)
    assert len(pdus) == one.segments == 2
    for number, pdu in enumerate(pdus, 1):
        parsed = udh.parse(pdu.user_data())
        assert parsed is not None
        assert parsed[0].ports == udh.Ports(2948, 9200)
        assert parsed[0].concatenation is not None
        assert (parsed[0].concatenation.sequence, parsed[0].concatenation.total) == (number, 2)
        assert len(pdu.user_data()) <= 140
        assert not pdu.tlvs


def test_long_data_may_be_cut_by_the_carrier() -> None:
    """Data without a header goes whole to a carrier that cuts, and with sar_* to one that joins."""
    one = submission(Form(data=bytes(300)))
    (whole,) = submitted(builder(concatenation="payload"), one)
    assert whole.tlv(Tag.MESSAGE_PAYLOAD) == bytes(300)
    numbered = submitted(builder(concatenation="sar"), one)
    assert [pdu.tlv_integer(Tag.SAR_SEGMENT_SEQNUM) for pdu in numbered] == [1, 2, 3]
    assert all(pdu.number("data_coding") == 4 for pdu in numbered)


def test_the_simulator_shows_forms() -> None:
    """What its handsets got is there to look at: data, ports, class."""
    record = Record()
    for form in (Form(udh=WAP, data=bytes(200)), Form(message_class=0, protocol_id=SILENT)):
        for pdu in submitted(builder(), submission(form, "" if form.data else "now")):
            record.add("1", "esme", pdu)
    data, flash = record.messages()
    assert (data.text, data.data, data.ports) == ("", bytes(200), udh.Ports(2948, 9200))
    assert (flash.text, flash.data, flash.message_class, flash.protocol_id) == ("now", None, 0, 64)


HEADERS = st.sampled_from(
    [b"", WAP, for_ports(16, 65_535), udh.build(udh.join([(0x70, b"\x01\x02"), (0x0A, b"abc")]))]
)
CLASSES = st.sampled_from([None, 0, 1, 2, 3])


@settings(max_examples=60, deadline=None)
@given(
    st.builds(Form, udh=HEADERS, data=st.binary(min_size=1, max_size=500), message_class=CLASSES),
    st.sampled_from(CONCATENATIONS),
)
def test_data_comes_in_as_it_went_out(form: Form, concatenation: str) -> None:
    """Octets, header and class of binary data are the same on the other side."""
    one = submission(form)
    came = received(submitted(builder(concatenation=concatenation), one))
    assert len(came) == (1 if concatenation == "payload" and not form.udh else len(came))
    assert assemble(part.fragment for part in came).octets == form.data
    assert {part.fragment.encoding for part in came} == {Encoding.BINARY}
    assert {part.form.udh if part.form else b"" for part in came} == {form.udh}
    assert {part.form.message_class if part.form else None for part in came} == {form.message_class}


@settings(max_examples=60, deadline=None)
@given(
    st.builds(Form, udh=HEADERS, message_class=CLASSES, protocol_id=st.sampled_from([0, 64])),
    st.text(st.sampled_from("ab€[é я👋👨‍👩‍👧"), min_size=1, max_size=300),
    st.sampled_from(CONCATENATIONS),
)
def test_text_comes_in_as_it_went_out(form: Form, body: str, concatenation: str) -> None:
    """Text, header, class and protocol are the same on the other side."""
    came = received(submitted(builder(concatenation=concatenation), submission(form, body)))
    whole = assemble(part.fragment for part in came)
    assert (whole.text, whole.missing, whole.flaws) == (body, (), ())
    beside = came[0].form or Form()
    assert (beside.udh, beside.message_class) == (form.udh, form.message_class)
    assert beside.protocol_id == form.protocol_id


@settings(max_examples=60, deadline=None)
@given(
    HEADERS,
    st.text(st.sampled_from("ab€[é@"), min_size=1, max_size=300).filter(lambda t: t[-1] != "@"),
    st.sampled_from(CONCATENATIONS),
)
def test_packed_septets_come_in_as_they_went_out(
    header: bytes, body: str, concatenation: str
) -> None:
    """For an SMSC that packs, both ways; an "@" at the end is not told from padding."""
    one = submission(Form(udh=header, protocol_id=SILENT), body)
    pdus = submitted(builder(concatenation=concatenation, gsm7_packed=True), one)
    if concatenation != "payload":
        assert all(len(pdu.user_data()) <= 140 for pdu in pdus)
    came = received(pdus, gsm7_packed=True)
    whole = assemble(part.fragment for part in came).text
    assert len(came) > 1 or whole == body
    assert whole.replace("@", "") == body.replace("@", "")


@given(
    st.builds(
        Form,
        udh=HEADERS,
        data=st.none() | st.binary(max_size=20),
        data_coding=st.none() | st.integers(0, 255),
        message_class=CLASSES,
        protocol_id=st.integers(0, 255),
        missing_parts=st.lists(st.integers(1, 255), max_size=3).map(tuple),
    )
)
def test_forms_are_kept_as_json(form: Form) -> None:
    """What the database keeps is what was accepted."""
    assert from_json(form.to_json()) == form


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        ("Привет".encode("iso8859-5"), 6, "Привет"),
        ("שלום".encode("iso8859-8"), 7, "שלום"),
        ("日本".encode("shift_jis"), 5, "日本"),
        ("日本".encode("iso2022_jp"), 0x0A, "日本"),
        ("한국".encode("euc_kr"), 0x0E, "한국"),
        (b"\x00@", 0x19, "@"),
    ],
)
def test_alphabets(octets: bytes, coding: int, text: str) -> None:
    """Every alphabet of data_coding is read as what it is."""
    fields: Any = {"data_coding": coding, "short_message": octets}
    (came,) = received([Pdu(Command.DELIVER_SM, fields=fields)])
    assert assemble([came.fragment]).text == text


@pytest.mark.parametrize(
    ("meaning", "octets", "text"),
    [
        ("gsm7", b"\x00\x1be", "@€"),
        ("latin1", b"caf\xe9 @", "café @"),
        ("ascii", b"{@}", "{@}"),
        ("utf8", "Grüße 👋".encode(), "Grüße 👋"),
        ("utf8", b"a\xff", "a\ufffd"),
    ],
)
def test_the_default_alphabet_is_the_carriers(meaning: str, octets: bytes, text: str) -> None:
    """What data_coding 0 stands for differs from SMSC to SMSC."""
    fields: Any = {"data_coding": 0, "short_message": octets}
    (came,) = received([Pdu(Command.DELIVER_SM, fields=fields)], default_alphabet=meaning)
    assert assemble([came.fragment]).text == text


def test_parts_with_and_without_high_bits_join() -> None:
    """A carrier that sends Latin-1 as its default alphabet shows it in some parts only."""
    header = [udh.build(udh.concatenation(1, 2, number)) for number in (1, 2)]
    octets = (b"plain, ", b"caf\xe9")
    pdus = [
        Pdu(Command.DELIVER_SM, fields={"esm_class": 0x40, "short_message": head + text})
        for head, text in zip(header, octets, strict=True)
    ]
    first, second = received(pdus)
    assert first.fragment.key == second.fragment.key
    whole = assemble([first.fragment, second.fragment])
    assert (whole.text, bool(whole.flaws)) == ("plain, café", True)


def test_an_empty_short_message_leaves_the_text_to_its_parameter() -> None:
    """sm_length 0 with message_payload, and a header at its beginning."""
    payload = WAP + b"\x01\x02"
    fields: Any = {"esm_class": 0x40, "data_coding": 4, "short_message": b""}
    tlvs = [Tlv(Tag.MESSAGE_PAYLOAD, payload)]
    (came,) = received([Pdu(Command.DELIVER_SM, fields=fields, tlvs=tlvs)])
    assert came.fragment.octets == b"\x01\x02"
    assert came.form == Form(udh=WAP, data_coding=4)
