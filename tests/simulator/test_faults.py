"""The words that faults are written in."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit.chance import chance
from onesixty.simulator.fault_words import (
    FaultError,
    Share,
    Span,
    listing,
    read_share,
    read_span,
)
from onesixty.simulator.faults import Faults, IdForm, LinkDrop, parse_fault, parse_faults

OPTIONS = [option.name for option in fields(Faults)]


@pytest.mark.parametrize(
    ("word", "option", "value"),
    [
        ("drop_answers=0.1", "drop_answers", Share(0.1)),
        ("drop_answers=every:10", "drop_answers", Share(every=10)),
        ("answer_delay_seconds=0.5", "answer_delay_seconds", Span(0.5, 0.5)),
        ("answer_delay_seconds=0.1..2", "answer_delay_seconds", Span(0.1, 2.0)),
        ("late_answer_seconds = 3", "late_answer_seconds", 3.0),
        ("throttle_above_per_second=20", "throttle_above_per_second", 20),
        ("split_writes", "split_writes", True),
        ("split_writes=no", "split_writes", False),
        ("refuse_status=0x58", "refuse_status", 0x58),
        ("refuse_status=88", "refuse_status", 88),
        ("refuse_status=ESME_RTHROTTLED", "refuse_status", 0x58),
        ("id_form=hex_then_decimal", "id_form", IdForm.HEX_THEN_DECIMAL),
        ("drop_link_when=half_answer", "drop_link_when", LinkDrop.HALF_ANSWER),
        ("undelivered_error=003", "undelivered_error", "003"),
    ],
)
def test_a_word_sets_one_option(word: str, option: str, value: object) -> None:
    """Every kind of value is read from the word a command line gives."""
    assert parse_fault(word) == (option, value)
    faults = parse_faults([word])
    assert {name: getattr(faults, name) for name in OPTIONS} == {
        **{name: getattr(Faults(), name) for name in OPTIONS},
        option: value,
    }


@pytest.mark.parametrize(
    "word",
    [
        "drop_answers",
        "drop_answers=2",
        "drop_answers=nan",
        "drop_answers=every:0",
        "answer_delay_seconds=-1",
        "answer_delay_seconds=1..x",
        "late_answer_seconds=inf",
        "drop_link_after=-1",
        "split_writes=perhaps",
        "refuse_status=ESME_RNOSUCH",
        "id_form=roman",
        "undelivered_error=3",
    ],
)
def test_a_value_that_does_not_fit_is_refused(word: str) -> None:
    """The error names the option and what it takes."""
    with pytest.raises(FaultError, match=f"{word.partition('=')[0]}.*takes"):
        parse_fault(word)


def test_an_unknown_fault_is_answered_with_the_valid_ones() -> None:
    """Whoever mistypes a name sees all names there are."""
    with pytest.raises(FaultError) as error:
        parse_fault("drop_answer=0.1")
    assert all(option in str(error.value) for option in OPTIONS)


def test_a_choice_that_does_not_exist_is_answered_with_the_choices() -> None:
    """Whoever mistypes a choice sees all choices there are."""
    with pytest.raises(FaultError, match="uuid"):
        parse_fault("id_form=guid")


def test_the_listing_has_every_option_and_its_default_can_be_read() -> None:
    """What the help prints as default is a word that sets exactly the default."""
    assert [row.name for row in listing(Faults)] == OPTIONS
    assert parse_faults(f"{row.name}={row.default}" for row in listing(Faults)) == Faults()
    assert all(row.effect for row in listing(Faults))


@given(st.integers(1, 50), st.integers(1, 200))
def test_every_nth_occasion_is_exact(every: int, occasions: int) -> None:
    """`every:n` hits each n-th occasion and no other."""
    happens = Share(every=every).draws(chance(0))
    assert happens is not None
    hits = [number for number in range(1, occasions + 1) if happens()]
    assert hits == list(range(every, occasions + 1, every))


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_span_stays_between_its_ends(first: float, second: float) -> None:
    """Drawn times lie in the span, and a span reads back as it is written."""
    least, most = sorted((round(first, 3), round(second, 3)))
    span = Span(least, most)
    assert least <= span.draw(chance(1)) <= most
    assert read_span(f"{least}..{most}") == span


def test_shares_read_back_as_they_are_written() -> None:
    """A share and its word mean the same."""
    for share in (Share(), Share(0.25), Share(1.0), Share(every=3)):
        assert read_share(str(share)) == share
    assert Share().draws(chance(0)) is None
