"""What a server refuses and with which status, what a client forgives, and odd response bodies."""

import struct

import pytest

from onesixty.smpp.codec import DecodeError, decode, encode
from onesixty.smpp.pdus import RESPONSE_BIT, Command, Destination, Pdu, Tag, Tlv, command_name
from onesixty.smpp.statuses import Status

SUBMIT = b"\0\x05\0Shop\0\x01\x01491700000001\0\0\0\0\0\0\x01\0\0\0\x02hi"


def frame(command: int, body: bytes, status: int = 0) -> bytes:
    """A whole PDU around a body, with sequence 7."""
    return struct.pack(">IIII", 16 + len(body), command, status, 7) + body


def refusal(octets: bytes, *, lenient: bool = False) -> DecodeError:
    """The error that decoding ends in."""
    with pytest.raises(DecodeError) as caught:
        decode(octets, lenient=lenient)
    return caught.value


# -- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "body", "field", "status"),
    [
        (Command.BIND_TRANSMITTER, b"s" * 16 + b"\0", "system_id", Status.RINVSYSID),
        (Command.BIND_TRANSMITTER, b"s", "system_id", Status.RINVSYSID),
        (Command.BIND_TRANSMITTER, b"s\0" + b"p" * 9 + b"\0", "password", Status.RINVPASWD),
        (Command.BIND_TRANSMITTER, b"s\0p\0" + b"t" * 13, "system_type", Status.RINVSYSTYP),
        (Command.BIND_TRANSMITTER, b"\0\0\0\x34\0", "interface_version", Status.RINVCMDLEN),
        (Command.BIND_TRANSMITTER, b"\0\0\0\x34\0\0a", "address_range", Status.RBINDFAIL),
        (Command.SUBMIT_SM, b"sixsix\0", "service_type", Status.RINVSERTYP),
        (Command.SUBMIT_SM, b"\0\x01\x01" + b"1" * 21 + b"\0", "source_addr", Status.RINVSRCADR),
        (Command.SUBMIT_SM, b"\0\x01\x01123", "source_addr", Status.RINVSRCADR),
        (Command.SUBMIT_SM, b"\0\0\0\0\x01\x01123", "destination_addr", Status.RINVDSTADR),
        (Command.SUBMIT_SM, b"\0\0\0\0\0\0\0\0\0", "esm_class", Status.RINVCMDLEN),
        (
            Command.SUBMIT_SM,
            bytes(10) + b"0" * 15 + bytes(9),
            "schedule_delivery_time",
            Status.RINVSCHED,
        ),
        (Command.SUBMIT_SM, bytes(11) + b"0" * 17 + b"\0", "validity_period", Status.RINVEXPIRY),
        (Command.SUBMIT_SM, SUBMIT[:-1], "short_message", Status.RINVMSGLEN),
        (Command.SUBMIT_SM, SUBMIT[:-3], "short_message", Status.RINVMSGLEN),
        (Command.QUERY_SM, b"i" * 65 + bytes(4), "message_id", Status.RINVMSGID),
        (Command.SUBMIT_MULTI, bytes(4), "dest_address", Status.RINVNUMDESTS),
        (Command.SUBMIT_MULTI, bytes(5), "dest_address", Status.RINVNUMDESTS),
        (Command.SUBMIT_MULTI, bytes(4) + b"\x01\x03", "dest_flag", Status.RINVDESTFLAG),
        (Command.SUBMIT_MULTI, bytes(4) + b"\x01", "dest_flag", Status.RINVDESTFLAG),
        (Command.SUBMIT_MULTI, bytes(4) + b"\x01\x01\0\0123", "address", Status.RINVDSTADR),
        (Command.SUBMIT_MULTI, bytes(4) + b"\x01\x02friends", "name", Status.RINVDLNAME),
    ],
)
def test_a_server_refuses_a_field_with_its_own_status(
    command: int, body: bytes, field: str, status: Status
) -> None:
    """A malformed field is answered by the matching response with that field's error code."""
    error = refusal(frame(command, body))
    assert (error.field, error.status) == (field, status)
    assert error.reply() == Pdu(command | RESPONSE_BIT, status, 7)


