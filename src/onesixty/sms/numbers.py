"""Phone numbers in E.164 form.

A number is accepted when it is possible: its calling code exists and its length fits the country's
plan. Whether a plan really has such a number is told by `describe`, and only told: plans change
faster than data about them, and a wrong "invalid" would lose a message.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from onesixty.sms.number_plans import NumberPlan, find


class Number(NamedTuple):
    """A possible number: "+" and digits, and its country (ISO 3166-1 alpha-2).

    Numbers of no country, such as +800 or satellite networks, have "001". Where countries share a
    calling code and the number is in no plan, it is the country with most of the numbers.
    """

    e164: str
    country: str


class NumberProblem(StrEnum):
    """Why a text is not accepted as a number."""

    NOT_A_NUMBER = "not_a_number"
    MISSING_COUNTRY_CODE = "missing_country_code"
    UNKNOWN_COUNTRY_CODE = "unknown_country_code"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    WRONG_LENGTH = "wrong_length"


@dataclass(frozen=True, slots=True)
class NumberError:
    """What is wrong with a number and what to do; the message does not repeat the number."""

    problem: NumberProblem
    message: str


@dataclass(frozen=True, slots=True)
class Description:
    """What the numbering plans tell of a number.

    `line_type` is libphonenumber's in lower case: mobile, fixed_line, fixed_line_or_mobile,
    toll_free, voip, ..., unknown. `carrier` is the one the range was given to ("" when unknown);
    a ported number may be elsewhere.
    """

    valid: bool
    line_type: str
    national_format: str
    international_format: str
    carrier: str
    time_zones: tuple[str, ...]


def parse(text: str, default_country: str | None = None) -> Number | NumberError:
    """The number a text stands for, whatever punctuation people write it with.

    A text without "+" is read as dialled in `default_country` (ISO 3166-1 alpha-2).
    """
    digits = text[1:]
    if text[:1] == "+" and digits.isdecimal() and digits.isascii():
        plan = find(digits)
        if plan is not None:
            national = digits[len(plan.calling_code) :]
            if len(national) in plan.lengths and not _may_have_trunk_prefix(plan, national):
                return Number(text, plan.country_of(national))
    return _parse_written(text, default_country)


def describe(number: Number) -> Description:
    """Look a number up in the numbering plans: some 0.2 ms, and 0.3 s at the first call."""
    from phonenumbers import carrier, timezone

    parsed = phonenumbers.parse(number.e164)
    zones = timezone.time_zones_for_number(parsed)
    return Description(
        valid=phonenumbers.is_valid_number(parsed),
        line_type=PhoneNumberType.to_string(phonenumbers.number_type(parsed)).lower(),
        national_format=phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL),
        international_format=phonenumbers.format_number(
            parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL
        ),
        carrier=carrier.name_for_number(parsed, "en"),
        time_zones=tuple(zone for zone in zones if zone != timezone.UNKNOWN_TIMEZONE),
    )


_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_WRITTEN = re.compile(r"(?:tel:)?[\d\s+＋()（）\[\]［］.．·/／~\-‐-―−－]+")


def _may_have_trunk_prefix(plan: NumberPlan, national: str) -> bool:
    """Whether it begins like +44 (0)20: libphonenumber then decides what belongs to the number."""
    if plan.national_prefix is None:
        return False
    match = plan.national_prefix.match(national)
    return match is not None and match.end() > 0


def _parse_written(text: str, default_country: str | None) -> Number | NumberError:
    """Any way of writing a number, by libphonenumber."""
    written = _INVISIBLE.sub("", text).strip()
    if not _WRITTEN.fullmatch(written):
        return _NOT_A_NUMBER
    try:
        parsed = phonenumbers.parse(written, default_country and default_country.upper())
    except NumberParseException as error:
        return _unreadable(written, error)
    plan = find(str(parsed.country_code))
    if plan is None:
        return _unknown_country_code(str(parsed.country_code))
    national = phonenumbers.national_significant_number(parsed)
    if len(national) not in plan.lengths:
        return _impossible(plan, len(national))
    return Number(f"+{parsed.country_code}{national}", plan.country_of(national))


_NOT_A_NUMBER = NumberError(
    NumberProblem.NOT_A_NUMBER,
    "not a phone number: write it as + country code number, with digits only",
)
_MISSING_COUNTRY_CODE = NumberError(
    NumberProblem.MISSING_COUNTRY_CODE,
    "missing country code: begin with + and the country code, as in +447700900123",
)


def _unreadable(written: str, error: NumberParseException) -> NumberError:
    """The error for a text that libphonenumber makes no number of."""
    match error.error_type:
        case NumberParseException.INVALID_COUNTRY_CODE:
            if "+" not in written and "＋" not in written:
                return _MISSING_COUNTRY_CODE
            return _unknown_country_code("".join(re.findall(r"\d", written)[:3]))
        case NumberParseException.TOO_LONG:
            return NumberError(NumberProblem.TOO_LONG, "too long for a phone number")
        case NumberParseException.TOO_SHORT_NSN | NumberParseException.TOO_SHORT_AFTER_IDD:
            return NumberError(NumberProblem.TOO_SHORT, "too short for a phone number")
        case _:
            return _NOT_A_NUMBER


def _unknown_country_code(digits: str) -> NumberError:
    """The error for a "+" that no calling code follows."""
    problem = f"unknown country code: no calling code begins +{digits}"
    return NumberError(NumberProblem.UNKNOWN_COUNTRY_CODE, problem)


def _impossible(plan: NumberPlan, length: int) -> NumberError:
    """The error for a length that the plan does not have."""
    lengths = sorted(plan.lengths)
    if length < lengths[0]:
        problem, what = NumberProblem.TOO_SHORT, "too short"
    elif length > lengths[-1]:
        problem, what = NumberProblem.TOO_LONG, "too long"
    else:
        problem, what = NumberProblem.WRONG_LENGTH, "wrong length"
    where = f"+{plan.calling_code}" if plan.country == "001" else plan.country
    *most, last = map(str, lengths)
    allowed = f"{', '.join(most)} or {last}" if most else last
    message = (
        f"{what} for {where}: {allowed} digits must follow +{plan.calling_code}, here are {length}"
    )
    return NumberError(problem, message)
