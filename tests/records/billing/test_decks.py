"""Prices are found by network, prefix, channel and date, in that order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from onesixty.records.billing.book import Billing, Payer
from onesixty.records.billing.decks import SELL, Deck, Rows
from records.books import NOBODY

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LONG_AGO, DAY = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=1)
NUMBER = "+447700900123"


def rows(*given: tuple[str, str, int], channel: int = 0) -> Rows:
    """Rows of network, prefix and micros that hold for ever."""
    found = Rows()
    for network, prefix, micros in given:
        found.add((channel, network, prefix), LONG_AGO, None, micros)
    return found


@pytest.mark.parametrize(
    ("network", "price"),
    [(None, 3), ("23410", 5), ("23415", 6), ("23430", 3)],
)
def test_a_known_network_comes_before_the_longest_prefix(network: str | None, price: int) -> None:
    """Without a row of its network a number is priced by its digits."""
    deck = rows(
        ("", "", 1), ("", "44", 2), ("", "447700", 3), ("", "4479", 4), ("23410", "", 5),
        ("23415", "44", 6), ("23415", "1", 7),
    )  # fmt: skip
    assert deck.find(NUMBER, network, 0, NOW) == price


def test_the_row_for_all_is_the_last() -> None:
    """A row without digits takes what no other does; without one there is no price."""
    assert rows(("", "", 1), ("", "44", 2)).find("+33612345678", None, 0, NOW) == 1
    assert rows(("", "44", 2)).find("+33612345678", None, 0, NOW) is None


def test_channels_have_prices_of_their_own() -> None:
    """A row is for one channel."""
    assert rows(("", "44", 2)).find(NUMBER, None, 2, NOW) is None


def test_dates_decide_and_let_shorter_prefixes_pass() -> None:
    """Of several rows the one that holds counts; where none does, a shorter prefix may."""
    deck = rows(("", "44", 1))
    key = (0, "", "447700")
    deck.add(key, NOW, NOW + DAY, 2)
    deck.add(key, NOW + 2 * DAY, None, 4)
    deck.add(key, NOW + DAY, NOW + 2 * DAY, 3)
    days = [deck.find(NUMBER, None, 0, NOW + n * DAY) for n in (-1, 0, 1, 2, 99)]
    assert days == [1, 2, 3, 4, 4]
    deck = rows(("", "44", 1))
    deck.add(key, NOW, NOW + DAY, 2)
    assert deck.find(NUMBER, None, 0, NOW + DAY) == 1


def test_prices_are_converted_or_not_known() -> None:
    """A deck in another currency counts at the rate; without a rate there is no price."""
    deck = Deck(1, NOBODY, "d", SELL, None, 1, "USD", "submitted", 0, rows(("", "44", 1_000_000)))
    payer = Payer(1, "prepaid", 0, None, "EUR", deck)
    rates = {"EUR": Decimal(1), "USD": Decimal("0.92")}
    assert Billing(rates=rates).price(payer, NUMBER, None, 0, NOW) == 920_000
    assert Billing(rates={"EUR": Decimal(1)}).price(payer, NUMBER, None, 0, NOW) is None
