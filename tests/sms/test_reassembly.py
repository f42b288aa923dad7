"""Joining received parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.decoding import Flaw
from onesixty.sms.reassembly import GAP, Fragment, assemble, fragment
from onesixty.sms.segments import parts, plan


def of(
    sequence: int, octets: bytes, *, total: int = 3, encoding: Encoding = Encoding.GSM7
) -> Fragment:
    """A received part of message 7."""
    header = udh.build(udh.concatenation(7, total, sequence))
    return fragment(header + octets, encoding, udhi=True)


@given(st.permutations(range(1, 5)))
def test_order_does_not_matter(order: list[int]) -> None:
    """Parts come over several binds in any order."""
    assembled = assemble([of(number, b"part%d " % number, total=4) for number in order])
    assert assembled.text == "part1 part2 part3 part4 "
    assert assembled.missing == ()


def test_the_first_of_two_equal_numbers_counts() -> None:
    """A part that is sent again changes nothing."""
    assembled = assemble([of(1, b"a"), of(2, b"b"), of(2, b"x"), of(3, b"c"), of(1, b"y")])
    assert assembled.text == "abc"


@pytest.mark.parametrize(
    ("sequences", "text", "missing"),
    [
        ([1, 3], f"<1>{GAP}<3>", (2,)),
        ([2], f"{GAP}<2>{GAP}", (1, 3)),
        ([1], f"<1>{GAP}", (2, 3)),
        ([3], f"{GAP}<3>", (1, 2)),
    ],
)
def test_missing_parts_are_listed_and_shown(
    sequences: list[int], text: str, missing: tuple[int, ...]
) -> None:
    """When the rest does not come, what came is given out with its gaps."""
    assembled = assemble([of(number, b"<%d>" % number) for number in sequences])
    assert (assembled.text, assembled.missing) == (text, missing)


def test_characters_cut_by_the_sender_are_healed() -> None:
    """Octets are joined before decoding: peers cut surrogate and escape pairs."""
    emoji = "😀".encode("utf-16-be")
    halves = [
        of(1, emoji[:2], total=2, encoding=Encoding.UCS2),
        of(2, emoji[2:], total=2, encoding=Encoding.UCS2),
    ]
    assert assemble(halves).text == "😀"
    assert assemble([of(1, b"5 \x1b", total=2), of(2, b"e", total=2)]).text == "5 €"


def test_halves_around_a_gap_are_not_joined() -> None:
    """Octets on both sides of a missing part have nothing to do with each other."""
    high, low = b"\xd8\x3d", b"\xde\x00"
    assembled = assemble([of(1, high, encoding=Encoding.UCS2), of(3, low, encoding=Encoding.UCS2)])
    assert assembled.text == f"\ufffd{GAP}\ufffd"
    assert assembled.flaws == (Flaw.LONE_SURROGATE,)


def test_tables_apply_to_their_own_part() -> None:
    """A part with national tables beside one without is read with its own."""
    turkish = udh.build(udh.concatenation(7, 2, 2) + udh.shifts(locking=1))
    second = fragment(turkish + b"\x1d", Encoding.GSM7, udhi=True)
    assert assemble([of(1, b"\x1d", total=2), second]).text == "æş"


def test_sar_parameters_number_parts_without_header() -> None:
    """The sar_* form is read, and numbers that cannot be make a message of its own."""
    part = fragment(b"text", Encoding.GSM7, sar=(300, 2, 1))
    assert (part.reference, part.reference_bits, part.total, part.sequence) == (300, 16, 2, 1)
    assert fragment(b"text", Encoding.GSM7, sar=(300, 2, 3)).total == 1
    assert fragment(b"text", Encoding.GSM7, sar=(300, 0, 0)).total == 1


def test_a_header_wins_over_sar_parameters() -> None:
    """Both at once are forbidden; the header is believed."""
    header = udh.build(udh.concatenation(7, 2, 1) + udh.ports(1, 2))
    part = fragment(header + b"text", Encoding.BINARY, udhi=True, sar=(300, 3, 3))
    assert part.key == (7, 8, 2, Encoding.BINARY)
    assert part.ports == udh.Ports(1, 2)


def test_sar_parameters_number_what_the_header_does_not() -> None:
    """A header of ports alone leaves the numbers to sar_*, and is kept for whoever wants it."""
    ports = udh.build(udh.ports(2948, 9200))
    part = fragment(ports + b"text", Encoding.BINARY, udhi=True, sar=(300, 3, 2))
    assert part.key == (300, 16, 3, Encoding.BINARY)
    assert (part.sequence, udh.build(part.elements)) == (2, ports)


def test_an_unreadable_header_stays_in_the_octets() -> None:
    """Nothing is lost of data whose header makes no sense, and the mark is there to flag it."""
    part = fragment(b"\x70text", Encoding.GSM7, udhi=True)
    assert part.malformed_header
    assert (part.octets, part.total) == (b"\x70text", 1)


def test_keys_tell_messages_apart() -> None:
    """The width of the reference belongs to the key: 8-bit 7 is not 16-bit 7."""
    wide = udh.build(udh.concatenation(7, 3, 1, 16))
    assert fragment(wide + b"a", Encoding.GSM7, udhi=True).key != of(1, b"a").key
    assert of(1, b"a").key == of(2, b"b").key


def test_nothing_cannot_be_assembled() -> None:
    """There is no message without a part."""
    with pytest.raises(ValueError, match="nothing"):
        assemble([])


def test_a_whole_message_is_its_own_single_part() -> None:
    """Messages without numbers go the same way."""
    (part,) = parts(plan("hello"))
    assert assemble([fragment(part.user_data, Encoding.GSM7)]).text == "hello"
