"""`onesixty demo --carriers`: it passes, and it would notice what it says cannot happen."""

from dataclasses import replace
from typing import Any

import pytest

from onesixty.cli.demo.carriers import VERDICT, plan
from onesixty.cli.demo.carriers.check import faults
from onesixty.cli.demo.carriers.plan import Company
from onesixty.cli.demo.carriers.play import Played
from onesixty.kit.chance import chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.far_side import Submitted
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.cast import far_sides

from .programs import process

HERE = Company("twilio", ("sms", "mms"), "plivo", replies=True)


def test_the_demo_passes() -> None:
    """Every provider takes messages, loses an answer, refuses, throttles, and brings a reply."""
    done = process("demo", "--carriers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert VERDICT in done.stdout
    assert all(f"\n{name} " in done.stdout for name in far_sides())


class Seen:
    """A run of one text and one refused message that went well, for tests to spoil."""

    def __init__(self) -> None:
        clock = ManualClock()
        sides = {name: far_sides()[name](clock) for name in ("twilio", "plivo")}
        stages = {name: Stage(one, clock=clock, chance=chance(1)) for name, one in sides.items()}
        self.played = Played([HERE], stages)
        text, *_, media = plan.of_each(HERE)
        for name, one in (
            ("a", replace(text, is_echoed=True)),
            ("b", plan.refused(HERE)),
            ("c", media),
        ):
            self.played.plan[name] = one
            self.take(one.by, one.text)
            self.played.messages.append(
                {"id": name, "direction": "outbound", "status": "delivered", "carrier": one.by}
            )
            self.played.timelines[name] = {
                "events": [{"type": f"message.{event}"} for event in one.events],
                "parts": [{"cost": {"amount": "1.0", "currency": "EUR"}}],
                "receipts": [{}],
            }
        self.played.messages.append(
            {"id": "r", "direction": "inbound", "carrier": "twilio", "body": text.text}
        )
        self.played.explanations = {"a": {"carriers": [{}]}}

    def take(self, name: str, text: str) -> None:
        """A provider takes a message."""
        self.played.stages[name].submitted.append(Submitted("1", "", "", text))


def test_a_good_run_has_no_faults() -> None:
    """What went well is not complained of."""
    assert faults(Seen().played) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda seen: seen.played.messages.pop(0), "twilio, text: it is lost"),
        (
            lambda seen: seen.played.messages[0].update(status="failed", error="why"),
            "twilio, text: it is failed: why",
        ),
        (lambda seen: seen.played.messages[1].update(carrier="twilio"), "twilio has it, not plivo"),
        (lambda seen: seen.played.timelines["a"]["events"].pop(0), "its events should be"),
        (lambda seen: seen.played.timelines["b"]["receipts"].clear(), "failover: no receipt came"),
        (lambda seen: seen.take("plivo", seen.played.plan["a"].text), "plivo should have 0 of"),
        (lambda seen: seen.take("twilio", "nobody sent this"), "should have 1 with media"),
        (lambda seen: seen.played.messages.pop(), "the reply 'twilio: the 7:14"),
        (lambda seen: seen.played.messages.append(seen.played.messages[-1]), "and too often"),
        (lambda seen: seen.played.explanations["a"]["carriers"].clear(), "a is not explained"),
        (
            lambda seen: [one["parts"].clear() for one in seen.played.timelines.values()],
            "no carrier told what it takes",
        ),
    ],
)
def test_what_goes_wrong_is_noticed(spoil: Any, told: str) -> None:
    """Whatever is lost, doubled, elsewhere, unexplained or without a word is said."""
    seen = Seen()
    spoil(seen)
    assert told in "\n".join(faults(seen.played))
