"""The composition root: read `build` to know what the platform is made of."""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import TracedCarrier
from onesixty.carriers.smpp.traces import Traces
from onesixty.entrypoints.callbacks.door import Door as CallbackDoor
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.server import Server
from onesixty.entrypoints.smpp.deliver import Deliveries
from onesixty.entrypoints.smpp.door import Door
from onesixty.entrypoints.smpp.opening import Options as SmppOptions
from onesixty.entrypoints.smpp.opening import Platform, open_door
from onesixty.features.billing.settling import IDLE_SECONDS as BILLING_IDLE_SECONDS
from onesixty.features.billing.settling import HoldSettler
from onesixty.features.channel_templates import TemplateSync
from onesixty.features.channel_templates.sync import IDLE_SECONDS as TEMPLATES_IDLE_SECONDS
from onesixty.features.esme_delivery.deliver import EsmeDeliverer
from onesixty.features.lookups.asking import IDLE_SECONDS as LOOKUPS_IDLE_SECONDS
from onesixty.features.lookups.asking import Lookups
from onesixty.features.lookups.networks import Networks
from onesixty.features.webhooks.deliver import Deliverer, DeliverOptions
from onesixty.kit.chance import Chance, chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Gatherer, Loop
from onesixty.kit.secrets import Sealer
from onesixty.messages.accept import Acceptor
from onesixty.messages.dispatch import Dispatcher, ends
from onesixty.messages.dispatch.backlog import IDLE_SECONDS as BACKLOG_IDLE_SECONDS
from onesixty.messages.dispatch.backlog import Backlog
from onesixty.messages.dispatch.failover import IDLE_SECONDS as FAILOVER_IDLE_SECONDS
from onesixty.messages.dispatch.failover import Failover, Graces
from onesixty.messages.dispatch.fallback import IDLE_SECONDS as FALLBACK_IDLE_SECONDS
from onesixty.messages.dispatch.fallback import Fallbacks
from onesixty.messages.dispatch.limiter import Limiter
from onesixty.messages.doubt.reconcile import Reconciler
from onesixty.messages.doubt.sweep import Sweeper
from onesixty.messages.doubt.verdict import Policy
from onesixty.messages.handover import Handover
from onesixty.messages.lanes import DRAIN_SECONDS, LaneKeeper
from onesixty.messages.leases import LeaseBook
from onesixty.messages.quality import Options as QualityOptions
from onesixty.messages.quality import QualityKeeper
from onesixty.messages.quality.keeper import IDLE_SECONDS as QUALITY_IDLE_SECONDS
from onesixty.messages.receive import Receiver
from onesixty.messages.receive.inbound import InboundReceiver
from onesixty.messages.receive.intake import Intake
from onesixty.messages.settle import Settler
from onesixty.messages.types import Category
from onesixty.nodes import bell
from onesixty.nodes.bell import Bell
from onesixty.nodes.node import Node
from onesixty.nodes.questions import Questions
from onesixty.records import accounts, carriers, idempotency
from onesixty.records.billing.costs import Costs
from onesixty.records.bootstrap import prepare
from onesixty.records.carrier_configs import PATH, CarrierConfigs
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.settings import SettingError, Settings, seconds_or_never
from onesixty.smpp.trace.capture import Wiretap
from onesixty.storage import partitions
from onesixty.storage.database import OUTAGES, Database

T = TypeVar("T")
_log = structlog.get_logger()
# Roles whose processes have the doors of HTTP, the lanes, the webhooks.
ANSWERING: Final = ("all", "api")
DISPATCHING: Final = ("all", "dispatch")
NOTIFYING: Final = ("all", "notify")


