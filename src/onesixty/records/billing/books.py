"""The books that transfers take from and give to, and the kinds of transfers."""

from enum import IntEnum
from typing import Final


class Book(IntEnum):
    """One account's books; their values always add up to zero. Numbers as stored."""

    FUNDING = 1  # what came in from outside, negative
    AVAILABLE = 2
    HELD = 3
    REVENUE = 4  # what it was charged, less what it got back


class Kind(IntEnum):
    """Why money moves. Numbers as stored."""

    HOLD = 1
    CHARGE = 2
    RELEASE = 3
    REFUND = 4
    TOPUP = 5


# From which book to which.
WAYS: Final[dict[Kind, tuple[Book, Book]]] = {
    Kind.HOLD: (Book.AVAILABLE, Book.HELD),
    Kind.CHARGE: (Book.HELD, Book.REVENUE),
    Kind.RELEASE: (Book.HELD, Book.AVAILABLE),
    Kind.REFUND: (Book.REVENUE, Book.AVAILABLE),
    Kind.TOPUP: (Book.FUNDING, Book.AVAILABLE),
}
