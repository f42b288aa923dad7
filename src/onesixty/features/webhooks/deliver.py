"""The deliverer: claims due rows of the outbox, posts their events, settles what became of them.

At least once: a process that dies between the call and the settling leaves a lease that runs out,
and the event is sent again under the same `webhook-id`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from onesixty.features.webhooks import attempts, health, outbox
from onesixty.features.webhooks.client import Client
from onesixty.features.webhooks.connection import Answer
from onesixty.features.webhooks.outbox import CALLBACKS, Delivery
from onesixty.features.webhooks.schedule import asked_wait
from onesixty.features.webhooks.signing import Destination, Destinations, headers
from onesixty.features.webhooks.targets import Target, Targets
from onesixty.kit import metrics
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Bounds, Gatherer, Loop
from onesixty.kit.secrets import Sealer
from onesixty.messages.receive import Offer
from onesixty.records.snapshot import Endpoint, SnapshotKeeper
from onesixty.storage.database import Connection, Database

# Rows at a time. Small enough that the next claim is on its way while answers to the last come in.
CLAIM_MOST: Final = 64
IDLE_SECONDS: Final = 1.0  # retries come due without anyone waking us
HOUSEKEEPING_SECONDS: Final = 60.0
SETTLE_MOST: Final = 500
REST_SECONDS: Final = 0.05  # nobody waits for the log; a crash repeats what is not in it
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliverOptions:
    """The knobs of deliveries."""

    allow_private: bool = False  # may call loopback and private addresses
    in_flight: int = 512  # calls at a time in this process
    in_flight_per_endpoint: int = 128
    timeout_seconds: float = 15.0  # for an answer, once connected
    lease_seconds: float = 60.0  # a claimed row that nothing was heard of comes due again


@dataclass(slots=True)
class _Call:
    """A claimed row on its way to where it goes."""

    row: Any
    destination: Destination
    target: Target
    was_failing: bool
    began: float = 0.0


class Deliverer:
    """Empties the outbox. `start` it, then `wake` it after every commit that wrote outbox rows."""

    def __init__(
        self,
        database: Database,
        keeper: SnapshotKeeper,
        sealer: Sealer,
        clock: Clock,
        chance: Chance,
        options: DeliverOptions | None = None,
    ) -> None:
        self._database, self._keeper, self._clock, self._chance = database, keeper, clock, chance
        self._options = options = options or DeliverOptions()
        self._client = Client(
            clock, allow_private=options.allow_private, seconds=options.timeout_seconds
        )
        self._destinations = Destinations(sealer)
        self._targets = Targets(options.in_flight, options.in_flight_per_endpoint)
        self._calls = 0  # begun, and not over
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._full = False  # the last claim took all that it might
        self._served = CALLBACKS  # the last to get a share of it; the next claim begins after it
        self._housekeeping_at = clock.monotonic()
        self._grouped: tuple[object, dict[int, list[Endpoint]]] = None, {}  # by account, of a book
        self.loop = Loop("webhooks", self.run_once, clock, idle_seconds=IDLE_SECONDS)
        self.settling: Gatherer[Delivery] = Gatherer(
            "webhooks.settle",
            self._settle,
            clock,
            Bounds(SETTLE_MOST, options.in_flight * 4, REST_SECONDS, rest_times=4),
        )

    def start(self) -> None:
        """Begin on the running event loop."""
        self.settling.start()
        self.loop.start()

    def wake(self) -> None:
        """The outbox has new rows."""
        self.loop.wake()

    async def stop(self, drain_seconds: float) -> None:
        """Claim no more, give calls in flight that long to end, write what is known.

        The rest comes due again.
        """
        await self.loop.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._none_left.wait()
        await self._client.close()
        try:
            async with asyncio.timeout(drain_seconds):
                await self.settling.caught_up()
        except TimeoutError:
            _log.warning("webhooks.unsettled", deliveries=len(self.settling))
        await self.settling.stop()

    async def quiet(self) -> None:
        """Wait until every call that was begun has ended and is written."""
        await self._none_left.wait()
        await self.settling.caught_up()

    def offer(self, account_ids: Iterable[int]) -> Offer:
        """What whoever writes events of these accounts may lease to us and `hand` over.

        That spares the claim, which would read again what was at hand. Endpoints that fail, or
        have a backlog, are told by claims alone.
        """
        now, rooms = self._clock.now(), dict[int, int]()
        endpoints: list[int] = []
        free = min(self._targets.free(), self._unsettled())
        for account_id in account_ids:
            room_of: dict[int, int] = {}
            for endpoint in self._endpoints_of(account_id):
                target = self._targets.endpoint(endpoint.id, endpoint.failing_since)
                if not target.failures and not target.hungry:
                    room_of[endpoint.id] = self._targets.room(target, now)
            if room_of:  # each event is a call to each of them
                rooms[account_id] = room = min(free // len(room_of), *room_of.values())
                endpoints += room_of
                free -= max(room, 0) * len(room_of)
        return Offer(endpoints, rooms, self._lease(now))

    def hand(self, rows: Sequence[Any]) -> None:
        """Begin the calls of rows that were leased by an offer, as if they had been claimed."""
        # None goes to callback URLs, whose hosts may have no room: so none is put back.
        self._begin_all(rows, self._clock.now())

    def _endpoints_of(self, account_id: int) -> Sequence[Endpoint]:
        if self._grouped[0] is not self._keeper.book.endpoints:
            grouped: dict[int, list[Endpoint]] = {}
            for endpoint in self._keeper.book.endpoints.values():
                grouped.setdefault(endpoint.account_id, []).append(endpoint)
            self._grouped = self._keeper.book.endpoints, grouped
        return self._grouped[1].get(account_id, ())

    def _unsettled(self) -> int:
        """Calls that may be begun: while the database takes no settlements nothing more is sent,
        since it would only be sent again.
        """
        return self._options.in_flight * 2 - len(self.settling)

    def _lease(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._options.lease_seconds)

    async def run_once(self) -> bool:
        """Claim what there is room for and begin its calls; True when there is more at once."""
        now = self._clock.now()
        if self._clock.monotonic() >= self._housekeeping_at:
            await self._keep_house(now)
        free = min(self._targets.free(), self._unsettled(), CLAIM_MOST)
        if free <= 0:
            return False
        rooms = self._rooms(now)
        rows = await self._claim(rooms, free, now)
        counts = Counter(row["endpoint_id"] for row in rows)
        for endpoint_id, room in rooms.items():
            if endpoint_id != CALLBACKS:
                self._targets.endpoint(endpoint_id).hungry = counts[endpoint_id] == room
        self._full = len(rows) == free
        self._served = next((one for one in reversed(rooms) if counts[one]), CALLBACKS)
        put_back = self._begin_all(rows, now)
        if put_back:
            await outbox.put_back(self._database, put_back)
        return self._full and self._targets.free() > 0

    def _rooms(self, now: datetime) -> dict[int, int]:
        """Room by endpoint, in the order in which they are served."""
        rooms = {CALLBACKS: CLAIM_MOST}  # the room of each of their hosts is looked at one by one
        for endpoint in self._keeper.book.endpoints.values():
            target = self._targets.endpoint(endpoint.id, endpoint.failing_since)
            room = self._targets.room(target, now)
            if room:
                rooms[endpoint.id] = room
            elif target.in_flight:
                target.hungry = True  # what was handed over took all room, and more may wait
        first = [number for number in rooms if number > self._served]
        return {number: rooms[number] for number in [*first, *rooms]}

    async def _claim(self, rooms: dict[int, int], most: int, now: datetime) -> Sequence[Any]:
        rows = await outbox.claim(self._database, rooms, most, now, self._lease(now))
        book = self._keeper.book
        if any(row["owner_id"] not in book.accounts for row in rows):
            await self._keeper.refresh()
        return rows

    def _begin_all(self, rows: Sequence[Any], now: datetime) -> list[tuple[UUID, int, datetime]]:
        """Begin the calls of claimed rows; returns rows to put back, with the time that they are
        due again.
        """
        put_back = []
        loop = asyncio.get_running_loop()
        for row in rows:
            if row["endpoint_id"] == CALLBACKS:
                if not row["callback_url"]:
                    self._drop(row, "its message is no longer kept", now)
                    continue
                destination, target = self._callback(row)
                if self._targets.room(target, now) <= 0:
                    put_back.append((row["event_id"], CALLBACKS, target.put_back_until(now)))
                    continue
            else:
                endpoint = self._keeper.book.endpoints.get(row["endpoint_id"])
                if endpoint is None:  # disabled or removed meanwhile: housekeeping drops the row
                    continue
                destination = self._destinations.of_endpoint(endpoint)
                target = self._targets.endpoint(endpoint.id)
            if row["type"] is None:
                self._drop(row, "its event is no longer kept", now)
                continue
            self._targets.began(target)
            self._calls += 1
            # One by one by the event loop: a bug in one holds no other up.
            call = _Call(row, destination, target, target.failures > 0)
            loop.call_soon(self._begin, call)
        if self._calls:
            self._none_left.clear()
        return put_back

    def _drop(self, row: Any, why: str, now: datetime) -> None:
        self.settling.put(attempts.given_up(row, row["callback_url"] or "", why, now))

    def _callback(self, row: Any) -> tuple[Destination, Target]:
        account = self._keeper.book.accounts[row["owner_id"]]
        destination = self._destinations.of_callback(row["callback_url"], account.signing_secret)
        place = destination.place
        return destination, self._targets.host(f"{place.host}:{place.port}" if place else "")

    def _begin(self, call: _Call) -> None:
        call.began = self._clock.monotonic()
        place = call.destination.place
        if place is None:
            self._answered(call, Answer(None, error=call.destination.error))
            return
        try:
            identifier, body = attempts.told(call.row, self._keeper.book)
            lines = headers(call.destination, identifier, self._clock.now(), body)
        except BaseException:
            self._over(call)  # its lease runs out
            raise
        self._client.post(place, lines, body, partial(self._answered, call))

    def _answered(self, call: _Call, answer: Answer) -> None:
        try:
            took = self._clock.monotonic() - call.began
            self._note(call.row, call.destination, call.target, answer, took)
        finally:
            self._over(call)

    def _over(self, call: _Call) -> None:
        self._calls -= 1
        if not self._calls:
            self._none_left.set()
        room = self._targets.ended(call.target, self._clock.now(), was_failing=call.was_failing)
        if room or (self._full and self._targets.free() * 4 >= self._options.in_flight):
            self.loop.wake()

    def _note(
        self, row: Any, destination: Destination, target: Target, answer: Answer, took: float
    ) -> None:
        now = self._clock.now()
        if attempts.is_success(answer.status):
            target.succeeded(took)
        else:
            target.failed(took, now, asked_wait(answer.status, answer.retry_after, now))
        self.settling.put(
            attempts.judge(row, destination.url, answer, took=took, now=now, chance=self._chance)
        )

    async def _settle(self, batch: list[Delivery]) -> None:
        now = self._clock.now()
        verdicts = health.verdicts(batch, self._targets, self._keeper.book, now)
        if not verdicts:
            await outbox.settle(self._database, batch)
        else:
            await self._database.transact(lambda tx: self._disable(tx, batch, verdicts, now))
            await self._keeper.refresh()
        if verdicts.disabled:
            self._housekeeping_at = self._clock.monotonic()
            self.loop.wake()
        _count(batch)

    async def _disable(
        self, tx: Connection, batch: list[Delivery], verdicts: health.Verdicts, now: datetime
    ) -> None:
        await outbox.settle(tx, batch)
        await health.write(tx, verdicts, self._keeper.book, now)

    async def _keep_house(self, now: datetime) -> None:
        self._housekeeping_at = self._clock.monotonic() + HOUSEKEEPING_SECONDS
        self._client.close_idle()
        self._targets.keep_only(set(self._keeper.book.endpoints))
        while dropped := await self._database.transact(lambda tx: _drop_lost(tx, now)):
            _log.info("webhooks.dropped", deliveries=dropped)


async def _drop_lost(tx: Connection, now: datetime) -> int:
    """Give up a few deliveries whose endpoint is off; how many."""
    lost = await outbox.take_lost(tx)
    dropped = [
        attempts.given_up(row, row["url"], f"the endpoint is off: {row['reason']}", now)
        for row in lost
    ]
    if dropped:
        await outbox.settle(tx, dropped)
    return len(dropped)


def _count(batch: Sequence[Delivery]) -> None:
    results = Counter(attempts.result(one) for one in batch)
    for result, count in results.items():
        metrics.deliveries.labels(result).inc(count)
    if failed := len(batch) - results["delivered"]:
        _log.info("webhooks.failed", deliveries=failed, given_up=results["given_up"])
