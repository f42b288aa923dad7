"""The composition root: read `build` to know what the platform is made of."""

import asyncio
import gc
import socket
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from onesixty.carriers import registry
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.server import Server
from onesixty.features.webhooks.deliver import Deliverer, DeliverOptions
from onesixty.kit.chance import chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.kit.secrets import Sealer
from onesixty.messages import leases
from onesixty.messages.accept import Acceptor
from onesixty.messages.dispatch import Dispatcher, ends
from onesixty.messages.handover import Handover
from onesixty.messages.inbound import InboundReceiver
from onesixty.messages.lanes import DRAIN_SECONDS, LaneKeeper
from onesixty.messages.receive import Receiver
from onesixty.messages.reconcile import Reconciler
from onesixty.messages.settle import Settler
from onesixty.records import accounts, carriers, idempotency, keys
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.settings import Settings
from onesixty.storage import partitions
from onesixty.storage.database import OUTAGES, Connection, Database

_log = structlog.get_logger()


@dataclass(slots=True)
class App:
    """A running platform."""

    database: Database
    keeper: SnapshotKeeper
    node: leases.Node
    acceptor: Acceptor
    dispatcher: Dispatcher
    settler: Settler
    receiver: Receiver
    inbound: InboundReceiver
    reconciler: Reconciler
    deliverer: Deliverer
    server: Server
    loops: list[Loop]
    lanes: LaneKeeper
    new_key: str | None = None  # the first API key, when this start made one
    stop_seconds: float = 30.0
    _listener: Connection | None = field(default=None)

    async def start(self) -> None:
        """Start every loop; carriers begin to connect."""
        for gatherer in (
            self.acceptor.gatherer,
            self.settler.gatherer,
            self.receiver.gatherer,
            self.inbound.gatherer,
        ):
            gatherer.start()
        self.deliverer.start()
        await self.lanes.run_once()
        for loop in self.loops:
            loop.start()
        self._listener = await self.database.listen("onesixty_records", self.keeper.loop.wake)
        # What is here now stays. Collections of the rest are rare: the walk makes no cycles, and
        # each full one stops it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)

    async def stop(self) -> None:
        """Take nothing more, finish what is in flight, give back what is not, leave."""
        await self.lanes.stop(min(DRAIN_SECONDS, self.stop_seconds))
        for gatherer in (
            self.acceptor.gatherer,
            self.settler.gatherer,
            self.receiver.gatherer,
            self.inbound.gatherer,
        ):
            try:
                async with asyncio.timeout(self.stop_seconds):
                    await gatherer.caught_up()
            except TimeoutError:
                _log.warning("stop.unfinished", waiting=len(gatherer))
            await gatherer.stop()
        for loop in self.loops:
            await loop.stop()
        await self.deliverer.stop(5.0)
        if self._listener is not None:
            await self._listener.close()
        await self.node.leave()
        await self.database.close()


