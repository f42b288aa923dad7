"""Splitting a message into parts: how many there are, and what each of them carries.

`count` and `plan` split with the same code, so what is priced is what is sent. Sizes are kept in
octets as SMPP carries them: one octet a septet (unpacked), two a UTF-16 unit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, Literal, NamedTuple

from onesixty.sms import national as tables
from onesixty.sms import udh
from onesixty.sms.alphabet import GSM7, Encoding
from onesixty.sms.national import Language
from onesixty.sms.splitting import Encoded, parts_needed, split, split_octets

TextEncoding = Literal[Encoding.GSM7, Encoding.UCS2, Encoding.LATIN1]

USER_DATA_OCTETS = 140
MAX_PARTS = 255
# Beside the largest concatenation element a part has room for at least one surrogate pair.
HEADER_OCTETS_MOST = USER_DATA_OCTETS - 6 - 4
DEFAULT_MAX_SEGMENTS = 10
# Reading a member from its enum class is slow on Python 3.11, and every text passes here.
_GSM7: Final = Encoding.GSM7
_UCS2: Final = Encoding.UCS2


class Concatenation(StrEnum):
    """How the parts of a long message are tied together on the way to the carrier.

    UDH8 and UDH16 write a header with a reference of that many bits; SAR leaves the numbers to the
    sar_* parameters of SMPP; PAYLOAD hands the whole message over and the carrier splits it.
    """

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


class SegmentationError(ValueError):
    """A message that cannot be sent as asked; the attributes let an API show why."""

    def __init__(
        self,
        code: Literal["not_encodable", "too_many_segments", "malformed_header"],
        message: str,
        *,
        characters: str = "",
        segments: int = 0,
        limit: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.characters = characters
        self.segments = segments
        self.limit = limit


class Plan(NamedTuple):
    """How one message goes out; `parts` turns it into user data once a reference is chosen.

    `segments` is what the message counts for on the radio side. `pieces` has the octets of each
    part without headers: as many as `segments`, or one when the carrier splits (PAYLOAD).
    `elements` are the header elements that every part repeats.
    """

    encoding: Encoding
    concatenation: Concatenation
    segments: int
    pieces: tuple[bytes, ...]
    elements: bytes = b""

    @property
    def data_coding(self) -> int:
        """The SMPP data_coding value without a message class."""
        return self.encoding.data_coding

    @property
    def units(self) -> int:
        """Septets, UTF-16 units or octets of the whole message, as `capacity` counts them."""
        return sum(map(len, self.pieces)) // _octets_per_unit(self.encoding)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: header (empty, or with its length octet), data, number from 1 to `total`."""

    udh: bytes
    data: bytes
    sequence: int
    total: int

    @property
    def user_data(self) -> bytes:
        """Header and data; with a header, esm_class needs the UDHI bit (0x40)."""
        return self.udh + self.data


def count(
    text: str,
    *,
    encoding: TextEncoding | None = None,
    concatenation: Concatenation = Concatenation.UDH8,
    national: Collection[Language] = (),
    max_segments: int = DEFAULT_MAX_SEGMENTS,
) -> tuple[Encoding, int]:
    """The encoding and the number of segments of a text; arguments and errors as for `plan`."""
    encoded = _encode(text, encoding, concatenation, national)
    return encoded.encoding, _segments(encoded, concatenation, max_segments)


def plan(
    text: str,
    *,
    encoding: TextEncoding | None = None,
    concatenation: Concatenation = Concatenation.UDH8,
    national: Collection[Language] = (),
    header: bytes = b"",
    max_segments: int = DEFAULT_MAX_SEGMENTS,
) -> Plan:
    """Choose an encoding (None: GSM 7-bit where the text allows, else UTF-16) and split the text.

    The tables of `national` languages are used where they need fewer segments than UTF-16. Under a
    `header` its own tables are used instead, see `plan_octets`. A message with either is
    concatenated in its header, because SMPP forbids a header beside sar_*.
    SegmentationError: characters outside a wanted encoding, a malformed header, or more than
    `max_segments` (at most 255) segments.
    """
    if header:
        parsed = _parse(header)
        encoded = _encode_under(parsed, text, encoding)._replace(elements=header[1:])
        max_segments = 1 if parsed.concatenation else max_segments
    else:
        encoded = _encode(text, encoding, concatenation, national)
    segments = _segments(encoded, concatenation, max_segments)
    concatenation = _effective(concatenation, encoded.elements)
    if segments == 1 or concatenation is Concatenation.PAYLOAD:
        pieces: tuple[bytes, ...] = (encoded.octets,)
    else:
        limit = _limits(encoded.encoding, concatenation, len(encoded.elements))[1]
        pieces = split(text, encoded, limit, segments)
    return Plan(encoded.encoding, concatenation, segments, pieces, encoded.elements)


