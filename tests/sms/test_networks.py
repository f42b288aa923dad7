"""Networks by the digits of numbers."""

import pytest

from onesixty.sms import networks
from onesixty.sms.networks import NOBODY, Network, NetworkPlan

RED, BLUE = Network("23410", "Red"), Network("26201", "Blue")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+447700900123", "23410"),  # of O2's range
        ("+447400123456", "23420"),  # Three
        ("+4915112345678", "26201"),  # Telekom
        ("+33612345678", "20810"),  # SFR
        ("+34610123456", "21401"),  # Vodafone
        ("+48501234567", "26003"),  # Orange
        ("+46701234567", None),  # ranges there are shared out by the thousand
        ("+819012345678", None),  # digits tell nothing
        ("+77011234567", "40102"),  # Kazakhstan: behind +7 as Russia
        ("+79010812345", "25001"),  # MTS
        ("+14155550123", None),  # North America
        ("+919812345678", None),  # a code for each region
        ("+442079460018", None),  # a fixed line
    ],
)
def test_numbers_of_large_networks(number: str, code: str | None) -> None:
    """What is shipped knows them, and says nothing of the others."""
    found = networks.shipped().find(number)
    assert (found and found[1].code) == code


def test_every_row_of_the_table_is_used() -> None:
    """Starts and names are written as libphonenumber has them; codes are codes."""
    rows = networks.known()
    assert len(rows) == len({(start, one.name) for start, one in rows})
    assert all(networks.code_of(one.written) == one.code for _, one in rows)
    used = {one for one in networks.shipped()._rows.values() if one is not NOBODY}
    assert {one for _, one in rows} == used


def test_the_longest_prefix_wins() -> None:
    """Longer digits count before shorter ones, also to say that nobody is known there."""
    plan = NetworkPlan({"4": BLUE, "4477": RED, "44770": NOBODY})
    assert plan.find("+447712345678") == ("4477", RED)
    assert plan.find("+447701234567") is None
    assert plan.find("+49151") == ("4", BLUE)
    assert plan.find("+33") is None
    assert len(plan) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("234-10", "23410"),
        (" 310 260 ", "310260"),
        ("90137", "90137"),
        ("23410x", None),
        ("2341", None),
        ("13410", None),
        ("２３４１０", None),
        ("", None),
    ],
)
def test_codes(text: str, code: str | None) -> None:
    """MCC and MNC are 5 or 6 digits, and no MCC begins with 0, 1 or 8."""
    assert networks.code_of(text) == code
