"""What waits to be delivered to one account, and over which of its links it goes."""

from collections import deque
from dataclasses import dataclass
from functools import partial

from onesixty.simulator.agenda import Agenda
from onesixty.simulator.statistics import Statistics
from onesixty.smpp.link import Answer, AnswerKind
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.server import ServerLink
from onesixty.smpp.statuses import Status

HELD_MOST = 200_000  # beyond it the oldest are given up
_REFUSALS_MOST = 3
_BACKOFF_FIRST_SECONDS, _BACKOFF_MOST_SECONDS = 1.0, 60.0
_UNWANTED = frozenset({Status.RX_P_APPN, Status.RX_R_APPN})


@dataclass(slots=True, eq=False)
class Parcel:
    """One deliver_sm or data_sm on its way to the client; `preferred` is tried first."""

    pdu: Pdu
    preferred: ServerLink | None
    refusals: int = 0
    postponed: int = 0


class Mailbox:
    """Delivers to the receiving links of one account, again where a link is lost unanswered."""

    def __init__(self, agenda: Agenda, statistics: Statistics) -> None:
        self.links: list[ServerLink] = []
        """The links that were bound to receive, in the order of their binds."""
        self._agenda, self._statistics = agenda, statistics
        self._held: deque[Parcel] = deque()
        self._turn = 0

    def __len__(self) -> int:
        """Parcels that wait for a link."""
        return len(self._held)

    def put(self, pdu: Pdu, preferred: ServerLink | None = None) -> None:
        """Deliver this as soon as a link is bound that can receive, by `preferred` if it can."""
        self._send(Parcel(pdu, preferred))

    def other_than(self, link: ServerLink) -> ServerLink:
        """Another link that can receive, or this one when it is the only one."""
        others = [other for other in self.links if other is not link and other.can_receive]
        return others[0] if others else link

    def release(self) -> None:
        """A link has come up: send what was held."""
        held, self._held = self._held, deque()
        for parcel in held:
            self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        link = parcel.preferred
        if link is None or not link.can_receive:
            link = self._next_link()
        if link is not None:
            link.deliver(parcel.pdu, partial(self._answered, parcel))
            return
        self._held.append(parcel)
        if len(self._held) > HELD_MOST:
            self._held.popleft()
            self._statistics.given_up += 1

    def _next_link(self) -> ServerLink | None:
        links = self.links
        for _ in links:
            self._turn = (self._turn + 1) % len(links)
            if links[self._turn].can_receive:
                return links[self._turn]
        return None

    def _answered(self, parcel: Parcel, answer: Answer) -> None:
        if answer.late:
            return  # it was sent once more when its time was over
        if answer.kind is not AnswerKind.ANSWERED:
            self._statistics.redelivered += answer.kind is AnswerKind.UNANSWERED
            self._send(parcel)
        elif not answer.status:
            self._statistics.delivered += 1
        elif answer.status == Status.RX_T_APPN:
            wait = min(_BACKOFF_FIRST_SECONDS * 2**parcel.postponed, _BACKOFF_MOST_SECONDS)
            parcel.postponed = min(parcel.postponed + 1, 10)
            self._again(parcel, wait)
        else:
            self._refused(parcel, answer.status)

    def _refused(self, parcel: Parcel, status: int) -> None:
        parcel.refusals += 1
        if status in _UNWANTED or parcel.refusals >= _REFUSALS_MOST:
            self._statistics.given_up += 1
        else:
            self._again(parcel, _BACKOFF_FIRST_SECONDS)

    def _again(self, parcel: Parcel, wait_seconds: float) -> None:
        self._statistics.redelivered += 1
        self._agenda.after(wait_seconds, partial(self._send, parcel))
