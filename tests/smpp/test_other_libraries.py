"""Our tables and octets against those of two other SMPP libraries, written by other people."""

from typing import Any

import smpp34
import smpplib.command_codes
import smpplib.consts
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv, command_name
from onesixty.smpp.statuses import name_of

TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=20)
TIME = st.sampled_from(["", "000001000000000R", "260101000000000+"])
OCTET = st.integers(0, 255)
FIELDS = st.fixed_dictionaries(
    {
        "service_type": st.sampled_from(["", "CMT", "WAP"]),
        "source_addr_ton": OCTET,
        "source_addr_npi": OCTET,
        "source_addr": TEXT,
        "dest_addr_ton": OCTET,
        "dest_addr_npi": OCTET,
        "destination_addr": TEXT,
        "esm_class": OCTET,
        "protocol_id": OCTET,
        "priority_flag": OCTET,
        "schedule_delivery_time": TIME,
        "validity_period": TIME,
        "registered_delivery": OCTET,
        "replace_if_present_flag": OCTET,
        "data_coding": OCTET,
        "sm_default_msg_id": OCTET,
        "short_message": st.binary(max_size=254),
    }
)
TLVS = st.lists(st.builds(Tlv, st.integers(0x1400, 0x3FFF), st.binary(max_size=40)), max_size=4)


@given(
    st.sampled_from([Command.SUBMIT_SM, Command.DELIVER_SM]),
    st.integers(1, 0x7FFFFFFF),
    FIELDS,
    TLVS,
)
def test_another_decoder_reads_the_same(
    command: Command, sequence: int, fields: dict[str, Any], tlvs: list[Tlv]
) -> None:
    """Every field and TLV of our submit_sm and deliver_sm is read by smpp34 as we wrote it."""
    read: Any = smpp34.decode(encode(Pdu(command, 0, sequence, fields, tlvs)))
    assert (read.command_id, read.sequence_number) == (command, sequence)
    assert {name: getattr(read, name) for name in fields} == fields
    assert [(tlv.tag, tlv.value) for tlv in read.tlvs] == [(tlv.tag, tlv.value) for tlv in tlvs]


def test_another_library_knows_the_same_tags() -> None:
    """All TLV tags of 3.4 have the numbers that smpp34 gives them."""
    theirs = {name: value for name, value in vars(smpp34).items() if name.startswith("TLV_")}
    assert len(theirs) > 40
    for name, value in theirs.items():
        assert Tag[name.removeprefix("TLV_")] == value


def test_another_library_knows_the_same_commands() -> None:
    """The commands are those of smpplib, by name and number."""
    theirs = smpplib.command_codes.commands
    assert {command_name(command): int(command) for command in Command} == theirs


def test_another_library_knows_the_same_statuses() -> None:
    """All statuses of 3.4 have the names that smpplib gives them."""
    theirs = {
        value: name.removeprefix("SMPP_")
        for name, value in vars(smpplib.consts).items()
        if name.startswith("SMPP_ESME_")
    }
    assert len(theirs) > 40
    assert {code: name_of(code) for code in theirs} == theirs
