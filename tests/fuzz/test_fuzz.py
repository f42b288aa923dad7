"""A short run of the fuzzer over all that reads octets of a peer; `make fuzz` is a long one."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onesixty.smpp.pdus import Command

from .octets import case
from .reading import read_frame
from .run import run_case


@pytest.mark.parametrize("seed", range(4))
def test_any_octets_keep_the_rules(seed: int) -> None:
    """Decoder, framing and sessions of both sides hold their contract under spoilt PDUs."""
    for number in range(500):
        run_case(seed, number)


@given(st.sampled_from(Command), st.integers(0, 300), st.binary(max_size=100))
@settings(max_examples=200)
def test_any_body_of_any_command(command: int, status: int, body: bytes) -> None:
    """Any octets behind the header of any command are read, or refused with DecodeError."""
    read_frame(struct.pack(">IIII", 16 + len(body), command, status, 1) + body)


def test_cases_are_repeatable() -> None:
    """A seed always gives the same octets, so that a failure can be had again."""
    first = [case(random.Random(number)) for number in range(50)]
    assert first == [case(random.Random(number)) for number in range(50)]
    assert len(set(first)) > 40
