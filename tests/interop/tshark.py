"""tshark as a reader of ours: what Wireshark's dissector makes of PDUs, field by field."""

import re
import shutil
import struct
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = shutil.which("tshark")
_LINK_TYPE: Final = (
    147  # the first of those for private use: each packet is one PDU, nothing around
)
_AS_SMPP: Final = 'uat:user_dlts:"User 0 (DLT=147)","smpp","0","","0",""'
_NO_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COMPLAINTS: Final = ("_ws.malformed", "_ws.short", "_ws.expert")


@dataclass(frozen=True, slots=True)
class Dissection:
    """What it saw in one PDU."""

    fields: tuple[tuple[str, int, bytes], ...]
    """Name without "smpp.", offset and octets of each field, in the order of the PDU."""
    complaints: tuple[str, ...]
    """Whatever is malformed, short, or worth a remark to it."""


def dissect(frames: Sequence[bytes]) -> list[Dissection]:
    """What tshark sees in each of these PDUs."""
    assert PROGRAM
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.pcap"
        path.write_bytes(_capture(frames))
        words = [PROGRAM, "-r", str(path), "-o", _AS_SMPP, "-T", "pdml"]
        done = subprocess.run(words, check=True, capture_output=True, timeout=60)
    # Texts of messages stand in it as they are, with characters that XML does not have.
    text = _NO_XML.sub("?", done.stdout.decode("utf-8", "replace").partition("?>")[2])
    return [_dissection(packet) for packet in ET.fromstring(text).iter("packet")]


def _capture(frames: Sequence[bytes]) -> bytes:
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, _LINK_TYPE)]
    for second, frame in enumerate(frames):
        records.append(struct.pack("<IIII", second, 0, len(frame), len(frame)) + frame)
    return b"".join(records)


def _dissection(packet: ET.Element) -> Dissection:
    names = {element.get("name", "") for element in packet.iter()}
    found = packet.findall("proto[@name='smpp']")
    complaints = [name for name in names if name.startswith(_COMPLAINTS)]
    if len(found) != 1:
        complaints.append(f"{len(found)} SMPP PDUs")
    fields = [
        (
            field.get("name", "").removeprefix("smpp."),
            int(field.get("pos", "0")),
            bytes.fromhex(field.get("unmaskedvalue") or field.get("value") or ""),
        )
        for proto in found
        for field in proto.iter("field")
        if len(field.get("unmaskedvalue") or field.get("value") or "") % 2 == 0
    ]
    return Dissection(tuple(fields), tuple(complaints))