@dataclass(slots=True)
class App:
    """A running process of the platform."""

    database: Database
    keeper: SnapshotKeeper
    node: Node
    bell: Bell
    acceptor: Acceptor
    dispatcher: Dispatcher
    settler: Settler
    receiver: Receiver
    inbound: InboundReceiver
    reconciler: Reconciler
    sweeper: Sweeper
    fallbacks: Fallbacks
    deliverer: Deliverer
    esme_deliverer: EsmeDeliverer
    server: Server
    door: Door
    loops: list[Loop]
    lanes: LaneKeeper
    lookups: Lookups
    housekeeping: "Housekeeping"
    new_key: str | None = None  # the first API key, when this start made one
    role: str = "all"
    stop_seconds: float = 30.0

    async def start(self) -> None:
        """Start every loop; carriers begin to connect."""
        for gatherer in self._gatherers():
            gatherer.start()
        if self.role in NOTIFYING:
            self.deliverer.start()
        if self.role in ANSWERING:
            self.esme_deliverer.start()
        await self.lookups.networks.run_once()
        await self.lanes.run_once()
        for loop in self.loops:
            loop.start()
        self.bell.loop.start()
        self.bell.ring(bell.NODES)
        # What is here now stays; collections of the rest are rare, see `cli`.
        gc.collect()
        gc.freeze()

    def stopping(self) -> None:
        """Say from now on that no traffic is wanted: `stop` comes soon."""
        self.housekeeping.is_stopping = self.lanes.is_stopping = True
        self.door.stopping()

    async def stop(self) -> None:
        """Take nothing more, finish what is in flight, give back what is not, leave.

        All within `stop_seconds`, as far as it lies with us.
        """
        self.stopping()
        clock = asyncio.get_running_loop().time
        until = clock() + self.stop_seconds
        with contextlib.suppress(TimeoutError):  # of clients that do not answer an unbind
            async with asyncio.timeout_at(until):
                await self.door.stop(min(DRAIN_SECONDS, self.stop_seconds))
        await self.lanes.stop(min(DRAIN_SECONDS, self.stop_seconds))
        for gatherer in self._gatherers():
            try:
                async with asyncio.timeout_at(until):
                    await gatherer.caught_up()
            except TimeoutError:
                _log.warning("stop.unfinished", waiting=len(gatherer))
            await gatherer.stop()
        for loop in self.loops:
            await loop.stop()
        await self.lookups.close()
        await self.deliverer.stop(min(5.0, max(0.1, until - clock())))
        await self.esme_deliverer.stop(min(5.0, max(0.1, until - clock())))
        self.bell.ring(bell.NODES)
        self.bell.ring(bell.QUEUE)
        with contextlib.suppress(*OUTAGES):
            await self.node.leave()
        await self.bell.run_once()
        await self.bell.stop()
        await self.database.close()

    def _gatherers(self) -> tuple[Gatherer[Any], ...]:
        return (
            self.acceptor.gatherer,
            self.settler.gatherer,
            self.receiver.gatherer,
            self.inbound.gatherer,
        )


