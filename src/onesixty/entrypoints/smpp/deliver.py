"""Handing deliver_sm to ESMEs that are bound here: which session takes it, and what came of it."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from onesixty.entrypoints.smpp import deliver_pdus
from onesixty.entrypoints.smpp.sessions import EsmeSession, Sessions
from onesixty.features.esme_delivery.notices import InboundNotice, Notice, ReceiptNotice
from onesixty.smpp.codec import EncodeError
from onesixty.smpp.link import Answer, AnswerKind
from onesixty.smpp.pdus import Pdu
from onesixty.sms.segments import SegmentationError

AHEAD_LEAST: Final = 20  # see Deliveries; a claim for each deliver_sm would cost ten times as much


class Deliveries:
    """The door of `features/esme_delivery`, on the sessions of this process.

    A session is given a window more than it may send, or AHEAD_LEAST, so that the next deliver_sm
    is there when an answer makes room. What it could not send comes back NOT_SENT when it ends.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._turns: dict[int, int] = {}
        self._on: dict[UUID, EsmeSession] = {}  # the session that has the news of a message

    def rooms(self) -> dict[int, int]:
        """How many more each ESME that can receive may be given; see `room`."""
        return {number: self.room(number) for number in self._sessions.receiving()}

    def room(self, esme_id: int) -> int:
        """The free places of its sessions; 0 until half of all that a session has are free."""
        free = 0
        for session in self._sessions.of(esme_id):
            place = _room(session)
            if place * 2 >= _capacity(session):
                free += place
        return free

    def hand_over(self, notice: Notice, on_answer: Callable[[Answer], None]) -> str | None:
        """Write a notice to a session of its ESME, in turn."""
        session = self._choose(notice)
        if session is None:
            on_answer(Answer(AnswerKind.NOT_SENT, detail="no session to receive it"))
            return None
        version, settings = session.link.version, session.settings
        try:
            if isinstance(notice, InboundNotice):
                pdus = deliver_pdus.inbound(notice, settings, version)
            else:
                pdus = [deliver_pdus.receipt(notice, settings, version)]
            self._write(session, notice.message_id, pdus, on_answer)
        except (EncodeError, SegmentationError) as error:
            return f"it cannot be written as deliver_sm: {error}"
        return None

    def _choose(self, notice: Notice) -> EsmeSession | None:
        """The session that has news of the message already, that of its submit, or the next one."""
        # What tells of one message keeps its order as long as it goes the same way.
        same = self._on.get(notice.message_id)
        if same is not None and same.link.can_receive:
            return same
        sessions = [one for one in self._sessions.of(notice.esme_id) if one.link.can_receive]
        if not sessions:
            return None
        if isinstance(notice, ReceiptNotice) and (peer := notice.origin.get("peer")):
            for one in sessions:
                if one.link.peer == peer and _room(one) > 0:
                    return one
        turn = self._turns[notice.esme_id] = self._turns.get(notice.esme_id, 0) + 1
        in_turn = [sessions[(turn + step) % len(sessions)] for step in range(len(sessions))]
        return max(in_turn, key=lambda one: _room(one) > 0)

    def _write(
        self,
        session: EsmeSession,
        message_id: UUID,
        pdus: list[Pdu],
        on_answer: Callable[[Answer], None],
    ) -> None:
        parts = _Parts(len(pdus))

        def answered(index: int, answer: Answer) -> None:
            whole = parts.add(answer)
            if whole is None:
                return
            if self._on.get(message_id) is session:
                del self._on[message_id]
            if whole.kind is AnswerKind.ANSWERED and not whole.status:
                session.deliveries += 1
            on_answer(whole)

        before = self._on.get(message_id)
        self._on[message_id] = session
        try:
            session.link.submit(pdus, answered)
        except EncodeError:
            if before is None:
                del self._on[message_id]
            raise


class _Parts:
    """What became of the deliver_sm of one message, taken together."""

    __slots__ = ("_count", "_single", "_worst")

    def __init__(self, count: int) -> None:
        self._count, self._single = count, count == 1
        self._worst: Answer | None = None

    def add(self, answer: Answer) -> Answer | None:
        """The answer that stands for all, with the last one; late ones only where there is one."""
        if answer.late:
            return answer if self._single else None
        if self._worst is None or _severity(answer) > _severity(self._worst):
            self._worst = answer
        self._count -= 1
        return self._worst if self._count == 0 else None


def _severity(answer: Answer) -> int:
    """Parts that never left are sent with the next attempt: the others say what it has to mend."""
    if answer.kind is AnswerKind.ANSWERED:
        return 3 if answer.status else 0
    return 2 if answer.kind is AnswerKind.UNANSWERED else 1


def _room(session: EsmeSession) -> int:
    """How many more it may be given; 0 where it cannot receive."""
    link, window = session.link, session.settings.window
    return link.room - window + _capacity(session) if link.can_receive else 0


def _capacity(session: EsmeSession) -> int:
    window = session.settings.window
    return window + max(window, AHEAD_LEAST)
