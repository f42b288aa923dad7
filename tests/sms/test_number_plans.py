"""Plans behind calling codes."""

import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from onesixty.sms.number_plans import find


def test_every_calling_code_is_found_by_its_digits() -> None:
    """Whatever follows it, a calling code is recognised, also alone."""
    for code, countries in COUNTRY_CODE_TO_REGION_CODE.items():
        for digits in (f"{code}", f"{code}0", f"{code}99999999"):
            plan = find(digits)
            assert plan is not None
            assert (plan.calling_code, plan.country) == (str(code), countries[0])


@pytest.mark.parametrize("digits", ["", "0", "999", "21", "2105551234", "0044"])
def test_what_begins_with_no_calling_code_has_no_plan(digits: str) -> None:
    """Unassigned codes and trunk prefixes are nobody's."""
    assert find(digits) is None


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("4155552671", "US"),
        ("6045551234", "CA"),
        ("8765551234", "JM"),
        ("2684641234", "AG"),
        ("8002221234", "US"),
        ("5550001111", "US"),
    ],
)
def test_countries_of_a_shared_code(digits: str, country: str) -> None:
    """In +1 the country is told by the area code; what no country has is the main one's."""
    plan = find("1")
    assert plan is not None
    assert plan.country_of(digits) == country
