"""data_coding: the alphabet of the user data, the unit it is counted in, the message class.

Values up to 0x0F are SMPP's own; above it the GSM data coding scheme (3GPP TS 23.038) holds,
which is why the low four bits must never be read alone: 0x18 is a flash message in UCS-2, not 0x08.
"""

from dataclasses import dataclass
from enum import Enum


class Alphabet(Enum):
    """What the octets of the user data stand for."""

    SMSC_DEFAULT = "SMSC default"  # as agreed per connection: mostly GSM 03.38 unpacked, or Latin-1
    GSM7 = "GSM 03.38"
    ASCII = "IA5"
    LATIN1 = "ISO-8859-1"
    BINARY = "binary"
    JIS = "JIS X 0208"
    CYRILLIC = "ISO-8859-5"
    HEBREW = "ISO-8859-8"
    UCS2 = "UCS-2"
    ISO_2022_JP = "ISO-2022-JP"
    KOREAN = "KS C 5601"


class Unit(Enum):
    """What a message is counted in, with how many of them fill one SMS without a UDH."""

    SEPTET = 160
    OCTET = 140
    CODE_UNIT = 70  # 16 bits of UTF-16


class MessageClass(Enum):
    """Where a message is to go in the handset."""

    FLASH = 0  # shown at once, not stored
    DEVICE = 1
    SIM = 2
    TERMINAL_EQUIPMENT = 3


@dataclass(frozen=True, slots=True)
class DataCoding:
    """What one data_coding value says."""

    alphabet: Alphabet
    unit: Unit
    message_class: MessageClass | None = None
    message_waiting: bool = False
    compressed: bool = False


def describe(value: int) -> DataCoding:
    """The meaning of a data_coding value, 0 to 255; ValueError beyond."""
    if not 0 <= value <= 0xFF:
        raise ValueError(f"data_coding {value} is not an octet")
    return _TABLE[value]


def decode_text(alphabet: Alphabet, octets: bytes) -> tuple[str, bool] | None:
    """The text of octets in an alphabet, and whether all of it could be read.

    None for binary data and for the GSM alphabets, whose table is not SMPP's business. UCS-2 is
    read as UTF-16 big-endian unless a byte order mark says otherwise; an odd last octet is left
    out; what is no character (a lone surrogate, say) becomes U+FFFD. IA5 above 0x7F is read as
    Latin-1.
    """
    codec = _CODECS.get(alphabet)
    if codec is None:
        return None
    if alphabet is Alphabet.UCS2:
        return _decode_utf16(octets)
    text = octets.decode(codec, errors="replace")
    return text, "\ufffd" not in text


def _decode_utf16(octets: bytes) -> tuple[str, bool]:
    even = octets[: len(octets) & ~1]
    codec = _CODECS[Alphabet.UCS2]
    if even[:2] in (b"\xff\xfe", b"\xfe\xff"):
        codec = "utf-16"
    text = even.decode(codec, errors="replace")
    return text, len(even) == len(octets) and "\ufffd" not in text


_CODECS = {
    Alphabet.ASCII: "latin-1",
    Alphabet.LATIN1: "latin-1",
    Alphabet.JIS: "shift_jis",
    Alphabet.CYRILLIC: "iso8859-5",
    Alphabet.HEBREW: "iso8859-8",
    Alphabet.UCS2: "utf-16-be",
    Alphabet.ISO_2022_JP: "iso2022_jp",
    Alphabet.KOREAN: "euc_kr",
}

_BINARY = DataCoding(Alphabet.BINARY, Unit.OCTET)
_OWN = {
    0x00: DataCoding(Alphabet.SMSC_DEFAULT, Unit.SEPTET),
    0x01: DataCoding(Alphabet.ASCII, Unit.SEPTET),
    0x03: DataCoding(Alphabet.LATIN1, Unit.OCTET),
    0x05: DataCoding(Alphabet.JIS, Unit.OCTET),
    0x06: DataCoding(Alphabet.CYRILLIC, Unit.OCTET),
    0x07: DataCoding(Alphabet.HEBREW, Unit.OCTET),
    0x08: DataCoding(Alphabet.UCS2, Unit.CODE_UNIT),
    0x0A: DataCoding(Alphabet.ISO_2022_JP, Unit.OCTET),
    0x0E: DataCoding(Alphabet.KOREAN, Unit.OCTET),
}


def _gsm(value: int) -> DataCoding:
    """The GSM data coding scheme, by its coding group in bits 7-4."""
    group = value >> 4
    if group < 0b1000:
        message_class = MessageClass(value & 3) if value & 0x10 else None
        alphabet, unit = _GENERAL[value >> 2 & 3]
        return DataCoding(alphabet, unit, message_class, compressed=bool(value & 0x20))
    if group < 0b1100:
        return DataCoding(Alphabet.GSM7, Unit.SEPTET)
    if group == 0b1111:
        alphabet, unit = _GENERAL[value >> 2 & 1]
        return DataCoding(alphabet, unit, MessageClass(value & 3))
    alphabet, unit = _GENERAL[2 if group == 0b1110 else 0]
    return DataCoding(alphabet, unit, message_waiting=True)


_GENERAL = (
    (Alphabet.GSM7, Unit.SEPTET),
    (Alphabet.BINARY, Unit.OCTET),
    (Alphabet.UCS2, Unit.CODE_UNIT),
    (Alphabet.GSM7, Unit.SEPTET),  # reserved: a receiver is to take it as the default alphabet
)

_TABLE = tuple(_OWN.get(value, _BINARY) if value < 0x10 else _gsm(value) for value in range(0x100))
