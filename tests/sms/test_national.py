"""National language tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms.alphabet import DEFAULT_BASE, GSM7
from onesixty.sms.national import Language, alphabet, has_locking

PAIRS = [
    (locking, single)
    for locking in (0, *Language)
    for single in (0, *Language)
    if (not locking or has_locking(locking)) and (0 in (locking, single) or locking == single)
]


def letters_of(locking: int, single: int) -> str:
    """Every character the two tables can spell."""
    known = alphabet(locking, single)
    shown = "".join(known.decode(bytes([code])) for code in range(0x80) if code != 0x1B)
    shifted = "".join(known.decode(bytes([0x1B, code])) for code in range(0x80) if code != 0x1B)
    return "".join(dict.fromkeys(shown + shifted)).replace("\ufffd", "")


@pytest.mark.parametrize(("locking", "single"), PAIRS)
def test_each_letter_of_each_table_survives_the_round_trip(locking: int, single: int) -> None:
    """Every table encodes what it decodes, also where a letter occurs twice in it."""
    known = alphabet(locking, single)
    letters = letters_of(locking, single)
    octets = known.encode(letters)
    assert octets is not None
    assert known.decode(octets) == letters


@given(
    st.sampled_from(PAIRS).flatmap(
        lambda pair: st.tuples(st.just(pair), st.text(letters_of(*pair)))
    )
)
def test_texts_of_all_tables_survive_the_round_trip(case: tuple[tuple[int, int], str]) -> None:
    """Any text in any combination of tables decodes to itself."""
    (locking, single), text = case
    known = alphabet(locking, single)
    octets = known.encode(text)
    assert octets is not None
    assert known.decode(octets) == text


@pytest.mark.parametrize(
    ("locking", "single", "octets", "text"),
    [
        (Language.TURKISH, 0, "040740", "€ıİ"),
        (0, Language.TURKISH, "1b671b691b73", "ğış"),
        (0, Language.SPANISH, "1b611b091b75", "áçú"),
        (Language.PORTUGUESE, Language.PORTUGUESE, "041b05", "êê"),
        (Language.KANNADA, 0, "24", "\u0ca1"),
        (Language.TAMIL, 0, "11", "\ufffd"),
        (Language.TELUGU, 0, "11", "\ufffd"),
        (0, Language.ORIYA, "1b20", "\u0b6a"),
        (0, Language.TELUGU, "1b1c", "\u0c66"),
        (Language.HINDI, 0, "1b65", "€"),  # the default extension stays reachable
        (Language.URDU, Language.URDU, "1b0d1b1b", "\r "),
    ],
)
def test_cells_on_which_sources_disagree_or_tables_differ(
    locking: int, single: int, octets: str, text: str
) -> None:
    """Chosen cells, among them those where published tables contradict each other."""
    assert alphabet(locking, single).decode(bytes.fromhex(octets)) == text


def test_a_letter_that_occurs_twice_takes_the_lower_code() -> None:
    """The Indic single shift tables have an asterisk at 0B and at 18."""
    assert alphabet(Language.HINDI, Language.HINDI).encode("*") == b"\x1b\x0b"


def test_a_table_nobody_defined_reads_as_the_default() -> None:
    """An unknown language in a received header costs no text."""
    assert alphabet(99, 99).decode(b"a\x1b\x65") == "a€"
    assert not has_locking(Language.SPANISH)


def test_default_tables_are_those_of_the_plain_alphabet() -> None:
    """Language 0 on both sides is the GSM default alphabet."""
    text = DEFAULT_BASE.replace("\x1b", "")
    assert alphabet().encode(text) == GSM7.encode(text)
