"""What must be true of the parts of any message."""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from onesixty.sms import national
from onesixty.sms.alphabet import DEFAULT_BASE, DEFAULT_SHIFT, Encoding
from onesixty.sms.decoding import decode
from onesixty.sms.national import Language
from onesixty.sms.reassembly import Fragment, assemble, fragment
from onesixty.sms.segments import Concatenation, Part, Plan, count, parts, plan, plan_octets

GSM = DEFAULT_BASE.replace("\x1b", "") + "".join(DEFAULT_SHIFT.values())
PIECES = [
    st.sampled_from(GSM),
    st.sampled_from("€[]{}\r\n"),
    st.sampled_from(["😀", "я", "e\u0301", "👨‍👩‍👧", "🇩🇪", "क्षि", "1️⃣", "각"]),
    st.characters(exclude_categories=["Cs"]),
]


def texts() -> st.SearchStrategy[str]:
    """Texts of some hundred units, plain or of any characters, with clusters at any place."""
    short = st.one_of(*(st.lists(piece, max_size=90).map("".join) for piece in PIECES))
    stretched = st.tuples(st.lists(short, max_size=5).map("".join), st.integers(1, 4))
    # A leading byte order mark, of either order, is dropped by every receiver.
    return stretched.map(lambda case: (case[0] * case[1]).lstrip("\ufeff\ufffe"))


def received(planned: Plan, built: list[Part], reference: int) -> list[Fragment]:
    """The parts as the other side reads them."""
    is_sar = planned.concatenation is Concatenation.SAR and planned.segments > 1
    return [
        fragment(
            part.user_data,
            planned.encoding,
            udhi=bool(part.udh),
            sar=(reference, part.total, part.sequence) if is_sar else None,
        )
        for part in built
    ]


@settings(max_examples=150)
@given(texts(), st.sampled_from(Concatenation), st.integers(0, 0xFFFF))
@example("я" * 66 + "😀" + "яяя", Concatenation.UDH8, 1)
@example("a" * 152 + "€" + "a" * 10, Concatenation.UDH8, 1)
def test_what_is_split_is_joined_to_the_same_text(
    text: str, concatenation: Concatenation, reference: int
) -> None:
    """Any text arrives as it was, by every form of concatenation."""
    planned = plan(text, concatenation=concatenation, max_segments=255)
    assembled = assemble(received(planned, parts(planned, reference), reference))
    assert assembled.text == text
    assert not assembled.missing
    assert not assembled.flaws


@settings(max_examples=150)
@given(texts(), st.sampled_from(Concatenation), st.sets(st.sampled_from(Language), max_size=2))
def test_parts_are_whole_and_fit(
    text: str, concatenation: Concatenation, languages: set[Language]
) -> None:
    """No part is too big, none cuts an escape or surrogate pair, and their number is the count."""
    rules = {"concatenation": concatenation, "national": sorted(languages), "max_segments": 255}
    planned = plan(text, **rules)  # type: ignore[arg-type]
    built = parts(planned, 77)
    assert count(text, **rules) == (planned.encoding, planned.segments)  # type: ignore[arg-type]
    if planned.concatenation is Concatenation.PAYLOAD:
        assert len(built) == 1
        return
    assert len(built) == planned.segments
    alone = []
    for part, got in zip(built, received(planned, built, 77), strict=True):
        assert radio_bits(part, planned) <= 140 * 8
        decoded = decode(part.data, planned.encoding, national.alphabet(got.locking, got.single))
        assert not decoded.flaws
        alone.append(decoded.text)
    assert "".join(alone).lstrip("\ufeff\ufffe") == text.lstrip("\ufeff\ufffe")


def radio_bits(part: Part, planned: Plan) -> int:
    """Bits the part takes on the radio side, with the header the carrier adds for SAR."""
    octets = len(part.udh)
    if planned.concatenation is Concatenation.SAR and planned.segments > 1:
        octets = 6
    if planned.encoding is Encoding.GSM7:
        return (-(-octets * 8 // 7) + len(part.data)) * 7
    return (octets + len(part.data)) * 8


@given(texts())
def test_no_split_needs_fewer_parts(text: str) -> None:
    """The count is that of filling each part letter by letter: clusters never cost a part."""
    encoding, segments = count(text, max_segments=255)
    single, limit = (160, 153) if encoding is Encoding.GSM7 else (70, 67)
    sizes = [size_of(letter, encoding) for letter in text]
    if sum(sizes) <= single:
        assert segments == 1
        return
    needed, room = 1, limit
    for size in sizes:
        if size > room:
            needed, room = needed + 1, limit
        room -= size
    assert segments == needed


def size_of(letter: str, encoding: Encoding) -> int:
    """Septets or UTF-16 units of one letter."""
    if encoding is Encoding.GSM7:
        return 2 if letter in DEFAULT_SHIFT.values() else 1
    return 2 if letter > "\uffff" else 1


@given(st.binary(max_size=1000), st.sampled_from(Concatenation))
def test_binary_data_arrives_as_it_was(data: bytes, concatenation: Concatenation) -> None:
    """Octets are split and joined without a change."""
    planned = plan_octets(data, concatenation=concatenation)
    assembled = assemble(received(planned, parts(planned, 5), 5))
    assert (assembled.octets, assembled.text) == (data, "")


def test_parts_are_numbered_in_order() -> None:
    """Sequence numbers run from one to the total."""
    built = parts(plan("я" * 600))
    assert [part.sequence for part in built] == list(range(1, 10))
    assert all(later.sequence > earlier.sequence for earlier, later in pairwise(built))
    assert {part.total for part in built} == {9}
