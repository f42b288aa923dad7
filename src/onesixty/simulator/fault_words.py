"""How often and how long: the values of fault options, and the words they are written in."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from onesixty.smpp.statuses import Status


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds: fixed when both ends are equal, else drawn evenly between them."""

    least: float = 0.0
    most: float = 0.0

    def draw(self, chance: random.Random) -> float:
        """One length of time, in seconds."""
        return self.least if self.least == self.most else chance.uniform(self.least, self.most)

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.least:g}" if self.least == self.most else f"{self.least:g}..{self.most:g}"


@dataclass(frozen=True, slots=True)
class Share:
    """How often something happens: with a probability, or at every n-th occasion, or never."""

    probability: float = 0.0
    every: int = 0

    def draws(self, chance: random.Random) -> Callable[[], bool] | None:
        """Says for one occasion after another whether it happens; None for never."""
        if self.every:
            return _Nth(self.every)
        probability = self.probability
        return (lambda: chance.random() < probability) if probability else None

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"every:{self.every}" if self.every else f"{self.probability:g}"


NO_TIME = Span()
NEVER = Share()


class _Nth:
    """True at the n-th call, the 2n-th, and so on."""

    def __init__(self, every: int) -> None:
        self._every, self._count = every, 0

    def __call__(self) -> bool:
        self._count += 1
        return self._count % self._every == 0


def read_seconds(word: str) -> float:
    """`1.5`; raises ValueError for anything but a number that is not negative."""
    seconds = float(word)
    if not 0 <= seconds < inf:
        raise ValueError("seconds from 0")
    return seconds


def read_count(word: str) -> int:
    """`20`; raises ValueError for anything but a whole number that is not negative."""
    count = int(word)
    if count < 0:
        raise ValueError("a number from 0")
    return count


def read_span(word: str) -> Span:
    """`0.5`, or `0.1..2` for a time drawn between the two; raises ValueError."""
    least, dots, most = word.partition("..")
    first = read_seconds(least)
    return Span(first, max(first, read_seconds(most)) if dots else first)


def read_share(word: str) -> Share:
    """`0.1` (a probability) or `every:10`; raises ValueError."""
    if word.startswith("every:"):
        every = int(word.removeprefix("every:"))
        if every < 1:
            raise ValueError("every: takes a number from 1")
        return Share(every=every)
    probability = float(word)
    if not 0 <= probability <= 1:
        raise ValueError("a probability lies between 0 and 1")
    return Share(probability)


def read_status(word: str) -> int:
    """A command_status: `0x58`, `88` or `ESME_RTHROTTLED`; raises ValueError."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}|\d{1,10}", word):
        return int(word, 0)
    try:
        return Status[word.upper().removeprefix("ESME_")]
    except KeyError:
        raise ValueError("not a command_status") from None


def read_flag(word: str) -> bool:
    """`yes` or `no` (also true/false, on/off, 1/0); raises ValueError."""
    if word.lower() in {"yes", "true", "on", "1"}:
        return True
    if word.lower() in {"no", "false", "off", "0"}:
        return False
    raise ValueError("yes or no")


def read_code(word: str) -> str:
    """Three digits, as in `err:003`; raises ValueError."""
    if not re.fullmatch(r"\d{3}", word):
        raise ValueError("three digits")
    return word
