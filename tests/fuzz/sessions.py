"""Sessions of both sides under a peer that sends anything, at any time, in every state.

Each life is played against a plain bookkeeper, which holds the session to its promises: every
request of the peer is answered once or the session has ended, every request of ours comes back
once, nothing that is written cannot be read, and nothing grows.
"""

import random
from collections import Counter
from typing import Any, Final

from onesixty.smpp.codec import DecodeError, decode
from onesixty.smpp.framing import CAP_BOUND, Framer
from onesixty.smpp.pdus import NEVER_ANSWERED, RESPONSE_BIT, Command, FieldValue, Pdu
from onesixty.smpp.session import ESME_OWES_AT_MOST, Session
from onesixty.smpp.states import (
    REQUESTS,
    Answered,
    BindRequested,
    Ended,
    Event,
    Requested,
    Side,
    State,
    TimedOut,
    Timers,
)

from .octets import case, chunks, grown, stream

_TIMERS: Final = Timers()
_BINDS: Final = (Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER, Command.BIND_RECEIVER)
_OURS: Final = {
    Side.ESME: (Command.SUBMIT_SM, Command.QUERY_SM, Command.DATA_SM, Command.CANCEL_SM),
    Side.SMSC: (Command.DELIVER_SM, Command.DATA_SM),
}
_WAITS: Final = (0.0, 0.1, 3.0, 31.0, 61.0, 700.0)

Name = tuple[int, int]
"""Command and sequence number of a request; the command is 0 where only a nack answers."""


