"""The session over time: matching, windows, timers, and that no peer can break it."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onesixty.smpp.codec import encode
from onesixty.smpp.framing import Framer
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.session import LAST_SEQUENCE
from onesixty.smpp.states import (
    Answered,
    BindRequested,
    Ended,
    Noted,
    Requested,
    Side,
    TimedOut,
)
from onesixty.smpp.statuses import Status

from .wiring import bare, bind_pdu, bound, deliver, heads, new, submit


def test_answers_are_matched_in_any_order() -> None:
    """Submits answered out of order bring back their own tokens, and the window is free again."""
    esme = bound(Side.ESME, window=3)
    numbers = {token: esme.request(submit(), token, 0.0) for token in ("a", "b", "c")}
    assert esme.room == 0
    data = b"".join(bare(Command.SUBMIT_SM_RESP, 0, numbers[token]) for token in ("c", "a", "b"))
    events = esme.receive(data, 0.0)
    assert [event.token for event in events if isinstance(event, Answered)] == ["c", "a", "b"]
    assert esme.room == 3


def test_a_response_must_fit_its_request() -> None:
    """A response with our sequence number but another command does not answer it."""
    esme = bound(Side.ESME)
    number = esme.request(submit(), "token", 0.0)
    (event,) = esme.receive(bare(Command.DATA_SM_RESP, 0, number), 0.0)
    assert isinstance(event, Noted)
    (event,) = esme.receive(bare(Command.SUBMIT_SM_RESP, 0, number), 0.0)
    assert isinstance(event, Answered)


def test_a_nack_answers_the_request_it_names() -> None:
    """generic_nack with a known sequence number resolves that request with its status."""
    esme = bound(Side.ESME)
    esme.request(submit(), "a", 0.0)
    number = esme.request(submit(), "b", 0.0)
    (event,) = esme.receive(bare(Command.GENERIC_NACK, Status.RINVCMDID, number), 0.0)
    assert isinstance(event, Answered)
    assert (event.token, event.pdu.status) == ("b", Status.RINVCMDID)
    assert esme.in_flight == 1


def test_a_nack_without_number_answers_only_a_lone_request() -> None:
    """With one request open it can mean no other; with two it is only noted."""
    esme = bound(Side.ESME)
    esme.request(submit(), "a", 0.0)
    number = esme.request(submit(), "b", 0.0)
    assert isinstance(esme.receive(bare(Command.GENERIC_NACK, 2, 0), 0.0)[0], Noted)
    esme.receive(bare(Command.SUBMIT_SM_RESP, 0, number), 0.0)
    (event,) = esme.receive(bare(Command.GENERIC_NACK, 2, 0), 0.0)
    assert isinstance(event, Answered)
    assert event.token == "a"


def test_sequence_numbers_wrap_to_one_and_skip_what_is_open() -> None:
    """After 0x7FFFFFFF comes 1, and numbers still waiting for an answer are left out."""
    esme = bound(Side.ESME)
    first = esme.request(submit(), "old", 0.0)  # 2: the bind had 1
    esme.next_sequence = LAST_SEQUENCE
    assert [esme.request(submit(), "new", 0.0) for _ in range(3)] == [LAST_SEQUENCE, 1, first + 1]


def test_sequence_numbers_rise_in_the_order_in_which_requests_leave() -> None:
    """A request prepared before an enquire_link but sent after it has the higher number."""
    esme = bound(Side.ESME)
    prepared = esme.prepare(submit())
    esme.tick(30.0)
    esme.send(Command.SUBMIT_SM, prepared, "token", 30.0)
    assert [(head[0], head[2]) for head in heads(esme)] == [
        (Command.ENQUIRE_LINK, 2),
        (Command.SUBMIT_SM, 3),
    ]


@pytest.mark.parametrize("sequence", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_any_sequence_number_of_the_peer_is_echoed(sequence: int) -> None:
    """The peer's numbers come back unchanged, also those it should not use."""
    smsc = bound(Side.SMSC)
    (event,) = smsc.receive(encode(submit(sequence)), 0.0)
    assert isinstance(event, Requested)
    smsc.answer(event.pdu, 0, {"message_id": "x"})
    smsc.receive(bare(Command.ENQUIRE_LINK, 0, sequence), 0.0)
    assert [head[2] for head in heads(smsc)] == [sequence, sequence]


def test_a_request_times_out_and_its_late_answer_still_counts() -> None:
    """After response_seconds the slot is free; the answer is then taken as late, once."""
    esme = bound(Side.ESME, window=1)
    number = esme.request(submit(), "token", 0.0)
    answer = bare(Command.SUBMIT_SM_RESP, 0, number)
    assert esme.tick(59.9) == []
    esme.receive(bare(Command.ENQUIRE_LINK), 59.9)
    (event,) = esme.tick(60.0)
    assert isinstance(event, TimedOut)
    assert (event.token, esme.room) == ("token", 1)
    (event,) = esme.receive(answer, 70.0)
    assert isinstance(event, Answered)
    assert (event.token, event.late) == ("token", True)
    assert isinstance(esme.receive(answer, 71.0)[0], Noted)


