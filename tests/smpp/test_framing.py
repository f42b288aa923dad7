"""Cutting the stream: split and joined reads, caps, absurd lengths, peers of other protocols."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.framing import CAP_BOUND, Framer, FramingError
from onesixty.smpp.statuses import Status

from .test_golden import GOLDEN

STREAM = b"".join(golden.octets for golden in GOLDEN)
FRAMES = [golden.octets for golden in GOLDEN]
ENQUIRE_LINK = bytes.fromhex("00000010000000150000000000000002")


def test_one_read_may_hold_many_pdus() -> None:
    """All whole PDUs of one read come out, in order."""
    assert Framer().feed(STREAM) == FRAMES


@given(st.lists(st.integers(1, len(STREAM) - 1)))
def test_a_pdu_may_be_split_anywhere(cuts: list[int]) -> None:
    """However the stream is cut into reads, the same PDUs come out and nothing is left over."""
    framer, frames = Framer(), []
    edges = [0, *sorted(set(cuts)), len(STREAM)]
    for begin, end in pairwise(edges):
        frames += framer.feed(STREAM[begin:end])
    assert frames == FRAMES
    assert framer.feed(ENQUIRE_LINK) == [ENQUIRE_LINK]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_takes_any_kind_of_octets(kind: type[bytes]) -> None:
    """A read may be bytes, a bytearray or a memoryview; PDUs are bytes that outlive it."""
    framer = Framer()
    assert framer.feed(kind(ENQUIRE_LINK[:5])) == []
    frames = framer.feed(kind(ENQUIRE_LINK[5:]))
    assert frames == [ENQUIRE_LINK]
    assert type(frames[0]) is bytes


@pytest.mark.parametrize("length", [0, 1, 15, 1025, 0x80000000, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    """A command_length below 16 or above the cap is refused with RINVCMDLEN at once."""
    with pytest.raises(FramingError) as caught:
        Framer().feed(length.to_bytes(4, "big") + bytes.fromhex("000000040000000000000007"))
    assert caught.value.status == Status.RINVCMDLEN
    assert caught.value.sequence == 7
    assert not caught.value.not_smpp
    assert str(length) in caught.value.detail


def test_an_impossible_length_is_seen_at_its_fourth_octet() -> None:
    """The error comes as soon as the length is there, with sequence 0 while the real one is not."""
    framer = Framer()
    for octet in b"\x00\x00\x00":
        assert framer.feed(bytes((octet,))) == []
    with pytest.raises(FramingError) as caught:
        framer.feed(b"\x0f")
    assert caught.value.sequence == 0


def test_pdus_before_an_impossible_length_are_not_lost() -> None:
    """The error carries the whole PDUs of the same read that came before it."""
    with pytest.raises(FramingError) as caught:
        Framer().feed(ENQUIRE_LINK * 2 + b"\0" * 16)
    assert caught.value.frames == [ENQUIRE_LINK] * 2


def test_after_an_impossible_length_the_stream_stays_ended() -> None:
    """No later octet is ever taken for a PDU again."""
    framer = Framer()
    with pytest.raises(FramingError):
        framer.feed(b"\0" * 16)
    for _ in range(2):
        with pytest.raises(FramingError) as caught:
            framer.feed(ENQUIRE_LINK)
        assert caught.value.frames == []


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP GET"),
        (b"POST /x HTTP/1.1\r\n", "HTTP POST"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP response"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
        (bytes.fromhex("160301020001000001fc0303"), "TLS ClientHello"),
        (bytes.fromhex("16030300"), "TLS ClientHello"),
    ],
)
@pytest.mark.parametrize("split", [0, 2])
def test_other_protocols_are_named(octets: bytes, what: str, split: int) -> None:
    """Port scanners and lost clients are recognised, also when their first octets come split."""
    framer = Framer(CAP_BOUND)
    framer.feed(octets[:split])
    with pytest.raises(FramingError) as caught:
        framer.feed(octets[split:])
    assert caught.value.not_smpp
    assert what in caught.value.detail


def test_the_cap_is_what_may_just_pass() -> None:
    """A PDU of exactly the cap is whole; one octet more is refused; raising the cap lets it in."""
    at_cap = (1024).to_bytes(4, "big") + bytes(1020)
    above = (1025).to_bytes(4, "big") + bytes(1021)
    framer = Framer(1024)
    assert framer.feed(at_cap) == [at_cap]
    framer.cap = CAP_BOUND
    assert framer.feed(above) == [above]
    framer.cap = 1024
    with pytest.raises(FramingError):
        framer.feed(above)


def test_the_largest_payload_fits_the_bound_cap() -> None:
    """A PDU around a full message_payload passes once bound, in many small reads too."""
    frame = (66_000).to_bytes(4, "big") + bytes(65_996)
    framer = Framer(CAP_BOUND)
    pieces = [frame[at : at + 1000] for at in range(0, len(frame), 1000)]
    assert [done for piece in pieces for done in framer.feed(piece)] == [frame]
