"""One lane: the line to one carrier inside one process.

Nothing is decided here. A lane is fed in two ways: by `hand`, right after a commit in this process,
and by the claim, one statement that takes what waits in the queue by priority and time. What a lane
holds is bounded by what its carrier can take, so back-pressure is natural, and a dead carrier,
which takes nothing, starves nobody.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import structlog

from onesixty.carriers.contract import (
    Carrier,
    ErrorClass,
    Inbound,
    Outcome,
    OutcomeKind,
    Receipt,
    Submission,
    probe,
)
from onesixty.kit import ids, metrics
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.messages.dispatch.breaker import Breaker
from onesixty.messages.dispatch.claim import CLAIM, message
from onesixty.messages.dispatch.limiter import Limiter
from onesixty.messages.dispatch.rates import Bucket, Meter, Rate, Throttle
from onesixty.messages.handover import submission
from onesixty.messages.leases import LeaseBook
from onesixty.messages.types import Category
from onesixty.storage.database import Database, Rows

LANE_MOST: Final = 2000  # messages in memory for one carrier, whatever its window
AHEAD: Final = 2  # windows of messages held in memory, so that a claim under way leaves no gap
CLAIM_LEAST: Final = 0.25  # of the free places: claims are made for many at once
IDLE_SECONDS: Final = 0.5
LOOK_LEAST_SECONDS: Final = 0.1  # between looks for what a limit holds back
PROBE_SECONDS: Final = 10.0  # for a sign of life
THROTTLED_MOST: Final = 3  # times in a row that a message goes back to the head of its line
THROTTLED_SECONDS_MOST: Final = 1.0  # a longer wait, if its carrier asks for one, is in the queue
_AT_FAULT: Final = (ErrorClass.CARRIER, ErrorClass.CONFIG)
_log = structlog.get_logger()


class Surroundings(Protocol):
    """What the lanes of a process share."""

    database: Database
    clock: Clock
    leases: LeaseBook
    node_number: int
    limiter: Limiter | None  # None: nothing is limited
    report: Callable[[Outcome], None]
    on_receipts: Callable[[list[Receipt]], None]
    on_inbound: Callable[[list[Inbound]], None]
    on_change: Callable[[int, bool], None]


class Lane:
    """The way to one carrier: a short line in memory, ordered by priority."""

    def __init__(self, carrier_id: int, carrier: Carrier, dispatcher: "Surroundings") -> None:
        self.carrier_id, self.carrier = carrier_id, carrier
        self._d = dispatcher
        self._lines: list[deque[Submission]] = [deque() for _ in Category]
        self._held = 0  # reserved, in line, or at the carrier
        self._segments_out = 0
        self._capacity = 0
        self.backlog = True  # more waits in the queue than the lane has room for
        self.paused = False
        self.waiting: dict[str, Any] | None = None  # in the queue, as it was counted last
        self.claiming = asyncio.Lock()  # held while the database is asked
        self._claims = 0
        self._bucket: Bucket | None = None
        self._throttle: Throttle | None = None
        now = dispatcher.clock.monotonic()
        self.breaker = Breaker()
        self.out_since: float | None = now  # since when it takes nothing, if it does not
        self._segments, self._messages = Meter(now), Meter(now)  # that the carrier accepted
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None  # for what a limit holds back
        self._was_up = False
        self.loop = Loop(
            f"lane {carrier_id}", self.run_once, dispatcher.clock, idle_seconds=IDLE_SECONDS
        )

    def limit(self, rate: Rate | None) -> None:
        """Set the carrier's rate; None for no limit."""
        self._bucket, self._throttle = None, None
        if rate:
            self._bucket = Bucket(rate.per_second, self._d.clock.monotonic(), rate.burst)

    def is_up(self) -> bool:
        """Whether the carrier is connected and does its part."""
        return not self.breaker.is_open and self.carrier.is_up()

    def takes(self) -> bool:
        """Whether messages can be given to the carrier, sooner or later."""
        return not self.paused and self.is_up()

    def room(self) -> int:
        """Messages that the lane takes into memory now; 0 while its carrier takes none."""
        if not self.takes():
            return 0
        free = self.carrier.room()
        if free <= 0 and not self._segments_out:
            return 0
        self._capacity = min(LANE_MOST, AHEAD * (free + self._segments_out))
        if self._bucket:
            self._capacity = min(self._capacity, self._bucket.half_second)
        if self._throttle:
            self._capacity = min(self._capacity, self._throttle.bucket.half_second)
        return max(0, self._capacity - self._held)

    def reserve(self, priority: int) -> bool:
        """Take one place. While others wait in the queue only urgent messages may pass them."""
        if self.backlog and priority > Category.OTP:
            return False
        if self.room() <= 0:
            self.backlog = True
            return False
        self._held += 1
        return True

    def release(self) -> None:
        """Give a place back."""
        self._held -= 1

    def hand(self, submissions: Sequence[Submission]) -> None:
        """Put into line what has a reserved place, and send what can be sent."""
        for one in submissions:
            self._lines[one.priority].append(one)
        self.pump()

    async def run_once(self) -> bool:
        """Claim what waits, as far as there is room; True when there may be more."""
        self._end_expired()
        now = self._d.clock.monotonic()
        self._segments.read(now), self._messages.read(now)
        if self.breaker.is_open and now >= self.breaker.probe_at:
            await self._probe()
        self._mind_news()
        if any(self._lines):
            self.pump()  # should a wake-up have been lost, what is in memory would wait for ever
        room = self.room()
        if room <= 0:
            return False
        if room < self._capacity * CLAIM_LEAST and self._held:
            return False  # `pump` wakes this loop when more is free
        async with self.claiming:
            self.hand(await self._claim(room))
        return self.backlog and self.room() > 0

    def _end_expired(self) -> None:
        # What waits in memory behind a window that does not move ends in time all the same.
        now = self._d.clock.now()
        for line in self._lines:
            late = [one for one in line if one.expires_at <= now]
            for one in late:
                line.remove(one)
                self._held -= 1
                self._d.report(untouched(one, now, "the carrier took none in time"))

    def _put_back(self) -> None:
        # Nothing waits in memory for a carrier that takes none: in the queue it can be cancelled.
        now = self._d.clock.now()
        for line in self._lines:
            while line:
                self.backlog = True
                self._held -= 1
                self._d.report(untouched(line.popleft(), now, "the carrier took none"))

    def pump(self) -> None:
        """Give the carrier as much as it takes without waiting, most urgent first."""
        if not self.takes():
            self._put_back()
            return
        now = self._d.clock.monotonic()
        free = self._free(now)
        batch: list[Submission] = []
        for line in self._lines:
            while line and free > 0:
                one = line.popleft()
                batch.append(one)
                free -= one.segments - one.parts_accepted
        if batch:
            segments = sum(one.segments - one.parts_accepted for one in batch)
            self._segments_out += segments
            for bucket in self._buckets():
                bucket.take(segments)
            metrics.submitted.labels(str(self.carrier_id)).inc(len(batch))
            self.carrier.submit(batch, self._report)
        if any(self._lines):
            self._later(now)

    def on_room(self) -> None:
        """The carrier can take more, or came up or went down."""
        self._mind_news()
        self.pump()
        if self.backlog:
            self.loop.wake()

    def describe(self) -> dict[str, Any]:
        """Live state of the carrier and its line."""
        now = self._d.clock.monotonic()
        state = self.carrier.state()
        if self.breaker.is_open and state["status"] == "up":
            state["status"], state["detail"] = "down", "it failed too often: its breaker is open"
        if self.paused:
            state["status"] = "paused"
        state["waiting_in_memory"] = sum(map(len, self._lines))
        state["in_flight_segments"] = self._segments_out
        state["breaker"] = self.breaker.describe(now)
        state["observed_rate_per_second"] = round(self._messages.read(now), 1)
        throttle = self._throttle
        state["queue"] = self.waiting
        state["throttled"] = throttle is not None
        state["ceiling_per_second"] = round(throttle.rate(now), 1) if throttle else None
        return state

    def _free(self, now: float) -> int:
        """Segments that may go to the carrier now."""
        free = self.carrier.room()
        if self._throttle:
            if self._throttle.is_over(now):
                self._throttle = None
            else:
                free = min(free, self._throttle.available(now))
        return min(free, self._bucket.available(now)) if self._bucket else free

    def _buckets(self) -> list[Bucket]:
        throttle = self._throttle.bucket if self._throttle else None
        return [bucket for bucket in (self._bucket, throttle) if bucket]

    def _mind_news(self) -> None:
        """Whether the carrier came up, went down, was paused."""
        up = self.is_up()
        if self._was_up != up:
            self._was_up = up
            self._d.on_change(self.carrier_id, up)
        if up and not self.paused:
            self.out_since = None
        elif self.out_since is None:
            self.out_since = self._d.clock.monotonic()

    async def _probe(self) -> None:
        if not self.carrier.is_up():
            return  # it connects anew: ask when it is there
        alive = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS):
                alive = await probe(self.carrier)
        self.breaker.probed(alive, self._d.clock.monotonic())
        if alive:
            _log.info("breaker.closed", carrier=self.carrier_id)

    def _report(self, outcome: Outcome) -> None:
        one = outcome.submission
        if not outcome.late:
            self._held = max(
                0, self._held - 1
            )  # a lane that was opened anew did not count what the old one held
            self._segments_out -= one.segments - one.parts_accepted
        if outcome.kind is OutcomeKind.ACCEPTED:
            self.breaker.good()
            self._segments.count += one.segments - one.parts_accepted
            self._messages.count += 1
        elif outcome.error_class == ErrorClass.THROTTLE:
            if self._slow_down(outcome):
                return
        elif outcome.kind is OutcomeKind.UNKNOWN or outcome.error_class in _AT_FAULT:
            self._blame(outcome)
        else:
            self.breaker.good()
        self._d.report(outcome)

    def _slow_down(self, outcome: Outcome) -> bool:
        """The carrier throttles: less from now on, and this message again before the others.

        False when it has to be written, since a part of it was accepted or this carrier does not
        want it.
        """
        one, now = outcome.submission, self._d.clock.monotonic()
        if self._throttle:
            self._throttle.again(now)
        else:
            configured = self._bucket.rate if self._bucket else None
            # A carrier that has not been watched for long has at least taken what is on its way.
            seen = max(self._segments.read(now), self._segments_out)
            self._throttle = Throttle(seen, configured, now)
            _log.info("lane.throttled", carrier=self.carrier_id, ceiling=self._throttle.rate(now))
        self.backlog = True
        begun = one.parts_accepted or any(p.kind is OutcomeKind.ACCEPTED for p in outcome.parts)
        if begun:
            outcome.retry_after_seconds = None  # it keeps its place in the queue
        one.throttled += 1
        waits = (outcome.retry_after_seconds or 0.0) > THROTTLED_SECONDS_MOST
        tired = begun or waits or one.throttled > THROTTLED_MOST
        if tired or outcome.late or not self.takes():
            return False
        self._held += 1
        line, place = self._lines[one.priority], 0
        while place < len(line) and line[place].message_id < one.message_id:
            place += 1
        line.insert(place, one)
        self._shed(self._throttle.bucket.half_second)
        self._later(now)
        return True

    def _shed(self, most: int) -> None:
        """Hold no more than goes out soon: what is urgent shall find room, the rest its queue."""
        surplus, now = sum(map(len, self._lines)) - most, self._d.clock.now()
        for line in reversed(self._lines):
            while line and surplus > 0:
                surplus -= 1
                self._held -= 1
                self._d.report(untouched(line.pop(), now, "the carrier throttles"))

    def _blame(self, outcome: Outcome) -> None:
        # What was lost with a connection, or never left us, is no sign of a carrier that fails.
        lost = outcome.lost or not self.carrier.is_up()
        if outcome.late or lost or not outcome.counts_as_attempt:
            return
        by_settings = outcome.error_class == ErrorClass.CONFIG
        if self.breaker.bad(self._d.clock.monotonic(), by_settings=by_settings):
            why = outcome.detail or outcome.error_code
            _log.warning("breaker.opened", carrier=self.carrier_id, last=why)
            self._mind_news()

    def _later(self, now: float) -> None:
        # The moment at which too few tokens were found: at a later one there may be some, and
        # nobody would set a timer for what was left behind.
        if self._timer is not None:
            return
        delays = [b.wait_seconds() for b in self._buckets() if not b.available(now)]
        if delays:
            self._timer = asyncio.get_running_loop().call_later(max(delays), self._again)

    def _again(self) -> None:
        self._timer = None
        self.on_room()

    async def _claim(self, count: int) -> list[Submission]:
        self._held += count
        lease_id = ids.uuid7()
        self._d.leases.begin(lease_id)
        try:
            self._claims += 1
            rows = await self._d.database.fetch(
                CLAIM, self.carrier_id, self._d.clock.now(), count, lease_id, self._d.node_number,
                self._claims, *(self._d.limiter.quotas() if self._d.limiter else ([], [], [])),
            )  # fmt: skip
        except BaseException:
            self._held -= count
            self._d.leases.drop(lease_id)
            raise
        self._held -= count - len(rows)
        if rows:
            self._d.leases.open(lease_id, len(rows))
        else:
            self._d.leases.drop(lease_id)
        self.backlog = len(rows) >= count or bool(rows and rows[0]["more"])
        claimed = self._within_limits(rows, lease_id)
        claimed.sort(key=lambda one: one.message_id)
        return claimed

    def _within_limits(self, rows: Rows, lease_id: UUID) -> list[Submission]:
        """What was claimed, less what is over a limit: that goes back."""
        claimed, limiter, now = [], self._d.limiter, self._d.clock.now()
        first = self._claims % len(rows) if rows else 0
        for row in rows[first:] + rows[:first]:  # what is left of a limit goes round
            one = message(row)
            go = submission(one, lease_id, row["accepted"] or ())
            if limiter is not None:
                self.backlog = not limiter.knows(one) or self.backlog
                wait = limiter.admit(one)
                if wait is not None:
                    self._held -= 1
                    self._d.report(untouched(go, now, "a limit is reached", wait))
                    continue
            claimed.append(go)
        if limiter is not None and (seconds := limiter.soonest()) is not None:
            self._look_again(max(seconds, LOOK_LEAST_SECONDS))
        return claimed

    def _look_again(self, seconds: float) -> None:
        if self._look is None or self._look.when() <= asyncio.get_running_loop().time():
            self._look = asyncio.get_running_loop().call_later(seconds, self.loop.wake)

    def on_receipts(self, receipts: list[Receipt]) -> None:
        """Pass on."""
        self._d.on_receipts(receipts)

    def on_inbound(self, inbounds: list[Inbound]) -> None:
        """Pass on."""
        self._d.on_inbound(inbounds)


def untouched(one: Submission, now: datetime, why: str, wait_seconds: float = 0.0) -> Outcome:
    """What never reached its carrier: back to the queue, to its place or a later time."""
    return Outcome(
        one,
        OutcomeKind.DEFERRED,
        now,
        now,
        error_code="not_handed_over",
        error_class=ErrorClass.CARRIER,
        detail=why,
        retry_after_seconds=wait_seconds,
        counts_as_attempt=False,
    )
