"""The codec beyond the golden PDUs: every command and field, limits, lists, TLVs, round trips."""

import struct
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.codec import DecodeError, EncodeError, decode, encode
from onesixty.smpp.pdus import (
    BODIES,
    NEVER_ANSWERED,
    RESPONSE_BIT,
    TLVS,
    Command,
    Destination,
    DistributionList,
    FieldKind,
    FieldSpec,
    FieldValue,
    Pdu,
    Tag,
    Tlv,
    TlvKind,
    Unsuccess,
    command_name,
)
from onesixty.smpp.statuses import Status
from onesixty.smpp.tlvs import integer_tlv, name_of_tag, text_tlv

LATIN1 = st.characters(min_codepoint=1, max_codepoint=255)
OCTET = st.integers(0, 255)


def _address(longest: int = 20) -> st.SearchStrategy[str]:
    return st.text(LATIN1, max_size=longest)


def _values(spec: FieldSpec) -> st.SearchStrategy[Any]:
    destinations = st.one_of(
        st.builds(Destination, OCTET, OCTET, _address()),
        st.builds(DistributionList, _address()),
    )
    unsuccesses = st.builds(Unsuccess, OCTET, OCTET, _address(), st.integers(0, 0xFFFFFFFF))
    strategies: dict[FieldKind, st.SearchStrategy[Any]] = {
        FieldKind.INTEGER: OCTET,
        FieldKind.TEXT: _address(spec.size - 1),
        FieldKind.TIME: st.one_of(st.just(""), st.text(LATIN1, min_size=16, max_size=16)),
        FieldKind.OCTETS: st.binary(max_size=spec.size),
        FieldKind.DESTINATIONS: st.lists(destinations, min_size=1, max_size=5),
        FieldKind.UNSUCCESSES: st.lists(unsuccesses, max_size=5),
    }
    return strategies[spec.kind]


# Tags of no meaning to the strict decoder, so that any value is right.
_TLVS = st.lists(st.builds(Tlv, st.integers(0x1400, 0xFFFF), st.binary(max_size=30)), max_size=5)


@st.composite
def pdus(draw: st.DrawFn) -> Pdu:
    """Any PDU that may be sent, every field filled."""
    command = draw(st.sampled_from(sorted(BODIES)))
    fields = {spec.name: draw(_values(spec)) for spec in BODIES[command]}
    sequence = draw(st.integers(0, 0xFFFFFFFF))
    return Pdu(command, 0, sequence, fields, draw(_TLVS))


@given(pdus(), st.booleans())
def test_what_is_written_is_read_again(pdu: Pdu, lenient: bool) -> None:
    """Any PDU survives encoding and decoding unchanged, strictly and leniently alike."""
    read = decode(encode(pdu), lenient=lenient)
    assert read.flaws == _repeats(pdu)
    read.flaws = ()
    assert read == pdu


def _repeats(pdu: Pdu) -> tuple[str, ...]:
    """What the decoder says of the three named vendor tags when they repeat."""
    tags = [tlv.tag for tlv in pdu.tlvs]
    return tuple(
        f"{name_of_tag(tag)}: {tags.count(tag)} times, the first counts"
        for tag in dict.fromkeys(tags)
        if tags.count(tag) > 1 and tag in TLVS
    )


@given(pdus())
def test_reading_does_not_depend_on_the_kind_of_octets(pdu: Pdu) -> None:
    """A memoryview decodes to the same PDU as bytes, and the PDU does not hold on to it."""
    octets = bytearray(encode(pdu))
    read = decode(memoryview(octets))
    octets[:] = bytes(len(octets))
    assert read == decode(encode(pdu))


@pytest.mark.parametrize("command", sorted(BODIES), ids=command_name)
def test_a_pdu_without_fields_encodes_as_zeros(command: int) -> None:
    """Fields that are not given are written as 0 or empty, for every command."""
    given_fields = {"dest_address": [DistributionList("")]} if command == 0x21 else {}
    read = decode(encode(Pdu(command, 0, 1, dict(given_fields))))
    assert set(read.fields) == {spec.name for spec in BODIES[command]}
    assert not any(value for name, value in read.fields.items() if name != "dest_address")


