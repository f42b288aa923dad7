"""A carrier without a network: takes everything at once and plays the simulator's scenarios.

Messages sent with test keys go here, so that the whole pipeline can be tried without a carrier or a
bill.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final

from onesixty.carriers.content import CHANNELS
from onesixty.carriers.contract import (
    CarrierConfig,
    CarrierEvents,
    CarrierSpec,
    ErrorClass,
    Inbound,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Receipt,
    ReceiptState,
    Report,
    SettingField,
    Submission,
)
from onesixty.kit import ids
from onesixty.simulator.numbers import (
    Answer,
    FirstAttempts,
    ReceiptStep,
    Scenario,
    State,
    scenario_for,
)
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment

REDELIVER_SECONDS: Final = 1.0
_STATES: Final = {
    State.ENROUTE: ReceiptState.ENROUTE,
    State.ACCEPTED: ReceiptState.ACCEPTED,
    State.DELIVERED: ReceiptState.DELIVERED,
    State.UNDELIVERED: ReceiptState.UNDELIVERABLE,
    State.READ: ReceiptState.READ,
}


class LoopbackCarrier:
    """Answers in the next turn of the event loop, or as the destination's scenario says."""

    def __init__(self, config: CarrierConfig) -> None:
        self._id, self._clock = config.id, config.clock
        self._window: int = config.settings["window"]
        self._response_seconds: float = config.settings["response_seconds"]
        self._events: CarrierEvents | None = None
        self._attempts = FirstAttempts()
        self._out: dict[int, Callable[[], None]] = {}  # what is in flight: how to give it up
        self._timers: set[asyncio.TimerHandle] = set()
        self._empty = asyncio.Event()  # set when the last one in flight has ended

    async def start(self, events: CarrierEvents) -> None:
        """Up at once."""
        self._events = events
        events.on_room()

    async def stop(self, drain_seconds: float) -> None:
        """Finish what is in flight within that time, and forget the receipts to come."""
        self._events = None
        if self._out:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), drain_seconds)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for give_up in list(self._out.values()):
            give_up()

    def is_up(self) -> bool:
        """Whether it was started."""
        return self._events is not None

    def room(self) -> int:
        """Its window, less what is in flight."""
        return max(0, self._window - len(self._out)) if self._events else 0

    def submit(self, batch: Sequence[Submission], report: Report) -> None:
        """Answer in the next turn of the loop."""
        for one in batch:
            if self._events is None:
                report(_not_connected(one, self._clock.now()))
                continue
            self._play(one, scenario_for(one.recipient, one.body, one.channel), report)

    def state(self) -> dict[str, Any]:
        """For display."""
        return {"status": "up" if self.is_up() else "down", "window": self._window}

    def _play(self, one: Submission, scenario: Scenario, report: Report) -> None:
        at = self._clock.now()
        numbers = [n for n in range(1, one.segments + 1) if n not in one.accepted]

        def end(kind: OutcomeKind, **more: Any) -> None:
            if self._out.pop(id(one), None) is None:
                return
            names = {n: ids.uuid7().hex for n in numbers} if kind is OutcomeKind.ACCEPTED else {}
            parts = [PartAnswer(n, kind, names.get(n, ""), names.get(n, "")) for n in numbers]
            report(Outcome(one, kind, at, self._clock.now(), parts, **more))
            if kind is OutcomeKind.ACCEPTED:
                self._schedule(one, scenario, names)
            if self._events:
                self._events.on_room()
            if not self._out:
                self._empty.set()

        def give_up() -> None:
            end(
                OutcomeKind.UNKNOWN,
                error_code="no_answer",
                error_class=ErrorClass.CARRIER,
                detail="the carrier never answered; it may have been sent",
            )

        def throttle() -> None:
            end(
                OutcomeKind.DEFERRED,
                error_code="carrier_throttled",
                error_class=ErrorClass.THROTTLE,
                retry_after_seconds=1.0,
                counts_as_attempt=False,
            )

        def refuse() -> None:
            end(
                OutcomeKind.REFUSED,
                error_code="recipient_refused",
                error_class=ErrorClass.RECIPIENT,
                detail="the scenario of this number refuses",
                code=f"0x{scenario.status:02X}",
            )

        self._out[id(one)] = give_up
        throttled = self._attempts.throttles(
            scenario, one.recipient, one.body, self._clock.monotonic()
        )
        if throttled:
            self._later(0, throttle)
        elif scenario.answer is Answer.REFUSE:
            self._later(0, refuse)
        elif scenario.answer is Answer.DROP:
            self._schedule(one, scenario, {n: ids.uuid7().hex for n in numbers})
            self._later(self._response_seconds, give_up)
        else:
            self._later(0, lambda: end(OutcomeKind.ACCEPTED))

    def _schedule(self, one: Submission, scenario: Scenario, names: dict[int, str]) -> None:
        for number, name in names.items():
            for step in scenario.receipts_of(number):
                self._later(step.after_seconds, partial(self._receipt, one, step, name))
        if scenario.reply is not None:
            text = scenario.reply
            self._later(scenario.reply_after_seconds, lambda: self._reply(one, text))

    def _receipt(self, one: Submission, step: ReceiptStep, name: str) -> None:
        if self._events is None:
            return

        def acknowledge(stored: bool) -> None:
            if not stored:
                self._later(REDELIVER_SECONDS, lambda: self._receipt(one, step, name))

        state = _STATES[step.state]
        receipt = Receipt(
            self._id, name, (name,), state,
            step.error if state is ReceiptState.UNDELIVERABLE else "",
            one.recipient, one.sender or "", one.body[:20],
            f"{state.name} {step.error}", self._clock.now(), acknowledge,
        )  # fmt: skip
        self._events.on_receipts([receipt])

    def _reply(self, one: Submission, text: str) -> None:
        if self._events is None:
            return

        def acknowledge(stored: bool) -> None:
            if not stored:
                self._later(REDELIVER_SECONDS, lambda: self._reply(one, text))

        fragment, form = Fragment(Encoding.UCS2, text.encode("utf-16-be")), None
        if text == one.body and one.form:  # an echo of what is not plain text
            form = one.form
            if form.data is not None:
                fragment = Fragment(Encoding.BINARY, form.data)
        now, sender = self._clock.now(), one.sender or ""
        self._events.on_inbound(
            [Inbound(self._id, one.recipient, sender, fragment, now, acknowledge, form)]
        )

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)


def _not_connected(one: Submission, now: datetime) -> Outcome:
    return Outcome(
        one,
        OutcomeKind.DEFERRED,
        now,
        now,
        error_code="not_connected",
        error_class=ErrorClass.CARRIER,
        detail="the carrier is not connected",
        retry_after_seconds=1.0,
        counts_as_attempt=False,
    )


SPEC: Final = CarrierSpec(
    kind="loopback",
    title="No network: takes everything and plays the scenarios of the test numbers",
    fields=(
        SettingField("window", "integer", "Messages in flight at once", default=1000, at_least=1,
                     at_most=10_000),
        SettingField("response_seconds", "number",
                     "Wait for an answer before a submit is uncertain", default=5, at_least=0.01,
                     at_most=300),
    ),
    build=LoopbackCarrier,
    receives=("receipts", "inbound"),
    channels=CHANNELS,
    splits=True,
)  # fmt: skip
