"""What E.164 calling codes mean, taken from libphonenumber's data into forms that answer fast.

libphonenumber's own functions take some 50 us a number; the walk asks for every message.
"""

import re
from dataclasses import dataclass
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

_KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """The numbers behind one calling code.

    `country` is that of most of them: ISO 3166-1 alpha-2, or "001" for codes of no country.
    `lengths` are those of complete national numbers. `national_prefix` matches at the front of what
    has to be looked at by libphonenumber (a trunk prefix such as 0). `countries` names the country
    of a valid number by its matching group; None where the code has one country only.
    """

    calling_code: str
    country: str
    lengths: frozenset[int]
    national_prefix: re.Pattern[str] | None
    countries: re.Pattern[str] | None

    def country_of(self, national: str) -> str:
        """The country of a national number; that of most numbers when the plan has no such one."""
        if self.countries is None:
            return self.country
        match = self.countries.fullmatch(national)
        return self.country if match is None else match.lastgroup or self.country


def find(digits: str) -> NumberPlan | None:
    """The plan that international digits (without "+") begin with; None for no calling code."""
    return _plan_under(digits[:3])


@cache
def _plan_under(head: str) -> NumberPlan | None:
    """The plan whose calling code begins these up to three digits; no code begins another."""
    for length in range(1, len(head) + 1):
        if int(head[:length]) in COUNTRY_CODE_TO_REGION_CODE:
            return _plan(int(head[:length]))
    return None


@cache
def _plan(calling_code: int) -> NumberPlan | None:
    """The plan of a calling code that libphonenumber knows."""
    countries = COUNTRY_CODE_TO_REGION_CODE[calling_code]
    main = PhoneMetadata.metadata_for_region_or_calling_code(calling_code, countries[0])
    if main is None or main.general_desc is None:
        return None
    prefix = main.national_prefix_for_parsing
    return NumberPlan(
        str(calling_code),
        countries[0],
        frozenset(main.general_desc.possible_length),
        re.compile(prefix) if prefix else None,
        _countries_pattern(countries) if len(countries) > 1 else None,
    )


def _countries_pattern(countries: tuple[str, ...]) -> re.Pattern[str]:
    """One group a country, in libphonenumber's order of precedence.

    A country is told by its leading digits where the data has them, else by all its valid numbers.
    """
    groups = []
    for country in countries:
        plan = PhoneMetadata.metadata_for_region(country)
        if plan is None:
            continue
        if plan.leading_digits is not None:
            groups.append(rf"(?P<{country}>(?:{plan.leading_digits})\d*)")
            continue
        kinds = [getattr(plan, kind) for kind in _KINDS]
        valid = "|".join(_pattern(kind) for kind in kinds if _pattern(kind))
        general = _pattern(plan.general_desc)
        groups.append(rf"(?P<{country}>(?=(?:{general})\Z)(?:{valid}))")
    return re.compile("|".join(groups))


def _pattern(numbers: PhoneNumberDesc | None) -> str:
    """The pattern of national numbers, empty where the country has none of them."""
    return (numbers and numbers.national_number_pattern) or ""
