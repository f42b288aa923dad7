"""Octets from what people paste: bare digits, 0x00, 00:01, the dumps of tshark, xxd, tcpdump."""

import re
from typing import Final

_DUMPED: Final = re.compile(
    r"\s*(?:0x)?[0-9a-f]{4,8}(?::\s+|\s{2,})((?:[0-9a-f]{2,4}\s)*[0-9a-f]{2,4})(?:\s{2,}.*|\s*)",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(r"0x|\\x|[\s:,;'\"\[\]{}|-]", re.IGNORECASE)
_NO_DIGIT: Final = re.compile(r"[^0-9a-f]", re.IGNORECASE)


class HexError(ValueError):
    """Text that holds no octets; says what is in the way."""


def parse(text: str) -> bytes:
    """The octets that the text writes down. HexError when it holds something else, or half one."""
    lines = [line for line in text.splitlines() if line.strip()]
    dumped = [_DUMPED.fullmatch(line) for line in lines]
    if lines and all(dumped):
        text = " ".join(line[1] for line in dumped if line)
    digits = _BETWEEN.sub("", text)
    wrong = _NO_DIGIT.search(digits)
    if wrong is not None:
        raise HexError(f"{wrong[0]!r} is no hexadecimal digit (digit {wrong.start() + 1})")
    if not digits:
        raise HexError("there are no octets")
    if len(digits) % 2:
        raise HexError(f"{len(digits)} digits are no whole octets: one is missing")
    return bytes.fromhex(digits)
