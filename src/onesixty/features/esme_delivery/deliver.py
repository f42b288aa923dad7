"""The deliverer: claims rows of the outbox for ESMEs that are bound here, and has them delivered.

A row leaves the outbox when its deliver_sm was answered with status 0, or when it is given up. What
is claimed is leased: a process that dies with it leaves a lease that runs out. Nothing is claimed
for an ESME that has no session here to receive it; what waits flows as soon as it binds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

import structlog

from onesixty.features.esme_delivery import claims, notices, verdicts
from onesixty.features.esme_delivery.notices import Notice
from onesixty.features.esme_delivery.verdicts import KEPT, Claimed
from onesixty.features.webhooks.outbox import Delivery, put_back, settle
from onesixty.kit import metrics
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Bounds, Gatherer, Loop
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.smpp.link import Answer, AnswerKind
from onesixty.storage.database import Database

CLAIM_MOST: Final = 256  # rows at a time
IN_HAND_MOST: Final = 5000  # rows that are claimed and not settled
ROOMS_MOST: Final = 32  # with more ESMEs it pays to ask first for whom anything waits
IDLE_SECONDS: Final = 1.0  # retries come due without anyone waking us
HOUSEKEEPING_SECONDS: Final = 60.0
SETTLE_MOST: Final = 500
LEASE_SECONDS: Final = 120.0  # longer than a deliver_sm waits for its turn and for its answer
HOLD_FIRST_SECONDS: Final = 1.0  # nothing for an ESME that asks to wait; doubles each time
HOLD_MOST_SECONDS: Final = 60.0
_log = structlog.get_logger()

OnAnswer = Callable[[Answer], None]
"""Once for each notice handed over; once more with `late` for an answer after UNANSWERED."""


class Door(Protocol):
    """Where ESMEs are bound."""

    def rooms(self) -> dict[int, int]:
        """How many more notices each ESME may be handed now, by its number; 0 or less for none."""
        ...

    def room(self, esme_id: int) -> int:
        """The same of one of them."""
        ...

    def hand_over(self, notice: Notice, on_answer: OnAnswer) -> str | None:
        """Write it to a session of its ESME; NOT_SENT when there is none.

        Or say why it can never be written; then there is no answer.
        """
        ...


class NoDoor:
    """Nobody can bind here."""

    def rooms(self) -> dict[int, int]:
        """No room anywhere."""
        return {}

    def room(self, esme_id: int) -> int:
        """No room."""
        return 0

    def hand_over(self, notice: Notice, on_answer: OnAnswer) -> str | None:
        """Not sent."""
        on_answer(Answer(AnswerKind.NOT_SENT))
        return None


@dataclass(slots=True)
class _Hold:
    """An ESME that asked to wait."""

    until: float  # monotonic seconds
    seconds: float


class EsmeDeliverer:
    """Empties the outbox of ESMEs. `start` it, then `wake` it after commits that wrote rows of it.

    Tell it who has `bound`. `door` may be set until it starts.
    """

    def __init__(
        self, database: Database, keeper: SnapshotKeeper, clock: Clock, chance: Chance
    ) -> None:
        self._database, self._keeper, self._clock, self._chance = database, keeper, clock, chance
        self.door: Door = NoDoor()
        self._in_hand: set[claims.Name] = set()
        self._hungry: set[int] = set()  # whose last claim filled all their room: there is more
        self._holds: dict[int, _Hold] = {}
        self._served = 0  # the last to get a share of a full claim; the next begins after it
        self._housekeeping_at = clock.monotonic()
        self.loop = Loop("esmes", self.run_once, clock, idle_seconds=IDLE_SECONDS)
        self.settling: Gatherer[Delivery | claims.Name] = Gatherer(
            "esmes.settle",
            self._settle,
            clock,
            Bounds(batch_max=SETTLE_MOST, inbox_max=IN_HAND_MOST * 4),
        )

    def start(self) -> None:
        """Begin on the running event loop."""
        self.settling.start()
        self.loop.start()

    def wake(self) -> None:
        """The outbox has new rows."""
        self.loop.wake()

    def bound(self, esme_id: int) -> None:
        """An ESME has a new session to receive on: what waits for it flows at once."""
        self._holds.pop(esme_id, None)
        self.loop.wake()

    async def stop(self, drain_seconds: float) -> None:
        """Claim no more, take that long to write what is known; call it when sessions are over.

        The rest comes due again.
        """
        await self.loop.stop()
        try:
            async with asyncio.timeout(drain_seconds):
                await self.settling.caught_up()
        except TimeoutError:
            _log.warning("esmes.unsettled", deliveries=len(self.settling))
        await self.settling.stop()

    async def run_once(self) -> bool:
        """Claim what there is room for and hand it over; True when there is more at once."""
        now = self._clock.now()
        if self._clock.monotonic() >= self._housekeeping_at:
            await self._keep_house(now)
        most = min(CLAIM_MOST, IN_HAND_MOST - len(self._in_hand) - len(self.settling))
        rooms = self._rooms() if most > 0 else {}
        if len(rooms) > ROOMS_MOST:
            waiting = await claims.present(self._database)
            rooms = {number: room for number, room in rooms.items() if number in waiting}
        if not rooms:
            return False
        lease_until = now + timedelta(seconds=LEASE_SECONDS)
        rows = await claims.claim(self._database, rooms, most, now, lease_until)
        full = len(rows) == most
        counts = Counter(-row["endpoint_id"] for row in rows)
        for number, room in rooms.items():
            (self._hungry.add if full or counts[number] >= room else self._hungry.discard)(number)
        self._served = next((number for number in reversed(rooms) if counts[number]), 0)
        self._begin_all(rows, now)
        return full

    def _rooms(self) -> dict[int, int]:
        """Room by ESME, in the order in which they are served."""
        monotonic = self._clock.monotonic()
        rooms = {}
        for number, room in sorted(self.door.rooms().items()):
            hold = self._holds.get(number)
            if room > 0 and (hold is None or monotonic >= hold.until):
                rooms[number] = room
        first = [number for number in rooms if number > self._served]
        return {number: rooms[number] for number in [*first, *rooms]}

    def _begin_all(self, rows: Sequence[Any], now: datetime) -> None:
        book, began = self._keeper.book, self._clock.monotonic()
        # What tells of the same message goes out in its order.
        for row in sorted(rows, key=lambda row: (row["event_sequence"] or 0, row["event_id"])):
            esme = book.esmes.get(-row["endpoint_id"])
            if esme is None or not esme.enabled:  # since a moment: housekeeping drops the row
                continue
            claimed = Claimed(
                row["event_id"], row["account_id"], row["endpoint_id"], row["attempts"],
                esme.system_id, row["at"] or now,
            )  # fmt: skip
            if claimed.name in self._in_hand:  # for longer than its lease: a slow customer
                continue
            notice = notices.of_row(row)
            wrong = notice if isinstance(notice, str) else self._hand_over(claimed, notice, began)
            if wrong:
                self.settling.put(verdicts.given_up(claimed, wrong, now))

    def _hand_over(self, one: Claimed, notice: Notice, began: float) -> str | None:
        self._in_hand.add(one.name)
        wrong = self.door.hand_over(notice, partial(self._answered, one, began))
        if wrong:
            self._in_hand.discard(one.name)
        return wrong

    def _answered(self, one: Claimed, began: float, answer: Answer) -> None:
        if not answer.late:
            self._in_hand.discard(one.name)
        number = -one.endpoint_id
        if answer.kind is AnswerKind.NOT_SENT:
            self.settling.put(one.name)
            return
        now, monotonic = self._clock.now(), self._clock.monotonic()
        taken = verdicts.is_taken(answer)
        if answer.late and not taken:
            return  # it comes again anyway
        self.settling.put(
            verdicts.judge(one, answer, took=monotonic - began, now=now, chance=self._chance)
        )
        if taken:
            self._holds.pop(number, None)
        elif verdicts.asks_to_wait(answer):
            self._hold(number, monotonic)
        if number in self._hungry and self.door.room(number) > 0:
            self.loop.wake()

    def _hold(self, number: int, monotonic: float) -> None:
        hold = self._holds.get(number)
        if hold is None:
            self._holds[number] = _Hold(monotonic + HOLD_FIRST_SECONDS, HOLD_FIRST_SECONDS)
        elif monotonic >= hold.until:  # not for each of those that were in flight together
            hold.seconds = min(hold.seconds * 2, HOLD_MOST_SECONDS)
            hold.until = monotonic + hold.seconds

    async def _settle(self, batch: list[Delivery | claims.Name]) -> None:
        deliveries = [one for one in batch if isinstance(one, Delivery)]
        if deliveries:
            await settle(self._database, deliveries)
        now = self._clock.now()
        if unsent := [(*one, now) for one in batch if not isinstance(one, Delivery)]:
            await put_back(self._database, unsent)
        _count(deliveries)

    async def _keep_house(self, now: datetime) -> None:
        self._housekeeping_at = self._clock.monotonic() + HOUSEKEEPING_SECONDS
        while True:
            async with self._database.write() as tx:
                lost = await claims.take_lost(tx, now - KEPT)
                if not lost:
                    return
                dropped = [verdicts.given_up(_lost(row, now), row["why"], now) for row in lost]
                await settle(tx, dropped)
            _log.info("esmes.dropped", notices=len(lost))


def _lost(row: Any, now: datetime) -> Claimed:
    return Claimed(
        row["event_id"], row["account_id"], row["endpoint_id"], row["attempts"], row["system_id"],
        now,
    )  # fmt: skip


def _count(batch: Sequence[Delivery]) -> None:
    results = Counter(verdicts.result(one) for one in batch)
    for result, count in results.items():
        metrics.esme_deliveries.labels(result).inc(count)
    if failed := len(batch) - results["delivered"]:
        _log.info("esmes.failed", deliveries=failed, given_up=results["given_up"])
