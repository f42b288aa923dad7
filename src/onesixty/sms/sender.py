"""What a message may be from: a number, a short code, or a name."""

from dataclasses import dataclass
from enum import StrEnum

from onesixty.sms.alphabet import GSM7
from onesixty.sms.numbers import Number, parse

SHORT_CODE_DIGITS = range(3, 9)
ALPHANUMERIC_SEPTETS = 11  # the radio address field has ten octets (3GPP TS 23.040 9.1.2.5)


class SenderKind(StrEnum):
    """The three forms of a sender ID."""

    NUMBER = "number"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"


# Type of number and numbering plan that most centres expect: SMPP 3.4 5.2.5 and 5.2.6.
_TON_NPI = {
    SenderKind.NUMBER: (1, 1),
    SenderKind.SHORT_CODE: (3, 0),
    SenderKind.ALPHANUMERIC: (5, 0),
}


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender ID: "+" and digits, digits, or a name; `country` is known for numbers only."""

    kind: SenderKind
    value: str
    country: str = ""

    @property
    def ton(self) -> int:
        """Type of number to try first in SMPP; carriers may want another."""
        return _TON_NPI[self.kind][0]

    @property
    def npi(self) -> int:
        """Numbering plan indicator to try first in SMPP; carriers may want another."""
        return _TON_NPI[self.kind][1]

    @property
    def address(self) -> str:
        """The value as it stands in source_addr: without "+", which TON 1 implies."""
        return self.value.removeprefix("+")


@dataclass(frozen=True, slots=True)
class SenderError:
    """Why a text cannot be a sender, and what to do."""

    message: str


def classify(text: str) -> Sender | SenderError:
    """The sender a text stands for; spaces around it do not count.

    Three to eight digits are a short code, more are an international number with or without "+".
    A name has printable ASCII of the GSM alphabet, at least one letter, and at most 11 septets.
    """
    value = text.strip()
    is_digits = value.isascii() and value.isdecimal()
    if is_digits and len(value) in SHORT_CODE_DIGITS:
        return Sender(SenderKind.SHORT_CODE, value)
    if is_digits and len(value) < SHORT_CODE_DIGITS.start:
        return SenderError("a short code has 3 to 8 digits")
    if is_digits or value.startswith("+"):
        return _number(value)
    return _alphanumeric(value)


def _number(value: str) -> Sender | SenderError:
    """An international number; digits alone are taken to lack only the "+"."""
    parsed = parse(value if value.startswith("+") else f"+{value}")
    if isinstance(parsed, Number):
        return Sender(SenderKind.NUMBER, parsed.e164, parsed.country)
    return SenderError(f"the sender is not a possible number: {parsed.message}")


def _alphanumeric(value: str) -> Sender | SenderError:
    """A name, if every handset can show it."""
    if not value:
        return SenderError("the sender is empty")
    septets = GSM7.septets(value)
    if septets is None or not (value.isascii() and value.isprintable()):
        return SenderError(f"a sender name cannot have {_refused(value)}: use letters and digits")
    if not any(letter.isalpha() for letter in value):
        return SenderError(
            "a sender name needs at least one letter; write a number as + country code number"
        )
    if septets > ALPHANUMERIC_SEPTETS:
        return SenderError(
            f"a sender name has at most {ALPHANUMERIC_SEPTETS} characters, this one has {septets}"
        )
    return Sender(SenderKind.ALPHANUMERIC, value)


def _refused(value: str) -> str:
    """The characters that a name cannot have, quoted, for an error message."""
    return ", ".join(
        f"{letter!a}"
        for letter in dict.fromkeys(value)
        if not " " <= letter <= "~" or GSM7.encode(letter) is None
    )