async def build(settings: Settings, database_url: str, sealer: Sealer, clock: Clock) -> App:
    """Put one process together on a migrated database. Nothing runs before `App.start`."""
    registry.add_installed()
    database = await Database.open(database_url, connections=settings.database_connections)
    new_key = await prepare(database, sealer, settings.bootstrap_key, clock.now())
    luck, role = chance(), settings.role
    keeper = await SnapshotKeeper.start(database, clock)
    node = await Node.register(database.url, _name(), dispatches=role in DISPATCHING)
    await keeper.join(node)
    ring = Bell(database.url, clock)
    book = LeaseBook()
    dispatcher = Dispatcher(database, clock, book, node.number)
    settler = Settler(database, clock, luck, book)
    receiver = Receiver(database, clock, settler.gatherer.caught_up)
    inbound = InboundReceiver(database, clock, keeper, _parts_wait(settings))
    reconciler = Reconciler(database, clock, node.number, book)
    sweeper = Sweeper(database, clock, _policy(settings))
    fallbacks = Fallbacks(database, clock)
    deliverer = Deliverer(database, keeper, sealer, clock, luck, _deliver_options(settings))
    esme_deliverer = EsmeDeliverer(database, keeper, clock, luck)
    wake_webhooks = deliverer.wake if role in NOTIFYING else partial(ring.ring, bell.WEBHOOKS)
    wake_outbox = _waker(keeper, node, ring, wake_webhooks, esme_deliverer)
    handover = Handover(dispatcher, book, node.number, _sandbox(keeper), wake_outbox)
    acceptor = Acceptor(database, keeper, sealer, clock, luck, handover)
    lookups = _lookups(database, clock, keeper, sealer, acceptor)
    quality = QualityKeeper(database, clock, keeper, QualityOptions(), judges=role in DISPATCHING)
    configs = _configs(settings, sealer, clock, luck)
    lanes = LaneKeeper(keeper, configs, dispatcher, node)
    housekeeping = Housekeeping(database, clock, wake_outbox, inbound)
    door = _open_door(Platform(database, keeper, clock, acceptor, node, wake_outbox), settings)
    questions = _questions(Questions(database, node, ring, clock), node, dispatcher, door)
    context = Context(
        database=database,
        keeper=keeper,
        sealer=sealer,
        clock=clock,
        acceptor=acceptor,
        carrier_states=lanes.states,
        wake_webhooks=wake_outbox,
        esme_states=door.headcount.states,
        is_ready=housekeeping.why_not_ready,
        allow_private_urls=settings.allow_private_urls,
        configs=configs,
        reread_receipts=receiver.reread,
        ask_processes=questions.ask,
        quality=quality,
        lookups=lookups,
    )
    app = App(
        database, keeper, node, ring, acceptor, dispatcher, settler, receiver, inbound, reconciler,
        sweeper, fallbacks, deliverer, esme_deliverer, _server(context, receiver, inbound, role),
        door, [], lanes, lookups, housekeeping, new_key, role, settings.stop_seconds,
    )  # fmt: skip
    _connect(app, wake_outbox)
    _connect_to_others(app)
    loops = _loops(app, clock, settings, configs)
    app.loops = [*loops, questions.loop, *_inform_router(app, quality)]
    return app


def _questions(questions: Questions, node: Node, dispatcher: Dispatcher, door: Door) -> Questions:
    wiretaps = partial(_wiretaps, dispatcher, door)
    questions.answer = Traces(dispatcher.clock, node.number, wiretaps).answer
    return questions


def _lookups(
    database: Database, clock: Clock, keeper: SnapshotKeeper, sealer: Sealer, acceptor: Acceptor
) -> Lookups:
    networks = Networks(database, clock, keeper)
    acceptor.router.facts.network = networks.of
    return Lookups(database, clock, keeper, sealer, networks)


def _deliver_options(settings: Settings) -> DeliverOptions:
    return DeliverOptions(allow_private=settings.allow_private_urls)


def _parts_wait(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.inbound_parts_seconds)


def _configs(settings: Settings, sealer: Sealer, clock: Clock, luck: Chance) -> CarrierConfigs:
    allow_private = settings.allow_private_urls
    return CarrierConfigs(sealer, clock, luck, settings.public_url, allow_private=allow_private)


def _name() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _inform_router(app: App, quality: QualityKeeper) -> list[Loop]:
    """What the rooms have written is counted; the router is told what is judged, and costs."""
    lookups, clock = app.lookups, quality.clock
    app.settler.counted = _both(quality.counter.outcomes, lookups.outcomes)
    app.receiver.counted = _both(quality.counter.receipts, lookups.receipts)
    app.reconciler.counted = quality.counter.receipts
    quality.wake_webhooks = lookups.wake_webhooks = app.settler.wake_webhooks
    facts, keeper = app.acceptor.router.facts, app.keeper
    facts.cost = Costs(lambda: keeper.book.billing, clock.now).of
    facts.quality, facts.version = quality.of, lambda: quality.version
    networks = Loop("networks", lookups.networks.run_once, clock, idle_seconds=LOOKUPS_IDLE_SECONDS)
    asking = Loop("lookups", lookups.run_once, clock, idle_seconds=LOOKUPS_IDLE_SECONDS)
    lookups.wake = asking.wake
    keeper.on_change(lookups.networks.follow)
    keeper.on_change(networks.wake)
    return [
        Loop("quality", quality.run_once, clock, idle_seconds=QUALITY_IDLE_SECONDS),
        networks,
        asking,
    ]


