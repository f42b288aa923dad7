"""Read what a far side says by rules: where a value is, and which answer means what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

READ_MOST: Final = 100_000  # characters that patterns are applied to
PATTERN_MOST: Final = 500
_STATUS: Final = re.compile(r"[1-5](xx|[0-9]{2})")


@dataclass(frozen=True, slots=True)
class Said:
    """A body as rules see it: as JSON or the fields of a form, and as text."""

    status: int
    values: Any
    text: str

    @classmethod
    def of(cls, status: int, body: bytes, query: str = "") -> "Said":
        """Whatever the body is; the fields of a query count where there is no body."""
        text = body.decode(errors="replace")[:READ_MOST]
        try:
            values = orjson.loads(body)
        except orjson.JSONDecodeError:
            values = dict(parse_qsl(text if "=" in text else query, keep_blank_values=True))
        return cls(status, values, text)

    def beside(self, values: Any) -> "Said":
        """One entry of a list in it."""
        return Said(self.status, values, self.text)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is: a JSON pointer (RFC 6901; /name for a form), or a pattern over the text."""

    pointer: tuple[str, ...] | None
    pattern: re.Pattern[str] | None

    @classmethod
    def read(cls, given: Any, where: str) -> "Place":
        """`"/data/id"` or `{"regex": "id=(\\w+)"}`. Raises ValueError."""
        if isinstance(given, str) and given.startswith("/"):
            steps = given[1:].split("/")
            return cls(tuple(s.replace("~1", "/").replace("~0", "~") for s in steps), None)
        if isinstance(given, dict) and isinstance(given.get("regex"), str):
            return cls(None, pattern_of(given["regex"], where))
        raise ValueError(f'{where} is a place such as "/data/id" or {{"regex": "id=([0-9]+)"}}')

    def value(self, said: Said) -> Any:
        """What is there; None for nothing."""
        if self.pattern:
            found = self.pattern.search(said.text)
            return found[1 if found.re.groups else 0] if found else None
        here = said.values
        for step in self.pointer or ():
            if isinstance(here, dict):
                here = here.get(step)
            elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
                here = here[int(step)]
            else:
                return None
        return here

    def words(self, said: Said) -> str:
        """What is there, as text."""
        found = self.value(said)
        if found is None or isinstance(found, dict | list):
            return ""
        return str(found).lower() if isinstance(found, bool) else str(found)


@dataclass(frozen=True, slots=True)
class Condition:
    """When something is meant: every part of it must hold."""

    statuses: tuple[str, ...] = ()
    match: tuple[tuple[Place, tuple[str, ...]], ...] = ()
    pattern: re.Pattern[str] | None = None

    @classmethod
    def read(cls, given: Any, where: str) -> "Condition":
        """`{"status": "2xx", "match": {"/ok": "true"}, "regex": "^0:"}`. Raises ValueError."""
        if not isinstance(given, dict) or set(given) - {"status", "match", "regex"}:
            raise ValueError(f"{where} has status, match and regex")
        statuses = tuple(str(one).lower() for one in _listed(given.get("status", ())))
        if not all(_STATUS.fullmatch(one) for one in statuses):
            raise ValueError(f'{where}.status is such as 200, "2xx" or a list of them')
        match = object_in(given.get("match", {}), f"{where}.match")
        pairs = tuple(
            (
                Place.read(place, f"{where}.match"),
                tuple(
                    "true" if v is True else "false" if v is False else str(v) for v in _listed(w)
                ),
            )
            for place, w in match.items()
        )
        regex = given.get("regex")
        return cls(statuses, pairs, pattern_of(regex, where) if regex else None)

    def holds(self, said: Said) -> bool:
        """Whether it does; `*` stands for any value that is there."""
        status = str(said.status)
        if self.statuses and not any(
            status in (one, one[0] + status[1:]) or (one.endswith("xx") and one[0] == status[0])
            for one in self.statuses
        ):
            return False
        for place, wanted in self.match:
            found = place.words(said)
            if not (found in wanted or ("*" in wanted and found)):
                return False
        return self.pattern is None or self.pattern.search(said.text) is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """One rule for answers: when, what it means, and where its details are."""

    when: Condition
    then: str
    places: Mapping[str, Place] = field(default_factory=dict)


MEANINGS: Final = (
    "accepted", "recipient", "opted_out", "content", "config", "throttled", "transient", "unknown",
)  # fmt: skip
_DETAILS: Final = ("id", "code", "detail", "retry_after", "price", "currency")


def read_answers(given: Any) -> tuple[Answer, ...]:
    """The rules in their order; the first that holds counts. Raises ValueError."""
    if not isinstance(given, list | tuple) or not given:
        raise ValueError('answers is a list of rules such as {"when": {...}, "then": "accepted"}')
    rules = []
    for number, one in enumerate(given):
        where = f"answers[{number}]"
        if not isinstance(one, dict) or one.get("then") not in MEANINGS:
            raise ValueError(f"{where}.then is one of {', '.join(MEANINGS)}")
        if unknown := sorted(set(one) - {"when", "then", *_DETAILS}):
            raise ValueError(f"{where} has no {unknown[0]}")
        places = {
            name: Place.read(one[name], f"{where}.{name}") for name in _DETAILS if name in one
        }
        rules.append(
            Answer(Condition.read(one.get("when", {}), f"{where}.when"), one["then"], places)
        )
    if not any(rule.then == "accepted" for rule in rules):
        raise ValueError("answers has no rule for messages that are accepted")
    return tuple(rules)


def pattern_of(text: Any, where: str) -> re.Pattern[str]:
    """A regular expression. Raises ValueError."""
    if not isinstance(text, str) or len(text) > PATTERN_MOST:
        raise ValueError(f"{where}: a regex is a text of {PATTERN_MOST} characters at most")
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{where}: {text!r} is no regular expression: {error}") from None


def object_in(given: Any, name: str) -> Mapping[str, Any]:
    """A JSON object of the settings. Raises ValueError."""
    if isinstance(given, Mapping):
        return given
    raise ValueError(f"{name} is an object: see the guide to carriers without code")


def _listed(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else [given]