def plan_octets(
    octets: bytes,
    *,
    encoding: Encoding = Encoding.BINARY,
    header: bytes = b"",
    concatenation: Concatenation = Concatenation.UDH8,
    max_segments: int = DEFAULT_MAX_SEGMENTS,
) -> Plan:
    """Split octets that go out as they are; `encoding` says what they are counted in.

    `header` is a user data header with its length octet, such as one of ports. One that
    concatenates by itself means that the caller splits: the octets must fit one part.
    SegmentationError: a malformed header, or too many segments.
    """
    concatenates = header and _parse(header).concatenation
    encoded = Encoded(encoding, octets, elements=header[1:])
    segments = _segments(encoded, concatenation, 1 if concatenates else max_segments)
    concatenation = _effective(concatenation, encoded.elements)
    pieces: tuple[bytes, ...] = (octets,)
    if segments > 1 and concatenation is not Concatenation.PAYLOAD:
        limit = _limits(encoding, concatenation, len(encoded.elements))[1]
        pieces = split_octets(octets, limit, encoding)
    return Plan(encoding, concatenation, segments, pieces, encoded.elements)


def parts(plan: Plan, reference: int = 0) -> list[Part]:
    """The parts of a planned message, in order, with headers for this reference.

    The reference is cut to the bits that the concatenation has; it should differ from the last ones
    used between the same sender and recipient. Its value does not matter for a message of one part.
    """
    pieces, total, elements = plan.pieces, len(plan.pieces), plan.elements
    if total == 1 or plan.concatenation is Concatenation.SAR:
        header = udh.build(elements)
        return [Part(header, data, sequence, total) for sequence, data in enumerate(pieces, 1)]
    bits = 16 if plan.concatenation is Concatenation.UDH16 else 8
    built = []
    for sequence, data in enumerate(pieces, 1):
        number = udh.concatenation(reference, total, sequence, bits)
        built.append(Part(udh.build(number + elements), data, sequence, total))
    return built


def capacity(encoding: Encoding, header_octets: int = 0) -> int:
    """Septets, UTF-16 units or octets of a part beside a header of that size (with its length)."""
    octets = USER_DATA_OCTETS - header_octets
    if encoding is _UCS2:
        return octets // 2
    return octets * 8 // 7 if encoding is _GSM7 else octets


def _encode(
    text: str,
    encoding: TextEncoding | None,
    concatenation: Concatenation,
    national: Collection[Language],
) -> Encoded:
    """The text in the wanted encoding, or in the one that takes the fewest segments."""
    if encoding is None or encoding is _GSM7:
        octets = GSM7.encode(text)
        if octets is not None:
            return Encoded(_GSM7, octets)
    if encoding is Encoding.LATIN1:
        return _as_latin1(text)
    if not national and encoding is not _GSM7:
        return _as_ucs2(text)
    # UTF-16 comes first: of equals `min` takes the first, and every handset can read it.
    choices = [] if encoding is _GSM7 else [_as_ucs2(text)]
    for language in national:
        choices += _as_national(text, language)
    if not choices:
        raise _not_encodable(GSM7.unencodable(text), "the GSM 7-bit alphabet")
    return min(choices, key=lambda choice: _needed(choice, concatenation))