def _both(first: Callable[[T], None], second: Callable[[T], None]) -> Callable[[T], None]:
    def called(told: T) -> None:
        first(told)
        second(told)

    return called


def _server(context: Context, receiver: Receiver, inbound: InboundReceiver, role: str) -> Server:
    """The doors that HTTP leads to."""
    if role not in ANSWERING:
        return Server(context, only_health=True)
    intake = Intake(context.database, context.clock, receiver.put, inbound.put)
    intake.wake_webhooks = context.wake_webhooks
    door = CallbackDoor(context.database, context.keeper, context.configs, context.clock, intake)
    return Server(context, beside={PATH: door})


def _wiretaps(dispatcher: Dispatcher, door: Door, of: str, number: int) -> Sequence[Wiretap]:
    if of == "esme":
        return door.taps.of(number)
    carrier = dispatcher.carrier_at(number)
    return carrier.wiretaps() if isinstance(carrier, TracedCarrier) else ()


def _open_door(platform: Platform, settings: Settings) -> Door:
    certificate = settings.smpp_tls_certificate
    options = SmppOptions(
        settings.smpp_system_id, settings.smpp_connections, certificate, settings.smpp_tls_key
    )
    try:
        return open_door(platform, options)
    except OSError as error:  # SSLError is one
        raise SettingError(f"the certificate {certificate} cannot be used: {error}") from None


def _policy(settings: Settings) -> Policy:
    seconds = {
        category: getattr(settings, f"uncertain_{category.name.lower()}") for category in Category
    }
    return Policy(
        {one: seconds_or_never(one.name, text) for one, text in seconds.items()},
        timedelta(seconds=settings.grace_seconds),
    )


def _waker(
    keeper: SnapshotKeeper,
    node: Node,
    ring: Bell,
    wake_webhooks: Callable[[], None],
    esme_deliverer: EsmeDeliverer,
) -> Callable[[], None]:
    """What is called after each commit that wrote rows of the outbox."""

    def wake() -> None:
        wake_webhooks()
        if keeper.book.esmes:
            esme_deliverer.wake()
            if not node.alone():  # the session may be in another process
                ring.ring(bell.ESMES)

    return wake


def _connect(app: App, wake_webhooks: Callable[[], None]) -> None:
    """News goes up by these callbacks only."""
    dispatcher, settler, receiver = app.dispatcher, app.settler, app.receiver
    dispatcher.report = settler.put
    dispatcher.on_receipts, dispatcher.on_inbound = receiver.put, app.inbound.put
    settler.look = app.reconciler.look = app.sweeper.look = dispatcher.look
    app.fallbacks.look = dispatcher.look
    receiver.parked = app.reconciler.parked
    receiver.one_account = app.reconciler.one_account = app.lanes.one_account
    app.inbound.one_account = app.lanes.one_account
    app.reconciler.wholes = app.lanes.wholes
    app.reconciler.rematched = receiver.learner.rematched
    receiver.reader_of = app.lanes.reader_of
    app.sweeper.carrier_at = dispatcher.carrier_at
    dispatcher.on_change = app.lanes.changed
    for part in (settler, receiver, app.inbound, app.reconciler, app.sweeper, app.fallbacks):
        part.wake_webhooks = wake_webhooks
    if app.role in NOTIFYING:
        receiver.offer, receiver.hand = app.deliverer.offer, app.deliverer.hand
    app.keeper.on_change(app.lanes.loop.wake)
    app.esme_deliverer.door = Deliveries(app.door.sessions)
    app.door.sessions.on_receiver(app.esme_deliverer.bound)