class Life:
    """One session from its first octet on, and what it owes and is owed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._now = chance, 0.0
        self.side = chance.choice((Side.ESME, Side.SMSC))
        self._window = chance.choice((1, 2, 10))
        self.session: Session[int] = Session(self.side, _TIMERS, 0.0, window=self._window)
        self._framer = Framer(CAP_BOUND)  # of what the session writes
        self._open: list[Pdu] = []  # requests of the peer that its owner has to answer
        self._binding: Pdu | None = None
        self._unbind: Name | None = None  # the peer's unbind, while it is not answered
        self._out: dict[int, int] = {}  # our tokens that are under way, and their numbers
        self._late: set[int] = set()
        self._tokens = 0
        self.heard = 0
        """PDUs, or what is left of one, that the session was fed."""
        self._pending = b""  # fed, and not yet a whole PDU

    def play(self, steps: int) -> State:
        """Live so many steps, then end; where it stood before that. AssertionError."""
        if self._chance.random() < 0.9:
            self._get_bound()
        for _ in range(steps):
            if self.session.closed:
                break
            self._chance.choice(self._ACTS)(self)
            self._check_bounds()
        state = self.session.state
        self._end()
        return state

    # -- what happens

    def _get_bound(self) -> None:
        command = self._chance.choice(_BINDS)
        bind = bytes(grown(self._chance, command))
        if self.side is Side.SMSC:
            self._feed(bind)
            self._decide_bind()
        else:
            self.session.bind(Pdu(command, fields={"system_id": "esme"}), self._now)
            self._written()
            self._feed(_head(command | RESPONSE_BIT, 0, 1))

    def _hear_anything(self) -> None:
        for piece in chunks(stream(self._chance, self._chance.randrange(1, 8)), self._chance):
            self._feed(piece)

    def _hear_one(self) -> None:
        self._feed(case(self._chance))

    def _hear_an_answer(self) -> None:
        """An answer, or a nack, to one of our requests, or to one that there never was."""
        numbers = [*self._out.values(), 1, self._chance.randrange(50)]
        command = self._chance.choice((*_OURS[self.side], Command.UNBIND, 0)) | RESPONSE_BIT
        octets = grown(self._chance, command)
        octets[12:16] = self._chance.choice(numbers).to_bytes(4, "big")
        self._feed(bytes(octets))

    def _ask(self) -> None:
        command = self._chance.choice(_OURS[self.side])
        if self.session.room > 0 and self.session.may_send(command):
            self._tokens += 1
            self._out[self._tokens] = self.session.request(Pdu(command), self._tokens, self._now)
            self._written()

    def _answer_one(self) -> None:
        if self._open:
            self._answer(self._open.pop(self._chance.randrange(len(self._open))))

    def _decide_bind(self) -> None:
        if self._binding is None:
            return
        bind, self._binding = self._binding, None
        status = self._chance.choice((0, 0, 0, 0x0D))
        expected = not self.session.closed and self.session.state is not State.UNBOUND
        self.session.answer_bind(bind, status, {"system_id": "smsc"}, ())
        told = self._written()
        if expected:
            assert told[bind.command, bind.sequence] == 1

    def _wait(self) -> None:
        self._now += self._chance.choice(_WAITS)
        self._take(self.session.tick(self._now))
        self._written()

    def _say_goodbye(self) -> None:
        if self._chance.random() < 0.2:
            self.session.unbind(self._now)
            self._written()

    _ACTS: Final = (
        _hear_anything, _hear_one, _hear_one, _hear_an_answer, _ask, _ask, _answer_one, _answer_one,
        _decide_bind, _wait, _say_goodbye,
    )  # fmt: skip

    # -- the books

    def _feed(self, octets: bytes) -> None:
        """One read; every request in it is answered, handed up, or the session has ended."""
        if self.session.closed:
            assert self.session.receive(octets, self._now) == []
            return
        asked = self._requests_in(octets)
        handed_up = self._take(self.session.receive(octets, self._now))
        told = self._written()
        if self.session.state is State.CLOSED:
            return
        missing = asked - handed_up - told
        if self.session.state is State.UNBOUND and self._unbind is None and missing:
            self._unbind = next(name for name in missing if name[0] == Command.UNBIND)
            missing -= Counter([self._unbind])  # it is answered when nothing is owed any more
        assert not missing, f"no answer to {missing} in {self.session.state}"
        assert not told - asked, f"an answer to nothing: {told - asked}"

    def _requests_in(self, octets: bytes) -> Counter[Name]:
        """The requests that want an answer, by a reader of our own."""
        asked: Counter[Name] = Counter()
        self._pending += octets
        while len(self._pending) >= 16:
            length = int.from_bytes(self._pending[:4], "big")
            if not 16 <= length <= CAP_BOUND or len(self._pending) < length:
                break
            frame, self._pending = self._pending[:length], self._pending[length:]
            self.heard += 1
            command = int.from_bytes(frame[4:8], "big")
            name = (command if command in REQUESTS else 0, int.from_bytes(frame[12:16], "big"))
            if not command & RESPONSE_BIT and command not in NEVER_ANSWERED:
                asked[name] += 1
        return asked

    def _take(self, events: list[Event[int]]) -> Counter[Name]:
        """Book the events; the requests that are ours to answer now."""
        handed_up: Counter[Name] = Counter()
        for event in events:
            if isinstance(event, Requested):
                self._open.append(event.pdu)
                handed_up[event.pdu.command, event.pdu.sequence] += 1
            elif isinstance(event, BindRequested):
                assert self._binding is None
                self._binding = event.pdu
                handed_up[event.pdu.command, event.pdu.sequence] += 1
            elif isinstance(event, Answered):
                self._came_back(event.token, late=event.late)
            elif isinstance(event, TimedOut):
                del self._out[event.token]
                self._late.add(event.token)
            elif isinstance(event, Ended):
                assert self.session.closed
                assert event is events[-1]
        return handed_up

    def _came_back(self, token: int, *, late: bool) -> None:
        if late:
            self._late.remove(token)
        else:
            del self._out[token]

    def _answer(self, pdu: Pdu) -> None:
        expected = not self.session.closed and (
            self.session.state is not State.UNBOUND or self._unbind is not None
        )
        fields: dict[str, FieldValue] = {}
        if pdu.command in (Command.SUBMIT_SM, Command.DATA_SM):
            fields["message_id"] = "0a1b2c3d"
        self.session.answer(pdu, 0 if fields else self._chance.choice((0, 0x64)), fields)
        told = self._written()
        if expected:
            assert told[pdu.command, pdu.sequence] == 1

    def _written(self) -> Counter[Name]:
        """The requests that the session answered in what it wrote; all of it can be read."""
        told: Counter[Name] = Counter()
        for frame in self._framer.feed(self.session.take_outgoing()):
            try:
                pdu = decode(frame)
            except DecodeError as error:
                raise AssertionError(f"{frame.hex()} was written: {error}") from error
            assert not pdu.flaws, frame.hex()
            if pdu.is_response:
                told[pdu.command & ~RESPONSE_BIT, pdu.sequence] += 1
        if self._unbind is not None and told[self._unbind]:
            self._unbind = None
        return told

    def _check_bounds(self) -> None:
        session: Any = self.session
        assert session.in_flight == len(self._out) <= self._window
        assert len(session._remembered) <= len(self._late)
        assert len(session._framer._pending) <= CAP_BOUND + 100_000
        if session.bound:
            assert session.owed == len(self._open)
            assert len(self._open) <= ESME_OWES_AT_MOST

    def _end(self) -> None:
        """Answer what is open, say goodbye, let time pass: it ends, and all is accounted for."""
        self._decide_bind()
        while self._open:
            self._answer(self._open.pop())
        for _ in range(4):
            self._now += 100.0
            self._take(self.session.tick(self._now))
            self._written()
            self.session.unbind(self._now)
            self._written()
        assert self.session.closed, self.session.state
        assert set(self.session.close()) == set(self._out)


def _head(command: int, status: int, sequence: int) -> bytes:
    words = (16, command, status, sequence)
    return b"".join(word.to_bytes(4, "big") for word in words)
