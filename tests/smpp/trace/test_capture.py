"""The capture of a session: what is kept, for how long, and how much of it."""

import pytest

from onesixty.smpp.pdus import Command
from onesixty.smpp.states import BindMode, Side
from onesixty.smpp.trace.capture import OCTETS_MOST, PDUS_MOST, Capture, Kind
from smpp.wiring import (
    Esme,
    Smsc,
    Watch,
    bare,
    bind_to,
    bound,
    connected,
    new,
    serving,
    texts,
)


def test_it_keeps_so_many_and_cuts_long_ones() -> None:
    """Only the last thousand PDUs are kept, and of a long one its first kilobyte."""
    capture = Capture()
    capture.received([bytes([n % 256]) * 2000 for n in range(PDUS_MOST + 5)], 1.0)
    entries = capture.entries()
    assert len(entries) == PDUS_MOST
    assert entries[0].octets == bytes([5]) * OCTETS_MOST


def test_only_what_is_newer_is_read_again() -> None:
    """A reader that comes back gets what came since, and nothing twice."""
    capture = Capture()
    capture.sent([b"1"], 1.0)
    capture.sent([b"2"], 2.0)
    assert [one.octets for one in capture.entries(after=1.0)] == [b"2"]


def test_a_session_keeps_both_directions() -> None:
    """What is received and what is written are both there, each PDU for itself, in their order."""
    session = bound(Side.SMSC)
    session.capture = Capture()
    session.receive(bare(Command.ENQUIRE_LINK, 0, 1) + bare(Command.ENQUIRE_LINK, 0, 2), 3.0)
    session.take_outgoing(4.0)
    seen = [(one.at, one.kind, one.octets[-1]) for one in session.capture.entries()]
    assert seen == [(3.0, Kind.IN, 1), (3.0, Kind.IN, 2), (4.0, Kind.OUT, 1), (4.0, Kind.OUT, 2)]


def test_what_is_no_pdu_is_kept_too() -> None:
    """The first octets of what ends a session can be seen, behind the PDUs before them."""
    session = new(Side.SMSC)
    session.receive(bare(Command.ENQUIRE_LINK, 0, 1) + b"GET / HTTP/1.1\r\nHost: x\r\n", 1.0)
    assert [one.octets for one in session.capture.entries()] == [
        bare(Command.ENQUIRE_LINK, 0, 1),
        b"GET / HTTP/1.1\r\n",
    ]


@pytest.mark.parametrize("refusal", [0, 0x0D])
async def test_a_client_sees_its_connections_come_and_go(refusal: int) -> None:
    """A configured bind keeps what went over its connections, a refused one included."""
    watch = Watch()
    smsc, esme = Smsc(watch), Esme(watch)
    smsc.bind_statuses = [refusal]
    async with serving(smsc) as (_, port), connected(esme, bind_to(port)) as client:
        (tap,) = client.wiretaps()
        if refusal:
            await watch.until(lambda: any(one.kind is Kind.CLOSED for one in tap.capture.entries()))
        else:
            await watch.until(lambda: client.bound_for_submit)
            client.submit(texts("hi"), lambda *_: None)
            await smsc.asked(1)
        first, asked, answered, last = tap.capture.entries()[:4]
        assert tap.session == f"1 {BindMode.TRANSCEIVER.name.lower()}"
        assert first.kind is Kind.OPENED
        assert first.octets.endswith(f" 127.0.0.1:{port}".encode())
        assert (asked.kind, answered.kind) == (Kind.OUT, Kind.IN)
        if refusal:
            assert last.octets == b"bind refused: ESME_RBINDFAIL"
        else:
            assert last.octets[4:8] == bytes([0, 0, 0, Command.SUBMIT_SM])
