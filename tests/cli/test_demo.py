"""`onesixty demo`: it passes, and it would notice what it says cannot happen."""

import dataclasses
from typing import Any

import pytest

from onesixty.cli.client import Answer
from onesixty.cli.demo import plan
from onesixty.cli.demo.check import faults
from onesixty.cli.demo.peers import Arrival, Receiver, TimedRecord
from onesixty.cli.demo.plan import Planned
from onesixty.cli.demo.run import Played
from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.pdus import Command, Pdu

from .programs import process

HELLO = Planned("plain", "+12025550101", "Hello")


def test_the_demo_passes() -> None:
    """Over real sockets and processes nothing is lost, doubled or changed."""
    done = process("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was lost, nothing came twice, nothing was changed" in done.stdout


class Seen:
    """A run of one message that went well, for tests to spoil."""

    def __init__(self) -> None:
        self.played = Played(plan={HELLO.to: HELLO}, ids={HELLO.to: "msg_1"})
        self.played.refusal = Answer(422, {"code": plan.REFUSED_CODE})
        self.played.messages = [message("msg_1")]
        self.record, self.receiver = TimedRecord(ManualClock()), Receiver(ManualClock())
        self.carry("Hello")
        for number, kind in enumerate(HELLO.events, 1):
            self.tell(number, kind)

    def carry(self, text: str) -> None:
        """The carrier takes a message for the number."""
        fields: dict[str, Any] = {
            "source_addr": HELLO.sender,
            "destination_addr": HELLO.to[1:],
            "short_message": text.encode(),
        }
        self.record.add("1", "demo", Pdu(Command.SUBMIT_SM, fields=fields))

    def tell(self, sequence: int, kind: str) -> None:
        """An event comes by webhook."""
        event = {"id": f"evt_{sequence}", "type": f"message.{kind}", "sequence": sequence}
        self.receiver.arrivals.append(Arrival(event | {"data": {"id": "msg_1"}}, 0.0))

    def faults(self) -> list[str]:
        """What the demo says of it."""
        return faults(self.played, self.record, self.receiver)


def message(identifier: str, status: str = "delivered") -> dict[str, Any]:
    """A message as the API shows it."""
    return {"id": identifier, "status": status, "direction": "outbound"}


def test_a_good_run_has_no_faults() -> None:
    """What went well is not complained of."""
    assert Seen().faults() == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda seen: seen.played.ids.clear(), "was not accepted"),
        (
            lambda seen: setattr(seen.played, "refusal", Answer(202, {"code": ""})),
            "was not refused",
        ),
        (lambda seen: seen.played.messages.clear(), "it is lost"),
        (
            lambda seen: seen.played.messages.__setitem__(0, message("msg_1", "failed")),
            "it is failed",
        ),
        (lambda seen: seen.played.messages.append(message("msg_2")), "1 messages that nobody sent"),
        (lambda seen: seen.record.submissions.clear(), "has []"),
        (lambda seen: seen.carry("Hello"), "came 2 times"),
        (lambda seen: seen.carry("Hell"), "has ['Hello', 'Hell']"),
        (lambda seen: seen.receiver.arrivals.pop(), "its events should be"),
        (lambda seen: seen.tell(1, "queued"), "1 webhooks came again"),
        (lambda seen: setattr(seen.receiver, "forged", 1), "1 webhooks were not signed"),
        (
            lambda seen: seen.played.plan.update(
                {HELLO.to: dataclasses.replace(HELLO, is_echoed=True)}
            ),
            "the replies are []",
        ),
    ],
)
def test_what_goes_wrong_is_noticed(spoil: Any, told: str) -> None:
    """Whatever is lost, doubled, changed, forged or unasked for is said."""
    seen = Seen()
    spoil(seen)
    assert told in "\n".join(seen.faults())