def test_every_request_has_its_response() -> None:
    """Each command's response is a command too, but for the two that are never answered."""
    requests = {command for command in Command if not command & RESPONSE_BIT}
    answered = requests - NEVER_ANSWERED
    assert {command | RESPONSE_BIT for command in answered} | {Command.GENERIC_NACK} == {
        command for command in Command if command & RESPONSE_BIT
    }
    assert set(BODIES) == set(Command)


def test_sm_length_counts_the_udh() -> None:
    """The octet before short_message is the length of all its octets."""
    octets = encode(Pdu(Command.REPLACE_SM, 0, 1, {"short_message": b"\x05\x00\x03\x01\x02\x01hi"}))
    assert octets.endswith(b"\x08\x05\x00\x03\x01\x02\x01hi")


def test_submit_multi_names_addresses_and_lists() -> None:
    """submit_multi carries SME addresses (flag 1) and distribution lists (flag 2) in order."""
    destinations: list[Destination | DistributionList] = [
        Destination(1, 1, "491700000001"),
        DistributionList("friends"),
    ]
    octets = encode(Pdu(Command.SUBMIT_MULTI, 0, 1, {"dest_address": destinations}))
    assert octets[16:].startswith(
        b"\0\0\0\0" + b"\x02" + b"\x01\x01\x01491700000001\0" + b"\x02friends\0"
    )
    assert decode(octets).fields["dest_address"] == destinations


def test_submit_multi_resp_names_what_failed() -> None:
    """submit_multi_resp carries one message_id and each destination that failed with its status."""
    failed = [Unsuccess(1, 1, "491700000001", Status.RINVDSTADR), Unsuccess(0, 0, "", 0x400)]
    fields: dict[str, FieldValue] = {"message_id": "7", "unsuccess_sme": failed}
    octets = encode(Pdu(Command.SUBMIT_MULTI_RESP, 0, 1, fields))
    assert octets[16:] == (
        b"7\0\x02" + b"\x01\x01491700000001\0\0\0\0\x0b" + b"\x00\x00\0\0\0\x04\x00"
    )
    assert decode(octets).fields == fields


def test_data_sm_takes_long_addresses() -> None:
    """Addresses of data_sm have 64 characters, those of submit_sm only 20."""
    fields = {"source_addr": "s" * 64, "destination_addr": "d" * 64}
    assert decode(encode(Pdu(Command.DATA_SM, 0, 1, dict(fields)))).text("source_addr") == "s" * 64
    with pytest.raises(EncodeError) as caught:
        encode(Pdu(Command.SUBMIT_SM, 0, 1, dict(fields)))
    assert caught.value.field == "source_addr"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"source_addr": "x" * 21}, "source_addr"),
        ({"source_addr": "Приве"}, "source_addr"),
        ({"source_addr": "a\0b"}, "source_addr"),
        ({"source_addr": 5}, "source_addr"),
        ({"service_type": b"CMT"}, "service_type"),
        ({"esm_class": 256}, "esm_class"),
        ({"protocol_id": -1}, "protocol_id"),
        ({"priority_flag": "1"}, "priority_flag"),
        ({"validity_period": "000001"}, "validity_period"),
        ({"schedule_delivery_time": "0" * 17}, "schedule_delivery_time"),
        ({"short_message": b"x" * 255}, "short_message"),
        ({"short_message": "text"}, "short_message"),
        ({"sm_length": 5}, "sm_length"),
    ],
)
def test_what_has_no_encoding_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    """Values that do not fit their field are refused, and the error names the field."""
    with pytest.raises(EncodeError) as caught:
        encode(Pdu(Command.SUBMIT_SM, 0, 1, fields))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "pdu",
    [
        Pdu(0x111),
        Pdu(Command.SUBMIT_SM, 1 << 32),
        Pdu(Command.ENQUIRE_LINK, 0, -1),
        Pdu(Command.SUBMIT_MULTI),
        Pdu(Command.SUBMIT_MULTI, 0, 1, {"dest_address": [DistributionList("")] * 256}),
        Pdu(Command.SUBMIT_MULTI, 0, 1, {"dest_address": [Destination(0, 256, "")]}),
        Pdu(Command.SUBMIT_MULTI, 0, 1, {"dest_address": [DistributionList("l" * 21)]}),
        Pdu(Command.SUBMIT_MULTI_RESP, 0, 1, {"unsuccess_sme": [Unsuccess(0, 0, "", -1)]}),
        Pdu(Command.SUBMIT_SM, 0, 1, {}, [Tlv(Tag.MESSAGE_PAYLOAD, bytes(65536))]),
        Pdu(Command.SUBMIT_SM, 0, 1, {}, [Tlv(0x10000, b"")]),
        Pdu(Command.SUBMIT_SM, 0, 1, {}, [Tlv(Tag.SOURCE_PORT, cast("bytes", "80"))]),
    ],
    ids=lambda pdu: command_name(pdu.command),
)
def test_impossible_pdus_are_refused(pdu: Pdu) -> None:
    """Unknown commands, numbers and lists beyond their field end in EncodeError, nothing else."""
    with pytest.raises(EncodeError):
        encode(pdu)


