"""A trace as a file of packets that Wireshark and tshark open.

What was captured are PDUs; the Ethernet, IP and TCP around them are made up so that they fit:
addresses, lengths, checksums, and sequence numbers that follow one another.
"""

import struct
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

SNAP_OCTETS: Final = 262_144
_SEGMENT_MOST: Final = 60_000  # of one made-up TCP segment, so that an IP packet can hold it
_ETHERNET: Final = 1
_OWN_MAC, _PEER_MAC = b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2"
_FIN, _SYN, _PUSH, _ACK = 0x01, 0x02, 0x08, 0x10
_FIRST_SEQUENCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and its port."""

    address: IPv4Address | IPv6Address
    port: int

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Of `127.0.0.1:2775`, with IPv6 addresses as they are. ValueError."""
        address, _, port = text.rpartition(":")
        return cls(ip_address(address.strip("[]").partition("%")[0]), int(port))


@dataclass(slots=True)
class _Side:
    endpoint: Endpoint
    mac: bytes
    sequence: int = _FIRST_SEQUENCE


class Conversation:
    """One connection as packets. Each method gives octets to append to the file."""

    def __init__(self, own: Endpoint, peer: Endpoint, *, accepted: bool) -> None:
        """`accepted`: the peer connected to us, not we to it."""
        self._own, self._peer = _Side(own, _OWN_MAC), _Side(peer, _PEER_MAC)
        self._accepted = accepted

    def opened(self, at: datetime) -> bytes:
        """The handshake."""
        client, server = (self._peer, self._own) if self._accepted else (self._own, self._peer)
        return (
            self._packet(at, client, _SYN)
            + self._packet(at, server, _SYN | _ACK)
            + self._packet(at, client, _ACK)
        )

    def pdu(self, at: datetime, octets: bytes, length: int, *, outgoing: bool) -> bytes:
        """One PDU of which `octets` were kept and whose whole length is `length`."""
        packets = b""
        for begin in range(0, max(length, 1), _SEGMENT_MOST):
            size = min(_SEGMENT_MOST, length - begin)
            part = octets[begin : begin + size]
            sender = self._own if outgoing else self._peer
            packets += self._packet(at, sender, _PUSH | _ACK, part, size)
        return packets

    def closed(self, at: datetime) -> bytes:
        """The goodbye of both."""
        return (
            self._packet(at, self._own, _FIN | _ACK)
            + self._packet(at, self._peer, _FIN | _ACK)
            + self._packet(at, self._own, _ACK)
        )

    def _packet(
        self, at: datetime, sender: _Side, flags: int, kept: bytes = b"", size: int = 0
    ) -> bytes:
        """One packet of a segment of `size` octets, of which some were kept."""
        receiver = self._peer if sender is self._own else self._own
        acknowledged = receiver.sequence if flags & _ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH", sender.endpoint.port, receiver.endpoint.port, sender.sequence,
            acknowledged, 5 << 4, flags, 0xFFFF, 0, 0,
        )  # fmt: skip
        source, target = sender.endpoint.address, receiver.endpoint.address
        pseudo = source.packed + target.packed + struct.pack(">IHBB", len(tcp) + size, 0, 0, 6)
        checksum = _checksum(pseudo + tcp + kept)  # octets that were not kept count as zeros
        tcp = tcp[:16] + checksum.to_bytes(2, "big") + tcp[18:]
        frame = receiver.mac + sender.mac + _internet(source, target, len(tcp) + size) + tcp
        sender.sequence += size + bool(flags & (_SYN | _FIN))
        moment = round(at.timestamp() * 1_000_000)
        head = struct.pack(
            "<IIII", *divmod(moment, 1_000_000), len(frame) + len(kept), len(frame) + size
        )
        return head + frame + kept


def file_header() -> bytes:
    """The beginning of the file."""
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_OCTETS, _ETHERNET)


def _internet(
    source: IPv4Address | IPv6Address, target: IPv4Address | IPv6Address, size: int
) -> bytes:
    """EtherType and IP header of a packet with so many octets behind it."""
    if source.version == 6:
        return b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, size, 6, 64) + (
            source.packed + target.packed
        )  # fmt: skip
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, 6, 0)
    checksum = _checksum(head + source.packed + target.packed)
    return b"\x08\x00" + head[:10] + struct.pack(">H", checksum) + source.packed + target.packed


def _checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    octets += b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
