"""Octets taken apart field by field, with where each stands; what is wrong is said, never raised.

The codec answers whether a PDU can be taken. This is for people who ask why not: it goes on where
the codec gives up, and works on PDUs that are cut, broken, or not SMPP at all.
"""

from dataclasses import dataclass, field
from typing import Final

from onesixty.smpp.framing import HEADER_SIZE, Framer, FramingError
from onesixty.smpp.pdus import (
    BODIES,
    RESPONSE_BIT,
    FieldKind,
    FieldSpec,
    FieldValue,
    Pdu,
    command_name,
)
from onesixty.smpp.tlvs import TLVS, Tlv, TlvKind, name_of_tag, read_integer, read_text

REST: Final = "rest"
"""The name of octets that belong to no field."""
_COUNTS: Final = {
    FieldKind.DESTINATIONS: "number_of_dests",
    FieldKind.UNSUCCESSES: "no_unsuccess",
}
_LENGTH_MOST: Final = 100_000  # a command_length above is no PDU's


@dataclass(frozen=True, slots=True)
class Piece:
    """One field, or one TLV with its tag and length.

    `octets` are all it takes from `offset` on; `content` is what they hold, without NUL, tag and
    length. `value` is that as a number or text, or the content itself.
    """

    offset: int
    octets: bytes
    name: str
    value: int | str | bytes
    content: bytes
    tag: int | None = None

    @property
    def content_offset(self) -> int:
        """Where the content begins."""
        return self.offset + (4 if self.tag is not None else 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong, and the offset in the PDU where it shows."""

    offset: int
    text: str


@dataclass(slots=True)
class Dissection:
    """What is in one PDU. `length` is what its header says, whatever there is of it."""

    octets: bytes
    length: int = 0
    command: int = 0
    status: int = 0
    sequence: int = 0
    pieces: list[Piece] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_cut(self) -> bool:
        """Whether there is less than the header says."""
        return len(self.octets) < self.length

    @property
    def is_smpp(self) -> bool:
        """Whether the header can be one."""
        return HEADER_SIZE <= self.length <= _LENGTH_MOST and len(self.octets) >= HEADER_SIZE

    def pdu(self) -> Pdu:
        """What could be read, as the rest of the library takes it."""
        fields: dict[str, FieldValue] = {
            one.name: one.value for one in self.pieces if one.tag is None
        }
        tlvs = [Tlv(one.tag, one.content) for one in self.pieces if one.tag is not None]
        return Pdu(self.command, self.status, self.sequence, fields, tlvs)


def dissect(octets: bytes) -> Dissection:
    """Take one PDU apart. Octets behind its command_length are a fault."""
    found = Dissection(octets)
    if len(octets) < HEADER_SIZE:
        found.faults.append(Fault(0, f"{len(octets)} octets: a header has {HEADER_SIZE}"))
    header = octets[:HEADER_SIZE].ljust(HEADER_SIZE, b"\0")
    found.length, found.command, found.status, found.sequence = (
        int.from_bytes(header[at : at + 4], "big") for at in range(0, HEADER_SIZE, 4)
    )
    if not found.is_smpp:
        _not_smpp(found)
        return found
    if found.is_cut:
        found.faults.append(Fault(0, f"command_length {found.length}: there are {len(octets)}"))
    _read_body(found)
    if len(octets) > found.length:
        extra = len(octets) - found.length
        found.faults.append(Fault(found.length, f"{extra} octets behind command_length"))
    return found


def split(octets: bytes) -> list[bytes]:
    """The PDUs in a stream; the last one is what is left when it is cut or no PDU."""
    frames: list[bytes] = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        if len(octets) < HEADER_SIZE or not HEADER_SIZE <= length <= min(len(octets), _LENGTH_MOST):
            return [*frames, octets]
        frames.append(octets[:length])
        octets = octets[length:]
    return frames


def _not_smpp(found: Dissection) -> None:
    try:
        Framer(_LENGTH_MOST).feed(found.octets)
    except FramingError as error:
        found.faults.append(Fault(0, error.detail))
    if found.octets:
        found.pieces.append(Piece(0, found.octets, REST, found.octets, found.octets))


def _read_body(found: Dissection) -> None:
    """The fields, then the TLVs. Of an error response it is found out which of them it has."""
    specs = BODIES.get(found.command)
    end = min(len(found.octets), found.length)
    if specs is None:
        found.faults.append(Fault(4, f"{command_name(found.command)} is no command of SMPP 3.4"))
        _add_rest(found, HEADER_SIZE, end)
        return
    if end == HEADER_SIZE and found.command & RESPONSE_BIT:
        return
    readings = [specs]
    if found.command & RESPONSE_BIT and found.status:
        readings = [specs, specs[:1], ()]  # all of these are sent
    for reading in readings:
        reader = _Reader(found.octets, end)
        reader.read(reading)
        if not reader.faults:
            break
    else:
        reader = _Reader(found.octets, end)
        reader.read(specs)
    found.pieces += reader.pieces
    found.faults += reader.faults
    _add_rest(found, reader.at, end)


def _add_rest(found: Dissection, at: int, end: int) -> None:
    if at < end:
        octets = found.octets[at:end]
        found.pieces.append(Piece(at, octets, REST, octets, octets))


class _Reader:
    """Goes through a body from its first octet; stops where nothing can be told any more."""

    def __init__(self, octets: bytes, end: int) -> None:
        self.at = HEADER_SIZE
        self.pieces: list[Piece] = []
        self.faults: list[Fault] = []
        self._octets, self._end = octets, end

    def read(self, specs: tuple[FieldSpec, ...]) -> None:
        """All of it."""
        for spec in specs:
            if not self._field(spec):
                return
        while self.at < self._end:
            if not self._tlv():
                return

    def _field(self, spec: FieldSpec) -> bool:
        match spec.kind:
            case FieldKind.INTEGER:
                return self._number(spec.name)
            case FieldKind.TEXT | FieldKind.TIME:
                return self._text(spec)
            case FieldKind.OCTETS:
                return self._sized(spec)
            case FieldKind.DESTINATIONS | FieldKind.UNSUCCESSES:
                return self._list(spec.kind)

    def _number(self, name: str, size: int = 1) -> bool:
        if self.at + size > self._end:
            return self._ends_before(name)
        octets = self._octets[self.at : self.at + size]
        self._add(octets, name, int.from_bytes(octets, "big"), octets)
        return True

    def _text(self, spec: FieldSpec) -> bool:
        if self.at >= self._end:
            return self._ends_before(spec.name)
        end = self._octets.find(b"\0", self.at, self._end)
        if end < 0:
            self._fault(f"{spec.name}: no NUL before the end of the PDU")
            end = self._end
        content = self._octets[self.at : end]
        if len(content) >= spec.size:
            self._fault(f"{spec.name}: {len(content)} characters, at most {spec.size - 1}")
        elif spec.kind is FieldKind.TIME and len(content) not in (0, 16):
            self._fault(f"{spec.name}: {len(content)} characters, there should be none or 16")
        octets = self._octets[self.at : min(end + 1, self._end)]
        self._add(octets, spec.name, content.decode("latin-1"), content)
        return True

    def _sized(self, spec: FieldSpec) -> bool:
        if not self._number("sm_length"):
            return False
        size = self._octets[self.at - 1]
        content = self._octets[self.at : min(self.at + size, self._end)]
        if len(content) < size:
            self._fault(f"{spec.name}: sm_length says {size} octets, {len(content)} are there")
        if content:
            self._add(content, spec.name, content, content)
        return len(content) == size

    def _list(self, kind: FieldKind) -> bool:
        if not self._number(_COUNTS[kind]):
            return False
        is_destinations = kind is FieldKind.DESTINATIONS
        for _ in range(self._octets[self.at - 1]):
            if is_destinations and not self._number("dest_flag"):
                return False
            if is_destinations and self._octets[self.at - 1] == 2:
                good = self._text(FieldSpec("dl_name", FieldKind.TEXT, 21))
            else:
                good = (
                    self._number("dest_addr_ton")
                    and self._number("dest_addr_npi")
                    and self._text(FieldSpec("destination_addr", FieldKind.TEXT, 21))
                )
            if not good or not (is_destinations or self._number("error_status_code", 4)):
                return False
        return True

    def _tlv(self) -> bool:
        left = self._end - self.at
        if left < 4:
            self._fault(f"{left} octets behind the last field: a TLV has at least 4")
            return False
        tag = int.from_bytes(self._octets[self.at : self.at + 2], "big")
        length = int.from_bytes(self._octets[self.at + 2 : self.at + 4], "big")
        content = self._octets[self.at + 4 : min(self.at + 4 + length, self._end)]
        if len(content) < length:
            self._fault(f"{name_of_tag(tag)}: length {length}, {len(content)} octets are there")
        spec = TLVS.get(tag)
        if spec is not None and not spec.fits(content) and len(content) == length:
            allowed = str(spec.most) if spec.least == spec.most else f"{spec.least} to {spec.most}"
            self._fault(f"{spec.name}: {length} octets, there should be {allowed}")
        octets = self._octets[self.at : self.at + 4 + len(content)]
        self._add(octets, name_of_tag(tag), _meant(tag, content), content, tag)
        return len(content) == length

    def _add(
        self, octets: bytes, name: str, value: int | str | bytes, content: bytes,
        tag: int | None = None,
    ) -> None:  # fmt: skip
        self.pieces.append(Piece(self.at, octets, name, value, content, tag))
        self.at += len(octets)

    def _ends_before(self, name: str) -> bool:
        self._fault(f"the PDU ends before {name}")
        return False

    def _fault(self, text: str) -> None:
        self.faults.append(Fault(self.at, text))


def _meant(tag: int, content: bytes) -> int | str | bytes:
    spec = TLVS.get(tag)
    if spec is not None and spec.kind is TlvKind.TEXT:
        return read_text(content)
    number = read_integer(tag, content) if spec and spec.kind is TlvKind.INTEGER else None
    return content if number is None else number
