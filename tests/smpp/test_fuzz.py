"""A short run of the fuzzer: see `fuzz` for a long one."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onesixty.smpp.pdus import Command

from .fuzz import cases, check


@pytest.mark.parametrize("seed", range(4))
def test_mutated_and_random_octets(seed: int) -> None:
    """Nothing but DecodeError and FramingError comes out of octets of any kind."""
    for octets in cases(seed, 5_000):
        check(octets)


@given(st.sampled_from(Command), st.integers(0, 300), st.binary(max_size=100))
@settings(max_examples=2_000)
def test_any_body_of_any_command(command: int, status: int, body: bytes) -> None:
    """Any octets behind the header of any command are read, or refused with DecodeError."""
    check(struct.pack(">IIII", 16 + len(body), command, status, 1) + body)


def test_cases_are_repeatable() -> None:
    """A seed always gives the same cases, so that a failure can be run again."""
    assert list(cases(7, 50)) == list(cases(7, 50))
    assert list(cases(7, 50)) != list(cases(8, 50))
