"""Lanes follow the carriers on file, and this process's share of their sessions.

Opened, opened anew with other settings, made wider or narrower, paused, closed.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import Carrier, Receipt, SessionCarrier, StoredReceipt
from onesixty.kit import metrics
from onesixty.kit.loops import Loop
from onesixty.kit.secrets import SealError
from onesixty.messages.dispatch import Dispatcher
from onesixty.messages.dispatch.rates import Rate
from onesixty.nodes import standing
from onesixty.nodes.node import Node
from onesixty.nodes.slots import Slot, share_out
from onesixty.records import carriers, events
from onesixty.records.carrier_configs import CarrierConfigs
from onesixty.records.snapshot import CarrierRecord, SnapshotKeeper
from onesixty.storage.database import OUTAGES

_log = structlog.get_logger()
DRAIN_SECONDS: Final = 10.0
HANDOVER_SECONDS: Final = 5.0  # to finish the window of a session that another process is to have
IDLE_SECONDS: Final = 1.0
# Without a word from the database for so long, others may have taken what this process holds.
CUT_OFF_SECONDS: Final = 8.0


@dataclass(slots=True)
class _Open:
    """A lane that is open: what it was opened with, and over how many sessions."""

    record: CarrierRecord
    carrier: Carrier
    sessions: int


class LaneKeeper:
    """Keeps the lanes equal to the carriers on file, as far as their sessions are this process's.

    It opens them, reopens them with new settings, widens, pauses and closes them.
    """

    def __init__(
        self,
        keeper: SnapshotKeeper,
        configs: CarrierConfigs,
        dispatcher: Dispatcher,
        node: Node,
    ) -> None:
        self._keeper, self._configs = keeper, configs
        self._dispatcher, self._node = dispatcher, node
        self._database, self._clock = dispatcher.database, dispatcher.clock
        self._running: dict[int, _Open] = {}
        self._faults: dict[int, str] = {}
        self._elsewhere: dict[int, list[dict[str, Any]]] = {}
        self._changes: list[tuple[int, bool]] = []
        self._seen_at = self._clock.monotonic()  # when the node was last looked at
        self.is_stopping = False  # then nothing is taken any more
        self.on_let_go: Callable[[], None] = lambda: None  # sessions are free for another process
        self.on_departure: Callable[[], None] = lambda: None  # a process is no longer there
        self.loop = Loop("lanes", self.run_once, self._clock, idle_seconds=IDLE_SECONDS)

    async def run_once(self) -> bool:
        """Do what has changed; always False, for the loop: nothing more to do now."""
        if not await self._look():
            return False
        wanted = {one.id: one for one in self._keeper.book.carriers.values() if one.enabled}
        mine = self._share(wanted.values())
        known = {*wanted, *self._running, *(number for number, _ in self._node.slots)}
        rounds = [self._follow(number, wanted.get(number), mine) for number in sorted(known)]
        for failed in await asyncio.gather(*rounds, return_exceptions=True):
            if failed is not None:
                raise failed
        await self._exchange()
        await self._tell()
        return False

    async def stop(self, drain_seconds: float) -> None:
        """Close every lane, and open none again: closing one wakes the loop that would."""
        await self.loop.stop()
        try:
            await self._node.retire()
        except OUTAGES as error:
            _log.warning("lanes.not_handed_over", error=repr(error))
        await asyncio.gather(*(self._close(number, drain_seconds) for number in self._running))
        try:
            await self._node.give_back(set(self._node.slots))
        except OUTAGES as error:
            _log.warning("lanes.not_handed_over", error=repr(error))

    def changed(self, number: int, is_up: bool) -> None:
        """A carrier came up or went down: tell its account by an event, in the next round."""
        self._changes.append((number, is_up))
        self.loop.wake()

    def up_elsewhere(self, number: int) -> bool:
        """Whether another process can send by this carrier, as it told lately."""
        return any(state["status"] == "up" for state in self._elsewhere.get(number, ()))

    def states(self) -> dict[int, dict[str, Any]]:
        """Live state by carrier number over all processes, with why one could not be started."""
        own = self._own_states()
        return {
            number: standing.merge(
                [*([own[number]] if number in own else ()), *self._elsewhere.get(number, ())]
            )
            for number in {*own, *self._elsewhere}
        }

    def one_account(self) -> dict[int, list[int]]:
        """For each carrier the others that are the same account at their far side."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for one in self._keeper.book.carriers.values():
            spec = registry.SPECS.get(one.kind)  # None: its package is not installed any more
            names = [one.settings.get(name) for name in spec.account] if spec else []
            if any(name is not None for name in names):
                key = one.account_id, one.kind, *names
                groups.setdefault(key, []).append(one.id)
        return {
            number: [other for other in group if other != number]
            for group in groups.values()
            if len(group) > 1
            for number in group
        }

    def wholes(self) -> list[int]:
        """The carriers that send a message in one request, however many segments it has."""
        whole = {spec.kind for spec in registry.SPECS.values() if not spec.splits}
        return [one.id for one in self._keeper.book.carriers.values() if one.kind in whole]

    def reader_of(self, number: int) -> Callable[[StoredReceipt], Receipt] | None:
        """How kept receipts of a carrier are read, by its settings of now."""
        record = self._keeper.book.carriers.get(number)
        return carriers.reader(record.kind, record.settings) if record else None

    async def _look(self) -> bool:
        """Look who is there; False when the database does not say."""
        before = self._node.roll.all
        try:
            await self._node.look()
        except OUTAGES as error:
            silent = self._clock.monotonic() - self._seen_at
            _log.warning("node.silent", seconds=round(silent, 1), error=repr(error))
            if silent > CUT_OFF_SECONDS and not self._node.alone() and self._running:
                _log.error("node.cut_off", carriers=sorted(self._running))
                self._node.slots.clear()
                await asyncio.gather(*(self._close(one, HANDOVER_SECONDS) for one in self._running))
            return False
        self._seen_at = self._clock.monotonic()
        if set(before) - set(self._node.roll.all):
            self.on_departure()
        return True

    def _share(self, wanted: Iterable[CarrierRecord]) -> set[Slot]:
        """The slots that this process shall have."""
        counts = {one.id: _sessions(one) for one in wanted}
        roll, own = self._node.roll, self._node.number
        if roll.dispatching == (own,):
            return {(number, slot) for number, count in counts.items() for slot in range(count)}
        shares = share_out(counts, roll.dispatching, roll.held)
        return {slot for slot, node in shares.items() if node == own}

    async def _follow(self, number: int, record: CarrierRecord | None, mine: set[Slot]) -> None:
        """Make the lane of one carrier what it shall be now."""
        running = self._running.get(number)
        if running and (record is None or _needs_reopening(running.record, record)):
            await self._close(number, DRAIN_SECONDS)
        shall = {slot for slot in mine if slot[0] == number}
        held = {slot for slot in self._node.slots if slot[0] == number}
        if surplus := held - shall:
            await self._resize(number, len(held & shall))
            await self._node.give_back(surplus)
            self.on_let_go()
        if not self.is_stopping and (missing := shall - held):
            await self._node.take(missing)
        sessions = sum(slot[0] == number for slot in self._node.slots)
        if record is None or not sessions:
            self._faults.pop(number, None)
            await self._resize(number, 0)
        elif number not in self._running:
            await self._open(record, sessions)
        else:
            await self._resize(number, sessions)
            self._adjust(record)

    async def _open(self, record: CarrierRecord, sessions: int) -> None:
        try:
            carrier = self._build(record, sessions)
        except (ValueError, SealError, KeyError) as error:
            if self._faults.get(record.id) != str(error):
                _log.error("carrier.faulty", carrier=record.name, error=str(error))
            self._faults[record.id] = str(error)
            return
        self._faults.pop(record.id, None)
        self._running[record.id] = _Open(record, carrier, sessions)
        rate = _rate(record, sessions)
        await self._dispatcher.open(record.id, carrier, rate, record.paused)

    async def _resize(self, number: int, sessions: int) -> None:
        """Have so many sessions; none closes the lane."""
        running = self._running.get(number)
        if running is None or running.sessions == sessions:
            return
        if not sessions:
            await self._close(number, HANDOVER_SECONDS)
            return
        _log.info("lane.resized", carrier=number, sessions=sessions, before=running.sessions)
        running.sessions = sessions
        self._dispatcher.lanes[number].limit(_rate(running.record, sessions))
        await cast(SessionCarrier, running.carrier).resize(sessions, HANDOVER_SECONDS)

    def _adjust(self, record: CarrierRecord) -> None:
        """Take over what changes without a new connection."""
        running = self._running[record.id]
        if record is running.record:
            return
        lane = self._dispatcher.lanes[record.id]
        if (rate := _rate(record, running.sessions)) != _rate(running.record, running.sessions):
            lane.limit(rate)
        lane.paused = record.paused
        running.record = record
        lane.on_room()

    async def _close(self, number: int, drain_seconds: float) -> None:
        del self._running[number]
        await self._dispatcher.close(number, drain_seconds)
        for gauge in metrics.OF_LANES:
            gauge.labels(str(number)).set(0)

    async def _exchange(self) -> None:
        """Tell the others how the carriers stand here, and hear how they stand there."""
        own = self._own_states()
        for number, state in self._dispatcher.states().items():
            metrics.lane_waiting.labels(str(number)).set(state["waiting_in_memory"])
        if self._node.alone():
            self._elsewhere = {}
            return
        if self._node.dispatches:
            await standing.tell(self._database, self._node.number, own)
        others = [one for one in self._node.roll.all if one != self._node.number]
        self._elsewhere = await standing.hear(self._database, others)

    async def _tell(self) -> None:
        while self._changes:
            number, is_up = self._changes[0]
            record = self._keeper.book.carriers.get(number)
            # Of a carrier that other processes have too, only its first up and last down are news.
            if record is not None and not self.up_elsewhere(number):
                name = "carrier.up" if is_up else "carrier.down"
                async with self._database.write() as tx:
                    data = {"carrier": record.name, "kind": record.kind}
                    await events.tell(tx, record.account_id, name, data, self._clock.now())
            del self._changes[0]

    def _own_states(self) -> dict[int, dict[str, Any]]:
        faults = {
            number: {"status": "faulty", "detail": text} for number, text in self._faults.items()
        }
        return {**faults, **self._dispatcher.states()}

    def _build(self, record: CarrierRecord, sessions: int) -> Carrier:
        spec = registry.SPECS[record.kind]
        changes = {spec.sessions: sessions} if spec.sessions else {}
        return spec.build(self._configs.of(record, **changes))


def _sessions(record: CarrierRecord) -> int:
    """Sessions of a carrier over all processes."""
    spec = registry.SPECS.get(record.kind)
    if spec is None or spec.sessions is None:
        return 1
    default = next(one.default for one in spec.fields if one.name == spec.sessions)
    return int(record.settings.get(spec.sessions, default))


def _rate(record: CarrierRecord, sessions: int) -> Rate | None:
    """This process's share of the carrier's rate; None for no limit."""
    if record.rate_per_second is None:
        return None
    share = sessions / _sessions(record)
    return Rate(record.rate_per_second * share, record.burst and record.burst * share)


def _needs_reopening(old: CarrierRecord, new: CarrierRecord) -> bool:
    return (new.settings, new.secrets, new.kind) != (old.settings, old.secrets, old.kind)
