"""How often and how long: the values of fault options, and the words they are written in.

A set of options is a dataclass whose fields tell by `about` what they are; it is read and listed
from that.
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, fields
from enum import StrEnum
from math import inf
from typing import Any, TypeVar

from onesixty.smpp.statuses import Status

T = TypeVar("T")


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


class FaultError(ValueError):
    """A word that is no fault option, or a value that does not fit; the message says what would."""


@dataclass(frozen=True, slots=True)
class FaultOption:
    """One row of the listing, all in words; `choices` only where the value is one of a few."""

    name: str
    kind: str
    default: str
    effect: str
    choices: tuple[str, ...] = ()


def about(kind: str, effect: str) -> dict[str, str]:
    """The metadata of a field: a kind of KINDS, or "choice" for an enumeration."""
    return {"kind": kind, "effect": effect}


def parse_option(of: type, word: str) -> tuple[str, Any]:
    """Option and value of `drop_answers=0.1`. FaultError names the valid options or values."""
    options = {option.name: option for option in fields(of)}
    name, equals, text = (part.strip() for part in word.partition("="))
    option = options.get(name)
    if option is None:
        raise FaultError(f"no fault is called {name!r}; there are: {', '.join(options)}")
    kind = option.metadata["kind"]
    if kind == "flag" and not equals:
        return name, True
    read = _words(option) or _READERS[kind]
    try:
        return name, read(text)
    except ValueError:
        how = KINDS.get(kind) or f"one of: {', '.join(_words(option) or ())}"
        raise FaultError(f"{name}={text}: it takes {how}") from None


def parse_options(of: type[T], words: Iterable[str]) -> T:
    """The options of a command line; of one given twice the last counts. FaultError."""
    return of(**dict(parse_option(of, word) for word in words))


def listing(of: type) -> list[FaultOption]:
    """Every option in the order of the dataclass."""
    return [
        FaultOption(
            option.name,
            option.metadata["kind"],
            _written(option.default),
            option.metadata["effect"],
            tuple(_words(option) or ()),
        )
        for option in fields(of)
    ]


def table(of: type) -> str:
    """The listing in Markdown, as it stands in the guide."""
    lines = ["| Fault | Value | Default | What it does |", "|---|---|---|---|"]
    for row in listing(of):
        value = ", ".join(f"`{choice}`" for choice in row.choices) or row.kind
        lines.append(f"| `{row.name}` | {value} | `{row.default}` | {row.effect} |")
    return "\n".join(lines)


def kinds_table() -> str:
    """What the kinds of values look like, in Markdown, as it stands in the guide."""
    rows = [f"| {kind} | {how} |" for kind, how in KINDS.items()]
    return "\n".join(["| Value | How to write it |", "|---|---|", *rows])


def _words(option: Field[Any]) -> type[StrEnum] | None:
    kind: object = type(option.default)
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else None


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Status):
        return f"ESME_{value.name}"
    return f"{value:g}" if isinstance(value, float) else str(value)


KINDS = {
    "seconds": "a number of seconds: `1.5`",
    "span": "seconds, or a range that is drawn from evenly: `0.5`, `0.1..2`",
    "share": "a probability, or every n-th time: `0.1`, `every:10`",
    "count": "a whole number: `20`",
    "flag": "`yes` or `no`; the bare name means yes",
    "status": "an SMPP command_status: `0x58`, `88` or `ESME_RTHROTTLED`",
    "code": "three digits: `003`",
}
_READERS: dict[str, Callable[[str], object]] = {
    "seconds": read_seconds,
    "span": read_span,
    "share": read_share,
    "count": read_count,
    "flag": read_flag,
    "status": read_status,
    "code": read_code,
}
