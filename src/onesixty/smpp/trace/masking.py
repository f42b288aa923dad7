"""What nobody may see is covered, octet by octet, so that all that is made of a PDU is covered too.

Passwords always; texts and most digits of numbers unless the reader may see them. Lengths stay.
"""

import re
from typing import Final

from onesixty.smpp.framing import HEADER_SIZE
from onesixty.smpp.receipts import UDHI, is_receipt
from onesixty.smpp.tlvs import Tag
from onesixty.smpp.trace.dissect import REST, Dissection, Piece

COVER: Final = b"*"
DIGITS_SHOWN: Final = 5
SHORT_CODE: Final = 6
"""Numbers up to so many digits belong to no person."""
_ADDRESSES: Final = frozenset({"source_addr", "destination_addr", "esme_addr"})
_BINDS: Final = frozenset({0x01, 0x02, 0x09, 0x0B})
_QUOTE: Final = re.compile(rb"t\0?e\0?x\0?t\0?\s*\0?:", re.IGNORECASE)


def masked(found: Dissection, *, show_text: bool = False) -> bytes:
    """The octets of a PDU with what is secret covered; those of a password whoever asks."""
    octets = bytearray(found.octets)
    quotes_only = is_receipt(found.pdu())
    for piece in found.pieces:
        begin, end = _covered(piece, found, quotes_only=quotes_only, show_text=show_text)
        octets[begin:end] = COVER * (end - begin)
    return bytes(octets)


def _covered(
    piece: Piece, found: Dissection, *, quotes_only: bool, show_text: bool
) -> tuple[int, int]:
    """From where to where a piece is covered; an empty range for not at all."""
    begin = piece.content_offset
    end = begin + len(piece.content)
    is_doubtful = _is_doubtful(piece, found)
    if piece.name == "password" or (is_doubtful and found.command in _BINDS):
        return begin, end
    if show_text or not found.is_smpp:
        return end, end
    if is_doubtful:
        return begin, end
    if piece.name in _ADDRESSES:
        return _of_number(piece.content, begin)
    if piece.tag == Tag.CALLBACK_NUM:  # three octets about it stand before the digits
        return min(begin + 3 + DIGITS_SHOWN, end), end
    if piece.name == "short_message" or piece.tag == Tag.MESSAGE_PAYLOAD:
        return begin + _shown(piece.content, found, quotes_only=quotes_only), end
    return end, end


def _is_doubtful(piece: Piece, found: Dissection) -> bool:
    """Whether it may hold anything: behind what is wrong, fields are not what they seem."""
    if found.command in _BINDS:  # its password may be in any of them
        is_behind = bool(found.faults)
    else:
        first = min((one.offset for one in found.faults if one.offset >= HEADER_SIZE), default=None)
        is_behind = first is not None and piece.offset >= first
    return piece.name == REST or (is_behind and not isinstance(piece.value, int))


def _of_number(content: bytes, begin: int) -> tuple[int, int]:
    end = begin + len(content)
    if not content.strip(b"+").isdigit() or len(content) <= SHORT_CODE:
        return end, end
    return begin + DIGITS_SHOWN, end


def _shown(content: bytes, found: Dissection, *, quotes_only: bool) -> int:
    """How many octets of user data may be seen: its header, and of a receipt what is no text."""
    header = 0
    if content and any(
        one.name == "esm_class" and isinstance(one.value, int) and one.value & UDHI
        for one in found.pieces
    ):
        header = _header(content)
    if not quotes_only:
        return header
    quote = _QUOTE.search(content, header)
    if quote is not None:
        return quote.end()
    return len(content) if b"id:" in content.replace(b"\0", b"")[:200].lower() else header


def _header(content: bytes) -> int:
    """Octets of a user data header whose elements fit; 0 when it may as well be text."""
    at, end = 1, 1 + content[0]
    while at + 1 < end:
        at += 2 + content[at + 1] if at + 1 < len(content) else end
    return end if at == end < len(content) else 0
