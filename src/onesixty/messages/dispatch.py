"""Dispatch: one lane for each carrier takes what that carrier can take now.

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
from typing import Any, Final

import structlog

from onesixty.carriers.contract import (
    Carrier,
    ErrorClass,
    Inbound,
    Outcome,
    OutcomeKind,
    Receipt,
    Submission,
)
from onesixty.kit import ids, metrics
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.messages.handover import submission
from onesixty.messages.leases import LeaseBook
from onesixty.messages.states import Cause, Status, sql_next
from onesixty.messages.types import Category, Direction, Encoding, Message
from onesixty.storage.database import Database

_log = structlog.get_logger()
LANE_MOST: Final = 2000  # messages in memory for one carrier, whatever its window
AHEAD: Final = 2  # windows of messages held in memory, so that a claim under way leaves no gap
CLAIM_LEAST: Final = 0.25  # of the free places: claims are made for many at once
IDLE_SECONDS: Final = 0.5
STOPPED: Final = "the carrier was stopped before it was sent"
PAUSE_FIRST_SECONDS, PAUSE_MOST_SECONDS = 1.0, 30.0

# Locked rows are found again by their ctid. By their key the planner would compare each of them
# with the whole queue: what it knows of the queue is mostly that it is empty.
CLAIM: Final = f"""
WITH due AS MATERIALIZED (
    SELECT found.place FROM generate_series({min(Category)}, {max(Category)}) AS lane(priority)
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM queue
        WHERE carrier_id = $1 AND queue.priority = lane.priority
            AND due_at <= $2 AND expires_at > $2
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) found LIMIT $3
), taken AS (
    DELETE FROM queue WHERE ctid = ANY(ARRAY(SELECT place FROM due))
    RETURNING message_id, account_id
), leased AS (
    INSERT INTO leases (id, node_id, account_ids, message_ids)
    SELECT $4, $5, array_agg(account_id), array_agg(message_id) FROM taken HAVING count(*) > 0
)
UPDATE messages m SET status = {sql_next("m.status", str(int(Cause.CLAIMED)))}
FROM taken WHERE m.account_id = taken.account_id AND m.id = taken.message_id
    AND {sql_next("m.status", str(int(Cause.CLAIMED)))} <> 0
RETURNING m.account_id, m.id, m.status, m.category, m.test, m.encoding, m.segments, m.parts_sent,
    m.attempts, m.carrier_id, m.fallbacks, m.sender, m.recipient, m.body, m.expires_at,
    m.created_at,
    CASE WHEN m.parts_sent > 0 THEN ARRAY(
        SELECT s.part FROM submissions s
        WHERE s.message_id = m.id AND s.outcome = {OutcomeKind.ACCEPTED}) END AS accepted
