"""Identifiers: UUIDv7 inside (RFC 9562), text such as `msg_01h455vb4pex5vsknk084sn02q` outside.

The text is a TypeID. A UUIDv7 begins with its time in milliseconds, so ids sort by creation, new
rows land at the right edge of every index, and a table that is partitioned by id is partitioned by
time.
"""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

from asyncpg.pgproto import pgproto

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32, lower case, as TypeID asks
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_TRIPLES = [pair + letter for pair in _PAIRS for letter in _ALPHABET]
_LAST_MILLIS = 253_402_300_799_999  # the end of the year 9999, where datetime ends
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LOW = (1 << 60) - 1
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


class _Maker:
    """Makes ids that sort in the order in which this process made them (RFC 9562, 6.2).

    Random bits are bought from the kernel in bulk: one system call for many ids.
    """

    def __init__(self) -> None:
        self._pool, self._at, self._last = b"", 0, 0

    def of(self, millis: int) -> int:
        """A random id of that moment. The highest of its last 62 bits is 0: room to count up."""
        if self._at >= len(self._pool):
            self._pool, self._at = os.urandom(5120), 0
        self._at += 10
        random = int.from_bytes(self._pool[self._at - 10 : self._at], "big") & _RANDOM
        return millis << 80 | (random >> 62) << 64 | _VERSION_AND_VARIANT | random & _COUNTED

    def next(self) -> int:
        """A random id of this moment that is above the one before it."""
        value = self.of(time.time_ns() // 1_000_000)
        if value <= self._last:
            value = self._last + 1 + (value & 0xFFFF_FFFF)
        self._last = value
        return value


_RANDOM, _COUNTED = (1 << 74) - 1, (1 << 61) - 1
_maker = _Maker()


def uuid7(millis: int | None = None) -> UUID:
    """A new UUIDv7 of this moment, above all before it, or one of any given milliseconds."""
    value = _maker.next() if millis is None else _maker.of(millis)
    # a UUID in C, as rows have them: half the time to make, a third to send
    made: UUID = pgproto.UUID(value.to_bytes(16, "big"))
    return made


def first_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: the boundary for ranges and partitions."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def time_of(identifier: UUID) -> datetime:
    """When a UUIDv7 was made, in UTC, to the millisecond; at most the year 9999."""
    return datetime.fromtimestamp(min(identifier.int >> 80, _LAST_MILLIS) / 1000, UTC)


def from_hex(text: object) -> UUID | None:
    """A UUID that was written as 32 hex digits, or None when it is not one."""
    if not isinstance(text, str) or len(text) != 32:
        return None
    try:
        return UUID(hex=text)
    except ValueError:
        return None


def to_text(prefix: str, identifier: UUID) -> str:
    """The TypeID of a UUID: prefix, underscore, 26 base32 characters."""
    value, three = identifier.int, _TRIPLES
    high, low = value >> 60, value & _LOW  # halves: small numbers are quicker to shift
    return (
        f"{prefix}_{_PAIRS[high >> 60]}"
        f"{three[high >> 45 & 32767]}{three[high >> 30 & 32767]}"
        f"{three[high >> 15 & 32767]}{three[high & 32767]}"
        f"{three[low >> 45]}{three[low >> 30 & 32767]}"
        f"{three[low >> 15 & 32767]}{three[low & 32767]}"
    )


def from_text(prefix: str, text: str) -> UUID | None:
    """The UUID inside a TypeID with this prefix, or None when it is not one."""
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != 26 or tail[0] > "7":
        return None
    value = 0
    for letter in tail:
        digit = _VALUES.get(letter)
        if digit is None:
            return None
        value = value << 5 | digit
    return UUID(int=value)
