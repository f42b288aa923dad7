"""Between messages and PDUs: fields, parts, references, receipts, messages from handsets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.carriers import registry
from onesixty.carriers.contract import ReceiptState, Submission
from onesixty.carriers.smpp.pdus import PduBuilder, international
from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.simulator.submissions import read_fragment
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.receipts import MessageState, build_receipt
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import assemble

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LONG = "x" * 400
DEFAULTS = {field.name: field.default for field in registry.SPECS["smpp"].fields}


def builder(**settings: Any) -> PduBuilder:
    """With these settings and the defaults."""
    return PduBuilder(1, DEFAULTS | settings, chance(160))


def submission(body: str = "hello", **more: Any) -> Submission:
    """One on its way out."""
    fields: dict[str, Any] = {
        "account_id": 1, "message_id": ids.uuid7(), "carrier_id": 1, "attempt": 1, "priority": 2,
        "sender": "ACME", "recipient": "+447700900000", "encoding": "gsm7", "segments": 1,
        "expires_at": NOW + timedelta(days=1), "lease_id": ids.uuid7(),
    }  # fmt: skip
    return Submission(body=body, **fields | more)


def submitted(build: PduBuilder, one: Submission) -> list[Pdu]:
    """What the SMSC reads: every PDU through the wire."""
    return [decode(encode(pdu)) for pdu in build.submits(one, NOW).values()]


def text_of(pdus: list[Pdu]) -> str:
    """What the handset shows."""
    return assemble(read_fragment(pdu) for pdu in pdus).text


def reference_of(pdus: list[Pdu]) -> int:
    """By which the parts are tied together."""
    (reference,) = {read_fragment(pdu).reference for pdu in pdus}
    return reference


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("+447700900111", (1, 1, "447700900111")),
        ("ACME", (5, 0, "ACME")),
        ("A1", (5, 0, "A1")),
        ("12345", (3, 0, "12345")),
        (None, (0, 0, "")),
    ],
)
def test_addresses(sender: str | None, address: tuple[int, int, str]) -> None:
    """Each kind of sender has its type of number; recipients are international, without the +."""
    (pdu,) = submitted(builder(), submission(sender=sender))
    assert (pdu.number("source_addr_ton"), pdu.number("source_addr_npi")) == address[:2]
    assert pdu.text("source_addr") == address[2]
    assert (pdu.number("dest_addr_ton"), pdu.number("dest_addr_npi")) == (1, 1)
    assert pdu.text("destination_addr") == "447700900000"


def test_settings_reach_the_pdu() -> None:
    """Service type, short-code numbering and the wish for receipts are the carrier's."""
    build = builder(service_type="CMT", short_code_ton=6, short_code_npi=1, receipts=False)
    (pdu,) = submitted(build, submission(sender="12345"))
    assert (pdu.text("service_type"), pdu.number("registered_delivery")) == ("CMT", 0)
    assert (pdu.number("source_addr_ton"), pdu.number("source_addr_npi")) == (6, 1)
    assert submitted(builder(), submission())[0].number("registered_delivery") == 1


@pytest.mark.parametrize(
    ("form", "after", "text"),
    [
        ("relative", timedelta(days=1), "000001000000000R"),
        ("relative", timedelta(hours=25, minutes=1, seconds=2), "000001010102000R"),
        ("relative", timedelta(seconds=-5), "000000000001000R"),
        ("absolute", timedelta(days=1), "260702120000000+"),
        ("none", timedelta(days=1), ""),
    ],
)
def test_validity(form: str, after: timedelta, text: str) -> None:
    """The rest of the validity is written as the carrier wants it, at least one second."""
    (pdu,) = submitted(builder(validity=form), submission(expires_at=NOW + after))
    assert pdu.text("validity_period") == text


