"""A provider that is described by the settings of its carrier."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from onesixty.carriers.contract import CarrierConfig, OutcomeKind, Price, Submission
from onesixty.carriers.declared.rules import Condition, Said, object_in, read_answers
from onesixty.carriers.declared.templates import Template, values_of
from onesixty.carriers.http import dialect
from onesixty.carriers.http.dialect import Answer, Ask, Request, Verdict

_MAKERS: Final = {
    "recipient": dialect.recipient,
    "opted_out": dialect.opted_out,
    "content": dialect.content,
    "config": dialect.config,
    "throttled": dialect.throttled,
    "transient": dialect.transient,
    "unknown": dialect.unknown,
}


class DeclaredDialect:
    """Requests by templates, answers by rules."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        settings = config.settings
        self._ask, self._clock, self._settings = ask, config.clock, settings
        self._callback = f"{config.callback_url}/status" if config.callback_url else ""
        self._template = Template.read(object_in(settings.get("request"), "request"), "request")
        self._answers = read_answers(settings.get("answers"))
        self._check: tuple[Template, Condition] | None = None
        if given := settings.get("check"):
            whole = dict(object_in(given, "check"))
            when = Condition.read(whole.pop("when", {"status": "2xx"}), "check.when")
            self._check = Template.read(whole, "check"), when

    async def request(self, one: Submission) -> Request:
        """The template, filled."""
        if one.form is not None:
            raise ValueError("this carrier is described for texts: no binary, flash or headers")
        values = values_of(one, self._settings, self._callback, self._clock.now())
        return self._template.request(values)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """By the first rule that holds; without one, by the HTTP status, and a 2xx is unknown."""
        said = Said.of(answer.status, answer.body)
        for rule in self._answers:
            if rule.when.holds(said):
                told = {name: place.words(said) for name, place in rule.places.items()}
                return self._verdict(rule.then, told, answer)
        return dialect.by_status(answer, clock=self._clock, is_theirs=False)

    async def check(self) -> str | None:
        """By the description of a check, where there is one."""
        if self._check is None:
            return None
        template, when = self._check
        values = values_of(None, self._settings, self._callback, self._clock.now())
        answer = await self._ask(template.request(values))
        if when.holds(Said.of(answer.status, answer.body)):
            return None
        return f"the check was answered HTTP {answer.status}, and not as described"

    def _verdict(self, then: str, told: Mapping[str, str], answer: Answer) -> Verdict:
        if then == "accepted":
            return dialect.accepted(
                told.get("id", ""), price=Price.of(told.get("price"), told.get("currency"))
            )
        code = told.get("code") or str(answer.status)
        verdict = _MAKERS[then](code, told.get("detail") or f"HTTP {answer.status}")
        if verdict.kind is OutcomeKind.DEFERRED:
            seconds = dialect.retry_after(answer, self._clock)
            given = told.get("retry_after", "")
            if given.replace(".", "", 1).isdecimal():
                seconds = min(float(given), dialect.THROTTLE_SECONDS_MOST)
            return replace(verdict, retry_after_seconds=seconds)
        return verdict