def test_a_late_answer_is_remembered_for_ten_minutes_only() -> None:
    """remember_seconds after the timeout the number means nothing any more."""
    esme = bound(Side.ESME)
    number = esme.request(submit(), "token", 0.0)
    alive = bare(Command.ENQUIRE_LINK)
    esme.receive(alive, 60.0)
    assert isinstance(esme.tick(60.0)[0], TimedOut)
    esme.receive(alive, 660.0)
    assert esme.tick(660.0) == []
    (event,) = esme.receive(bare(Command.SUBMIT_SM_RESP, 0, number), 661.0)
    assert isinstance(event, Noted)


def test_silence_is_probed_twice_and_then_ends_the_session() -> None:
    """enquire_link after 30 s of silence, again after 10 s, dead after 10 more."""
    esme = bound(Side.ESME)
    assert esme.tick(29.9) == []
    assert heads(esme) == []
    esme.tick(30.0)
    assert [head[0] for head in heads(esme)] == [Command.ENQUIRE_LINK]
    esme.tick(39.9)
    assert heads(esme) == []
    esme.tick(40.0)
    assert [head[0] for head in heads(esme)] == [Command.ENQUIRE_LINK]
    (event,) = esme.tick(50.0)
    assert isinstance(event, Ended)
    assert "enquire_link" in event.reason


@pytest.mark.parametrize(
    "command", [Command.ENQUIRE_LINK_RESP, Command.DELIVER_SM, 0x999, 0x80000999]
)
def test_any_pdu_proves_life(command: int) -> None:
    """Whatever comes while an enquire_link is open resets the idle timer and the misses."""
    esme = bound(Side.ESME)
    esme.tick(30.0)
    esme.tick(40.0)
    esme.receive(bare(command, sequence=2), 45.0)
    esme.take_outgoing()
    assert esme.tick(74.9) == []
    assert heads(esme) == []
    esme.tick(75.0)
    assert [head[0] for head in heads(esme)] == [Command.ENQUIRE_LINK]


def test_enquire_link_is_sent_while_submits_are_open_and_outside_the_window() -> None:
    """A full window does not keep the link from being probed."""
    esme = bound(Side.ESME, window=1)
    esme.request(submit(), "token", 0.0)
    esme.take_outgoing()
    esme.tick(30.0)
    assert [head[0] for head in heads(esme)] == [Command.ENQUIRE_LINK]
    assert esme.in_flight == 1


def test_a_client_never_probes_before_it_is_bound() -> None:
    """Until the bind is answered no enquire_link goes out; without an answer the session ends."""
    esme = new(Side.ESME)
    esme.bind(bind_pdu(), 0.0)
    esme.take_outgoing()
    assert esme.tick(9.9) == []
    assert isinstance(esme.tick(10.0)[0], Ended)
    assert heads(esme) == []


def test_the_server_answers_enquire_link_before_the_bind_and_waits_ten_seconds_for_it() -> None:
    """An open connection is probed at will, and ends when no bind comes in time."""
    smsc = new(Side.SMSC)
    smsc.receive(bare(Command.ENQUIRE_LINK, 0, 4), 9.0)
    assert heads(smsc) == [(Command.ENQUIRE_LINK_RESP, 0, 4)]
    (event,) = smsc.tick(10.0)
    assert isinstance(event, Ended)


def test_a_server_that_decides_on_a_bind_is_not_timed() -> None:
    """session_init is stopped by the bind and runs on after a refusal."""
    smsc = new(Side.SMSC)
    smsc.receive(encode(bind_pdu()), 1.0)
    assert smsc.tick(20.0) == []
    smsc.answer_bind(bind_pdu(), Status.RBINDFAIL, {}, [])
    assert isinstance(smsc.tick(20.0)[0], Ended)


def test_a_full_inbox_asks_not_to_be_read_and_is_not_taken_for_silence() -> None:
    """At twice the window the session is saturated; then the peer's silence is our own doing."""
    smsc = bound(Side.SMSC, window=2)
    for number in range(4):
        assert not smsc.saturated
        smsc.receive(encode(submit(number)), 0.0)
    assert smsc.saturated
    for now in range(0, 300, 10):
        assert smsc.tick(now) == []
    assert heads(smsc) == []
    smsc.answer(submit(0), 0, {"message_id": "1"})
    assert not smsc.saturated