@pytest.mark.parametrize("tail", [b"\x02", b"\x02\x04\x00", b"\x02\x04\x00\x03ab"])
def test_a_broken_tail(tail: bytes) -> None:
    """Octets that are no whole TLV: a server says RINVTLVSTREAM, a client keeps the rest."""
    whole = frame(Command.SUBMIT_SM, SUBMIT + b"\x02\x0a\x00\x02\x00\x50" + tail)
    assert refusal(whole).status == Status.RINVTLVSTREAM
    pdu = decode(whole, lenient=True)
    assert pdu.tlvs == [Tlv(Tag.SOURCE_PORT, b"\x00\x50")]
    assert pdu.octets("short_message") == b"hi"
    assert len(pdu.flaws) == 1


@pytest.mark.parametrize("tag", [Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SOURCE_PORT])
def test_a_tlv_of_wrong_length_that_matters(tag: Tag) -> None:
    """A server refuses it with RINVTLVLEN; a client reads it as absent but keeps it raw."""
    tlvs = [Tlv(tag, b"\0\0\0")]
    octets = encode(Pdu(Command.SUBMIT_SM, 0, 7, {}, tlvs))
    assert refusal(octets).status == Status.RINVTLVLEN
    pdu = decode(octets, lenient=True)
    assert pdu.tlv_integer(tag) is None
    assert pdu.tlvs == tlvs


def test_a_tlv_of_wrong_length_that_does_not_matter() -> None:
    """A server ignores the wrong length of a TLV that it would only pass on."""
    octets = encode(Pdu(Command.SUBMIT_SM, 0, 7, {}, [Tlv(Tag.PRIVACY_INDICATOR, b"\0\0")]))
    assert decode(octets).tlv_integer(Tag.PRIVACY_INDICATOR) is None


def test_a_reference_that_is_text_is_opaque_to_a_client() -> None:
    """user_message_reference of odd length is kept as octets where we are the client."""
    tlvs = [Tlv(Tag.USER_MESSAGE_REFERENCE, b"order 66")]
    pdu = decode(encode(Pdu(Command.DELIVER_SM, 0, 7, {}, tlvs)), lenient=True)
    assert pdu.tlv(Tag.USER_MESSAGE_REFERENCE) == b"order 66"


def test_two_messages_in_one_pdu() -> None:
    """short_message beside a payload: a server says RINVMSGLEN, a client takes the payload."""
    octets = frame(Command.SUBMIT_SM, SUBMIT + b"\x04\x24\x00\x02ho")
    assert refusal(octets).status == Status.RINVMSGLEN
    assert decode(octets, lenient=True).user_data() == b"ho"


def test_an_empty_payload_beside_a_message() -> None:
    """An empty message_payload says nothing, so short_message is the message."""
    pdu = decode(frame(Command.SUBMIT_SM, SUBMIT + b"\x04\x24\x00\x00"))
    assert pdu.user_data() == b"hi"


def test_255_octets_are_taken_from_anyone() -> None:
    """short_message of 255 octets, legal in 5.0 only, is read from every client."""
    pdu = decode(frame(Command.SUBMIT_SM, SUBMIT[:-3] + b"\xff" + b"x" * 255))
    assert pdu.octets("short_message") == b"x" * 255


def test_the_status_of_a_request_is_not_looked_at() -> None:
    """command_status of a request should be 0; another value changes nothing."""
    assert decode(frame(Command.SUBMIT_SM, SUBMIT, 99)).octets("short_message") == b"hi"


