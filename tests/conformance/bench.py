"""A carrier on the bench: all that it is given, all that it reports, its room at every moment."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from onesixty.carriers import registry
from onesixty.carriers.contract import (
    Carrier,
    Inbound,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Receipt,
    Submission,
)
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock, SystemClock

from .behaviours import Behaviour
from .peers import PEERS, Peer, config_of

PATIENCE_SECONDS = 20
LONG = "x" * 400
LONG_SEGMENTS = 3


def submission(recipient: str, body: str = "hello", **more: Any) -> Submission:
    """One message on its way out."""
    given: dict[str, Any] = {
        "account_id": 1,
        "message_id": ids.uuid7(),
        "carrier_id": 1,
        "attempt": 1,
        "priority": 2,
        "sender": "ACME",
        "recipient": recipient,
        "body": body,
        "encoding": "gsm7",
        "segments": LONG_SEGMENTS if body.endswith(LONG) else 1,
        "expires_at": SystemClock().now() + timedelta(days=1),
        "lease_id": ids.uuid7(),
    }
    return Submission(**given | more)


@asynccontextmanager
async def opened(
    kind: str, behaviour: Behaviour, chance: Chance, **settings: Any
) -> "AsyncIterator[Bench]":
    """A bench whose carrier is up, at a far side that behaves like this; stopped behind it."""
    clock, peer = SystemClock(), PEERS[kind]()
    await peer.start(clock, chance)
    config = config_of(kind, {**peer.settings(), **settings}, clock, chance, peer.callback_url)
    bench = Bench(registry.SPECS[kind].build(config), peer, clock)
    peer.attend(config, bench)
    try:
        await bench.up()
        peer.behave(behaviour)
        yield bench
    finally:
        await bench.carrier.stop(0.0)
        await peer.stop()


class Bench:
    """`outcomes` by message, in the order in which they were reported."""

    def __init__(self, carrier: Carrier, peer: Peer, clock: Clock) -> None:
        self.carrier, self.peer = carrier, peer
        self.given: dict[UUID, Submission] = {}
        self.outcomes: dict[UUID, list[Outcome]] = defaultdict(list)
        self.receipts: list[Receipt] = []
        self.inbounds: list[Inbound] = []
        self.stores = True  # what comes in is acknowledged at once
        self.least_room = 0
        self._news = asyncio.Event()

    def on_receipts(self, receipts: list[Receipt]) -> None:
        """Take them, or ask for them again."""
        self.receipts += receipts
        for receipt in receipts:
            receipt.acknowledge(self.stores)
        self._look()

    def on_inbound(self, inbounds: list[Inbound]) -> None:
        """Take them, or ask for them again."""
        self.inbounds += inbounds
        for inbound in inbounds:
            inbound.acknowledge(self.stores)
        self._look()

    def on_room(self) -> None:
        """Something became free, or it came up or went down."""
        self._look()

    def message(self, body: str = "hello", **more: Any) -> Submission:
        """A message over the first channel of the kind, to whom the far side minds."""
        return submission(self.peer.recipient, body, **{"channel": self.peer.channel, **more})

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def up(self) -> None:
        """Start the carrier and wait until it is connected."""
        await self.carrier.start(self)
        await self.until(self.carrier.is_up)

    def submit(self, *some: Submission) -> None:
        """Give it these, whether it has room or not."""
        self.given |= {one.message_id: one for one in some}
        self.carrier.submit(some, self._report)
        self._look()

    async def send(self, *some: Submission) -> None:
        """Give it these as it has room for them, and wait until all have an outcome."""
        for one in some:
            await self.until(lambda: self.carrier.room() > 0 or not self.carrier.is_up())
            self.submit(one)
        await self.until(self.is_idle)

    def is_idle(self) -> bool:
        """Whether everything has an outcome."""
        return len(self.outcomes) == len(self.given)

    def final(self) -> list[Outcome]:
        """What each submission came to in the end."""
        return [reported[-1] for reported in self.outcomes.values()]

    def parts(self, kind: OutcomeKind = OutcomeKind.ACCEPTED) -> list[PartAnswer]:
        """Every part that ended like this."""
        return [part for one in self.final() for part in one.parts if part.kind is kind]

    def check(self) -> None:
        """Exactly one outcome for each submission; a late one only after an unknown one."""
        assert self.outcomes.keys() == self.given.keys()
        for identifier, reported in self.outcomes.items():
            assert not reported[0].late
            assert len(reported) <= 2, reported
            for late in reported[1:]:
                assert late.late
                assert reported[0].kind is OutcomeKind.UNKNOWN
                assert late.kind is not OutcomeKind.UNKNOWN
            for outcome in reported:
                one = self.given[identifier]
                assert outcome.submission is one
                numbers = [part.part for part in outcome.parts]
                assert numbers == sorted(set(numbers))
                assert set(numbers) <= set(range(1, one.segments + 1)) - set(one.accepted)
                assert (outcome.error_code is None) is (outcome.kind is OutcomeKind.ACCEPTED)
                assert (outcome.error_class is None) is (outcome.kind is OutcomeKind.ACCEPTED)
        assert self.least_room == 0, "room is never negative"

    def _report(self, outcome: Outcome) -> None:
        self.outcomes[outcome.submission.message_id].append(outcome)
        self._look()

    def _look(self) -> None:
        self.least_room = min(self.least_room, self.carrier.room())
        self._news.set()