def test_a_lost_connection_gives_back_what_was_open() -> None:
    """close returns the tokens of open requests, not of those answered or timed out."""
    esme = bound(Side.ESME)
    esme.request(submit(), "timed out", 0.0)
    number = esme.request(submit(), "answered", 50.0)
    esme.request(submit(), "open", 50.0)
    esme.receive(bare(Command.SUBMIT_SM_RESP, 0, number), 60.0)
    esme.tick(60.0)
    assert esme.close() == ["open"]
    assert esme.close() == []


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), side=st.sampled_from(Side), is_bound=st.booleans())
def test_garbage_never_raises_and_ends_only_the_session(
    seed: int, side: Side, is_bound: bool
) -> None:
    """Random and mutated octets in random pieces raise nothing, and end at most the session."""
    chance = random.Random(seed)
    session = bound(side) if is_bound else new(side)
    valid = [encode(submit(1)), encode(deliver(1)), encode(bind_pdu()), bare(Command.UNBIND)]
    valid += [bare(chance.getrandbits(32), chance.getrandbits(8), chance.getrandbits(3))]
    for step in range(40):
        data = bytearray(chance.choice(valid))
        for _ in range(chance.choice([0, 0, 1, 4])):
            data[chance.randrange(len(data))] = chance.getrandbits(8)
        cut = chance.randrange(len(data))
        for piece in (data[:cut], data[cut:]):
            for event in session.receive(bytes(piece), float(step)):
                if isinstance(event, Requested) and chance.random() < 0.8:
                    session.answer(event.pdu, chance.choice([0, 8]))
                if isinstance(event, BindRequested):
                    session.answer_bind(event.pdu, chance.choice([0, 13]), {}, [])
        session.tick(float(step))
        Framer(70_000).feed(session.take_outgoing())
    assert session.owed >= 0


class _Wire:
    """Two bound sessions, the octets between them, and what became of every request."""

    def __init__(self, window: int, chance: random.Random) -> None:
        self.sessions = {side: bound(side, window=window) for side in Side}
        self.octets = dict.fromkeys(Side, b"")  # on their way to that side
        self.owed: dict[Side, list[Pdu]] = {side: [] for side in Side}
        self.fates: dict[str, list[str]] = {}
        self.now, self.window, self.chance = 0.0, window, chance

    def ask(self, side: Side) -> None:
        """Send a request if state and window allow."""
        session = self.sessions[side]
        command = Command.SUBMIT_SM if side is Side.ESME else Command.DELIVER_SM
        if session.may_send(command) and session.room > 0:
            token = f"{side.value}-{len(self.fates)}"
            self.fates[token] = []
            session.request(submit() if side is Side.ESME else deliver(), token, self.now)
        assert session.in_flight <= self.window

    def answer(self, side: Side) -> None:
        """Answer one request of the peer, not always the oldest."""
        if self.owed[side]:
            pdu = self.owed[side].pop(self.chance.randrange(len(self.owed[side])))
            self.sessions[side].answer(pdu, self.chance.choice([0, 0, 8, 0x58]))

    def carry(self, side: Side) -> None:
        """Bring some octets to a side."""
        cut = self.chance.randint(0, len(self.octets[side]))
        piece, self.octets[side] = self.octets[side][:cut], self.octets[side][cut:]
        self.note(side, self.sessions[side].receive(piece, self.now))

    def wait(self) -> None:
        """Let some time pass."""
        self.now += self.chance.choice([0.1, 1.0, 9.0, 61.0])
        for side in Side:
            self.note(side, self.sessions[side].tick(self.now))

    def note(self, side: Side, events: list[Any]) -> None:
        """Write down what each event says."""
        for event in events:
            if isinstance(event, Requested):
                self.owed[side].append(event.pdu)
            elif isinstance(event, TimedOut):
                self.fates[event.token].append("timed out")
            elif isinstance(event, Answered):
                self.fates[event.token].append("late" if event.late else "answered")

    def collect(self) -> None:
        """Take what the sessions want written."""
        for side in Side:
            self.octets[side.peer] += self.sessions[side].take_outgoing()


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    window=st.integers(1, 5),
    steps=st.lists(st.integers(0, 99), min_size=10, max_size=200),
)
def test_every_request_has_one_fate(seed: int, window: int, steps: list[int]) -> None:
    """Whatever happens in whatever order, a request is answered, timed out or open: once."""
    wire = _Wire(window, random.Random(seed))
    for step in steps:
        side = Side.ESME if step % 2 else Side.SMSC
        if step < 40:
            wire.ask(side)
        elif step < 65:
            wire.carry(side)
        elif step < 93:
            wire.answer(side)
        elif step < 98:
            wire.wait()
        else:
            wire.sessions[side].unbind(wire.now)
        wire.collect()
    for side in Side:
        for token in wire.sessions[side].close():
            wire.fates[token].append("open")
    allowed = (["answered"], ["timed out"], ["timed out", "late"], ["open"])
    assert all(fate in allowed for fate in wire.fates.values()), wire.fates