def _connect_to_others(app: App) -> None:
    """What other processes are told, and what is done when they call."""
    ring, dispatcher, lanes = app.bell, app.dispatcher, app.lanes

    def call(carrier_ids: set[int]) -> None:
        if not app.node.alone():
            for carrier_id in carrier_ids:
                ring.ring(bell.QUEUE, str(carrier_id))

    def called(word: str) -> None:
        dispatcher.look_here([int(word)] if word else list(dispatcher.lanes))

    dispatcher.call_others, dispatcher.up_elsewhere = call, lanes.up_elsewhere
    dispatcher.limiter = Limiter(dispatcher.clock, lambda: app.keeper.book, app.node.dispatching)
    lanes.on_let_go = partial(ring.ring, bell.NODES)
    lanes.on_departure = app.reconciler.parked  # what it had parked is for us to look at
    ring.on(bell.QUEUE, called)
    ring.on(bell.NODES, lambda _: lanes.loop.wake())
    ring.on(bell.RECORDS, lambda _: app.keeper.loop.wake())
    if app.role in DISPATCHING:
        ring.on(bell.PARKED, lambda _: app.reconciler.parked())
    else:  # what calls of carriers bring here is for those that look at it
        app.receiver.parked = partial(ring.ring, bell.PARKED)
    if app.role in NOTIFYING:
        ring.on(bell.WEBHOOKS, lambda _: app.deliverer.wake())
    if app.role in ANSWERING:
        ring.on(bell.ESMES, lambda _: app.esme_deliverer.wake())


def _loops(app: App, clock: Clock, settings: Settings, configs: CarrierConfigs) -> list[Loop]:
    """What runs besides lanes and gatherers; every one of them may run in many processes."""
    loops = [app.keeper.loop, app.lanes.loop, app.door.headcount.loop]
    if app.role in (*DISPATCHING, *ANSWERING):  # receipts come over sessions, and by HTTP
        loops.append(Loop("learn", app.receiver.learn, clock, idle_seconds=60))
    if app.role not in DISPATCHING:
        return loops
    app.sweeper.is_called = configs.public_url is not None
    parts = app.database, clock, app.dispatcher
    graces = Graces(settings.failover_otp_seconds, settings.failover_seconds)
    network = app.acceptor.router.facts.network
    runs = (
        ("reconcile", app.reconciler.run_once, 1),
        ("failover", Failover(*parts, graces).run_once, FAILOVER_IDLE_SECONDS),
        ("doubt", app.sweeper.run_once, 1),
        ("fallback", app.fallbacks.run_once, FALLBACK_IDLE_SECONDS),
        ("backlog", Backlog(*parts).run_once, BACKLOG_IDLE_SECONDS),
        ("billing", HoldSettler(app.database, clock, app.keeper, network).run_once,
         BILLING_IDLE_SECONDS),
        ("templates", TemplateSync(app.database, clock, app.keeper, configs).run_once,
         TEMPLATES_IDLE_SECONDS),
        ("expire", app.housekeeping.expire, 1),
        ("housekeeping", app.housekeeping.run_once, 60),
    )  # fmt: skip
    return loops + [Loop(name, run, clock, idle_seconds=seconds) for name, run, seconds in runs]


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
        wake_webhooks: Callable[[], None],
        inbound: InboundReceiver,
    ) -> None:
        self._database, self._clock = database, clock
        self._wake_webhooks, self._inbound = wake_webhooks, inbound
        self.is_stopping = False

    async def expire(self) -> bool:
        """End what waited longer than it was wanted."""
        more, hooked = await ends.expire(self._database, self._clock.now())
        if hooked:
            self._wake_webhooks()
        return more

    async def run_once(self) -> bool:
        """Partitions to come, old idempotency keys, incomplete inbound messages."""
        await self._inbound.sweep()
        async with self._database.write() as tx:
            await partitions.ensure(tx, self._clock.now() + timedelta(days=1))
            await idempotency.forget_old(tx, self._clock.now())
        return False

    async def why_not_ready(self) -> list[str]:
        """Reasons why messages cannot be taken; empty when they can."""
        if self.is_stopping:
            return ["the process is stopping"]
        try:
            async with asyncio.timeout(2):
                await self._database.fetch("SELECT 1")
        except (TimeoutError, *OUTAGES) as error:
            return [f"the database does not answer: {error!r}"]
        return []
