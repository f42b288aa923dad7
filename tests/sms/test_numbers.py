"""Phone numbers, checked against libphonenumber."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, ValidationResult

from onesixty.sms.numbers import Number, NumberError, NumberProblem, describe, parse

SHARED = [code for code, countries in COUNTRY_CODE_TO_REGION_CODE.items() if len(countries) > 1]


def expected(text: str) -> tuple[str, str | None] | None:
    """libphonenumber's E.164 form, and the country if the number is valid; None if impossible."""
    try:
        number = phonenumbers.parse(text)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    is_valid = phonenumbers.is_valid_number(number)
    return e164, phonenumbers.region_code_for_number(number) if is_valid else None


def random_numbers(chance: random.Random, amount: int) -> Iterator[str]:
    """Numbers of every calling code and length, most of them impossible or invalid."""
    codes = list(COUNTRY_CODE_TO_REGION_CODE)
    for _ in range(amount):
        code = chance.choice(codes if chance.random() < 0.6 else SHARED)
        yield f"+{code}{chance.randrange(10 ** chance.randint(5, 12)):05d}"


def near_examples(chance: random.Random) -> Iterator[str]:
    """Example numbers of every country and kind, as they are and with other last digits."""
    for code, countries in COUNTRY_CODE_TO_REGION_CODE.items():
        for country in countries:
            for kind in range(11):
                example = phonenumbers.example_number_for_type(country, kind)
                if example is None:
                    example = phonenumbers.example_number_for_non_geo_entity(code)
                if example is None:
                    continue
                e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                yield e164
                changed = chance.randint(1, 6)
                yield f"{e164[:-changed]}{chance.randrange(10**changed):0{changed}d}"


def test_numbers_are_those_of_libphonenumber() -> None:
    """Possible or not, E.164 form and country are the same, over numbers of the whole world."""
    chance = random.Random(160)
    valid = 0
    for text in [*random_numbers(chance, 3000), *near_examples(chance)]:
        number, wanted = parse(text), expected(text)
        if wanted is None:
            assert isinstance(number, NumberError), text
            continue
        assert isinstance(number, Number), text
        e164, country = wanted
        assert number.e164 == e164
        if country is not None:
            valid += 1
            assert number.country == country, text
    assert valid > 2000


@pytest.mark.parametrize(
    ("text", "country", "e164"),
    [
        ("+447700900123", None, "+447700900123"),
        (" +44 (0)7700 900-123 ", None, "+447700900123"),
        ("+44.7700.900123", None, "+447700900123"),
        ("tel:+44-7700-900123", None, "+447700900123"),
        ("\u202a+44 7700 900123\u202c", None, "+447700900123"),
        ("＋44 7700\u00a0900123", None, "+447700900123"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("1 415 555 2671", "us", "+14155552671"),
        ("07700 900123", "GB", "+447700900123"),
        ("0044 7700 900123", "GB", "+447700900123"),
        ("06 698 12345", "IT", "+390669812345"),
        ("+800 1234 5678", None, "+80012345678"),
        ("011 15-2345-6789", "AR", "+5491123456789"),
        ("٠٧٧٠٠ ٩٠٠١٢٣", "GB", "+447700900123"),
    ],
)
def test_human_writing_is_read(text: str, country: str | None, e164: str) -> None:
    """Punctuation, trunk prefixes, national writing with a default country."""
    number = parse(text, country)
    assert isinstance(number, Number)
    assert number.e164 == e164


@pytest.mark.parametrize(
    ("text", "problem", "words"),
    [
        ("07700900123", NumberProblem.MISSING_COUNTRY_CODE, "begin with +"),
        ("447700900456", NumberProblem.MISSING_COUNTRY_CODE, "begin with +"),
        ("+999123456", NumberProblem.UNKNOWN_COUNTRY_CODE, "+999"),
        ("+44770090", NumberProblem.TOO_SHORT, "too short for GB: 7, 9 or 10 digits"),
        ("+44770090012345", NumberProblem.TOO_LONG, "too long for GB"),
        ("+4477009001", NumberProblem.WRONG_LENGTH, "wrong length for GB"),
        ("+8001234567", NumberProblem.TOO_SHORT, "too short for +800: 8 digits"),
        ("+1555123456", NumberProblem.TOO_SHORT, "10 digits must follow +1, here are 9"),
        ("+49" + "1" * 30, NumberProblem.TOO_LONG, "too long"),
        ("hello", NumberProblem.NOT_A_NUMBER, "not a phone number"),
        ("+1 800 FLOWERS", NumberProblem.NOT_A_NUMBER, "not a phone number"),
        ("+1 415 555 2671 ext. 5", NumberProblem.NOT_A_NUMBER, "not a phone number"),
        ("", NumberProblem.NOT_A_NUMBER, "not a phone number"),
        ("+", NumberProblem.NOT_A_NUMBER, "not a phone number"),
        ("12+34567890", NumberProblem.NOT_A_NUMBER, "not a phone number"),
    ],
)
def test_errors_name_what_is_wrong(text: str, problem: NumberProblem, words: str) -> None:
    """A refusal tells the cause and the remedy, and does not repeat the number."""
    error = parse(text)
    assert isinstance(error, NumberError)
    assert error.problem is problem
    assert words in error.message
    assert not text.strip("+").isdecimal() or text.strip("+") not in error.message


def test_possible_numbers_of_no_plan_keep_the_main_country() -> None:
    """Fictional numbers are accepted, as of the country with most of the numbers."""
    assert parse("+15550001111") == Number("+15550001111", "US")


def test_a_number_is_described_by_its_plan() -> None:
    """Line type, carrier of the range, time zones and formats of a Guernsey mobile."""
    number = parse("+447781123456")
    assert isinstance(number, Number)
    assert number.country == "GG"
    description = describe(number)
    assert description.valid
    assert description.line_type == "mobile"
    assert description.national_format == "07781 123456"
    assert description.international_format == "+44 7781 123456"
    assert description.carrier == "Sure"
    assert "Europe/Guernsey" in description.time_zones


def test_a_number_of_no_plan_is_described_as_invalid() -> None:
    """The lookup is where validity is told."""
    description = describe(Number("+15550001111", "US"))
    assert (description.valid, description.line_type, description.carrier) == (False, "unknown", "")
