"""Places where a text may be cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms.graphemes import border

CLUSTERS = [
    "👨‍👩‍👧",
    "👍🏽",
    "🏳️‍🌈",
    "❤️",
    "🇩🇪",
    "1️⃣",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "e\u0301",
    "a\u0308\u0301",
    "क्ष",
    "त्र्य",
    "কি",
    "กำ",
    "한",
    "각\u11a8",
    "\r\n",
    "ｶﾞ",
]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_no_cut_inside_a_cluster(cluster: str) -> None:
    """A cut in the middle of what reads as one character moves in front of it."""
    text = f"ab{cluster}cd"
    for index in range(3, 2 + len(cluster)):
        assert border(text, index, 0) == 2
    assert border(text, 2, 0) == 2
    assert border(text, 2 + len(cluster), 0) == 2 + len(cluster)


@pytest.mark.parametrize(
    "pair", ["ab", "я😀", "😀😀", "\n\r", "한국", "กข", "कम", "\n\u0301", "🇩🇪🇫🇷"]
)
def test_neighbours_may_be_parted(pair: str) -> None:
    """Between two characters a cut stays where it is."""
    middle = len(pair) // 2
    assert border(pair, middle, 0) == middle


def test_flags_are_paired_from_the_first() -> None:
    """In a row of flags the cut falls between flags, not between halves."""
    flags = "🇩🇪🇫🇷🇮🇹"
    assert [border(flags, index, 0) for index in range(1, 7)] == [1, 2, 2, 4, 4, 6]


def test_a_cluster_without_a_border_is_cut_where_asked() -> None:
    """A cluster longer than a part must be cut somewhere."""
    endless = "e" + "\u0301" * 100
    assert border(endless, 67, 0) == 67


@given(st.text(), st.integers(0, 50), st.integers(0, 50))
def test_the_border_stays_in_bounds(text: str, index: int, floor: int) -> None:
    """A border is never after the cut, nor at or before the start of the part."""
    index = min(index, len(text))
    kept = border(text, index, floor)
    assert kept == index or floor < kept < index
