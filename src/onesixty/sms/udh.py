"""The user data header (3GPP TS 23.040 9.2.3.24): what stands in front of the text in user data.

A header is its length, then information elements: identifier, length, data. Here an element is the
bytes of all three, so that a header is built by joining elements.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class ElementId(IntEnum):
    """Information element identifiers that this library writes or understands."""

    CONCATENATION_8 = 0x00
    SPECIAL_MESSAGE = 0x01
    PORTS_8 = 0x04
    PORTS_16 = 0x05
    CONCATENATION_16 = 0x08
    SINGLE_SHIFT = 0x24
    LOCKING_SHIFT = 0x25


@dataclass(frozen=True, slots=True)
class Concat:
    """Which part of which long message this is; the reference has 8 or 16 bits."""

    reference: int
    total: int
    sequence: int
    reference_bits: int = 8


@dataclass(frozen=True, slots=True)
class Ports:
    """Application ports of both sides, 0 to 65535."""

    destination: int
    source: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a received header says; `elements` has each one as (identifier, data), in order."""

    elements: tuple[tuple[int, bytes], ...] = ()
    concatenation: Concat | None = None
    ports: Ports | None = None
    locking: int = 0
    single: int = 0


def concatenation(reference: int, total: int, sequence: int, reference_bits: int = 8) -> bytes:
    """The element of part `sequence` (from 1) of `total`; the reference is cut to its bits."""
    if reference_bits == 8:
        return bytes((0x00, 3, reference & 0xFF, total, sequence))
    return bytes((0x08, 4, reference >> 8 & 0xFF, reference & 0xFF, total, sequence))


def ports(destination: int, source: int) -> bytes:
    """The element for 16-bit application ports."""
    address = destination.to_bytes(2, "big") + source.to_bytes(2, "big")
    return bytes((ElementId.PORTS_16, 4)) + address


def shifts(locking: int = 0, single: int = 0) -> bytes:
    """The elements that name national language tables; none for 0."""
    element = b""
    if locking:
        element += bytes((ElementId.LOCKING_SHIFT, 1, locking))
    if single:
        element += bytes((ElementId.SINGLE_SHIFT, 1, single))
    return element


def build(elements: bytes) -> bytes:
    """A header of joined elements: nothing when there are none. ValueError above 140 octets."""
    if not elements:
        return b""
    if len(elements) >= 140:
        raise ValueError(f"a header of {len(elements) + 1} octets does not fit in 140")
    return bytes((len(elements),)) + elements


def join(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """Joined elements of (identifier, data) pairs, as `Header.elements` has them."""
    return b"".join(bytes((identifier, len(data))) + data for identifier, data in elements)


def parse(user_data: bytes) -> tuple[Header, bytes] | None:
    """The header and what follows it, or None when the octets cannot be a header.

    The header must end before the user data does and fit in one SMS, and every element must fit in
    it. Of an element that occurs twice the last counts; a concatenation that makes no sense counts
    as absent.
    """
    length = user_data[0] if user_data else 0
    if not user_data or length >= min(len(user_data), 140):
        return None
    elements = _elements(user_data[1 : length + 1])
    if elements is None:
        return None
    return _read(elements), user_data[length + 1 :]


def _elements(octets: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """(identifier, data) of each element, or None when one does not fit."""
    found = []
    at = 0
    while at < len(octets):
        if at + 2 > len(octets) or at + 2 + octets[at + 1] > len(octets):
            return None
        end = at + 2 + octets[at + 1]
        found.append((octets[at], octets[at + 2 : end]))
        at = end
    return tuple(found)


def _read(elements: tuple[tuple[int, bytes], ...]) -> Header:
    """Give the known elements their meaning; the last of each kind counts."""
    part: Concat | None = None
    addressed: Ports | None = None
    locking = single = 0
    for identifier, data in elements:
        match identifier, len(data):
            case ElementId.CONCATENATION_8, 3:
                part = _sensible(Concat(data[0], data[1], data[2], 8)) or part
            case ElementId.CONCATENATION_16, 4:
                wide = Concat(data[0] << 8 | data[1], data[2], data[3], 16)
                part = _sensible(wide) or part
            case ElementId.PORTS_8, 2:
                addressed = Ports(data[0], data[1])
            case ElementId.PORTS_16, 4:
                addressed = Ports(data[0] << 8 | data[1], data[2] << 8 | data[3])
            case ElementId.SINGLE_SHIFT, 1:
                single = data[0]
            case ElementId.LOCKING_SHIFT, 1:
                locking = data[0]
    return Header(elements, part, addressed, locking, single)


def _sensible(part: Concat) -> Concat | None:
    """None for a part that cannot exist: it is then a message of its own."""
    return part if 1 <= part.sequence <= part.total else None
