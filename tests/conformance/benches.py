"""A carrier of each kind with its far side, and the faults that this far side can play, as data."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from onesixty.carriers import registry
from onesixty.carriers.contract import (
    Carrier,
    CarrierConfig,
    Inbound,
    Outcome,
    Receipt,
    Submission,
)
from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc
from onesixty.simulator.submissions import Record
from onesixty.smpp.pdus import Pdu

BOUND_SECONDS: Final = 8.0
WINDOW: Final = 8
PLAIN: Final = "+4915112345678"
ECHOES: Final = "+15005550111"  # replies with the text it got


class Fault(StrEnum):
    """What the far side does."""

    PERFECT = "perfect"
    SLOW = "slow"
    DROPS = "drops"
    DUPLICATES = "duplicates"
    THROTTLES = "throttles"
    REFUSES = "refuses"
    LINK_LOST = "link_lost"
    HALF_PDU = "half_pdu"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Play:
    """How a kind plays a fault: by words to its simulator, by the number, or by both."""

    words: tuple[str, ...] = ()
    recipient: str = PLAIN
    response_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What there is to know of a kind; a fault that `plays` lacks cannot be played by it."""

    plays: Mapping[Fault, Play]
    refusal_code: str


KINDS: Final[dict[str, Kind]] = {
    "loopback": Kind(
        {
            Fault.PERFECT: Play(),
            Fault.DROPS: Play(recipient="+15005550108", response_seconds=0.3),
            Fault.THROTTLES: Play(recipient="+15005550113"),
            Fault.REFUSES: Play(recipient="+15005550117"),
        },
        refusal_code="0x0B",
    ),
    "smpp": Kind(
        {
            Fault.PERFECT: Play(),
            Fault.SLOW: Play(("answer_delay_seconds=0.05..0.2",)),
            Fault.DROPS: Play(("drop_answers=every:1",), response_seconds=0.3),
            Fault.DUPLICATES: Play(("duplicate_answers=every:1",)),
            Fault.THROTTLES: Play(("refuse=every:1", "refuse_status=ESME_RTHROTTLED")),
            Fault.REFUSES: Play(("refuse=every:1", "refuse_status=ESME_RINVDSTADR")),
            Fault.LINK_LOST: Play(("drop_link_after=3",)),
            Fault.HALF_PDU: Play(("drop_link_after=3", "drop_link_when=half_answer")),
            Fault.LATE: Play(
                ("late_answers=every:1", "late_answer_seconds=0.8"), response_seconds=0.3
            ),
        },
        refusal_code="ESME_RINVDSTADR",
    ),
}


@dataclass(slots=True)
class Bench:
    """One started carrier, and all that it told."""

    carrier: Carrier
    play: Play
    refusal_code: str
    smsc: Smsc | None
    outcomes: list[Outcome] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    inbounds: list[Inbound] = field(default_factory=list)
    stores: Callable[[Receipt], bool] = lambda _: True
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def on_receipts(self, receipts: list[Receipt]) -> None:
        """Keep and acknowledge them, as `stores` says."""
        for one in receipts:
            self.receipts.append(one)
            one.acknowledge(self.stores(one))
        self._told.set()

    def on_inbound(self, inbounds: list[Inbound]) -> None:
        """Keep and acknowledge them."""
        for one in inbounds:
            self.inbounds.append(one)
            one.acknowledge(True)
        self._told.set()

    def on_room(self) -> None:
        """Wake whoever waits for a condition."""
        self._told.set()

    def report(self, outcome: Outcome) -> None:
        """Keep it."""
        self.outcomes.append(outcome)
        self._told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds, looked at whenever the carrier tells something. TimeoutError."""
        async with asyncio.timeout(BOUND_SECONDS):
            while not condition():
                self._told.clear()
                await self._told.wait()

    def submit(self, *submissions: Submission) -> None:
        """Hand them over as one batch."""
        self.carrier.submit(submissions, self.report)

    def submission(self, body: str = "Hello", **more: Any) -> Submission:
        """A message to the number that plays the fault."""
        given: dict[str, Any] = {
            "account_id": 1, "message_id": ids.uuid7(), "carrier_id": 7, "attempt": 1,
            "priority": 1, "sender": "+4915100000001", "recipient": self.play.recipient,
            "body": body, "encoding": "gsm7", "segments": 1, "lease_id": ids.uuid7(),
            "expires_at": SystemClock().now() + timedelta(hours=1),
        }  # fmt: skip
        return Submission(**{**given, **more})

    def tell(self) -> None:
        """Have every waiter look at its condition again."""
        self._told.set()

    async def in_flight(self) -> None:
        """Return once what was submitted has left; where there is no network it has at once."""
        if self.smsc:
            await self.until(lambda: bool(self.taken()))

    def taken(self) -> set[str]:
        """Texts that the far side is known to have taken; only a simulator keeps a record."""
        record = self.smsc.record if self.smsc else None
        return {one.text for one in record.submissions} if record else set()


class TellingRecord(Record):
    """What the simulator took; wakes those who wait on the bench for it."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench

    def add(self, message_id: str, account: str, pdu: Pdu) -> None:
        """Keep it, and tell."""
        super().add(message_id, account, pdu)
        self._bench.tell()


@asynccontextmanager
async def opened(kind: str, fault: Fault = Fault.PERFECT) -> AsyncIterator[Bench]:
    """A bench whose carrier is up; everything is stopped behind it."""
    known = KINDS[kind]
    play, spec = known.plays[fault], registry.SPECS[kind]
    clock, smsc = SystemClock(), None
    settings = {one.name: one.default for one in spec.fields}
    settings |= {"window": WINDOW, "response_seconds": play.response_seconds}
    if kind == "smpp":
        # One unanswered receipt at a time: the next one proves that the last was acknowledged.
        smsc = Smsc(parse_faults(play.words), clock=clock, chance=chance(1), window=1)
        port = await smsc.start(port=0)
        settings |= {"host": "127.0.0.1", "port": port, "system_id": "tester"}
    carrier = spec.build(CarrierConfig(7, "bench", settings, clock, chance(2)))
    bench = Bench(carrier, play, known.refusal_code, smsc)
    if smsc:
        smsc.record = TellingRecord(bench)
    try:
        await carrier.start(bench)
        await bench.until(carrier.is_up)
        yield bench
    finally:
        await carrier.stop(0.0)
        if smsc:
            await smsc.stop()