@pytest.mark.parametrize("sequence", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_any_sequence_number_is_taken(sequence: int) -> None:
    """Sequence numbers outside 1 to 0x7FFFFFFF are read, and written, unchanged."""
    octets = encode(Pdu(Command.ENQUIRE_LINK, 0, sequence))
    assert decode(octets).sequence == sequence


def test_a_client_takes_other_time_formats() -> None:
    """A deliver_sm with a time that is no SMPP time is still a message."""
    body = SUBMIT.replace(b"491700000001\0\0\0\0\0\0", b"491700000001\0\0\0\0\x001 day\0")
    pdu = decode(frame(Command.DELIVER_SM, body), lenient=True)
    assert pdu.text("validity_period") == "1 day"
    assert len(pdu.flaws) == 1
    assert refusal(frame(Command.DELIVER_SM, body)).status == Status.RINVEXPIRY


def test_a_client_still_refuses_overlong_addresses() -> None:
    """Leniency ends where a field means something: an over-long address is no address."""
    body = b"\0\x01\x01" + b"1" * 21 + SUBMIT[8:]
    assert refusal(frame(Command.DELIVER_SM, body), lenient=True).status == Status.RINVSRCADR


@pytest.mark.parametrize("command", [Command.OUTBIND, Command.ALERT_NOTIFICATION])
def test_what_is_never_answered_is_not_answered(command: int) -> None:
    """A malformed outbind or alert_notification gets no answer, not even generic_nack."""
    assert refusal(frame(command, b"x" * 70)).reply() is None


# -- responses -----------------------------------------------------------------------------------

RESPONSES = sorted(command for command in Command if command & RESPONSE_BIT)


@pytest.mark.parametrize("command", RESPONSES, ids=command_name)
@pytest.mark.parametrize("status", [0, 0x0B])
def test_a_response_may_have_no_body(command: int, status: int) -> None:
    """A response that is only its header is read, with status 0 too; its fields are empty."""
    pdu = decode(frame(command, b"", status))
    assert (pdu.command, pdu.status, pdu.sequence, pdu.flaws) == (command, status, 7, ())
    assert pdu.text("message_id") == ""


@pytest.mark.parametrize("command", RESPONSES, ids=command_name)
@pytest.mark.parametrize("status", [0, 0x0B])
@pytest.mark.parametrize("body", [b"\0", b"\0\0", b"garbage", b"\xff" * 40, bytes(range(200))])
def test_a_response_is_never_refused(command: int, status: int, body: bytes) -> None:
    """Whatever stands in a response, its status and sequence count."""
    pdu = decode(frame(command, body, status))
    assert (pdu.command, pdu.status, pdu.sequence) == (command, status, 7)


@pytest.mark.parametrize(
    ("body", "message_id", "tlvs"),
    [
        (b"", "", 0),
        (b"\0", "", 0),
        (b"0a1b2c3d\0", "0a1b2c3d", 0),
        (b"\0" + b"\x00\x1d\x00\x05spam\0", "", 1),
        (b"0a1b2c3d\0" + b"\x00\x1d\x00\x05spam\0" + b"\x04\x28\x00\x01\x63", "0a1b2c3d", 2),
        (b"\x00\x1d\x00\x05spam\0", "", 1),
        (b"\x04\x23\x00\x03\x03\x00\x1f" + b"\x04\x25\x00\x01\x03", "", 2),
        (b"\x14\x03\x00\x06310260", "", 1),
    ],
)
def test_the_forms_of_an_error_body(body: bytes, message_id: str, tlvs: int) -> None:
    """An error response has no body, a lone NUL, a whole body, or only TLVs; all are told apart."""
    pdu = decode(frame(Command.SUBMIT_SM_RESP, body, Status.RDELIVERYFAILURE))
    assert (pdu.text("message_id"), len(pdu.tlvs), pdu.flaws) == (message_id, tlvs, ())


def test_the_error_body_of_a_bigger_response() -> None:
    """Of query_sm_resp and submit_multi_resp an error may bring the message_id alone, or all."""
    pdu = decode(frame(Command.QUERY_SM_RESP, b"42\0", Status.RQUERYFAIL))
    assert (pdu.fields, pdu.flaws) == ({"message_id": "42"}, ())
    pdu = decode(frame(Command.QUERY_SM_RESP, b"42\0\0\x05\x01", Status.RQUERYFAIL))
    assert pdu.number("message_state") == 5
    body = b"42\0\x01\x01\x01491\0\0\0\0\x0b"
    pdu = decode(frame(Command.SUBMIT_MULTI_RESP, body, Status.RSUBMITFAIL))
    assert len(pdu.fields["unsuccess_sme"]) == 1  # type: ignore[arg-type]


def test_the_error_body_of_a_bind() -> None:
    """A refused bind may still name the SMSC and its version."""
    body = b"SIM\0\x02\x10\x00\x01\x34"
    pdu = decode(frame(Command.BIND_TRANSCEIVER_RESP, body, Status.RBINDFAIL))
    assert pdu.text("system_id") == "SIM"
    assert pdu.tlv_integer(Tag.SC_INTERFACE_VERSION) == 0x34


@pytest.mark.parametrize("body", [b"0a1b2c3d", b"i" * 65 + b"\0", b"i" * 200 + b"\0"])
def test_a_message_id_too_long_or_without_nul(body: bytes) -> None:
    """A message_id beyond its limit or without its NUL is taken as it is, and that is noted."""
    pdu = decode(frame(Command.SUBMIT_SM_RESP, body))
    assert pdu.text("message_id") == body.rstrip(b"\0").decode()
    assert len(pdu.flaws) == 1


def test_an_smsc_with_a_long_name() -> None:
    """A system_id beyond 15 characters does not keep us from being bound."""
    body = b"The Best SMSC of Them All\0\x02\x10\x00\x01\x34"
    pdu = decode(frame(Command.BIND_TRANSMITTER_RESP, body))
    assert pdu.text("system_id") == "The Best SMSC of Them All"
    assert pdu.tlv_integer(Tag.SC_INTERFACE_VERSION) == 0x34


def test_a_truncated_response_keeps_what_is_there() -> None:
    """Of a query_sm_resp that ends early the fields before the end are kept, and that is noted."""
    pdu = decode(frame(Command.QUERY_SM_RESP, b"42\0" + b"\0\x02"))
    assert pdu.text("message_id") == "42"
    assert pdu.flaws == ("message_state: the PDU ends before it",)


def test_a_congestion_state_on_any_response() -> None:
    """5.0 allows congestion_state on every response, those without fields included."""
    pdu = decode(frame(Command.ENQUIRE_LINK_RESP, b"\x04\x28\x00\x01\x55"))
    assert pdu.tlv_integer(Tag.CONGESTION_STATE) == 85


# -- what we answer ------------------------------------------------------------------------------


def test_our_error_is_only_a_header() -> None:
    """An error response without fields and TLVs is 16 octets."""
    assert len(encode(Pdu(Command.SUBMIT_SM_RESP, Status.RTHROTTLED, 7))) == 16


def test_our_error_with_tlvs_has_its_message_id() -> None:
    """Before TLVs the empty message_id is written, so that the peer can tell where they begin."""
    pdu = Pdu(
        Command.SUBMIT_SM_RESP, Status.RTHROTTLED, 7, {}, [Tlv(Tag.CONGESTION_STATE, b"\x64")]
    )
    octets = encode(pdu)
    assert octets[16:] == b"\0\x04\x28\x00\x01\x64"
    assert decode(octets).tlvs == pdu.tlvs


def test_our_success_has_a_body() -> None:
    """A deliver_sm_resp without fields carries exactly one NUL."""
    assert encode(Pdu(Command.DELIVER_SM_RESP, 0, 7))[16:] == b"\0"


def test_a_list_in_a_request_is_read_before_the_rest() -> None:
    """Fields behind the destinations of submit_multi are found wherever the list ends."""
    many = [Destination(1, 1, "4917")] * 254
    pdu = Pdu(Command.SUBMIT_MULTI, 0, 7, {"dest_address": many, "short_message": b"hi"})
    assert decode(encode(pdu)).user_data() == b"hi"
