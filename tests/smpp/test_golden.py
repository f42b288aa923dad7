"""Golden PDUs: octets that independent decoders agree on, and what they say; read and written."""

from dataclasses import dataclass
from typing import Any

import pytest

from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv, command_name


@dataclass(frozen=True)
class Golden:
    """One PDU, both ways; of its fields only those that are not 0 or empty are given."""

    octets: bytes
    command: int
    sequence: int
    status: int = 0
    fields: tuple[tuple[str, Any], ...] = ()
    tlvs: tuple[tuple[int, bytes], ...] = ()


def _golden(octets: str, command: int, sequence: int, status: int = 0, **fields: Any) -> Golden:
    tlvs = fields.pop("tlvs", ())
    return Golden(
        bytes.fromhex(octets), command, sequence, status, tuple(fields.items()), tuple(tlvs)
    )


_SHOP: dict[str, Any] = {"source_addr_ton": 5, "source_addr": "Shop"}
_PHONE: dict[str, Any] = {
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "491700000001",
}
_RECEIPT_TEXT = (
    b"id:0a1b2c3d sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 "
    b"stat:DELIVRD err:000 text:"
)

GOLDEN = (
    _golden(
        "0000002200000009000000000000000165736d653100736563726574000034000000",
        Command.BIND_TRANSCEIVER,
        1,
        system_id="esme1",
        password="secret",
        interface_version=0x34,
    ),
    _golden(
        "0000001980000009000000000000000153494d000210000134",
        Command.BIND_TRANSCEIVER_RESP,
        1,
        system_id="SIM",
        tlvs=[(Tag.SC_INTERFACE_VERSION, b"\x34")],
    ),
    _golden("00000010800000090000000e00000001", Command.BIND_TRANSCEIVER_RESP, 1, 0x0E),
    _golden("00000010000000150000000000000002", Command.ENQUIRE_LINK, 2),
    _golden("00000010800000150000000000000002", Command.ENQUIRE_LINK_RESP, 2),
    _golden(
        "0000003900000004000000000000000300050053686f7000010134393137303030303030303100000000000001"
        "0000000868656c6c6f201b65",
        Command.SUBMIT_SM,
        3,
        **_SHOP,
        **_PHONE,
        registered_delivery=1,
        short_message=b"hello \x1be",
    ),
    _golden(
        "00000019800000040000000000000003306131623263336400",
        Command.SUBMIT_SM_RESP,
        3,
        message_id="0a1b2c3d",
    ),
    _golden("00000010800000040000005800000004", Command.SUBMIT_SM_RESP, 4, 0x58),
    _golden(
        "0000004900000004000000000000000500050053686f7000010134393137303030303030303100400000000001"
        "00080018050003aa0201041f044004380432043504420020d83dde00",
        Command.SUBMIT_SM,
        5,
        **_SHOP,
        **_PHONE,
        esm_class=0x40,
        registered_delivery=1,
        data_coding=8,
        short_message=b"\x05\x00\x03\xaa\x02\x01" + "Привет 😀".encode("utf-16-be"),
    ),
    _golden(
        "000000a700000005000000000000000100010134393137303030303030303100050053686f7000040000000000"
        "0000006469643a3061316232633364207375623a30303120646c7672643a303031207375626d69742064617465"
        "3a3236303130313030303020646f6e6520646174653a3236303130313030303120737461743a44454c49565244"
        "206572723a30303020746578743a001e00093061316232633364000427000102",
        Command.DELIVER_SM,
        1,
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr="491700000001",
        dest_addr_ton=5,
        destination_addr="Shop",
        esm_class=4,
        short_message=_RECEIPT_TEXT,
        tlvs=[(Tag.RECEIPTED_MESSAGE_ID, b"0a1b2c3d\x00"), (Tag.MESSAGE_STATE, b"\x02")],
    ),
    _golden("0000001180000005000000000000000100", Command.DELIVER_SM_RESP, 1),
    _golden(
        "0000004900000004000000000000000600050053686f7000010134393137303030303030303100000000003030"
        "303030313030303030303030305200010008000004240004041f0440",
        Command.SUBMIT_SM,
        6,
        **_SHOP,
        **_PHONE,
        validity_period="000001000000000R",
        registered_delivery=1,
        data_coding=8,
        tlvs=[(Tag.MESSAGE_PAYLOAD, "Пр".encode("utf-16-be"))],
    ),
    _golden("00000010800000000000000300000009", Command.GENERIC_NACK, 9, 3),
    _golden("00000010000000060000000000000007", Command.UNBIND, 7),
    _golden("00000010800000060000000000000007", Command.UNBIND_RESP, 7),
    _golden(
        "00000020000000030000000000000008306131623263336400050053686f7000",
        Command.QUERY_SM,
        8,
        message_id="0a1b2c3d",
        **_SHOP,
    ),
    _golden(
        "0000002c8000000300000000000000083061316232633364003236303130313030303130303030302b000200",
        Command.QUERY_SM_RESP,
        8,
        message_id="0a1b2c3d",
        final_date="260101000100000+",
        message_state=2,
    ),
    _golden(
        "0000002b00000102000000000000000a010134393137303030303030303100050053686f70000422000100",
        Command.ALERT_NOTIFICATION,
        10,
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr="491700000001",
        esme_addr_ton=5,
        esme_addr="Shop",
        tlvs=[(Tag.MS_AVAILABILITY_STATUS, b"\x00")],
    ),
)


def _name(golden: Golden) -> str:
    return f"{command_name(golden.command)}-{golden.sequence}"


@pytest.mark.parametrize("golden", GOLDEN, ids=_name)
@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
def test_reads_the_fields(golden: Golden, lenient: bool) -> None:
    """A golden PDU is read without complaint, as its description says and no other field filled."""
    pdu = decode(golden.octets, lenient=lenient)
    assert (pdu.command, pdu.status, pdu.sequence) == (
        golden.command,
        golden.status,
        golden.sequence,
    )
    assert {name: value for name, value in pdu.fields.items() if value} == dict(golden.fields)
    assert [(tlv.tag, tlv.value) for tlv in pdu.tlvs] == list(golden.tlvs)
    assert pdu.flaws == ()


@pytest.mark.parametrize("golden", GOLDEN, ids=_name)
def test_writes_the_same_octets_again(golden: Golden) -> None:
    """What was read from a golden PDU encodes to the same octets."""
    assert encode(decode(golden.octets)) == golden.octets


@pytest.mark.parametrize("golden", GOLDEN, ids=_name)
def test_writes_the_octets_from_the_description(golden: Golden) -> None:
    """The description alone, without fields that are 0 or empty, encodes to the golden octets."""
    tlvs = [Tlv(tag, value) for tag, value in golden.tlvs]
    pdu = Pdu(golden.command, golden.status, golden.sequence, dict(golden.fields), tlvs)
    assert encode(pdu) == golden.octets
