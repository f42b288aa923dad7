"""Amounts: exact, whatever they look like."""

from decimal import Decimal

import pytest

from onesixty.kit import money


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0", 0), ("1", 1_000_000), ("0.0325", 32_500), ("12.50", 12_500_000), ("0.000001", 1)],
)
def test_amounts_are_read(text: str, micros: int) -> None:
    """Up to six decimals, to the last millionth."""
    assert money.micros(text) == micros


@pytest.mark.parametrize("text", ["", "-1", "+1", "1e3", ".5", "1.", "0.0000001", "1,5", "٣", "1 "])
def test_what_is_no_amount(text: str) -> None:
    """No sign, no exponent, no more decimals than are kept."""
    assert money.micros(text) is None


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.0"),
        (32_500, "0.0325"),
        (-1, "-0.000001"),
        (-1_500_000, "-1.5"),
        (10**15, "1000000000.0"),
    ],
)
def test_amounts_are_written(micros: int, text: str) -> None:
    """As decimals, negative ones too."""
    assert money.amount(micros) == text


def test_exchange_rounds_to_the_nearest_micro() -> None:
    """Neither side wins by rounding: half a micro goes to the even one."""
    assert money.exchanged(3, Decimal("0.5")) == 2
    assert money.exchanged(5, Decimal("0.5")) == 2
    assert money.exchanged(1_000_000, Decimal("0.92")) == 920_000
