"""Kinds of lookup sources: who knows the network of a number. Each question is asked once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from onesixty.carriers.declared.rules import Condition, Place, Said, object_in
from onesixty.carriers.declared.templates import Template, values_of
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import Clock
from onesixty.sms.networks import code_of

RESPONSE_SECONDS: Final = 5.0
SECRETS: Final = ("password", "api_key")  # settings that are sealed
_PLACES: Final = ("network", "mcc", "mnc")
_CONDITIONS: Final = ("ported", "valid", "reachable")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source says of a number. None: it does not say."""

    network: str | None  # digits of MCC and MNC
    ported: bool | None = None
    valid: bool | None = None
    reachable: bool | None = None


class UnreadableAnswerError(Exception):
    """An answer came, and it is none that was described."""


class Source(Protocol):
    """Somebody who is asked about numbers."""

    async def ask(self, number: str) -> Answer:
        """Ask about a number in E.164.

        Raises NotSentError while nothing can have left, NoAnswerError, UnreadableAnswerError.
        """
        ...

    async def close(self) -> None:
        """Nothing is asked any more."""
        ...


class HttpSource:
    """Any API over HTTP: a request by a template, an answer read by rules, like carriers `http`."""

    def __init__(self, settings: Mapping[str, Any], clock: Clock) -> None:
        """Raises ValueError for descriptions that do not fit."""
        self._settings, self._clock = settings, clock
        self._template = Template.read(object_in(settings.get("request"), "request"), "request")
        self._reading = _Reading.read(object_in(settings.get("answer"), "answer"))
        self._client = Client(settings.get("response_seconds") or RESPONSE_SECONDS)

    async def ask(self, number: str) -> Answer:
        """One request; `{to}` and `{to_digits}` in it stand for the number."""
        values = values_of(None, self._settings, "", self._clock.now())
        values |= {"to": number, "to_digits": number.removeprefix("+")}
        answer = await self._client.ask(self._template.request(values))
        said = Said.of(answer.status, answer.body)
        if not self._reading.when.holds(said):
            raise UnreadableAnswerError(f"it answered HTTP {answer.status}, and not as described")
        return self._reading.answer(said)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


@dataclass(frozen=True, slots=True)
class _Reading:
    """Where an answer has what."""

    when: Condition  # what makes it one
    places: Mapping[str, Place]
    conditions: Mapping[str, Condition]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "_Reading":
        if unknown := sorted(set(given) - {"when", *_PLACES, *_CONDITIONS}):
            names = ", ".join(("when", *_PLACES, *_CONDITIONS))
            raise ValueError(f"answer has no {unknown[0]}; it has {names}")
        if "network" not in given and not {"mcc", "mnc"} <= set(given):
            raise ValueError("answer tells where the network is: network, or mcc and mnc")
        return cls(
            Condition.read(given.get("when", {"status": "2xx"}), "answer.when"),
            {one: Place.read(given[one], f"answer.{one}") for one in _PLACES if one in given},
            {
                one: Condition.read(given[one], f"answer.{one}")
                for one in _CONDITIONS
                if one in given
            },
        )

    def answer(self, said: Said) -> Answer:
        words = {name: place.words(said) for name, place in self.places.items()}
        text = words.get("network") or words.get("mcc", "") + words.get("mnc", "").rjust(2, "0")
        told = {name: _told(one, said) for name, one in self.conditions.items()}
        return Answer(code_of(text), **told)


def _told(condition: Condition, said: Said) -> bool | None:
    """Whether it holds; None where nothing is in the places that it looks at."""
    if condition.holds(said):
        return True
    is_there = any(place.words(said) for place, _ in condition.match)
    return False if is_there or not condition.match else None


KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], Clock], Source]]] = {"http": HttpSource}
