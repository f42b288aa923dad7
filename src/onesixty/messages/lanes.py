"""Lanes follow the carriers on file: opened, opened anew with other settings, paused, closed."""

import asyncio
from typing import Any, Final

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import Carrier, CarrierConfig
from onesixty.kit import metrics
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.kit.secrets import Sealer, SealError
from onesixty.messages.dispatch import Dispatcher
from onesixty.records import carriers, events
from onesixty.records.snapshot import CarrierRecord, SnapshotKeeper
from onesixty.storage.database import Database

_log = structlog.get_logger()
DRAIN_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 5.0


class LaneKeeper:
    """Keeps the lanes equal to the carriers on file.

    It opens them, reopens them with new settings, pauses and closes them.
    """

    def __init__(
        self,
        database: Database,
        keeper: SnapshotKeeper,
        sealer: Sealer,
        clock: Clock,
        chance: Chance,
        dispatcher: Dispatcher,
    ) -> None:
        self._database, self._keeper, self._sealer = database, keeper, sealer
        self._clock, self._chance, self._dispatcher = clock, chance, dispatcher
        self._running: dict[int, CarrierRecord] = {}
        self._faults: dict[int, str] = {}
        self._changes: list[tuple[int, bool]] = []
        self.loop = Loop("lanes", self.run_once, clock, idle_seconds=IDLE_SECONDS)

    async def run_once(self) -> bool:
        """Do what has changed; always False, for the loop: nothing more to do now."""
        await self._tell()
        for number, state in self._dispatcher.states().items():
            metrics.lane_waiting.labels(str(number)).set(state["waiting_in_memory"])
        wanted = {one.id: one for one in self._keeper.book.carriers.values() if one.enabled}
        for number, record in list(self._running.items()):
            new = wanted.get(number)
            if new is None or (new.settings, new.secrets, new.kind) != (
                record.settings,
                record.secrets,
                record.kind,
            ):
                del self._running[number]
                await self._dispatcher.close(number, DRAIN_SECONDS)
        for number, record in wanted.items():
            if number not in self._running:
                await self._open(record)
            elif record is not self._running[number]:
                lane = self._dispatcher.lanes[number]
                if record.rate_per_second != self._running[number].rate_per_second:
                    lane.limit(record.rate_per_second)
                lane.paused = record.paused
                self._running[number] = record
                lane.on_room()
        return False

    async def stop(self, drain_seconds: float) -> None:
        """Close every lane, and open none again: closing one wakes the loop that would."""
        await self.loop.stop()
        await asyncio.gather(
            *(self._dispatcher.close(number, drain_seconds) for number in list(self._running))
        )
        self._running.clear()

    def changed(self, number: int, is_up: bool) -> None:
        """A carrier came up or went down: tell its account by an event, in the next round."""
        self._changes.append((number, is_up))
        self.loop.wake()

    def states(self) -> dict[int, dict[str, Any]]:
        """Live state by carrier number, with why one could not be started."""
        faults = {
            number: {"status": "faulty", "detail": text} for number, text in self._faults.items()
        }
        return {**faults, **self._dispatcher.states()}

    def one_account(self) -> dict[int, list[int]]:
        """For each carrier the others that are the same account at their far side."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for one in self._keeper.book.carriers.values():
            if names := registry.SPECS[one.kind].account:
                key = (one.account_id, one.kind, *(one.settings.get(name) for name in names))
                groups.setdefault(key, []).append(one.id)
        return {
            number: [other for other in group if other != number]
            for group in groups.values()
            if len(group) > 1
            for number in group
        }

    async def _tell(self) -> None:
        while self._changes:
            number, is_up = self._changes[0]
            record = self._keeper.book.carriers.get(number)
            if record is not None:
                name = "carrier.up" if is_up else "carrier.down"
                async with self._database.write() as tx:
                    data = {"carrier": record.name, "kind": record.kind}
                    await events.tell(tx, record.account_id, name, data, self._clock.now())
            del self._changes[0]

    async def _open(self, record: CarrierRecord) -> None:
        try:
            carrier = self._build(record)
        except (ValueError, SealError, KeyError) as error:
            if self._faults.get(record.id) != str(error):
                _log.error("carrier.faulty", carrier=record.name, error=str(error))
            self._faults[record.id] = str(error)
            return
        self._faults.pop(record.id, None)
        self._running[record.id] = record
        await self._dispatcher.open(record.id, carrier, record.rate_per_second, record.paused)

    def _build(self, record: CarrierRecord) -> Carrier:
        spec = registry.SPECS[record.kind]
        settings = {one.name: one.default for one in spec.fields} | carriers.opened(
            record, self._sealer
        )
        return spec.build(
            CarrierConfig(record.id, record.name, settings, self._clock, self._chance)
        )