def test_two_messages_in_one_pdu_are_refused() -> None:
    """short_message beside message_payload has no meaning; only lenient encoding writes it."""
    pdu = Pdu(Command.SUBMIT_SM, 0, 1, {"short_message": b"a"}, [Tlv(Tag.MESSAGE_PAYLOAD, b"b")])
    with pytest.raises(EncodeError):
        encode(pdu)
    assert decode(encode(pdu, lenient=True), lenient=True).user_data() == b"b"


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (Command.BIND_TRANSCEIVER, "password", "longer-than-8"),
        (Command.BIND_TRANSCEIVER, "system_id", "longer-than-15-characters"),
        (Command.QUERY_SM, "message_id", "i" * 70),
        (Command.SUBMIT_SM, "validity_period", "260101000000"),
    ],
)
def test_lenient_encoding_oversteps_some_limits(command: int, field: str, value: str) -> None:
    """Some SMSCs want more than the limit or other time formats: only lenient encoding gives it."""
    pdu = Pdu(command, 0, 1, {field: value})
    with pytest.raises(EncodeError):
        encode(pdu)
    assert decode(encode(pdu, lenient=True), lenient=True).text(field) == value


def test_errors_say_nothing_of_the_value() -> None:
    """An error about a password or an address can be logged: it does not quote them."""
    with pytest.raises(EncodeError) as caught:
        encode(Pdu(Command.BIND_TRANSCEIVER, 0, 1, {"password": "hunter2hunter2"}))
    assert "hunter2" not in str(caught.value)


# -- TLVs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", sorted(Tag), ids=lambda tag: tag.name)
def test_every_tag_is_specified(tag: Tag) -> None:
    """Each tag has a row in the table whose name is the tag's and whose lengths make sense."""
    spec = TLVS[tag]
    assert (spec.tag, spec.name) == (tag, tag.name.lower())
    assert 0 <= spec.least <= spec.most <= 65535
    if spec.kind is TlvKind.INTEGER:
        assert spec.most in (1, 2, 4)


def test_unknown_tlvs_are_kept() -> None:
    """TLVs of unknown tags, and of known tags in the wrong PDU, are kept raw and in order."""
    tlvs = [Tlv(0x1500, b"\x01"), Tlv(Tag.MS_AVAILABILITY_STATUS, b"\x01"), Tlv(0x4001, b"")]
    assert decode(encode(Pdu(Command.SUBMIT_SM, 0, 1, {}, tlvs))).tlvs == tlvs
    assert name_of_tag(0x1500) == "0x1500"


def test_tlvs_may_repeat() -> None:
    """Repeatable tags repeat silently; of others the first counts, and that is noted."""
    twice = [integer_tlv(Tag.CALLBACK_NUM_PRES_IND, 1), integer_tlv(Tag.CALLBACK_NUM_PRES_IND, 2)]
    pdu = decode(encode(Pdu(Command.SUBMIT_SM, 0, 1, {}, twice)))
    assert (pdu.tlvs, pdu.flaws) == (twice, ())
    ports = [integer_tlv(Tag.SOURCE_PORT, 1), integer_tlv(Tag.SOURCE_PORT, 2)]
    pdu = decode(encode(Pdu(Command.SUBMIT_SM, 0, 1, {}, ports)))
    assert pdu.tlv_integer(Tag.SOURCE_PORT) == 1
    assert pdu.flaws == ("source_port: 2 times, the first counts",)


