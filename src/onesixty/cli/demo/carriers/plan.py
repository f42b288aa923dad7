"""What is sent by every carrier, and what must become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from onesixty.simulator.numbers import PREFIX

OWN_NUMBER: Final = "+12025550100"
LOST_ANSWER, ECHO = PREFIX + "08", PREFIX + "11"
MEDIA: Final[Mapping[str, Any]] = {
    "url": "https://www.example.com/timetable.jpg",
    "content_type": "image/jpeg",
}
TEMPLATE: Final[Mapping[str, Any]] = {
    "name": "order_update",
    "language": "en_US",
    "parameters": ["Ana", "4711"],
}
# Twilio knows templates by numbers of its own.
_TEMPLATES: Final[Mapping[str, Any]] = {"twilio": {**TEMPLATE, "name": "HX" + "7" * 32}}
# Takes media from buckets of its own alone.
_WITHOUT_MEDIA: Final = frozenset({"aws_sms"})


@dataclass(frozen=True, slots=True)
class Company:
    """A carrier of the demo, and the one that its messages go to when it refuses them."""

    name: str
    channels: tuple[str, ...]
    next: str
    replies: bool  # whether it brings messages from handsets

    @property
    def channel(self) -> str:
        """That plain texts go by."""
        return "sms" if "sms" in self.channels else self.channels[0]


@dataclass(frozen=True, slots=True)
class Planned:
    """A message: what it is called, who must end up with it, and the events that tell of it."""

    title: str
    company: Company
    text: str  # no other message has it; "" where it has none
    by: str
    body: Mapping[str, Any]
    events: tuple[str, ...] = ("queued", "sent", "delivered")
    is_echoed: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but its text."""
        return not self.body.get("media") and not self.body.get("template")

    def request(self) -> dict[str, Any]:
        """What is posted."""
        return {"from": OWN_NUMBER, "tags": [self.company.name, self.title], **self.body}


def companies(kinds: Sequence[Mapping[str, Any]]) -> list[Company]:
    """A carrier of each kind, as the API describes it; the next one has the same channel."""
    found = []
    for kind in kinds:
        name, channels = kind["kind"], kind["channels"]
        channel = "sms" if "sms" in channels else channels[0]
        peers = [one["kind"] for one in kinds if channel in one["channels"]]
        after = peers[(peers.index(name) + 1) % len(peers)]
        found.append(Company(name, tuple(channels), after, "inbound" in kind["receives"]))
    return found


def of_each(company: Company) -> list[Planned]:
    """What every carrier is given while nothing is wrong with it."""
    planned = [
        _text("text", company, "+12025550101", "the 7:14 leaves from platform 2"),
        _text("Unicode", company, "+12025550102", "Grüße aus Köln 👋🏽 um 7:14"),
        _text("reply", company, ECHO, "does the 7:14 suit you?", is_echoed=company.replies),
        _text(
            "lost answer", company, LOST_ANSWER, "the answer to this one is lost",
            events=("queued", "uncertain", "delivered"),
        ),
    ]  # fmt: skip
    if "mms" in company.channels and company.name not in _WITHOUT_MEDIA:
        body: dict[str, Any] = {"to": "+12025550103", "channel": "mms", "media": [MEDIA]}
        planned.append(_with("media", company, "the timetable", body))
    if "whatsapp" in company.channels:
        template = _TEMPLATES.get(company.name, TEMPLATE)
        body = {"to": "+12025550104", "channel": "whatsapp", "template": template}
        planned.append(Planned("template", company, "", company.name, body))
    return planned


def refused(company: Company) -> Planned:
    """What its carrier refuses, so that the next one has it."""
    one = _text("failover", company, "+12025550105", "this one goes by another")
    return Planned(one.title, company, one.text, company.next, one.body)


def throttled(company: Company) -> Planned:
    """What its carrier takes at the second try."""
    return _text("throttled", company, "+12025550106", "not so fast")


def _text(title: str, company: Company, to: str, words: str, **more: Any) -> Planned:
    body = {"to": to, "channel": company.channel}
    return _with(title, company, words, body, **more)


def _with(
    title: str, company: Company, words: str, body: Mapping[str, Any], **more: Any
) -> Planned:
    text = f"{company.name}: {words}"
    return Planned(title, company, text, company.name, {**body, "body": text}, **more)
