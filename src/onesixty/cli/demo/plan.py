"""What the demo sends, and what must become of each message."""

from dataclasses import dataclass
from typing import Any, Final

from onesixty.simulator.numbers import PREFIX

SENDER: Final = "Onesixty"
OWN_NUMBER: Final = "+12025550100"
ONE_BY_ONE: Final = 100
BATCH: Final = 1000
UNCERTAIN_NUMBER: Final = PREFIX + "08"
REFUSED_AT_THE_DOOR: Final = {"to": "+44 12", "from": SENDER, "body": "never stored"}
REFUSED_CODE: Final = "invalid_number"

_LONG: Final = (
    "A text of more than 160 characters travels in parts. Each part has a header that says which"
    " message it belongs to, which number it has, and how many there are, so that the handset can"
    " put them together again, whatever their order. Every part has its own receipt, and the"
    " message is delivered when all of them are: €, [brackets] and {braces} take two places each."
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One message and its fate: last status, events in their order, whether it is carried."""

    title: str
    to: str
    text: str
    sender: str = SENDER
    status: str = "delivered"
    events: tuple[str, ...] = ("queued", "sent", "delivered")
    is_carried: bool = True
    is_echoed: bool = False

    def body(self) -> dict[str, Any]:
        """The request that sends it."""
        return {"to": self.to, "from": self.sender, "body": self.text}


def cases() -> list[Planned]:
    """One message for each thing that can happen to one."""
    return [
        Planned("plain", "+12025550101", "Your parcel arrives today between 9 and 11."),
        Planned("long", "+12025550102", _LONG),
        Planned("emoji", "+12025550103", "Grüße aus Köln 👋🏽 – see you at eight 🎉"),
        Planned(
            "undeliverable",
            PREFIX + "03",
            "The handset is switched off.",
            status="undelivered",
            events=("queued", "sent", "undelivered"),
        ),
        Planned(
            "refused by the carrier",
            PREFIX + "17",
            "The carrier does not know this number.",
            status="failed",
            events=("queued", "failed"),
            is_carried=False,
        ),
        Planned("answered", PREFIX + "11", "Please reply.", sender=OWN_NUMBER, is_echoed=True),
        Planned(
            "left in doubt by the carrier",
            UNCERTAIN_NUMBER,
            "The answer to this submit is lost; its receipt is not.",
            events=("queued", "uncertain", "delivered"),
        ),
    ]


def one_by_one() -> list[Planned]:
    """Messages sent one after the other: their latency is measured."""
    return [
        Planned("one by one", f"+1415555{100 + n:04d}", f"Your code is {481_000 + n}.")
        for n in range(ONE_BY_ONE)
    ]


def batch() -> list[Planned]:
    """Messages sent in one request: their throughput is measured."""
    return [
        Planned("batch", f"+447700900{n:03d}", f"Dear customer {n}, your bill is £{n}.25.")
        for n in range(BATCH)
    ]
