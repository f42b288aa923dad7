"""The GSM 7-bit alphabet (3GPP TS 23.038): a base table, and a shift table behind an escape.

An alphabet is turned into one map for CPython's charmap codec, which encodes a whole message in a
single C call. The codec writes one octet a character, so cells of the shift table are given the
octets from 0x80 up and are expanded to their escape pair afterwards, only where there are any.
"""

import codecs
import re
from collections.abc import Mapping
from enum import StrEnum

ESCAPE = 0x1B
UNASSIGNED = "\ufffe"  # what the charmap codec takes for "no character here"

_ESCAPED = re.compile(rb"\x1b([\x00-\x7f]?)", re.DOTALL)
_BELOW_SHIFT = bytes(range(0x80))
_SHIFTED = 0x80
# The fast form of the charmap codec wants U+0000 in its first cell, so the character that lives
# there borrows the cell of escape + escape, which no table assigns.
_FIRST_CELL = _SHIFTED | ESCAPE
_CARRIAGE_RETURN_2 = 0x0D
_SINGLE = [bytes([octet]) for octet in range(256)]
_EXPANDED = [_SINGLE[ESCAPE] + _SINGLE[octet & 0x7F] for octet in range(256)]
_EXPANDED[_FIRST_CELL] = b"\x00"


class Encoding(StrEnum):
    """How the user data of a message is to be read; its `data_coding` is that of SMPP."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"
    LATIN1 = "latin1"
    ASCII = "ascii"
    BINARY = "binary"
    # Only received: nothing is sent in these.
    UTF8 = "utf8"
    JIS = "jis"
    CYRILLIC = "cyrillic"
    HEBREW = "hebrew"
    ISO_2022_JP = "iso_2022_jp"
    KOREAN = "korean"

    @property
    def data_coding(self) -> int:
        """The SMPP data_coding value without a message class."""
        return _DATA_CODING[self]


_DATA_CODING = {
    Encoding.GSM7: 0x00,
    Encoding.ASCII: 0x01,
    Encoding.LATIN1: 0x03,
    Encoding.BINARY: 0x04,
    Encoding.UCS2: 0x08,
    Encoding.UTF8: 0x00,
    Encoding.JIS: 0x05,
    Encoding.CYRILLIC: 0x06,
    Encoding.HEBREW: 0x07,
    Encoding.ISO_2022_JP: 0x0A,
    Encoding.KOREAN: 0x0E,
}


class Alphabet:
    """One base table and one shift table; encodes to and decodes from unpacked septets.

    `base` has 128 characters, UNASSIGNED for none; `shift` maps codes to characters.
    """

    __slots__ = ("_cells", "_decoding", "_encoding")

    def __init__(self, base: str, shift: Mapping[int, str]) -> None:
        self._cells = _cells(base, shift)
        self._encoding = codecs.charmap_build("".join(self._cells))
        self._decoding = base + "".join(_shown(code, base, shift) for code in range(128))

    def encode(self, text: str) -> bytes | None:
        """One septet an octet, escape pairs as two; None when a character is not in it."""
        try:
            octets = codecs.charmap_encode(text, "strict", self._encoding)[0]
        except UnicodeEncodeError:
            return None
        if 0 in octets:  # a NUL of the text: the real code 0 waits in the borrowed cell
            return None
        return octets if octets.isascii() else _expand(octets)

    def decode(self, septets: bytes) -> str:
        """The text of unpacked septets; cells that have no character come out as U+FFFD.

        An escape before a code that the shift table lacks shows the base character of that code, as
        handsets do (TS 23.038 6.2.1.1). Octets must be below 0x80.
        """
        if ESCAPE in septets:
            septets = _ESCAPED.sub(_shifted, septets)
        return codecs.charmap_decode(septets, "replace", self._decoding)[0]

    def septets(self, text: str) -> int | None:
        """How many septets the text takes; None when a character is not in the alphabet."""
        octets = self.encode(text)
        return None if octets is None else len(octets)

    def unencodable(self, text: str) -> str:
        """The distinct characters of the text that the alphabet lacks, in order of appearance."""
        known = {*self._cells[1:]} - {UNASSIGNED}
        return "".join(dict.fromkeys(letter for letter in text if letter not in known))


def _cells(base: str, shift: Mapping[int, str]) -> list[str]:
    """256 cells for the encoder: base, then shift; the lowest code wins where one occurs twice."""
    cells = [UNASSIGNED] * 256
    cells[0] = "\x00"
    assigned = {UNASSIGNED}
    for code, character in [*enumerate(base), *((_SHIFTED | code, shift[code]) for code in shift)]:
        if character not in assigned and code != ESCAPE:
            assigned.add(character)
            cells[code or _FIRST_CELL] = character
    return cells


def _shown(code: int, base: str, shift: Mapping[int, str]) -> str:
    """What escape + code decodes to."""
    if code == ESCAPE:
        return " "
    return shift.get(code) or ("\r" if code == _CARRIAGE_RETURN_2 else base[code])


def _expand(octets: bytes) -> bytes:
    """Replace each octet from 0x80 up by its escape pair."""
    for octet in set(octets.translate(None, _BELOW_SHIFT)):
        octets = octets.replace(_SINGLE[octet], _EXPANDED[octet])
    return octets


def _shifted(pair: re.Match[bytes]) -> bytes:
    """The one octet that stands for an escape pair; a lone escape at the end shows as a space."""
    code = pair[1]
    return _SINGLE[_SHIFTED | code[0]] if code else _SINGLE[_FIRST_CELL]


DEFAULT_BASE = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
DEFAULT_SHIFT = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
GSM7 = Alphabet(DEFAULT_BASE, DEFAULT_SHIFT)


def encodable(text: str) -> bool:
    """Whether every character is in the GSM default alphabet or its extension table."""
    return GSM7.encode(text) is not None


def septets(text: str) -> int | None:
    """Septets of the text in the GSM default alphabet, or None when it needs another one."""
    return GSM7.septets(text)
