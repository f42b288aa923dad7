"""One connection: a `Session` joined to an asyncio transport, and an outbox before its window.

Client and server share it. What is submitted waits in the outbox until the window has room; from
there to `transport.write` is one step, so when the connection is lost it is known exactly which
requests may have reached the peer and which cannot have. No task, timer or future per PDU.
"""

import asyncio
import logging
import socket
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, cast

from onesixty.kit.clock import Clock
from onesixty.smpp.pdus import Command, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.session import Session
from onesixty.smpp.states import (
    Answered,
    Ended,
    Event,
    Noted,
    PeerUnbound,
    Requested,
    Side,
    State,
    TimedOut,
)
from onesixty.smpp.statuses import Status

CLOSE_SECONDS = 2.0
"""A peer that neither reads nor closes is cut off after that long."""

_log = logging.getLogger(__name__)


class AnswerKind(Enum):
    """What became of a request."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """Handed to the network; whether the peer took it is not known."""
    NOT_SENT = "not sent"
    """Never left this process: safe to send again."""


class Answer(NamedTuple):
    """What became of one request. `status` and `message_id` count when it was answered.

    `late`: the answer came after the request had been given up as unanswered. `detail`: why, for
    people; the peer's own words where it gave any.
    """

    kind: AnswerKind
    status: int = 0
    message_id: str = ""
    late: bool = False
    detail: str = ""
    pdu: Pdu | None = None
    lost: bool = False  # UNANSWERED because the connection ended


OnAnswer = Callable[[int, Answer], None]
"""Called with the place of the PDU in its `submit` and what became of it. Must not raise."""


class _Call:
    """The PDUs of one `submit`."""

    __slots__ = ("accepted", "on_answer", "waiting")

    def __init__(self, on_answer: OnAnswer, waiting: int) -> None:
        self.on_answer = on_answer
        self.accepted = False
        self.waiting = waiting  # how many are still in the outbox


Ticket = tuple[_Call, int]
"""A call and the place of a PDU in it: what a session returns with the answer."""


_Parcel = tuple[int, bytes, Ticket]
"""A request in the outbox: its command, and it itself without its number."""


class Link:
    """A connection from its first octet to its loss; client and server fill in the hooks.

    An asyncio.Protocol by its shape alone: a compiled class has no interpreted parent.
    """

    def __init__(self, session: Session[Ticket], clock: Clock) -> None:
        self.session = session
        self.peer = ""
        """Address and port of the other end."""
        self.lost = asyncio.Event()
        """Set when the connection is gone."""
        self.reason = ""
        """Why it is gone, or is being closed."""
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._outbox: deque[_Parcel] = deque()
        self._flush_due = False
        self._write_blocked = False
        self._reading = True
        self._retire_at: float | None = None
        self._abort_at: float | None = None

    @property
    def usable(self) -> bool:
        """Whether requests of ours are taken: bound, and neither side has begun to say goodbye."""
        return self.session.bound and self._retire_at is None and self._abort_at is None

    @property
    def waiting(self) -> int:
        """Requests that wait for a window slot."""
        return len(self._outbox)

    @property
    def room(self) -> int:
        """Window slots that nothing waits for; negative when more waits than fits."""
        return self.session.room - len(self._outbox)

    def submit(self, pdus: Sequence[Pdu], on_answer: OnAnswer) -> None:
        """Send requests in this order, as the window allows.

        `on_answer` is called exactly once for each, and once more with `late` when an answer comes
        after UNANSWERED. When one is refused before any was accepted, those that still wait are
        NOT_SENT. A link that takes no requests answers NOT_SENT before this returns. EncodeError
        when one of them has no encoding: then none is sent and none is answered.
        """
        if not (self.usable and all(self.session.may_send(pdu.command) for pdu in pdus)):
            answer = Answer(AnswerKind.NOT_SENT, detail="the link takes no such request")
            for index in range(len(pdus)):
                on_answer(index, answer)
            return
        call, prepare = _Call(on_answer, len(pdus)), self.session.prepare
        self._outbox += [
            (pdu.command, prepare(pdu), (call, index)) for index, pdu in enumerate(pdus)
        ]
        self._schedule_flush()

    def respond(
        self,
        request: Pdu,
        status: int = 0,
        fields: Mapping[str, FieldValue] | None = None,
        tlvs: Iterable[Tlv] = (),
    ) -> None:
        """Answer a request of the peer; without effect once the link is gone."""
        self.session.answer(request, status, fields, tlvs)
        self._schedule_flush()

    def retire(self, drain_seconds: float, reason: str) -> None:
        """Take no more requests, wait that long for open answers, unbind and close."""
        if self.session.state in (State.OPEN, State.OUTBOUND):
            self.close(reason)
        elif self._retire_at is None:
            self._retire_at = self._clock.monotonic() + drain_seconds
            self.reason = reason
            self._return_outbox(reason)
            self._schedule_flush()

    def close(self, reason: str) -> None:
        """Write what is due and close, without unbind."""
        if self._abort_at is not None:
            return
        self._abort_at = self._clock.monotonic() + CLOSE_SECONDS
        self.reason = self.reason or reason
        self._return_outbox(reason)
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once, with whatever is not written yet."""
        if self._transport is not None:
            self._transport.abort()

    def tick(self) -> None:
        """Let time pass; call every `Timers.tick_seconds`."""
        now = self._clock.monotonic()
        if self._abort_at is None:
            self._handle(self.session.tick(now))
        elif now >= self._abort_at:
            self.abort()

    def flush(self) -> None:
        """Move what the window admits from the outbox to the transport, in one write."""
        self._flush_due = False
        transport, session, outbox = self._transport, self.session, self._outbox
        if transport is None or transport.is_closing():
            return
        now = self._clock.monotonic()
        if outbox and not self._write_blocked:
            for _ in range(min(len(outbox), session.room)):
                command, prepared, ticket = outbox.popleft()
                ticket[0].waiting -= 1
                session.send(command, prepared, ticket, now)
        if self._retire_at is not None and self._abort_at is None:
            self._go_on_retiring(self._retire_at)
        if data := session.take_outgoing(now):
            transport.write(data)
        self._mind_reading(transport)

    # -- hooks

    @abstractmethod
    def _on_open(self) -> None:
        """The connection is up."""

    @abstractmethod
    def _on_requests(self, pdus: list[Pdu]) -> None:
        """Requests of the peer, of one read; each is to be answered with `respond`."""

    @abstractmethod
    def _on_event(self, event: Event[Ticket]) -> None:
        """About binding or unbinding."""

    @abstractmethod
    def _on_refusal(self, pdu: Pdu) -> None:
        """One request was answered with an error, or with a generic_nack."""

    @abstractmethod
    def _on_room(self) -> None:
        """Window slots became free."""

    @abstractmethod
    def _on_lost(self, reason: str) -> None:
        """The connection is gone; every request has had its answer."""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape only
        address = transport.get_extra_info("peername") or ("", 0)
        self.peer = f"{address[0]}:{address[1]}"
        own = transport.get_extra_info("sockname") or ("", 0)
        now = self._clock.monotonic()
        self.session.capture.opened(f"{own[0]}:{own[1]}", self.peer, now)
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._on_open()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._handle(self.session.receive(data, self._clock.monotonic()))

    def pause_writing(self) -> None:
        """Called by asyncio: the peer reads slower than we write."""
        self._write_blocked = True
        self._schedule_flush()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._write_blocked = False
        self._schedule_flush()

    def eof_received(self) -> None:
        """Called by asyncio: the peer says no more, so the connection ends."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._transport = None
        self._abort_at = self._clock.monotonic()
        self.reason = reason = self.reason or str(exc or "") or "the peer closed the connection"
        _log.info("link to %s lost: %s", self.peer, reason)
        self.session.capture.closed(reason, self._abort_at)
        answer = Answer(AnswerKind.UNANSWERED, detail=reason, lost=True)
        for call, index in self.session.close():
            call.on_answer(index, answer)
        self._return_outbox(reason)
        self._on_lost(reason)
        self.lost.set()

    # -- events

    def _handle(self, events: list[Event[Ticket]]) -> None:
        requests: list[Pdu] = []
        room = False
        for event in events:
            if isinstance(event, Answered):
                self._answered(event.token, event.pdu, late=event.late)
                room = True
            elif isinstance(event, Requested):
                requests.append(event.pdu)
            elif isinstance(event, TimedOut):
                call, index = event.token
                call.on_answer(index, Answer(AnswerKind.UNANSWERED, detail="no answer in time"))
                room = True
            elif isinstance(event, Noted):
                _log.debug("link to %s: %s", self.peer, event.what)
            elif isinstance(event, Ended):
                self.close(event.reason)
            else:
                if isinstance(event, PeerUnbound):
                    self._return_outbox("the peer unbound")
                self._on_event(event)
        if requests:
            self._on_requests(requests)
        if room:
            self._on_room()
        self.flush()

    def _answered(self, ticket: Ticket, pdu: Pdu, *, late: bool) -> None:
        call, index = ticket
        status, detail = pdu.status, ""
        if status or pdu.command == Command.GENERIC_NACK:
            status = status or Status.RUNKNOWNERR
            detail = pdu.tlv_text(Tag.ADDITIONAL_STATUS_INFO_TEXT) or ""
            if call.waiting and not call.accepted:
                self._call_off(call)
            self._on_refusal(pdu)
        else:
            call.accepted = True
        message_id = pdu.text("message_id")
        call.on_answer(index, Answer(AnswerKind.ANSWERED, status, message_id, late, detail, pdu))

    def _call_off(self, call: _Call) -> None:
        """A message with a refused part shall not go out in its other parts."""
        off = [ticket[1] for _, _, ticket in self._outbox if ticket[0] is call]
        self._outbox = deque(parcel for parcel in self._outbox if parcel[2][0] is not call)
        call.waiting = 0
        answer = Answer(AnswerKind.NOT_SENT, detail="another PDU of the call was refused")
        for index in off:
            call.on_answer(index, answer)

    def _return_outbox(self, reason: str) -> None:
        parcels, self._outbox = self._outbox, deque()
        answer = Answer(AnswerKind.NOT_SENT, detail=reason)
        for _, _, (call, _) in parcels:
            call.waiting = 0
        for _, _, (call, index) in parcels:
            call.on_answer(index, answer)

    # -- flow

    def _schedule_flush(self) -> None:
        if not self._flush_due and self._transport is not None:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _go_on_retiring(self, until: float) -> None:
        session, now = self.session, self._clock.monotonic()
        if now >= until or not (session.in_flight or session.owed):
            session.unbind(now)

    def _mind_reading(self, transport: asyncio.Transport) -> None:
        # A client never stops reading because it cannot write: with a peer that does the same,
        # neither would ever read again.
        blocked = self._write_blocked and self.session.side is Side.SMSC
        reading = not (self.session.saturated or blocked)
        if reading != self._reading:
            self._reading = reading
            if reading:
                transport.resume_reading()
            else:
                transport.pause_reading()
