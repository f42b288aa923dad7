"""Files of packets: their frames fit together, and tshark reads the PDUs in them."""

import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onesixty.smpp.trace.pcap import Conversation, Endpoint, file_header
from smpp.test_golden import GOLDEN

AT = datetime(2026, 11, 22, 15, 30, 0, 123456, UTC)
FOUR = (Endpoint.parse("127.0.0.1:40000"), Endpoint.parse("127.0.0.1:2775"))
SIX = (Endpoint.parse("::1:40000"), Endpoint.parse("[fe80::1%eth0]:2775"))


def packets(octets: bytes) -> Iterator[tuple[bytes, int]]:
    """The kept octets and the whole length of each packet."""
    while octets:
        _, _, kept, length = struct.unpack("<IIII", octets[:16])
        yield octets[16 : 16 + kept], length
        octets = octets[16 + kept :]


def summed(octets: bytes) -> int:
    """The ones' complement sum: 0xFFFF where a checksum is right."""
    octets += b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_sequence_numbers_follow_one_another() -> None:
    """Each side acknowledges what the other sent, to the octet, from handshake to goodbye."""
    talk = Conversation(*FOUR, accepted=False)
    file = talk.opened(AT) + talk.pdu(AT, b"12345", 5, outgoing=True)
    file += talk.pdu(AT, b"123", 3, outgoing=False) + talk.closed(AT)
    seen = [(*struct.unpack(">HHII", packet[34:46]), packet[47]) for packet, _ in packets(file)]
    assert seen == [
        (40000, 2775, 1000, 0, 0x02),
        (2775, 40000, 1000, 1001, 0x12),
        (40000, 2775, 1001, 1001, 0x10),
        (40000, 2775, 1001, 1001, 0x18),
        (2775, 40000, 1001, 1006, 0x18),
        (40000, 2775, 1006, 1004, 0x11),
        (2775, 40000, 1004, 1007, 0x11),
        (40000, 2775, 1007, 1005, 0x10),
    ]


def test_checksums_and_lengths_are_right() -> None:
    """The sums over IP headers and TCP segments come out; an odd length too."""
    for ends, header in ((FOUR, 20), (SIX, 40)):
        talk = Conversation(*ends, accepted=True)
        ((packet, length),) = packets(talk.pdu(AT, b"12345", 5, outgoing=True))
        assert len(packet) == length == 14 + header + 20 + 5
        segment = packet[14 + header :]
        addresses = packet[26:34] if header == 20 else packet[22:54]
        assert (
            summed(addresses + struct.pack(">IBBBB", len(segment), 0, 0, 0, 6) + segment) == 0xFFFF
        )
        if header == 20:
            assert summed(packet[14:34]) == 0xFFFF


def test_what_was_not_kept_is_missing() -> None:
    """Of a long PDU the packets tell the whole length, and hold what was kept."""
    talk = Conversation(*FOUR, accepted=False)
    cut = list(packets(talk.pdu(AT, bytes(1024), 65_000, outgoing=True)))
    assert [(len(packet), length) for packet, length in cut] == [
        (54 + 1024, 54 + 60_000),
        (54, 54 + 5_000),
    ]


def test_tshark_reads_every_golden_pdu(tmp_path: Path) -> None:
    """Wireshark's dissector finds the PDUs with their numbers, times and no complaint."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed")
    talk = Conversation(*FOUR, accepted=False)
    file = file_header() + talk.opened(AT)
    for number, golden in enumerate(GOLDEN):
        at = AT + timedelta(seconds=number)
        octets, outgoing = golden.octets, not golden.command & 0x80000000
        file += talk.pdu(at, octets, len(octets), outgoing=outgoing)
    path = tmp_path / "golden.pcap"
    path.write_bytes(file + talk.closed(AT))
    done = subprocess.run(
        [tshark, "-r", path, "-T", "json", "-d", "tcp.port==2775,smpp",
         "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"],
        capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=True,
    )  # fmt: skip
    read = [one["_source"]["layers"] for one in json.loads(done.stdout)]
    assert "_ws.malformed" not in done.stdout
    assert '"tcp.checksum.status": "0"' not in done.stdout  # 0 is bad, 1 is good
    found = [one["smpp"] for one in read if "smpp" in one]
    assert [int(one["smpp.sequence_number"]) for one in found] == [one.sequence for one in GOLDEN]
    assert [int(one["smpp.command_id"], 16) for one in found] == [one.command for one in GOLDEN]
    times = [one["frame"]["frame.time_epoch"] for one in read if "smpp" in one]
    assert times[0].startswith(f"{AT.timestamp():.6f}")
