"""What went over the sessions of customers lately: those that are bound, and the last that are not.

A bind that was refused is what a customer calls about, so it is kept too.
"""

from collections import deque
from typing import Final

from onesixty.entrypoints.smpp.sessions import MODE_NAMES, Sessions
from onesixty.smpp.server import ServerLink
from onesixty.smpp.trace.capture import Wiretap

ENDED_MOST: Final = 4
"""Sessions of one ESME that are over, or that were never accepted."""


class Taps:
    """The captures of this process, by ESME."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._ended: dict[int, deque[Wiretap]] = {}

    def of(self, esme_id: int) -> list[Wiretap]:
        """What can be seen of an ESME here."""
        bound = [_tapped(session.link) for session in self._sessions.of(esme_id)]
        return [*self._ended.get(esme_id, ()), *bound]

    def ended(self, esme_id: int, link: ServerLink) -> None:
        """A session of it is over, or its bind is being refused."""
        self._ended.setdefault(esme_id, deque(maxlen=ENDED_MOST)).append(_tapped(link))


def _tapped(link: ServerLink) -> Wiretap:
    return Wiretap(f"{MODE_NAMES[link.mode]} {link.peer}", link.session.capture)
