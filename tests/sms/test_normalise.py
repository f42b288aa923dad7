"""Smart encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms.alphabet import encodable
from onesixty.sms.normalise import Replacement, smart


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("It’s “fine”", 'It\'s "fine"'),
        ("‹a› «b»", '<a> "b"'),
        ("1–2—3−4", "1-2-3-4"),
        ("wait…", "wait..."),
        ("a\u00a0b\tc\u3000d", "a b c d"),
        ("zero\u200bwidth\ufeff\u200e", "zerowidth"),
        ("• item · two", "- item - two"),
        ("© ® ™ × ÷", "(c) (r) TM x /"),
        ("½ ¼ ¾", "1/2 1/4 3/4"),
        ("20°", "20 deg"),
        ("a\r\nb\u2028c\u0085d‘", "a\nb\nc\nd'"),
        ("ＡＢＣ！｀", "ABC!'"),
        ("ΑΒΓ", "ABΓ"),
        ("cafe\u0301", "café"),
        ("bell\x07 nul\x00", "bell nul"),
    ],
)
def test_look_alikes_are_replaced(text: str, replaced: str) -> None:
    """Each family of replacements, in texts that then fit."""
    assert smart(text)[0] == replaced
    assert encodable(replaced)


@pytest.mark.parametrize("text", ["It’s 5 ₽", "“привет”", "…😀", "ś’"])
def test_all_or_nothing(text: str) -> None:
    """A text that would need UTF-16 anyway is left exactly as it was."""
    assert smart(text) == (text, [])


@pytest.mark.parametrize("text", ["plain", "a\r\nb", "€ [x]", ""])
def test_what_fits_is_not_touched(text: str) -> None:
    """GSM text is nobody's to improve."""
    assert smart(text) == (text, [])


def test_replacements_are_listed_for_the_preview() -> None:
    """Each character once, in order of appearance, with how often."""
    text, replacements = smart("“a” – “b”\r\nc\rd…")
    assert text == '"a" - "b"\nc\nd...'
    assert replacements == [
        Replacement("“", '"', 2),
        Replacement("”", '"', 2),
        Replacement("–", "-", 1),
        Replacement("\r\n", "\n", 1),
        Replacement("\r", "\n", 1),
        Replacement("…", "...", 1),
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Łódź, šťastný", "Lodz, stastny"),
        ("çok güzel ışık", "cok güzel isik"),
        ("œuvre, þing, ĳs, đ", "oeuvre, thing, ijs, d"),
        ("São “é”", 'Sao "é"'),
    ],
)
def test_marks_are_stripped_only_on_demand(text: str, plain: str) -> None:
    """The stronger option loses marks that GSM does not have, and keeps those that it has."""
    assert smart(text) == (text, [])
    stripped, replacements = smart(text, strip_accents=True)
    assert stripped == plain
    assert replacements


@given(st.text(), st.booleans())
def test_the_result_is_gsm_or_the_text_itself(text: str, strip_accents: bool) -> None:
    """Whatever the text, it either ends up in the alphabet or is untouched."""
    replaced, replacements = smart(text, strip_accents=strip_accents)
    assert encodable(replaced) or (replaced == text and not replacements)