async def build(settings: Settings, database_url: str, sealer: Sealer, clock: Clock) -> App:
    """Put the platform together on a migrated database. Nothing runs before `App.start`."""
    database = await Database.open(database_url, connections=settings.database_connections)
    luck = chance()
    async with database.write() as tx:
        await partitions.ensure(tx, clock.now())
        new_key = await bootstrap(tx, sealer, settings.bootstrap_key)
    keeper = await SnapshotKeeper.start(database, clock)
    node = await leases.Node.register(database_url, f"{socket.gethostname()}")

    book = leases.LeaseBook()
    dispatcher = Dispatcher(database, clock, book, node.number)
    settler = Settler(database, clock, luck, book)
    receiver = Receiver(database, clock, settler.gatherer.caught_up)
    inbound = InboundReceiver(database, clock, keeper)
    reconciler = Reconciler(database, clock, node.number, book)
    options = DeliverOptions(allow_private=settings.allow_private_urls)
    deliverer = Deliverer(database, keeper, sealer, clock, luck, options)
    handover = Handover(dispatcher, book, node.number, _sandbox(keeper), deliverer.wake)
    acceptor = Acceptor(database, keeper, sealer, clock, luck, handover)
    lanes = LaneKeeper(database, keeper, sealer, clock, luck, dispatcher)

    # News goes up by these callbacks only.
    dispatcher.report = settler.put
    dispatcher.on_receipts, dispatcher.on_inbound = receiver.put, inbound.put
    settler.look = reconciler.look = dispatcher.look
    receiver.parked = reconciler.parked
    receiver.one_account = reconciler.one_account = lanes.one_account
    dispatcher.on_change = lanes.changed
    for part in (settler, receiver, inbound, reconciler):
        part.wake_webhooks = deliverer.wake

    housekeeping = Housekeeping(database, clock, node, deliverer, inbound)
    loops = [
        keeper.loop,
        lanes.loop,
        Loop("reconcile", reconciler.run_once, clock, idle_seconds=1),
        Loop("expire", housekeeping.expire, clock, idle_seconds=1),
        Loop("housekeeping", housekeeping.run_once, clock, idle_seconds=60),
    ]
    keeper.on_change(lanes.loop.wake)
    context = Context(
        database=database,
        keeper=keeper,
        sealer=sealer,
        clock=clock,
        acceptor=acceptor,
        carrier_states=lanes.states,
        wake_webhooks=deliverer.wake,
        is_ready=housekeeping.why_not_ready,
        allow_private_urls=settings.allow_private_urls,
    )
    return App(
        database, keeper, node, acceptor, dispatcher, settler, receiver, inbound, reconciler,
        deliverer, Server(context), loops, lanes, new_key, settings.stop_seconds,
    )  # fmt: skip


async def bootstrap(tx: Connection, sealer: Sealer, key: str | None) -> str | None:
    """On an empty database make the first account, its sandbox carrier and an admin key.

    Returns the key, this once; None when there was an account.
    """
    await tx.execute("SELECT pg_advisory_xact_lock(160, 0)")
    if await accounts.find(tx, accounts.ROOT) is not None:
        return None
    account_id = await accounts.create(tx, sealer, accounts.ROOT, None)
    settings, secrets = carriers.check(registry.SPECS["loopback"], {})
    await carriers.create(
        tx,
        sealer,
        account_id,
        {"name": carriers.SANDBOX, "kind": "loopback", "settings": settings, "secrets": secrets},
    )
    if key is not None:
        made = await keys.adopt(tx, account_id, "first key", key)
    else:
        made = await keys.create(tx, account_id, "first key", ["*"])
    return made.text


def _sandbox(keeper: SnapshotKeeper) -> int:
    book = keeper.book
    root = next(account.id for account in book.accounts.values() if account.name == accounts.ROOT)
    return next(
        one.id
        for one in book.carriers.values()
        if one.account_id == root and one.name == carriers.SANDBOX
    )


class Housekeeping:
    """What is looked after once in a while."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        node: leases.Node,
        deliverer: Deliverer,
        inbound: InboundReceiver,
    ) -> None:
        self._database, self._clock, self._node = database, clock, node
        self._deliverer, self._inbound = deliverer, inbound

    async def expire(self) -> bool:
        """End what waited longer than it was wanted."""
        more, hooked = await ends.expire(self._database, self._clock.now())
        if hooked:
            self._deliverer.wake()
        return more

    async def run_once(self) -> bool:
        """Partitions to come, old idempotency keys, incomplete inbound messages, our lock."""
        await self._node.keep(self._database.url)
        await self._inbound.sweep()
        async with self._database.write() as tx:
            await partitions.ensure(tx, self._clock.now() + timedelta(days=1))
            await idempotency.forget_old(tx, self._clock.now())
        return False

    async def why_not_ready(self) -> list[str]:
        """Reasons why messages cannot be taken; empty when they can."""
        try:
            async with asyncio.timeout(2):
                await self._database.fetch("SELECT 1")
        except (TimeoutError, *OUTAGES) as error:
            return [f"the database does not answer: {error!r}"]
        return []