@pytest.mark.parametrize(
    ("tag", "value", "number"),
    [
        (Tag.SAR_MSG_REF_NUM, b"\x01\x02", 0x0102),
        (Tag.QOS_TIME_TO_LIVE, b"\x00\x00\x0e\x10", 3600),
        (Tag.MESSAGE_STATE, b"\x02", 2),
        (Tag.MESSAGE_STATE, b"\x00\x02", None),
        (Tag.MESSAGE_STATE, b"", None),
        (Tag.MORE_MESSAGES_TO_SEND, b"", 1),
        (Tag.ALERT_ON_MESSAGE_DELIVERY, b"", 0),
        (0x1500, b"\x01\x00", 256),
        (0x1500, b"", None),
    ],
)
def test_integer_tlvs(tag: int, value: bytes, number: int | None) -> None:
    """Integers are read at their tag's length; another length counts as absent, save known ones."""
    assert Pdu(Command.DELIVER_SM, tlvs=[Tlv(tag, value)]).tlv_integer(tag) == number


@pytest.mark.parametrize("value", [b"abc\0", b"abc", b"  abc \0\0", b"abc\0junk"])
def test_text_tlvs(value: bytes) -> None:
    """C-Octet Strings in TLVs are read with NUL, without it, and with padding."""
    pdu = Pdu(Command.DELIVER_SM, tlvs=[Tlv(Tag.RECEIPTED_MESSAGE_ID, value)])
    assert pdu.tlv_text(Tag.RECEIPTED_MESSAGE_ID) == "abc"


def test_absent_values() -> None:
    """What a PDU does not have reads as 0, empty, or for TLVs None."""
    pdu = Pdu(Command.SUBMIT_SM)
    assert (pdu.text("source_addr"), pdu.number("esm_class"), pdu.octets("short_message")) == (
        "",
        0,
        b"",
    )
    assert pdu.tlv(Tag.SOURCE_PORT) is None
    assert pdu.tlv_integer(Tag.SOURCE_PORT) is None
    assert pdu.tlv_text(Tag.SOURCE_PORT) is None
    assert pdu.user_data() == b""


def test_making_tlvs() -> None:
    """Integers are written at their tag's length, texts with their NUL."""
    assert integer_tlv(Tag.SAR_MSG_REF_NUM, 7) == Tlv(Tag.SAR_MSG_REF_NUM, b"\x00\x07")
    assert integer_tlv(Tag.CONGESTION_STATE, 80) == Tlv(Tag.CONGESTION_STATE, b"\x50")
    assert text_tlv(Tag.DLT_ENTITY_ID, "1101") == Tlv(Tag.DLT_ENTITY_ID, b"1101\x00")
    with pytest.raises(OverflowError):
        integer_tlv(Tag.SAR_TOTAL_SEGMENTS, 256)


# -- frames that are none ------------------------------------------------------------------------


@pytest.mark.parametrize("command", [0, 0x111, 0x112, 0x113, 0x0A, 0x10200, 0x102FF, 0x7FFFFFFF])
def test_unknown_commands_are_answered_with_generic_nack(command: int) -> None:
    """Broadcast, vendor and unknown commands: RINVCMDID, to be sent as generic_nack."""
    with pytest.raises(DecodeError) as caught:
        decode(struct.pack(">IIII", 20, command, 0, 9) + b"body")
    assert caught.value.status == Status.RINVCMDID
    assert caught.value.reply() == Pdu(Command.GENERIC_NACK, Status.RINVCMDID, 9)


def test_unknown_responses_are_not_answered() -> None:
    """A response to something we never send is an error too, but gets no answer."""
    with pytest.raises(DecodeError) as caught:
        decode(struct.pack(">IIII", 16, 0x80000111, 0, 9))
    assert caught.value.reply() is None


@pytest.mark.parametrize("frame", [b"", b"\0" * 15, struct.pack(">IIII", 17, 0x15, 0, 1)])
def test_a_frame_has_the_length_it_says(frame: bytes) -> None:
    """Less than a header, or another length than command_length says, is RINVCMDLEN."""
    with pytest.raises(DecodeError) as caught:
        decode(frame)
    assert caught.value.status == Status.RINVCMDLEN
