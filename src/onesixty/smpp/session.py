"""One SMPP session, of either side, without I/O: bytes and time go in, events and bytes come out.

The caller hands every read to `receive`, calls `tick` now and then, and writes what `take_outgoing`
returns. A session never raises on what the peer sends: it answers as the specification asks and,
where the stream cannot be followed any more, ends with an `Ended` event.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Generic

from onesixty.smpp.codec import DecodeError, EncodeError, decode, encode
from onesixty.smpp.framing import CAP_BEFORE_BIND, CAP_BOUND, Framer, FramingError
from onesixty.smpp.pdus import (
    NEVER_ANSWERED,
    RESPONSE_BIT,
    Command,
    FieldValue,
    Pdu,
    Tag,
    Tlv,
    command_name,
)
from onesixty.smpp.states import (
    BOUND_BY,
    BOUND_STATES,
    MAY_SEND,
    MESSAGES,
    REQUESTS,
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    CalledUp,
    Ended,
    Event,
    Noted,
    PeerUnbound,
    Requested,
    Side,
    State,
    TimedOut,
    Timers,
    Token,
)
from onesixty.smpp.statuses import Status
from onesixty.smpp.trace.capture import Capture

LAST_SEQUENCE = 0x7FFFFFFF
ESME_OWES_AT_MOST = 1_000
"""Requests a client may leave unanswered before it stops reading, whatever its own window is."""
UNBOUND_GRACE_SECONDS = 2.0
"""After our unbind_resp the peer closes; closing first could reset it away unread."""

_HEADER = struct.Struct(">IIII")
# Without these a message would be another one.
_INDISPENSABLE = frozenset({Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM})
_UNBIND = _HEADER.pack(16, Command.UNBIND, 0, 0)
_ENQUIRE_LINK = _HEADER.pack(16, Command.ENQUIRE_LINK, 0, 0)


def effective_version(offered: int, supported: int) -> int:
    """The interface_version that holds between two sides: 0x34, 0x50, or an old one below 0x34.

    Values between 0x35 and 0x4F count as 3.4, above 0x50 as 5.0.
    """
    known = 0x50 if offered >= 0x50 else min(offered, 0x34)
    return min(known, supported)


class Session(Generic[Token]):
    """The protocol state of one connection.

    `window`: requests of ours that may be unanswered at once; an SMSC grants its client twice that
    before `saturated` asks to stop reading. `version`: the interface_version we support.
    """

    def __init__(
        self, side: Side, timers: Timers, now: float, *, window: int, version: int = 0x50
    ) -> None:
        self.side = side
        self.version = version
        """The interface_version that holds: what we support until a bind settles it."""
        self.owed = 0
        """Requests of the peer that `answer` has yet to answer."""
        self.answers_enquire_link = True
        """Off only where a dead peer is to be played."""
        self.capture = Capture()
        """The last PDUs; another one takes its place where they are kept beyond the connection."""
        self._timers = timers
        self._window = window
        self._owes_at_most = 2 * window if side is Side.SMSC else ESME_OWES_AT_MOST
        self._supported = version
        self._enter(State.OPEN)
        # An SMSC we dialled ourselves may send messages right behind its bind_resp.
        self._framer = Framer(CAP_BEFORE_BIND if side is Side.SMSC else CAP_BOUND)
        self._outgoing: list[bytes] = []
        self.next_sequence = 1
        """Of our next request, unless it is still in use when the numbers come round again."""
        # Both in the order of their time, so a sweep stops at the first that is not due.
        self._pending: dict[int, tuple[int, float, Token]] = {}
        self._remembered: dict[int, tuple[int, float, Token]] = {}
        self._awaited: tuple[int, int] | None = None  # our bind or unbind: command, sequence
        self._binding = False
        self._peer_unbind: Pdu | None = None
        self._heard = now
        self._enquired: float | None = None
        self._enquiry_sequence = -1
        self._misses = 0
        self._deadline: float | None = now + timers.bind_seconds
        self._deadline_reason = "no bind in time"
        self._bind_deadline = now + timers.bind_seconds

    @property
    def in_flight(self) -> int:
        """Requests of ours that hold a window slot."""
        return len(self._pending)

    @property
    def room(self) -> int:
        """Free window slots."""
        return self._window - len(self._pending)

    @property
    def saturated(self) -> bool:
        """Whether the peer has so many unanswered requests that its bytes should wait."""
        return self.owed >= self._owes_at_most

    def grant(self, window: int) -> None:
        """Have another window from now on, as the owner of the session may know after a bind."""
        self._window = window
        self._owes_at_most = 2 * window if self.side is Side.SMSC else ESME_OWES_AT_MOST

    def may_send(self, command: int) -> bool:
        """Whether this request is allowed in the present state."""
        return command in self._may_send

    # -- what we send

    def prepare(self, pdu: Pdu, *, lenient: bool = False) -> bytes:
        """Encode a request for `send`, which numbers it. EncodeError when that cannot be done."""
        if self.version < 0x34 and pdu.tlvs:  # SMPP 3.3 knows none
            if any(tlv.tag in _INDISPENSABLE for tlv in pdu.tlvs):
                raise EncodeError("tlvs", "the peer speaks SMPP 3.3, which has none")
            pdu = Pdu(pdu.command, fields=pdu.fields)
        return encode(pdu, lenient=lenient)

    def send(self, command: int, prepared: bytes, token: Token, now: float) -> int:
        """Put a request on the wire; its answer or its `TimedOut` brings `token` back.

        Returns its sequence number: they rise in the order in which requests leave.
        """
        sequence = self._write_numbered(prepared)
        self._pending[sequence] = (command, now, token)
        return sequence

    def request(self, pdu: Pdu, token: Token, now: float) -> int:
        """Prepare and send in one; the sequence number."""
        return self.send(pdu.command, self.prepare(pdu), token, now)

    def bind(self, pdu: Pdu, now: float, *, lenient: bool = False) -> None:
        """Ask to be bound: `Bound`, `BindRefused` or `Ended` will tell.

        `lenient` lets credentials pass that are longer than the specification allows.
        """
        self._awaited = (pdu.command, self._write_numbered(self.prepare(pdu, lenient=lenient)))
        self._set_deadline(now + self._timers.bind_seconds, "no answer to the bind in time")

    def unbind(self, now: float) -> None:
        """Say goodbye; `Ended` follows with the answer or without one in time."""
        if not self.bound or self._awaited is not None:
            return
        self._awaited = (Command.UNBIND, self._write_numbered(_UNBIND))
        self._set_deadline(now + self._timers.unbind_seconds, "no answer to unbind in time")

    def answer(
        self,
        request: Pdu,
        status: int = 0,
        fields: Mapping[str, FieldValue] | None = None,
        tlvs: Iterable[Tlv] = (),
    ) -> None:
        """Answer one `Requested` PDU. Does nothing once the session is over."""
        if self.closed or (self.state is State.UNBOUND and self._peer_unbind is None):
            return
        command = request.command | RESPONSE_BIT
        if status and not fields and not tlvs:
            self._bare(command, status, request.sequence)
        else:
            given = list(tlvs) if self.version >= 0x34 else []
            self._outgoing.append(
                encode(Pdu(command, status, request.sequence, dict(fields or {}), given))
            )
        self.forget()

    def forget(self) -> None:
        """Give back the slot of one request of the peer that will never be answered."""
        if self.owed:
            self.owed -= 1
        if self._peer_unbind is not None and not self.owed:
            self._answer_unbind(self._peer_unbind)

    def answer_bind(
        self, request: Pdu, status: int, fields: Mapping[str, FieldValue], tlvs: Iterable[Tlv]
    ) -> None:
        """Accept a `BindRequested` with status 0, or refuse it with any other."""
        if not self._binding or self.closed:
            return
        self._binding = False
        self._set_deadline(self._bind_deadline, "no accepted bind in time")
        if status:
            self._bare(request.command | RESPONSE_BIT, status, request.sequence)
            return
        given = list(tlvs) if self.version >= 0x34 else []
        self._outgoing.append(
            encode(Pdu(request.command | RESPONSE_BIT, 0, request.sequence, dict(fields), given))
        )
        self._become_bound(request.command)

    def write_raw(self, data: bytes) -> None:
        """Put bytes on the wire as they are, in order with everything else."""
        self._outgoing.append(data)

    def take_outgoing(self, now: float = 0.0) -> bytes:
        """All bytes to write now."""
        if not self._outgoing:
            return b""
        self.capture.sent(self._outgoing, now)
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def close(self) -> list[Token]:
        """The connection is gone: the tokens of all requests that were never answered."""
        unanswered = [entry[2] for entry in self._pending.values()]
        self._pending.clear()
        self._remembered.clear()
        self._enter(State.CLOSED)
        return unanswered

    # -- what the peer sends

    def receive(self, data: bytes, now: float) -> list[Event[Token]]:
        """Everything that one read of the connection means, in order."""
        events: list[Event[Token]] = []
        broken = None
        try:
            frames = self._framer.feed(data)
        except FramingError as error:
            frames, broken = error.frames, error
            self.capture.received((*frames, error.head), now)
        else:
            self.capture.received(frames, now)
        if frames:
            self._heard, self._enquired, self._misses = now, None, 0
        lenient = self.side is Side.ESME
        for frame in frames:
            if self.closed:
                return events
            try:
                pdu = decode(frame, lenient=lenient)
            except DecodeError as fault:
                self._undecodable(frame, fault, events)
            else:
                self._take(pdu, now, events)
        if broken is not None and not self.closed:
            if not broken.not_smpp:
                self._bare(Command.GENERIC_NACK, broken.status, broken.sequence)
            self._end(broken.detail, events)
        return events

    def tick(self, now: float) -> list[Event[Token]]:
        """What the passing of time means; call every `Timers.tick_seconds`."""
        events: list[Event[Token]] = []
        if self.closed:
            return events
        self._sweep(now, events)
        if self._deadline is not None and now >= self._deadline:
            self._deadline_passed(now, events)
        elif self.bound:
            self._prove_life(now, events)
        return events

    def _take(self, pdu: Pdu, now: float, events: list[Event[Token]]) -> None:
        command = pdu.command
        if command & RESPONSE_BIT:
            entry = self._pending.get(pdu.sequence)
            if entry is not None and entry[0] | RESPONSE_BIT == command:
                del self._pending[pdu.sequence]
                events.append(Answered(entry[2], pdu))
            else:
                self._other_response(pdu, events)
        elif command in self._takes:
            self.owed += 1
            events.append(Requested(pdu))
        else:
            self._other_request(pdu, now, events)

    def _undecodable(self, frame: bytes, error: DecodeError, events: list[Event[Token]]) -> None:
        _, command, status, sequence = _HEADER.unpack_from(frame)
        events.append(Noted(f"undecodable {command_name(command)}: {error}"))
        if command & RESPONSE_BIT:  # its header already says all that matters
            self._take(Pdu(command, status, sequence), self._heard, events)
        elif command in self._accepts and command not in NEVER_ANSWERED:
            self._bare(command | RESPONSE_BIT, error.status, sequence)
        else:
            self._refuse(command, sequence, events)

    def _other_response(self, pdu: Pdu, events: list[Event[Token]]) -> None:
        command, sequence = pdu.command, pdu.sequence
        nack = command == Command.GENERIC_NACK
        awaited, remembered = self._awaited or (0, None), self._remembered.get(sequence)
        if awaited[1] == sequence and (nack or awaited[0] | RESPONSE_BIT == command):
            self._awaited_answer(awaited[0], pdu, events)
        elif remembered is not None and (nack or remembered[0] | RESPONSE_BIT == command):
            del self._remembered[sequence]
            events.append(Answered(remembered[2], pdu, late=True))
        elif nack:
            self._nacked(pdu, events)
        elif command != Command.ENQUIRE_LINK_RESP:
            events.append(Noted(f"{command_name(command)} to unknown sequence number {sequence}"))

    def _nacked(self, pdu: Pdu, events: list[Event[Token]]) -> None:
        sequence = pdu.sequence
        if not sequence and len(self._pending) == 1 and not self._enquired and not self._awaited:
            sequence = next(iter(self._pending))  # it cannot mean any other
        entry = self._pending.pop(sequence, None)
        if entry is not None:
            events.append(Answered(entry[2], pdu))
        elif sequence != self._enquiry_sequence:
            events.append(Noted(f"generic_nack {pdu.status:#x} to sequence number {sequence}"))

    def _awaited_answer(self, asked: int, pdu: Pdu, events: list[Event[Token]]) -> None:
        self._awaited = None
        if asked == Command.UNBIND:
            self._end("unbound", events)
        elif pdu.status or pdu.command == Command.GENERIC_NACK:
            events.append(BindRefused(pdu))
        else:
            offered = pdu.tlv(Tag.SC_INTERFACE_VERSION)
            # One that does not say is in practice a 3.4 that takes TLVs, but nothing of 5.0.
            self.version = effective_version(offered[0] if offered else 0x34, self._supported)
            self._become_bound(asked)
            events.append(Bound(pdu))

    def _other_request(self, pdu: Pdu, now: float, events: list[Event[Token]]) -> None:
        command, sequence = pdu.command, pdu.sequence
        if command not in self._accepts or (command in BOUND_BY and self._binding):
            self._refuse(command, sequence, events)
        elif command == Command.ENQUIRE_LINK:
            if self.answers_enquire_link:
                self._bare(Command.ENQUIRE_LINK_RESP, 0, sequence)
        elif command == Command.UNBIND:
            self._take_unbind(pdu, now, events)
        elif command in BOUND_BY:
            self._binding, self._deadline = True, None
            self.version = effective_version(pdu.number("interface_version"), self._supported)
            events.append(BindRequested(pdu))
        elif command == Command.OUTBIND:
            self._enter(State.OUTBOUND)
            events.append(CalledUp(pdu))
        else:
            events.append(Noted(f"{command_name(command)} received"))

    def _refuse(self, command: int, sequence: int, events: list[Event[Token]]) -> None:
        events.append(Noted(f"{command_name(command)} refused in state {self.state.value}"))
        if command & RESPONSE_BIT or command in NEVER_ANSWERED:
            return
        if command not in REQUESTS:
            self._bare(Command.GENERIC_NACK, Status.RINVCMDID, sequence)
        elif command in BOUND_BY and (self._binding or self.bound):
            self._bare(command | RESPONSE_BIT, Status.RALYBND, sequence)
        else:
            self._bare(command | RESPONSE_BIT, Status.RINVBNDSTS, sequence)

    def _take_unbind(self, pdu: Pdu, now: float, events: list[Event[Token]]) -> None:
        self._enter(State.UNBOUND)
        self._peer_unbind = pdu
        # Half of what a peer with our timers waits for its unbind_resp.
        wait = self._timers.unbind_seconds / 2 if self.owed else UNBOUND_GRACE_SECONDS
        self._set_deadline(now + wait, "the peer unbound")
        events.append(PeerUnbound())
        if not self.owed:
            self._answer_unbind(pdu)

    def _answer_unbind(self, request: Pdu) -> None:
        self._peer_unbind = None
        self._bare(Command.UNBIND_RESP, 0, request.sequence)

    # -- time

    def _sweep(self, now: float, events: list[Event[Token]]) -> None:
        due = now - self._timers.response_seconds
        overdue = []
        for sequence, entry in self._pending.items():
            if entry[1] > due:
                break
            overdue.append(sequence)
        for sequence in overdue:
            command, _, token = self._pending.pop(sequence)
            self._remembered[sequence] = (command, now, token)
            events.append(TimedOut(token))
        due = now - self._timers.remember_seconds
        while self._remembered:
            sequence, entry = next(iter(self._remembered.items()))
            if entry[1] > due:
                break
            del self._remembered[sequence]

    def _deadline_passed(self, now: float, events: list[Event[Token]]) -> None:
        if self._peer_unbind is not None:  # what is owed never came
            self._answer_unbind(self._peer_unbind)
            self._set_deadline(now + UNBOUND_GRACE_SECONDS, "the peer unbound")
        else:
            self._end(self._deadline_reason, events)

    def _prove_life(self, now: float, events: list[Event[Token]]) -> None:
        if self.saturated:
            self._heard, self._enquired = now, None  # silence is ours: nothing is being read
        elif self._enquired is None:
            if now - self._heard >= self._timers.enquire_link_seconds:
                self._enquire(now)
        elif now - self._enquired >= self._timers.enquire_answer_seconds:
            self._misses += 1
            if self._misses >= 2:
                self._end("enquire_link was not answered twice", events)
            else:
                self._enquire(now)

    def _enquire(self, now: float) -> None:
        self._enquired, self._enquiry_sequence = now, self._write_numbered(_ENQUIRE_LINK)

    # -- the state

    def _become_bound(self, command: int) -> None:
        self._enter(BOUND_BY[command])
        self._framer.cap = CAP_BOUND
        self._deadline = None

    def _enter(self, state: State) -> None:
        self.state = state
        self.bound = state in BOUND_STATES
        """Whether messages may pass."""
        self.closed = state is State.CLOSED
        """Whether it is over: nothing is read or answered any more."""
        self._may_send = MAY_SEND[self.side][state]
        self._accepts = MAY_SEND[self.side.peer][state]
        self._takes = self._accepts & MESSAGES

    def _end(self, reason: str, events: list[Event[Token]]) -> None:
        self._enter(State.CLOSED)
        events.append(Ended(reason))

    def _set_deadline(self, at: float, reason: str) -> None:
        self._deadline, self._deadline_reason = at, reason

    def _write_numbered(self, prepared: bytes) -> int:
        sequence = self.next_sequence
        while sequence in self._pending or sequence in self._remembered:
            sequence = sequence + 1 if sequence < LAST_SEQUENCE else 1
        self.next_sequence = sequence + 1 if sequence < LAST_SEQUENCE else 1
        self._outgoing.append(prepared[:12] + sequence.to_bytes(4, "big") + prepared[16:])
        return sequence

    def _bare(self, command: int, status: int, sequence: int) -> None:
        self._outgoing.append(_HEADER.pack(16, command, status, sequence))