def _encode_under(header: udh.Header, text: str, encoding: TextEncoding | None) -> Encoded:
    """The text in the tables that a header names, or as without one."""
    if (header.locking or header.single) and encoding in (None, _GSM7):
        alphabet = tables.alphabet(header.locking, header.single)
        octets = alphabet.encode(text)
        if octets is not None:
            return Encoded(_GSM7, octets, alphabet)
        if encoding is _GSM7:
            raise _not_encodable(alphabet.unencodable(text), "the alphabet of the header")
    return _encode(text, encoding, Concatenation.UDH8, ())


def _parse(header: bytes) -> udh.Header:
    """What a header says; SegmentationError when it is malformed or leaves no room for data."""
    parsed = udh.parse(header + b"\x00")
    if parsed is None or parsed[1] != b"\x00" or len(header) > HEADER_OCTETS_MOST:
        raise SegmentationError("malformed_header", "the user data header is malformed")
    return parsed[0]


def _as_ucs2(text: str) -> Encoded:
    """The text as UTF-16; SegmentationError for half a surrogate pair."""
    try:
        return Encoded(_UCS2, text.encode("utf-16-be"))
    except UnicodeEncodeError as error:
        broken = f"U+{ord(text[error.start]):04X}"
        problem = f"the text has half a surrogate pair: {broken}"
        raise SegmentationError("not_encodable", problem) from None


def _as_latin1(text: str) -> Encoded:
    """The text as ISO-8859-1; SegmentationError for characters outside."""
    try:
        return Encoded(Encoding.LATIN1, text.encode("latin-1"))
    except UnicodeEncodeError:
        outside = "".join(dict.fromkeys(letter for letter in text if letter > "\xff"))
        raise _not_encodable(outside, "Latin-1") from None


def _as_national(text: str, language: Language) -> list[Encoded]:
    """The text with the tables of a language, each way that can spell it, shortest header first."""
    ways = [(0, int(language))]
    if tables.has_locking(language):
        ways += [(language, 0), (language, language)]
    found = []
    for locking, single in ways:
        alphabet = tables.alphabet(locking, single)
        octets = alphabet.encode(text)
        if octets is not None:
            found.append(Encoded(_GSM7, octets, alphabet, udh.shifts(locking, single)))
    return found


def _not_encodable(characters: str, where: str) -> SegmentationError:
    """The error for characters outside a wanted encoding."""
    named = ", ".join(f"{letter!a} (U+{ord(letter):04X})" for letter in characters[:10])
    more = f" and {len(characters) - 10} more" if len(characters) > 10 else ""
    problem = f"not in {where}: {named}{more}"
    return SegmentationError("not_encodable", problem, characters=characters)


def _segments(encoded: Encoded, concatenation: Concatenation, max_segments: int) -> int:
    """How many segments, if no more than allowed; else SegmentationError."""
    limit = min(max_segments, MAX_PARTS)
    segments = _needed(encoded, concatenation)
    if segments > limit:
        problem = f"the message takes {segments} segments and at most {limit} are allowed"
        raise SegmentationError("too_many_segments", problem, segments=segments, limit=limit)
    return segments


def _needed(encoded: Encoded, concatenation: Concatenation) -> int:
    """The least number of segments that hold the octets."""
    encoding, octets, _, elements = encoded
    single, limit = _limits(encoding, _effective(concatenation, elements), len(elements))
    if len(octets) <= single:
        return 1
    return parts_needed(octets, 0, limit, encoding)


def _effective(concatenation: Concatenation, elements: bytes) -> Concatenation:
    """A message with a header of its own is concatenated in that header."""
    if elements and concatenation in (Concatenation.SAR, Concatenation.PAYLOAD):
        return Concatenation.UDH8
    return concatenation


@cache
def _limits(
    encoding: Encoding, concatenation: Concatenation, elements_octets: int
) -> tuple[int, int]:
    """Octets that fit a message of one part, and a part of several.

    The radio side has a header also where we write none (SAR, PAYLOAD): the carrier adds it.
    """
    number_octets = 6 if concatenation is Concatenation.UDH16 else 5
    alone = 1 + elements_octets if elements_octets else 0
    unit = _octets_per_unit(encoding)
    return (
        capacity(encoding, alone) * unit,
        capacity(encoding, 1 + number_octets + elements_octets) * unit,
    )


def _octets_per_unit(encoding: Encoding) -> int:
    return 2 if encoding is _UCS2 else 1
