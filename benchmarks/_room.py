"""One room of the walk by itself: a fresh database, an account, a carrier that takes everything.

The database is the embedded PostgreSQL with its usual settings: every commit is on the disk.
"""

import argparse
import contextlib
import gc
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from _cpu import Meter
from onesixty.carriers import registry
from onesixty.carriers.contract import (
    CarrierEvents,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Report,
    Submission,
)
from onesixty.kit import ids
from onesixty.kit.chance import Chance, chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.secrets import Sealer
from onesixty.messages.accept import Acceptor
from onesixty.messages.dispatch import Dispatcher, Lane
from onesixty.messages.handover import Handover
from onesixty.messages.leases import LeaseBook
from onesixty.messages.types import Caller, SendRequest
from onesixty.records import accounts, carriers, routes
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage import embedded, partitions
from onesixty.storage.database import Connection, Database
from onesixty.storage.migrate import migrate

BATCH: Final = 1000
NODE: Final = 1
TEXT: Final = "Your parcel is on its way and arrives tomorrow from 10 to 12: example.com/t/47112"


class Bottomless:
    """A carrier that takes all it is given and answers at once."""

    def __init__(self, clock: SystemClock) -> None:
        self.up = True
        self._clock = clock

    async def start(self, events: CarrierEvents) -> None:
        """Nothing to start."""

    async def stop(self, drain_seconds: float) -> None:
        """Nothing to stop."""

    def is_up(self) -> bool:
        """As it was told."""
        return self.up

    def room(self) -> int:
        """More than any lane holds."""
        return 1_000_000 if self.up else 0

    def submit(self, batch: Sequence[Submission], report: Report) -> None:
        """Accept each under an id of its own."""
        now = self._clock.now()
        for one in batch:
            identifier = one.message_id.hex
            part = PartAnswer(1, OutcomeKind.ACCEPTED, identifier, identifier)
            report(Outcome(one, OutcomeKind.ACCEPTED, now, now, [part], 1))

    def state(self) -> dict[str, Any]:
        """For display."""
        return {"status": "up" if self.up else "down"}


@dataclass(slots=True)
class Room:
    """The parts that rooms are made of, wired as `app.py` does, with no loop running but ours."""

    database: Database
    keeper: SnapshotKeeper
    sealer: Sealer
    lane: Lane
    dispatcher: Dispatcher
    acceptor: Acceptor
    carrier: Bottomless
    caller: Caller
    leases: LeaseBook
    clock: SystemClock
    luck: Chance
    postmaster_pid: int
    outcomes: list[Outcome] = field(default_factory=list)  # of all that the carrier took

    async def fill(self, count: int) -> None:
        """Accept that many messages: sent and answered when the carrier is up, else queued."""
        for start in range(0, count, BATCH):
            some = [request(number) for number in range(start, min(start + BATCH, count))]
            await self.acceptor.accept_batch(some, self.caller, ids.uuid7())

    async def measure(self, name: str, count: int, work: Awaitable[object]) -> None:
        """Do the work on `count` rows and print what it took."""
        with Meter([os.getpid(), self.postmaster_pid]) as meter:
            began = time.perf_counter()
            await work
            seconds = time.perf_counter() - began
        postgres = meter.seconds.pop("postgres", 0.0)
        own = sum(meter.seconds.values())
        per = 1e6 / count  # milliseconds for 1,000 rows
        print(f"{name:<44}{count / seconds:>10,.0f}{own * per:>10.1f}{postgres * per:>12.1f}")


def run(work: Callable[[Room, int], Awaitable[None]], about: str | None) -> None:
    """Read `--count`, open a room, print the head of the table, and work."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--count", type=int, default=20_000, help="messages [%(default)s]")
    count = parser.parse_args().count

    async def inside(server: embedded.EmbeddedServer) -> None:
        async with _opened(server) as room:
            print(f"{'':<44}{'':>10}{'CPU ms per 1,000':>22}")
            print(f"{f'{count:,} messages':<44}{'rows/s':>10}{'Python':>10}{'PostgreSQL':>12}")
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 20, 100)  # as the platform does, see its cli
            await work(room, count)

    with tempfile.TemporaryDirectory(prefix="onesixty-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL does not run as root, and has to pass through
        server = embedded.start(Path(folder) / "data")
        try:
            migrate(server.url)
            uvloop.run(inside(server))
        finally:
            embedded.discard(server)


def request(number: int) -> SendRequest:
    """A message as a shop sends it."""
    return SendRequest(to=f"+4477009{number % 100_000:05d}", body=TEXT, sender="ACME")


@contextlib.asynccontextmanager
async def _opened(server: embedded.EmbeddedServer) -> AsyncIterator[Room]:
    database = await Database.open(server.url)
    try:
        yield await _furnished(database, server.postmaster_pid)
    finally:
        await database.close()


async def _furnished(database: Database, postmaster_pid: int) -> Room:
    clock, luck, sealer = SystemClock(), chance(), Sealer(b"benchmark")
    async with database.write() as tx:
        await partitions.ensure(tx, clock.now())
        account_id, carrier_id = await _on_file(tx, sealer)
    keeper = await SnapshotKeeper.start(database, clock)
    leases, carrier = LeaseBook(), Bottomless(clock)
    dispatcher = Dispatcher(database, clock, leases, NODE)
    lane = dispatcher.lanes[carrier_id] = Lane(carrier_id, carrier, dispatcher)
    handover = Handover(dispatcher, leases, NODE, carrier_id)
    acceptor = Acceptor(database, keeper, sealer, clock, luck, handover)
    caller = Caller(account_id, test=False, scopes=frozenset("*"), key_id=ids.uuid7())
    room = Room(
        database, keeper, sealer, lane, dispatcher, acceptor, carrier, caller, leases, clock, luck,
        postmaster_pid,
    )  # fmt: skip
    dispatcher.report = room.outcomes.append
    await lane.run_once()  # it looks into the queue once, finds it empty, and is open
    return room


async def _on_file(tx: Connection, sealer: Sealer) -> tuple[int, int]:
    account_id = await accounts.create(tx, sealer, "bench", None)
    settings, secrets = carriers.check(registry.SPECS["loopback"], {})
    fields = {"name": "bench", "kind": "loopback", "settings": settings, "secrets": secrets}
    carrier_id = await carriers.create(tx, sealer, account_id, fields)
    groups = [{"strategy": "priority", "carriers": [{"carrier_id": carrier_id, "weight": 1}]}]
    route = {"name": "all", "position": 1, "match": {}, "groups": groups, "enabled": True}
    await routes.create(tx, account_id, route)
    return account_id, carrier_id
