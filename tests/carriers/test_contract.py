"""What carriers and the platform tell each other."""

import pytest

from onesixty.carriers.contract import Price


@pytest.mark.parametrize(
    ("amount", "currency", "price"),
    [
        ("0.0333", "EUR", Price(33_300, "EUR")),
        ("-0.00750", "usd", Price(7_500, "USD")),
        (0.05, "GBP", Price(50_000, "GBP")),
        (None, "USD", None),
        ("", "USD", None),
        ("0.1", None, None),
        ("0.1", "euros", None),
        ("nan", "EUR", None),
        ("1e400", "EUR", None),
    ],
)
def test_prices_are_read_as_providers_write_them(
    amount: object, currency: object, price: Price | None
) -> None:
    """Amounts become millionths, whatever their sign; what is none gives none."""
    assert Price.of(amount, currency) == price
