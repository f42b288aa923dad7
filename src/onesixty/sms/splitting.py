"""Where the octets of one message are cut into parts.

Sizes are in octets as SMPP carries them: one a septet (unpacked), two a UTF-16 unit. The least
number of parts comes from filling each as far as may be; cuts then move back to spare a grapheme
cluster where the rest still fits the parts that are left.
"""

from typing import Final, NamedTuple

from onesixty.sms.alphabet import ESCAPE, GSM7, Alphabet, Encoding
from onesixty.sms.graphemes import border

# Reading a member from its enum class takes longer on Python 3.11 than a cut does.
_GSM7: Final = Encoding.GSM7
_UCS2: Final = Encoding.UCS2


class Encoded(NamedTuple):
    """A text in one encoding: its octets, and the header elements it needs to be read."""

    encoding: Encoding
    octets: bytes
    alphabet: Alphabet = GSM7
    elements: bytes = b""


def parts_needed(octets: bytes, start: int, limit: int, encoding: Encoding) -> int:
    """The least number of parts of `limit` octets that hold the octets from `start` on."""
    needed = 0
    while start < len(octets):
        start = _cut(octets, start, limit, encoding)
        needed += 1
    return needed


def split_octets(octets: bytes, limit: int, encoding: Encoding) -> tuple[bytes, ...]:
    """Cut octets whose text nobody knows; at least one piece, none above `limit` octets."""
    pieces = []
    start = 0
    while start < len(octets):
        cut = _cut(octets, start, limit, encoding)
        pieces.append(octets[start:cut])
        start = cut
    return tuple(pieces) or (b"",)


def split(text: str, encoded: Encoded, limit: int, needed: int) -> tuple[bytes, ...]:
    """Cut into exactly the number of pieces that `parts_needed` gave, none above `limit` octets."""
    encoding, octets, alphabet, _ = encoded
    pieces = []
    start = letter = 0
    for left in range(needed - 1, 0, -1):
        cut = _cut(octets, start, limit, encoding)
        after = letter + _letters(octets[start:cut], encoding)
        kept = border(text, after, letter)
        if kept != after:
            earlier = cut - _size(text[kept:after], encoding, alphabet)
            if parts_needed(octets, earlier, limit, encoding) <= left:
                cut, after = earlier, kept
        pieces.append(octets[start:cut])
        start, letter = cut, after
    pieces.append(octets[start:])
    return tuple(pieces)


def _cut(octets: bytes, start: int, limit: int, encoding: Encoding) -> int:
    """The furthest end of a piece: never inside an escape pair or a surrogate pair."""
    cut = start + limit
    if cut >= len(octets):
        return len(octets)
    if encoding is _GSM7:
        return cut - 1 if octets[cut - 1] == ESCAPE else cut
    if encoding is _UCS2:
        return cut - 2 if octets[cut - 2] & 0xFC == 0xD8 else cut
    return cut


def _letters(piece: bytes, encoding: Encoding) -> int:
    """How many code points a piece has."""
    if encoding is _GSM7:
        return len(piece) - piece.count(ESCAPE)
    return len(piece.decode("utf-16-be")) if encoding is _UCS2 else len(piece)


def _size(text: str, encoding: Encoding, alphabet: Alphabet) -> int:
    """How many octets a stretch of the text takes."""
    if encoding is _GSM7:
        return alphabet.septets(text) or 0
    return len(text.encode("utf-16-be")) if encoding is _UCS2 else len(text)
