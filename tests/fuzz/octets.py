"""What peers might send: PDUs by the grammar, golden ones, both spoilt in every way; plain noise.

Everything comes from the `random.Random` that is given, so a seed gives the same octets again. The
writer here is no relative of the codec: it also writes what may not be written.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Final

from onesixty.smpp.pdus import BODIES, Command, FieldKind, FieldSpec
from onesixty.smpp.tlvs import TLVS, Tag
from smpp.test_golden import GOLDEN

_COMMANDS: Final = tuple(BODIES)
_USUAL: Final = (Command.SUBMIT_SM, Command.DELIVER_SM, Command.DATA_SM)
_PLAIN: Final = {
    "source_addr_ton": b"\5", "source_addr": b"Shop\0", "dest_addr_ton": b"\1",
    "destination_addr": b"447700900123\0", "dest_address": b"\x01\x01\x01\x01447700900123\0",
    "registered_delivery": b"\1", "short_message": b"\5hello",
}  # fmt: skip
_TELLING: Final = (0, 1, 2, 3, 4, 8, 16, 0x20, 0x40, 0x7F, 0x80, 0xC0, 0xF5, 0xFE, 0xFF)
_SEQUENCES: Final = (0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_STATUSES: Final = (0, 0, 0, 1, 8, 0x58, 0xFF, 0x400, 0xFFFFFFFF)
_LENGTHS: Final = (0, 1, 15, 16, 17, 1024, 1025, 70_000, 70_001, 0x7FFFFFFF, 0xFFFFFFFF)
_TAGS: Final = (*TLVS, 0, 0x1400, 0x1403, 0x3FFF, 0x4000, 0xFFFF)
_TEXTS: Final = (b"", b"1", b"491700000001", b"+447700900000", b"Shop", b"\xe9\xff", b"0a1b2c3d")
_TIMES: Final = (
    b"", b"000001000000000R", b"260101000000000+", b"991231235959948-", b"261301000000000+",
    b"000000000000000R", b"260101000000049+", b"260101120000",
)  # fmt: skip
_MESSAGES: Final = (
    b"", b"hello \x1be", "Привет 😀".encode("utf-16-be"), b"\xff\xfea\0", b"\xd8\x3d", b"\0" * 3,
    bytes.fromhex("050003aa0201") + b"part", bytes.fromhex("0605040b8423f0") + b"\1\2",
    bytes.fromhex("060804beef0302") + b"\x1b", b"\x05\0\3\1\0\0x", b"\xff", b"\x1b", b"\2\x70\0xx",
    b"id:0a1b2c3d sub:001 dlvrd:1 submit date:2601010000 done date:2601010001 stat:DELIVRD text:",
    b"id: stat:", b"ID:1 stat:2 err:null Text:id:9 stat:EXPIRED",
)  # fmt: skip


def cases(chance: random.Random, count: int) -> Iterator[bytes]:
    """So many single PDUs, most of them with a command_length that is true."""
    for _ in range(count):
        yield case(chance)


def case(chance: random.Random) -> bytes:
    """One PDU, spoilt or not, or noise."""
    kind = chance.random()
    if kind < 0.1:
        octets = bytearray(chance.randbytes(chance.randrange(120)))
    elif kind < 0.4:
        octets = bytearray(chance.choice(GOLDEN).octets)
    else:
        octets = grown(chance, chance.choice(_USUAL if kind < 0.7 else _COMMANDS))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        _spoil(octets, chance)
    if len(octets) >= 4 and chance.random() < 0.95:
        octets[:4] = len(octets).to_bytes(4, "big")
    return bytes(octets)


def grown(chance: random.Random, command: int, plain: float = 0.0) -> bytearray:
    """A PDU of this command with all its fields, each right or nearly so, and some TLVs.

    `plain` is the share of fields, 0 to 1, that have the value they have in most messages.
    """
    body = b"".join(
        _PLAIN.get(spec.name, b"\0") if chance.random() < plain else _field(spec, chance)
        for spec in BODIES[command]
    )
    tlvs = b"".join(_tlv(chance) for _ in range(chance.choice((0, 0, 1, 2, 5))))
    length = 16 + len(body) + len(tlvs)
    status = chance.choice(_STATUSES) if command & 0x80000000 else 0
    head = (length, command, status, chance.choice(_SEQUENCES))
    return bytearray(b"".join(word.to_bytes(4, "big") for word in head) + body + tlvs)


def stream(chance: random.Random, count: int) -> bytes:
    """PDUs one behind the other; sometimes the last one lies about its length, or is cut off."""
    octets = b"".join(case(chance) for _ in range(count))
    lie = chance.random()
    if lie < 0.05:
        octets += chance.choice(_LENGTHS).to_bytes(4, "big") + chance.randbytes(12)
    elif lie < 0.2:
        octets = octets[: chance.randrange(len(octets) + 1)]
    return octets


def chunks(octets: bytes, chance: random.Random) -> Iterator[bytes]:
    """The octets as a socket may bring them: all at once, in pieces, or one by one."""
    least = chance.choice((1, 7, 64, 64, 100_000, 100_000, 100_000))
    most = 1 if least == 1 and len(octets) < 200 else 3 * least
    at = 0
    while at < len(octets):
        end = at + chance.randint(least, most)
        yield octets[at:end]
        at = end


def _field(spec: FieldSpec, chance: random.Random) -> bytes:
    match spec.kind:
        case FieldKind.INTEGER:
            return bytes((chance.choice(_TELLING),))
        case FieldKind.TEXT:
            text = chance.choice(_TEXTS)[: spec.size - 1]
            return (text if chance.random() < 0.95 else text * 20) + b"\0"
        case FieldKind.TIME:
            return chance.choice(_TIMES) + b"\0"
        case FieldKind.OCTETS:
            return _counted(_message(chance)[:255], 1)
        case FieldKind.DESTINATIONS:
            return _listed([_destination(chance) for _ in range(chance.choice((0, 1, 2, 9)))])
        case FieldKind.UNSUCCESSES:
            failed = [_address(chance) + chance.randbytes(4) for _ in range(chance.choice((0, 2)))]
            return _listed(failed)


def _message(chance: random.Random) -> bytes:
    if chance.random() < 0.7:
        return chance.choice(_MESSAGES)
    return chance.randbytes(chance.choice((1, 2, 140, 254, 255)))


def _destination(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return b"\2" + chance.choice(_TEXTS) + b"\0"
    return b"\1" + _address(chance)


def _address(chance: random.Random) -> bytes:
    return bytes((chance.choice(_TELLING), 1)) + chance.choice(_TEXTS) + b"\0"


def _tlv(chance: random.Random) -> bytes:
    """A TLV of the right length, mostly; a length that lies, or none, now and then."""
    tag = chance.choice(_TAGS)
    spec = TLVS.get(tag)
    size = chance.choice((spec.least, min(spec.most, 300))) if spec else chance.randrange(5)
    value = chance.randbytes(size)
    if tag == Tag.MESSAGE_PAYLOAD and chance.random() < 0.8:
        value = _message(chance) * chance.choice((1, 1, 40))
    octets = tag.to_bytes(2, "big") + _counted(value, 2)
    if chance.random() < 0.1:
        octets = octets[:2] + chance.choice((0, 1, size + 1, 0xFFFF)).to_bytes(2, "big") + value
    return octets[:2] if chance.random() < 0.02 else octets


def _counted(octets: bytes, size: int) -> bytes:
    return len(octets).to_bytes(size, "big") + octets


def _listed(entries: Sequence[bytes]) -> bytes:
    return bytes((len(entries),)) + b"".join(entries)


def _spoil(octets: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(octets) + 1)
    end = min(len(octets), at + chance.randrange(1, 9))
    match chance.randrange(7):
        case 0 if at < len(octets):
            octets[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(octets):
            octets[at] = chance.choice(_TELLING)
        case 2:
            del octets[at:end]
        case 3:
            octets[at:at] = octets[at:end] * chance.randrange(1, 9)
        case 4:  # the head of one, the tail of another
            other = chance.choice(GOLDEN).octets
            octets[at:] = other[chance.randrange(len(other)) :]
        case 5:
            del octets[at:]
        case _:
            octets[at:end] = chance.randbytes(end - at)
