"""Money: whole millionths ("micros") of the unit of a currency inside, decimal text outside."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

MICROS: Final = 1_000_000
_AMOUNT: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def micros(text: str) -> int | None:
    """The micros of an amount such as "0.0325"; None when it is none: no sign, up to 6 decimals."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    return int(match[1]) * MICROS + int((match[2] or "").ljust(6, "0"))


def amount(value: int) -> str:
    """Micros as text with at least one decimal, such as "0.0325" or "-12.0"."""
    whole, rest = divmod(abs(value), MICROS)
    return f"{'-' * (value < 0)}{whole}.{f'{rest:06d}'.rstrip('0') or '0'}"


def shown(value: int, currency: str) -> dict[str, str]:
    """An amount as answers and events have it: {"amount": "0.0325", "currency": "EUR"}."""
    return {"amount": amount(value), "currency": currency}


def is_currency(text: str) -> bool:
    """Whether it is written as ISO 4217 codes are: three capitals."""
    return _CURRENCY.fullmatch(text) is not None


def exchanged(value: int, rate: Decimal) -> int:
    """So many micros times a rate, to the nearest micro."""
    return int((value * rate).to_integral_value(ROUND_HALF_EVEN))
