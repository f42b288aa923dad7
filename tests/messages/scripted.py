"""A carrier whose far side is the test: it takes submissions and answers when it is told to."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from onesixty.carriers.contract import (
    CarrierEvents,
    ErrorClass,
    Inbound,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Question,
    Receipt,
    ReceiptState,
    Report,
    Submission,
)
from onesixty.kit.clock import Clock
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment

PATIENCE_SECONDS = 20


def name_of(one: Submission, part: int = 1) -> str:
    """The id that the carrier gives to a part."""
    return f"{one.message_id.hex}.{one.attempt}.{part}"


class ScriptedCarrier:
    """`taken` holds every submission in the order in which it came; `acknowledged` every answer."""

    def __init__(self, number: int, clock: Clock, window: int = 100) -> None:
        self.number, self.window, self.up = number, window, True
        self.taken: list[Submission] = []
        self.acknowledged: list[bool] = []
        self.asked: list[Question] = []
        self.given_up: list[Submission] = []  # a list for the test
        self.least_room = window
        self._clock = clock
        self._open: dict[tuple[UUID, int], Submission] = {}  # by attempt
        self._known: dict[tuple[UUID, int], Report] = {}
        self._events: CarrierEvents | None = None
        self._news = asyncio.Event()

    async def start(self, events: CarrierEvents) -> None:
        """Up at once."""
        self._events = events
        events.on_room()

    async def stop(self, drain_seconds: float) -> None:
        """What is in flight stays unanswered."""
        for one in self.unanswered():
            self.leave_unknown(one)
        self.up = False

    def is_up(self) -> bool:
        """As the test wants it."""
        return self.up

    def room(self) -> int:
        """Its window, less the segments that are open."""
        return max(0, self._room()) if self.up else 0

    def submit(self, batch: Sequence[Submission], report: Report) -> None:
        """Keep them until the test answers."""
        for one in batch:
            assert all(one.message_id != held for held, _ in self._open), "it is here already"
            self.taken.append(one)
            self._open[one.message_id, one.attempt] = one
            self._known[one.message_id, one.attempt] = report
        self.least_room = min(self.least_room, self._room())
        self._news.set()

    def ask(self, questions: Sequence[Question]) -> None:
        """Note what it is asked."""
        self.asked += questions

    def state(self) -> dict[str, Any]:
        """For display."""
        return {"status": "up" if self.up else "down"}

    async def took(self, count: int) -> list[Submission]:
        """Wait until it has taken so many in all, and give them."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.taken) < count:
                self._news.clear()
                await self._news.wait()
        return self.taken

    def unanswered(self) -> list[Submission]:
        """What is in its hands."""
        return list(self._open.values())

    def turn(self, *, up: bool) -> None:
        """Come up or go down."""
        self.up = up
        self._tell_room()

    def accept(self, *some: Submission) -> None:
        """Answer that these are taken, every part under an id of its own."""
        for one in some:
            self.answer(one, OutcomeKind.ACCEPTED)

    def defer(self, one: Submission, error_class: str = ErrorClass.CARRIER, **more: Any) -> None:
        """Answer that it may come again."""
        given = {"error_code": "carrier_refused", "error_class": error_class, **more}
        self.answer(one, OutcomeKind.DEFERRED, **given)

    def throttle(self, one: Submission) -> None:
        """Answer that it comes too fast."""
        self.defer(one, ErrorClass.THROTTLE, retry_after_seconds=1.0, counts_as_attempt=False)

    def refuse(self, one: Submission, error_class: str = ErrorClass.RECIPIENT) -> None:
        """Answer that it will never be taken."""
        more = {"error_code": "recipient_refused", "code": "0x0B", "detail": "no such number"}
        self.answer(one, OutcomeKind.REFUSED, error_class=error_class, **more)

    def leave_unknown(self, one: Submission) -> None:
        """Give up waiting for the answer."""
        more = {"error_code": "no_answer", "error_class": ErrorClass.CARRIER}
        self.answer(one, OutcomeKind.UNKNOWN, **more)

    def answer(self, one: Submission, kind: OutcomeKind, **more: Any) -> None:
        """Report an outcome; `parts` maps part numbers to kinds, by default all have the same.

        Receipts of the `keyless` parts cannot be told to be theirs.
        """
        numbers = [n for n in range(1, one.segments + 1) if n not in one.accepted]
        kinds: dict[int, OutcomeKind] = more.pop("parts", dict.fromkeys(numbers, kind))
        parts, keyless = [], more.pop("keyless", ())
        for number, its_kind in kinds.items():
            name = name_of(one, number) if its_kind is OutcomeKind.ACCEPTED else ""
            match_key = "" if number in keyless else name
            parts.append(PartAnswer(number, its_kind, name, match_key, more.get("code") or ""))
        now = self._clock.now()
        key = one.message_id, one.attempt
        late = self._open.pop(key, None) is None
        self._known[key](Outcome(one, kind, now, now, parts, late=late, **more))
        self._tell_room()

    def receipt(
        self,
        one: Submission,
        state: ReceiptState = ReceiptState.DELIVERED,
        *,
        part: int = 1,
        error: str = "",
        name: str | None = None,
    ) -> None:
        """Bring a receipt; `name` is the id in it, by default that of the part."""
        self.bring(
            self.made_receipt(one, state, name_of(one, part) if name is None else name, error)
        )

    def made_receipt(
        self, one: Submission, state: ReceiptState, name: str, error: str = ""
    ) -> Receipt:
        """A receipt for the recipient of a submission."""
        return Receipt(
            carrier_id=self.number,
            carrier_message_id=name,
            match_keys=(name,) if name else (),
            state=state,
            error=error,
            sender=one.recipient[1:],
            recipient=one.sender or "",
            text=one.body[:20],
            raw=f"id:{name} stat:{state.name} err:{error} text:{one.body[:20]}",
            received_at=self._clock.now(),
            acknowledge=self.acknowledged.append,
        )

    def bring(self, *receipts: Receipt) -> None:
        """Receipts of one read."""
        assert self._events is not None
        self._events.on_receipts(list(receipts))

    def say(self, *fragments: Fragment | str, sender: str = "+447700900999") -> None:
        """Inbound messages, or parts, of one read; texts are sent as UCS-2."""
        assert self._events is not None
        whole = [
            Fragment(Encoding.UCS2, one.encode("utf-16-be")) if isinstance(one, str) else one
            for one in fragments
        ]
        acknowledge = self.acknowledged.append
        now = self._clock.now()
        self._events.on_inbound(
            [Inbound(self.number, sender, "+447700900111", one, now, acknowledge) for one in whole]
        )

    def _room(self) -> int:
        return self.window - sum(one.segments - one.parts_accepted for one in self.unanswered())

    def _tell_room(self) -> None:
        if self._events is not None:
            self._events.on_room()
