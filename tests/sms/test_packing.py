"""Septets packed into octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms.packing import fill_bits, pack, unpack

SEPTETS = st.lists(st.integers(0, 127), max_size=160).map(bytes)


@given(SEPTETS, st.integers(0, 6))
def test_packing_is_undone_when_the_count_is_known(septets: bytes, fill: int) -> None:
    """With the true number of septets nothing is ambiguous."""
    assert unpack(pack(septets, fill), fill, len(septets)) == septets


@given(SEPTETS.filter(lambda septets: septets[-1:] not in (b"\r", b"\x00")), st.integers(0, 6))
def test_packing_is_undone_without_the_count(septets: bytes, fill: int) -> None:
    """Padding at the end is recognised; only a text that ends like padding could be mistaken."""
    assert unpack(pack(septets, fill), fill) == septets


@pytest.mark.parametrize(
    ("septets", "packed"),
    [
        (b"hellohello", "e8329bfd4697d9ec37"),
        (b"1234567", "31d98c56b3dd1a"),  # seven spare bits hold a carriage return
        (b"", ""),
    ],
)
def test_known_packings(septets: bytes, packed: str) -> None:
    """Octets as they stand in published examples."""
    assert pack(septets) == bytes.fromhex(packed)


def test_spare_bits_never_read_as_an_at_sign() -> None:
    """Seven septets take seven octets whose last bits are a carriage return, dropped on reading."""
    assert unpack(pack(b"1234567"), count=8) == b"1234567\r"
    assert unpack(pack(b"1234567")) == b"1234567"


@pytest.mark.parametrize(("header", "fill"), [(0, 0), (6, 1), (7, 0), (9, 5), (12, 2), (4, 3)])
def test_text_starts_on_a_septet_boundary(header: int, fill: int) -> None:
    """Fill bits bring the end of a header up to a multiple of seven bits."""
    assert fill_bits(header) == fill
    assert (header * 8 + fill) % 7 == 0
