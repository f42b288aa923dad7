"""All lanes of this process, by the number of their carrier."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog

from onesixty.carriers.contract import Carrier, Inbound, Outcome, Receipt, Submission
from onesixty.kit.clock import Clock
from onesixty.messages.dispatch.lane import Lane, untouched
from onesixty.messages.dispatch.limiter import Limiter
from onesixty.messages.dispatch.rates import Rate
from onesixty.messages.leases import LeaseBook
from onesixty.storage.database import Database

_log = structlog.get_logger()
STOPPED: Final = "the carrier was stopped before it was sent"


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
        self.limiter: Limiter | None = None
        self.report: Callable[[Outcome], None] = lambda outcome: None
        self.on_receipts: Callable[[list[Receipt]], None] = lambda receipts: None
        self.on_inbound: Callable[[list[Inbound]], None] = lambda inbounds: None
        self.on_change: Callable[[int, bool], None] = lambda carrier_id, is_up: None
        # Of what has no lane here, or no room in it, other processes may know more.
        self.up_elsewhere: Callable[[int], bool] = lambda carrier_id: False
        self.call_others: Callable[[set[int]], None] = lambda carrier_ids: None

    async def open(
        self, carrier_id: int, carrier: Carrier, rate: Rate | None, paused: bool
    ) -> None:
        """Start a carrier and its lane."""
        lane = Lane(carrier_id, carrier, self)
        lane.limit(rate)
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
        """Whether messages can go out by the carrier, from here or from another process."""
        lane = self.lanes.get(carrier_id)
        if lane is not None and lane.takes():
            return True
        return self.up_elsewhere(carrier_id)

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
                    self.report(untouched(one, self.clock.now(), STOPPED))

    def look(self, carrier_ids: set[int]) -> None:
        """Something came into the queue for these carriers."""
        others = set()
        for carrier_id in carrier_ids:
            lane = self.lanes.get(carrier_id)
            if lane is not None:
                lane.loop.wake()
            if lane is None or lane.room() <= 0:
                others.add(carrier_id)
        if others:
            self.call_others(others)

    def look_here(self, carrier_ids: Iterable[int]) -> None:
        """Another process put something into the queue for these carriers."""
        for carrier_id in carrier_ids:
            if lane := self.lanes.get(carrier_id):
                lane.loop.wake()

    def carrier_at(self, carrier_id: int) -> Carrier | None:
        """The carrier whose lane is here, if it is."""
        lane = self.lanes.get(carrier_id)
        return lane.carrier if lane else None

    def states(self) -> dict[int, dict[str, Any]]:
        """Live state of every lane."""
        return {carrier_id: lane.describe() for carrier_id, lane in self.lanes.items()}
