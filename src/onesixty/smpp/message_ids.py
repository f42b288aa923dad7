"""Message ids: one normal form for each, so that a receipt finds the submit_sm it belongs to.

An id is opaque, but SMSCs write the same one differently in submit_sm_resp and in the receipt:
other case, zeros added or dropped, quotes or a dot behind, even decimal here and hexadecimal there.
Which base a side writes is configured per connection and never guessed from an id: `812345` may be
either.
"""

import re
from collections.abc import Iterator
from enum import Enum, StrEnum

LONGEST_ID = 64
SHORTEST_PIECE = 6  # characters of an id without its first or last piece


class IdForm(Enum):
    """How one side of a connection (its responses, or its receipts) writes message ids."""

    OPAQUE = "opaque"  # the same as the other side, apart from case and zeros
    DECIMAL = "decimal"  # a number the other side may write in hexadecimal
    HEX = "hex"  # a number the other side may write in decimal


def match_key(message_id: str, form: IdForm = IdForm.OPAQUE) -> str:
    """The normal form: ids of the two sides belong to the same message when their keys are equal.

    White space, NULs, quotes and punctuation around the id go, then leading zeros and case. An id
    in HEX form becomes its decimal number, however big; ids that are no such number (a UUID, say)
    are taken as they are. "" only for an id of nothing but white space and NULs.
    """
    key = message_id.strip(" \t\r\n\0")
    key = (_AROUND.sub("", key) or key).casefold()
    if form is IdForm.HEX and len(key) <= LONGEST_ID and _HEX.fullmatch(key):
        return str(int(key, 16))
    return key.lstrip("0") or key[:1]


class Reading(StrEnum):
    """How the id of a receipt is turned into that of the answer."""

    AS_IS = "as_is"
    HEX_TO_DECIMAL = "hex_to_decimal"
    DECIMAL_TO_HEX = "decimal_to_hex"
    WITHOUT_FIRST = "without_first"  # smsc1-4711: 4711
    WITHOUT_LAST = "without_last"  # 4711.0, 4711:1: 4711


def readings(message_id: str) -> Iterator[tuple[Reading, str]]:
    """Every match key that the id of a receipt may stand for, with how it was read.

    Most are wrong: one that was not told to hold needs more than its match, such as addresses.
    """
    key = match_key(message_id)
    if not key or len(key) > LONGEST_ID:
        return
    yield Reading.AS_IS, key
    if _HEX.fullmatch(key):
        yield Reading.HEX_TO_DECIMAL, str(int(key, 16))
    if key.isascii() and key.isdecimal():
        yield Reading.DECIMAL_TO_HEX, f"{int(key):x}"
    elif not _UUID.fullmatch(key):
        if (piece := _FIRST.match(key)) and len(key) - piece.end() >= SHORTEST_PIECE:
            yield Reading.WITHOUT_FIRST, match_key(key[piece.end() :])
        if (piece := _LAST.search(key)) and piece.start() >= SHORTEST_PIECE:
            yield Reading.WITHOUT_LAST, match_key(key[: piece.start()])


_AROUND = re.compile(r"\A[^A-Za-z0-9]+|[^A-Za-z0-9]+\Z")
_HEX = re.compile(r"[0-9a-f]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIRST = re.compile(r"[0-9a-z]+[^0-9a-z]+")
_LAST = re.compile(r"[^0-9a-z]+[0-9a-z]+\Z")
