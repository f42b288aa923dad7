"""Taking PDUs apart: the same as the codec where a PDU is good, further where it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import Command, Destination, DistributionList, Pdu, Unsuccess
from onesixty.smpp.trace.dissect import dissect, split
from smpp.test_golden import GOLDEN, Golden


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda one: f"{one.command:x}-{one.sequence}")
def test_good_pdus_read_as_the_codec_reads_them(golden: Golden) -> None:
    """Every golden PDU has the codec's fields and TLVs, no fault, and pieces that make it up."""
    found, expected = dissect(golden.octets), decode(golden.octets, lenient=True)
    read = found.pdu()
    assert not found.faults
    assert (read.command, read.status, read.sequence) == (
        golden.command,
        golden.status,
        golden.sequence,
    )
    assert {name: value for name, value in expected.fields.items() if value != b""} == {
        name: value for name, value in read.fields.items() if name != "sm_length"
    }
    assert read.tlvs == expected.tlvs
    assert golden.octets[:16] + b"".join(one.octets for one in found.pieces) == golden.octets
    assert all(golden.octets.startswith(one.octets, one.offset) for one in found.pieces)


def test_lists_are_read_entry_by_entry() -> None:
    """The destinations of submit_multi and the failures of its response are all there."""
    both = (Destination(1, 1, "49"), DistributionList("all"))
    multi = Pdu(Command.SUBMIT_MULTI, fields={"dest_address": both})
    names = [one.name for one in dissect(encode(multi)).pieces]
    assert names[4:11] == [
        "number_of_dests", "dest_flag", "dest_addr_ton", "dest_addr_npi", "destination_addr",
        "dest_flag", "dl_name",
    ]  # fmt: skip
    answer = Pdu(
        Command.SUBMIT_MULTI_RESP,
        fields={"message_id": "1", "unsuccess_sme": [Unsuccess(1, 1, "49", 0x0B)]},
    )
    last = dissect(encode(answer)).pieces[-1]
    assert (last.name, last.value) == ("error_status_code", 0x0B)


@pytest.mark.parametrize(
    ("octets", "offset", "text"),
    [
        ("474554202f20485454502f312e310d0a0d0a", 0, "not SMPP: an HTTP GET request"),
        ("00000004", 0, "4 octets: a header has 16"),
        ("0000001300000004000000000000000100050053", 19, "1 octets behind command_length"),
        ("000000130000000400000000000000010005", 0, "command_length 19: there are 18"),
        ("00000013000000040000000000000001000500", 19, "the PDU ends before source_addr"),
        ("000000160000000b00000000000000016162636465ff", 16, "system_id: no NUL"),
        ("0000001000000111000000000000000100", 4, "0x00000111 is no command of SMPP 3.4"),
        ("0000001580000004000000000000000100042400ff", 17, "message_payload: length 255, 0"),
        ("0000001680000004000000000000000100042700020205"[:44], 17, "message_state: length 2, 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(octets: str, offset: int, text: str) -> None:
    """Each kind of damage names the octet that it shows at."""
    faults = dissect(bytes.fromhex(octets)).faults
    assert any(one.offset == offset and one.text.startswith(text) for one in faults), faults


def test_an_error_response_has_what_it_has() -> None:
    """A refusal with its whole body, only its first field, or only TLVs reads without a fault."""
    head = "80000004000000580000000100"
    for body, names in (
        ("00000011" + head, ["message_id"]),
        ("00000015" + head[:-2] + "0427000102", ["message_state"]),
        ("00000016" + head + "0427000102", ["message_id", "message_state"]),
    ):
        found = dissect(bytes.fromhex(body))
        assert ([one.name for one in found.pieces], found.faults) == (names, [])


@given(st.lists(st.sampled_from([one.octets for one in GOLDEN]), max_size=3), st.binary(max_size=9))
def test_a_stream_is_split_into_its_pdus(frames: list[bytes], rest: bytes) -> None:
    """PDUs behind one another come out one by one; what is no PDU stays as it is."""
    assert split(b"".join(frames) + rest) == [*frames, *([rest] if rest else [])]


@given(st.sampled_from([one.octets for one in GOLDEN]), st.data())
def test_damage_never_raises(octets: bytes, data: st.DataObject) -> None:
    """Whatever octet is changed and wherever it is cut, there is an answer that fits the octets."""
    at = data.draw(st.integers(4, len(octets) - 1))
    changed = octets[:at] + data.draw(st.binary(min_size=1, max_size=3)) + octets[at + 1 :]
    changed = changed[: data.draw(st.integers(0, len(changed)))]
    for one in dissect(changed).pieces:
        assert changed.startswith(one.octets, one.offset)