@pytest.mark.parametrize("concatenation", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize(
    ("body", "encoding"),
    [("[€] " * 100, "gsm7"), ("Grüße 👋 " * 40, "ucs2"), ("é" * 500, "latin1")],
)
def test_long_messages_come_together(concatenation: str, body: str, encoding: str) -> None:
    """However parts are tied together, the handset reads what was written."""
    one = submission(body, encoding=encoding)
    pdus = submitted(builder(concatenation=concatenation), one)
    assert (len(pdus) == 1) is (concatenation == "payload")
    assert text_of(pdus) == body
    assert list(builder(concatenation=concatenation).submits(one, NOW)) == [
        number + 1 for number in range(len(pdus))
    ]


def test_only_missing_parts_are_sent() -> None:
    """Parts that the carrier has are left out; the others keep their numbers and reference."""
    build = builder()
    one = submission(LONG)
    first = submitted(build, one)
    one.accepted = (2,)
    rest = build.submits(one, NOW)
    assert list(rest) == [1, 3]
    assert reference_of(submitted(build, one)) == reference_of(first)
    assert text_of([first[1], *submitted(build, one)]) == LONG


def test_messages_to_one_handset_have_references_of_their_own() -> None:
    """256 long messages in a row between two addresses do not share a reference."""
    build = builder()
    references = [reference_of(submitted(build, submission(LONG))) for _ in range(256)]
    assert len(set(references)) == 256


@pytest.mark.parametrize(
    ("answer_form", "receipt_form", "answered", "in_receipt"),
    [
        ("opaque", "opaque", "0aF3", "AF3"),
        ("hex", "decimal", "1A2B", "6699"),
        ("decimal", "hex", "6699", "1a2b"),
        ("opaque", "opaque", "550e8400-e29b", "550E8400-E29B"),
    ],
)
def test_ids_of_answers_and_receipts_meet(
    answer_form: str, receipt_form: str, answered: str, in_receipt: str
) -> None:
    """An id that the two sides write differently has one key."""
    build = builder(answer_id_form=answer_form, receipt_id_form=receipt_form)
    receipt = build.receipt(told(in_receipt), NOW, ignore)
    assert build.key(answered) in receipt.match_keys


@pytest.mark.parametrize("state", list(MessageState))
def test_receipts(state: MessageState) -> None:
    """A receipt has state, error, addresses, text and what it was made of."""
    receipt = builder().receipt(told("7F", state, error=8, text="hello"), NOW, ignore)
    names = {"SCHEDULED": "ENROUTE", "SKIPPED": "REJECTED"}
    assert receipt.state is ReceiptState[names.get(state.name, state.name)]
    assert (receipt.carrier_message_id, receipt.match_keys) == ("7F", ("7f",))
    assert (receipt.sender, receipt.recipient) == ("447700900000", "ACME")
    assert (receipt.error, receipt.text, receipt.received_at) == ("008", "hello", NOW)
    assert receipt.raw.startswith("id:7F sub:001")


def test_receipts_are_answered_as_they_were_stored() -> None:
    """What was stored is answered with success, anything else with a wish to see it again."""
    answers: list[int] = []
    receipt = builder().receipt(told("7F"), NOW, lambda pdu, status: answers.append(status))
    receipt.acknowledge(True)
    receipt.acknowledge(False)
    assert answers == [0, 0x64]


@given(
    st.binary(max_size=254),
    st.sampled_from([0, 4, 0x20, 0x44, 0x40]),
    st.sampled_from([0, 1, 3, 4, 8, 0xF5]),
    st.lists(st.tuples(st.sampled_from([Tag.RECEIPTED_MESSAGE_ID, Tag.NETWORK_ERROR_CODE,
        Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM]),
        st.binary(max_size=12)), max_size=4),
)  # fmt: skip
def test_whatever_comes_can_be_stored(
    octets: bytes, esm_class: int, coding: int, tlvs: list[tuple[Tag, bytes]]
) -> None:
    """No deliver_sm becomes a text that PostgreSQL would refuse, with its whole batch."""
    fields: Any = {"esm_class": esm_class, "data_coding": coding, "short_message": octets}
    pdu = Pdu(Command.DELIVER_SM, fields=fields, tlvs=[Tlv(int(tag), value) for tag, value in tlvs])
    receipt = builder().receipt(pdu, NOW, ignore)
    texts = [receipt.carrier_message_id, *receipt.match_keys, receipt.error, receipt.raw]
    inbound = builder().inbound(pdu, NOW, ignore)
    assert 1 <= inbound.fragment.sequence <= inbound.fragment.total <= 255
    if inbound.fragment.encoding is not Encoding.BINARY:
        texts.append(assemble([inbound.fragment]).text.replace("\0", ""))
    for text in texts:
        assert "\0" not in text
        assert text.encode().decode() == text


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"hello", 0, "hello"),
        (b"\x00\x02", 0, "@$"),
        (b"caf\xe9", 0, "café"),
        (b"caf\xe9", 3, "café"),
        ("Grüße 👋".encode("utf-16-be"), 8, "Grüße 👋"),
        (b"hello", 0xF1, "hello"),
    ],
)
def test_messages_from_handsets(octets: bytes, coding: int, text: str) -> None:
    """Text is read in its alphabet, and as Latin-1 where an SMSC does not translate."""
    fields: Any = {"data_coding": coding, "short_message": octets}
    inbound = builder().inbound(Pdu(Command.DELIVER_SM, fields=fields), NOW, ignore)
    assert assemble([inbound.fragment]).text == text


def test_a_long_text_may_come_in_its_parameter() -> None:
    """A deliver_sm with message_payload is read from there."""
    pdu = Pdu(Command.DELIVER_SM, fields={}, tlvs=[Tlv(Tag.MESSAGE_PAYLOAD, b"a" * 300)])
    assert assemble([builder().inbound(pdu, NOW, ignore).fragment]).text == "a" * 300


@pytest.mark.parametrize(
    ("address", "ton", "written"),
    [
        ("447700900000", 1, "+447700900000"),
        ("+447700900000", 0, "+447700900000"),
        ("447700900000", 0, "+447700900000"),
        ("12345", 0, "12345"),
        ("12345", 3, "12345"),
        ("07700900000", 2, "07700900000"),
        ("ACME", 5, "ACME"),
        ("", 0, ""),
        ("+", 1, "+"),
    ],
)
def test_addresses_of_handsets(address: str, ton: int, written: str) -> None:
    """An address is E.164 where its type of number says so, or its length where there is none."""
    assert international(address, ton) == written


def told(
    name: str, state: MessageState = MessageState.DELIVERED, *, error: int = 0, text: str = ""
) -> Pdu:
    """A receipt for the id."""
    fields, tlvs = build_receipt(
        name, state, submitted=NOW, done=NOW + timedelta(seconds=1), error=error, text=text
    )
    addresses: Any = {"source_addr": "447700900000", "destination_addr": "ACME"}
    return Pdu(Command.DELIVER_SM, fields=fields | addresses, tlvs=tlvs)


def ignore(pdu: Pdu, status: int) -> None:
    """Nobody waits for an answer."""
