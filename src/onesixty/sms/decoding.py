"""Received user data to text: tolerant, never failing, and saying what was wrong."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from onesixty.sms.alphabet import GSM7, Alphabet, Encoding


class Flaw(StrEnum):
    """What was wrong with received octets; the raw octets are then worth keeping."""

    ODD_OCTETS = "odd_octets"
    LONE_SURROGATE = "lone_surrogate"
    HIGH_BIT = "high_bit"
    UNREADABLE = "unreadable"


_CODECS: Final = {
    Encoding.UTF8: "utf-8",
    Encoding.JIS: "shift_jis",
    Encoding.CYRILLIC: "iso8859-5",
    Encoding.HEBREW: "iso8859-8",
    Encoding.ISO_2022_JP: "iso2022_jp",
    Encoding.KOREAN: "euc_kr",
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text as far as it could be read, and what was wrong with it."""

    text: str
    flaws: tuple[Flaw, ...] = ()


def decode(octets: bytes, encoding: Encoding, alphabet: Alphabet = GSM7) -> Decoded:
    """The text of user data without its header; `alphabet` is for unpacked GSM 7-bit only.

    Octets from 0x80 up in 7-bit data mean that the sender used something else than it said; the
    whole is then read as Latin-1. Binary data has no text.
    """
    if encoding is Encoding.UCS2:
        return _decode_ucs2(octets)
    if encoding is Encoding.BINARY:
        return Decoded("")
    if encoding is Encoding.LATIN1:
        return Decoded(octets.decode("latin-1"))
    if encoding in _CODECS:
        return _decode_by(_CODECS[encoding], octets)
    if not octets.isascii():
        return Decoded(octets.decode("latin-1"), (Flaw.HIGH_BIT,))
    if encoding is Encoding.ASCII:
        return Decoded(octets.decode("ascii"))
    return Decoded(alphabet.decode(octets))


def _decode_by(codec: str, octets: bytes) -> Decoded:
    """What has no character comes out as U+FFFD."""
    try:
        return Decoded(octets.decode(codec))
    except UnicodeDecodeError:
        return Decoded(octets.decode(codec, "replace"), (Flaw.UNREADABLE,))


def _decode_ucs2(octets: bytes) -> Decoded:
    """UTF-16, big-endian unless a byte order mark says otherwise; lone surrogates as U+FFFD."""
    flaws = []
    if len(octets) % 2:
        octets = octets[:-1]
        flaws.append(Flaw.ODD_OCTETS)
    codec = "utf-16-be"
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16-le" if octets[0] == 0xFF else codec
        octets = octets[2:]
    try:
        text = octets.decode(codec)
    except UnicodeDecodeError:
        text = octets.decode(codec, "replace")
        flaws.append(Flaw.LONE_SURROGATE)
    return Decoded(text, tuple(flaws))
