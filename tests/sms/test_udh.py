"""User data headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms import udh
from onesixty.sms.udh import Concat, Header, Ports


@pytest.mark.parametrize(
    ("elements", "header"),
    [
        (udh.concatenation(0xAA, 2, 1), "050003aa0201"),
        (udh.concatenation(0x1AA, 2, 1), "050003aa0201"),
        (udh.concatenation(0x1234, 3, 2, 16), "06080412340302"),
        (udh.ports(2948, 9200), "0605040b8423f0"),
        (udh.shifts(locking=1, single=1), "06250101240101"),
        (udh.shifts(single=2), "03240102"),
        (udh.shifts(), ""),
    ],
)
def test_headers_are_built_octet_by_octet(elements: bytes, header: str) -> None:
    """Elements have the layout of TS 23.040, and no element means no header."""
    assert udh.build(elements) == bytes.fromhex(header)


def test_all_elements_are_read() -> None:
    """Concatenation, ports and tables come out of one header, whatever their order."""
    elements = udh.ports(2948, 9200) + udh.shifts(1, 1) + udh.concatenation(300, 3, 2, 16)
    parsed = udh.parse(udh.build(elements) + b"text")
    assert parsed is not None
    header, rest = parsed
    assert rest == b"text"
    assert header.concatenation == Concat(300, 3, 2, 16)
    assert header.ports == Ports(2948, 9200)
    assert (header.locking, header.single) == (1, 1)
    assert udh.join(header.elements) == elements


@pytest.mark.parametrize(
    ("user_data", "why"),
    [
        ("", "nothing"),
        ("05", "the header alone is longer than the data"),
        ("050003aa02", "the header ends after the data"),
        ("040003aa0201", "an element ends after the header"),
        ("0100ff", "half an element"),
        ("8c708a" + 138 * "00" + "ff", "longer than an SMS"),
    ],
)
def test_what_cannot_be_a_header_is_not_one(user_data: str, why: str) -> None:
    """Malformed headers are reported, so that the octets can be kept as data."""
    assert udh.parse(bytes.fromhex(user_data)) is None, why


@pytest.mark.parametrize(
    ("user_data", "concatenation"),
    [
        ("050003aa0000", None),
        ("050003aa0200", None),
        ("050003aa0203", None),
        ("04000201 02".replace(" ", ""), None),
        ("0a0003aa02010003bb0202", Concat(0xBB, 2, 2)),
        ("0b0003aa020108040102 0202".replace(" ", ""), Concat(0x0102, 2, 2, 16)),
        ("0a0003aa02010003bb0003", Concat(0xAA, 2, 1)),
        ("087001ff0003aa0201", Concat(0xAA, 2, 1)),
    ],
)
def test_odd_concatenations(user_data: str, concatenation: Concat | None) -> None:
    """The last sensible one counts; one that cannot be is absent; unknown elements are skipped."""
    parsed = udh.parse(bytes.fromhex(user_data) + b"x")
    assert parsed is not None
    assert parsed[0].concatenation == concatenation


def test_ports_of_eight_bits_are_read() -> None:
    """The short form of port addressing is understood."""
    parsed = udh.parse(bytes.fromhex("040402f0f1"))
    assert parsed == (Header(((4, b"\xf0\xf1"),), ports=Ports(0xF0, 0xF1)), b"")


def test_a_header_fits_the_user_data() -> None:
    """Elements that leave no room are refused."""
    assert len(udh.build(b"\x70\x89" + bytes(137))) == 140
    with pytest.raises(ValueError, match="does not fit"):
        udh.build(b"\x70\x8a" + bytes(138))


@given(st.binary(max_size=140))
def test_no_octets_make_it_fail(octets: bytes) -> None:
    """Whatever arrives either is a header that can be built again, or is not one."""
    parsed = udh.parse(octets)
    if parsed is not None and parsed[0].elements:
        assert udh.build(udh.join(parsed[0].elements)) + parsed[1] == octets
