"""Addresses of SMPP, with their type of number, as the senders and recipients of messages.

TON 1 is international, 2 national, 5 a name. All others (0 unknown, 3 network, 4 subscriber,
6 abbreviated) say nothing certain, and clients rarely set them with care: their digits are read as
people would. Whether the outcome is a number or a sender is decided when the message is accepted.
"""

from functools import lru_cache
from typing import Final

from onesixty.sms import numbers, sender

INTERNATIONAL: Final = 1
NATIONAL: Final = 2
_ABROAD: Final = "00"
_SHORT_MOST: Final = 6  # digits of TON 1 up to here can only be a short code
_REMEMBERED: Final = 4096  # a customer has few senders and many messages


def recipient(ton: int, address: str, country: str | None) -> str:
    """The recipient as E.164 where it can be; `country` is where national numbers are."""
    if ton == NATIONAL or (country and ton != INTERNATIONAL and _is_trunk(address)):
        return _national(address, country) or address
    if address.startswith("+"):
        return address
    if address.startswith(_ABROAD):
        address = address[2:]
    return "+" + address


@lru_cache(_REMEMBERED)
def source(ton: int, address: str, country: str | None) -> str | None:
    """The sender in its normal form, the text itself where it is none; None when it is empty."""
    if not address:
        return None
    given = address
    if ton == NATIONAL:
        given = _national(address, country) or address
    elif ton == INTERNATIONAL and address.isdecimal() and len(address) > _SHORT_MOST:
        given = "+" + address.removeprefix(_ABROAD)
    elif address.startswith(_ABROAD) and address.isdecimal():
        given = "+" + address[2:]
    found = sender.classify(given)
    return found.value if isinstance(found, sender.Sender) else given


def _is_trunk(address: str) -> bool:
    return address.startswith("0") and not address.startswith(_ABROAD)


def _national(address: str, country: str | None) -> str | None:
    found = numbers.parse(address, country) if country else None
    return found.e164 if isinstance(found, numbers.Number) else None
