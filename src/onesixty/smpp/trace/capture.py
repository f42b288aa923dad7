"""The last PDUs of a connection as octets, kept always and read only when somebody asks.

It stands in the way of every PDU, so it only appends a tuple: 0.1 to 0.4 µs each. What they mean is
for `dissect` to find out, and what of them may be shown for `masking`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PDUS_MOST: Final = 1000
OCTETS_MOST: Final = 1024
"""Of one PDU; longer ones are cut, and their command_length tells that they were."""


class Kind(IntEnum):
    """What an entry tells of."""

    IN = 0
    """A PDU of the peer."""
    OUT = 1
    """A PDU of ours."""
    OPENED = 2
    """The connection is up; its octets are our address and the peer's, with a space between."""
    CLOSED = 3
    """The connection is gone; its octets say why, in UTF-8."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A PDU or happening. `at` is monotonic seconds of the clock that the connection runs on."""

    at: float
    kind: Kind
    octets: bytes


_IN, _OUT = Kind.IN, Kind.OUT


class Capture:
    """A ring of entries: of one connection, or of all that follow one another on one line."""

    __slots__ = ("_entries",)

    def __init__(self, most: int = PDUS_MOST) -> None:
        self._entries: deque[tuple[float, Kind, bytes]] = deque(maxlen=most)

    def received(self, frames: Iterable[bytes], now: float) -> None:
        """PDUs of one read, or what should have been one."""
        keep = self._entries.append
        for frame in frames:
            keep((now, _IN, frame if len(frame) <= OCTETS_MOST else frame[:OCTETS_MOST]))

    def sent(self, frames: Iterable[bytes], now: float) -> None:
        """PDUs of one write."""
        keep = self._entries.append
        for frame in frames:
            keep((now, _OUT, frame if len(frame) <= OCTETS_MOST else frame[:OCTETS_MOST]))

    def opened(self, own: str, peer: str, now: float) -> None:
        """The connection is up, between these addresses with their ports."""
        self._entries.append((now, Kind.OPENED, f"{own} {peer}".encode()))

    def closed(self, reason: str, now: float) -> None:
        """The connection is gone, or was never made."""
        self._entries.append((now, Kind.CLOSED, reason.encode()[:OCTETS_MOST]))

    def entries(self, after: float = float("-inf")) -> list[Entry]:
        """What is kept and came later than `after`, oldest first."""
        return [Entry(*each) for each in self._entries if each[0] > after]


@dataclass(frozen=True, slots=True)
class Wiretap:
    """The capture of one session, and what the session is called."""

    session: str
    capture: Capture
