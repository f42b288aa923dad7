"""Message ids: one normal form for each, so that a receipt finds the submit_sm it belongs to.

An id is opaque, but SMSCs write the same one differently in submit_sm_resp and in the receipt:
other case, zeros added or dropped, quotes or a dot behind, even decimal here and hexadecimal there.
Which base a side writes is configured per connection and never guessed from an id: `812345` may be
either.
"""

import re
from enum import Enum

LONGEST_ID = 64


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


_AROUND = re.compile(r"\A[^A-Za-z0-9]+|[^A-Za-z0-9]+\Z")
_HEX = re.compile(r"[0-9a-f]+")