"""


class Bucket:
    """A token bucket: `rate` a second.

    Little is saved up, since carriers measure in slices of 100 ms.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._tokens, self._at = rate, max(1.0, rate / 10), now
        self.half_second = max(2, int(rate / 2))

    def available(self, now: float) -> int:
        """Whole tokens there are."""
        burst = max(1.0, self._rate / 10)
        self._tokens = min(burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        """Spend tokens; a long message may overdraw, the debt is waited off."""
        self._tokens -= count

    def wait_seconds(self) -> float:
        """Until there is one more token."""
        return max(0.001, (1.0 - self._tokens) / self._rate)


class Lane:
    """The way to one carrier: a short line in memory, ordered by priority."""

    def __init__(self, carrier_id: int, carrier: Carrier, dispatcher: "Dispatcher") -> None:
        self.carrier_id, self.carrier = carrier_id, carrier
        self._d = dispatcher
        self._lines: list[deque[Submission]] = [deque() for _ in Category]
        self._held = 0  # reserved, in line, or at the carrier
        self._segments_out = 0
        self._capacity = 0
        self.backlog = True  # more waits in the queue than the lane has room for
        self.paused = False
        self.claiming = asyncio.Lock()  # held while the database is asked
        self._bucket: Bucket | None = None
        self._until = 0.0  # no submits before this monotonic time: the carrier throttles
        self._pause = PAUSE_FIRST_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._was_up = False
        self.loop = Loop(
            f"lane {carrier_id}", self.run_once, dispatcher.clock, idle_seconds=IDLE_SECONDS
        )

    def limit(self, rate_per_second: int | None) -> None:
        """Set the carrier's rate, in segments per second; None for no limit."""
        self._bucket = (
            Bucket(rate_per_second, self._d.clock.monotonic()) if rate_per_second else None
        )

    def room(self) -> int:
        """Messages that the lane takes into memory now; 0 while its carrier takes none."""
        if self.paused or not self.carrier.is_up():
            return 0
        free = 0 if self._throttled() else self.carrier.room()
        if free <= 0 and not self._segments_out:
            return 0
        self._capacity = min(LANE_MOST, AHEAD * (free + self._segments_out))
        if self._bucket:
            self._capacity = min(self._capacity, self._bucket.half_second)
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
        room = self.room()
        if room <= 0:
            return False
        if room < self._capacity * CLAIM_LEAST and self._held:
            return False  # `pump` wakes this loop when more is free
        async with self.claiming:
            claimed = await self._claim(room)
            self.backlog = len(claimed) >= room
            self.hand(claimed)
        return self.backlog and self.room() > 0

    def _end_expired(self) -> None:
        # What waits in memory behind a window that does not move ends in time all the same.
        now = self._d.clock.now()
        for line in self._lines:
            late = [one for one in line if one.expires_at <= now]
            for one in late:
                line.remove(one)
                self._held -= 1
                self._d.report(_untouched(one, now, "the carrier took none in time"))

    def _put_back(self) -> None:
        # Nothing waits in memory for a carrier that takes none: in the queue it can be cancelled.
        now = self._d.clock.now()
        for line in self._lines:
            while line:
                self.backlog = True
                self._held -= 1
                self._d.report(_untouched(line.popleft(), now, "the carrier took none"))

    def pump(self) -> None:
        """Give the carrier as much as it takes without waiting, most urgent first."""
        if self.paused or not self.carrier.is_up():
            self._put_back()
            return
        free = 0 if self._throttled() else self.carrier.room()
        if self._bucket:
            free = min(free, self._bucket.available(self._d.clock.monotonic()))
        batch: list[Submission] = []
        for line in self._lines:
            while line and free > 0:
                one = line.popleft()
                batch.append(one)
                free -= one.segments - one.parts_accepted
        if batch:
            segments = sum(one.segments - one.parts_accepted for one in batch)
            self._segments_out += segments
            if self._bucket:
                self._bucket.take(segments)
            metrics.submitted.labels(str(self.carrier_id)).inc(len(batch))
            self.carrier.submit(batch, self._report)
        if any(self._lines):
            self._later()

    def on_room(self) -> None:
        """The carrier can take more, or came up or went down."""
        if self._was_up != (up := self.carrier.is_up()):
            self._was_up = up
            self._d.on_change(self.carrier_id, up)
        self.pump()
        if self.backlog:
            self.loop.wake()

    def describe(self) -> dict[str, Any]:
        """Live state of the carrier and its line."""
        state = self.carrier.state()
        if self.paused:
            state["status"] = "paused"
        state["waiting_in_memory"] = sum(map(len, self._lines))
        state["in_flight_segments"] = self._segments_out
        state["throttled"] = self._throttled()
        return state

    def _report(self, outcome: Outcome) -> None:
        if not outcome.late:
            self._held = max(
                0, self._held - 1
            )  # a lane that was opened anew did not count what the old one held
            self._segments_out -= outcome.submission.segments - outcome.submission.parts_accepted
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._pause = PAUSE_FIRST_SECONDS
        elif outcome.error_class == ErrorClass.THROTTLE and not self._throttled():
            # Many of one window are throttled at once: that is one event, not many.
            self._until = self._d.clock.monotonic() + self._pause
            self._pause = min(self._pause * 2, PAUSE_MOST_SECONDS)
            self.backlog = True
            self._later()
        self._d.report(outcome)

    def _throttled(self) -> bool:
        return self._until > 0 and self._d.clock.monotonic() < self._until

    def _later(self) -> None:
        if self._timer is not None:
            return
        delay = max(0.0, self._until - self._d.clock.monotonic())
        if not delay and self._bucket and not self._bucket.available(self._d.clock.monotonic()):
            delay = self._bucket.wait_seconds()
        if delay:
            self._timer = asyncio.get_running_loop().call_later(delay, self._again)

    def _again(self) -> None:
        self._timer = None
        self.on_room()

    async def _claim(self, count: int) -> list[Submission]:
        self._held += count
        lease_id = ids.uuid7()
        self._d.leases.begin(lease_id)
        try:
            rows = await self._d.database.fetch(
                CLAIM, self.carrier_id, self._d.clock.now(), count, lease_id, self._d.node_number
            )
        except BaseException:
            self._held -= count
            self._d.leases.drop(lease_id)
            raise
        self._held -= count - len(rows)
        if rows:
            self._d.leases.open(lease_id, len(rows))
        else:
            self._d.leases.drop(lease_id)
        claimed = [submission(_message(row), lease_id, row["accepted"] or ()) for row in rows]
        claimed.sort(key=lambda one: one.message_id)
        return claimed

    def on_receipts(self, receipts: list[Receipt]) -> None:
        """Pass on."""
        self._d.on_receipts(receipts)

    def on_inbound(self, inbounds: list[Inbound]) -> None:
        """Pass on."""
        self._d.on_inbound(inbounds)


def _message(row: Any) -> Message:
    return Message(
        account_id=row["account_id"],
        id=row["id"],
        status=Status(row["status"]),
        direction=Direction.OUTBOUND,
        category=Category(row["category"]),
        recipient=row["recipient"],
        body=row["body"],
        created_at=row["created_at"],
        sender=row["sender"],
        test=row["test"],
        encoding=Encoding(row["encoding"]),
        segments=row["segments"],
        parts_sent=row["parts_sent"],
        attempts=row["attempts"],
        carrier_id=row["carrier_id"],
        fallbacks=row["fallbacks"] or [],
        expires_at=row["expires_at"],
    )


class Dispatcher:
    """All lanes of this process, by carrier number."""

    def __init__(
        self, database: Database, clock: Clock, leases: LeaseBook, node_number: int
    ) -> None:
        self.database, self.clock, self.leases, self.node_number = (
            database,
            clock,
            leases,
            node_number,
        )
        self.lanes: dict[int, Lane] = {}
        self.report: Callable[[Outcome], None] = lambda outcome: None
        self.on_receipts: Callable[[list[Receipt]], None] = lambda receipts: None
        self.on_inbound: Callable[[list[Inbound]], None] = lambda inbounds: None
        self.on_change: Callable[[int, bool], None] = lambda carrier_id, is_up: None

    async def open(
        self, carrier_id: int, carrier: Carrier, rate_per_second: int | None, paused: bool
    ) -> None:
        """Start a carrier and its lane."""
        lane = Lane(carrier_id, carrier, self)
        lane.limit(rate_per_second)
        lane.paused = paused
        self.lanes[carrier_id] = lane
        await carrier.start(lane)
        lane.loop.start()
        _log.info("lane.opened", carrier=carrier_id)

    async def close(self, carrier_id: int, drain_seconds: float) -> None:
        """Stop taking, let the carrier finish its window, disconnect.

        What is left in line goes back to the queue.
        """
        lane = self.lanes.pop(carrier_id)
        lane.paused = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds), lane.claiming:
                pass  # what a claim takes is known only when it ends
        await lane.loop.stop()
        await lane.carrier.stop(drain_seconds)
        lane.on_room()
        _log.info("lane.closed", carrier=carrier_id)

    def is_up(self, carrier_id: int) -> bool:
        """Whether the carrier is connected and not paused."""
        lane = self.lanes.get(carrier_id)
        return lane is not None and not lane.paused and lane.carrier.is_up()

    def reserve(self, carrier_id: int, priority: int) -> bool:
        """Take one place of a lane."""
        lane = self.lanes.get(carrier_id)
        return lane is not None and lane.reserve(priority)

    def release(self, carrier_id: int) -> None:
        """Give a place back."""
        if lane := self.lanes.get(carrier_id):
            lane.release()

    def hand(self, submissions: Sequence[Submission]) -> None:
        """Bring committed messages to their lanes."""
        by_lane: dict[int, list[Submission]] = {}
        for one in submissions:
            by_lane.setdefault(one.carrier_id, []).append(one)
        for carrier_id, some in by_lane.items():
            if lane := self.lanes.get(carrier_id):
                lane.hand(some)
            else:  # its lane was closed between the reservation and the commit
                for one in some:
                    self.report(_untouched(one, self.clock.now(), STOPPED))

    def look(self, carrier_ids: set[int]) -> None:
        """Something came into the queue for these carriers."""
        for carrier_id in carrier_ids:
            if lane := self.lanes.get(carrier_id):
                lane.loop.wake()

    def states(self) -> dict[int, dict[str, Any]]:
        """Live state of every lane."""
        return {carrier_id: lane.describe() for carrier_id, lane in self.lanes.items()}


def _untouched(one: Submission, now: datetime, why: str) -> Outcome:
    """What never reached its carrier: back to the queue, at once, at no cost."""
    return Outcome(
        one,
        OutcomeKind.DEFERRED,
        now,
        now,
        error_code="not_handed_over",
        error_class=ErrorClass.CARRIER,
        detail=why,
        retry_after_seconds=0.0,
        counts_as_attempt=False,
    )
