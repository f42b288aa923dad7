"""One process of the platform without its doors: everything between a request and its events."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from onesixty.kit import chance, ids
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.messages import store
from onesixty.messages.accept import Acceptor
from onesixty.messages.dispatch import Dispatcher, Lane
from onesixty.messages.dispatch.fallback import Fallbacks
from onesixty.messages.doubt.reconcile import Reconciler
from onesixty.messages.doubt.sweep import Sweeper
from onesixty.messages.doubt.verdict import Policy
from onesixty.messages.handover import Handover
from onesixty.messages.leases import LeaseBook
from onesixty.messages.receive import Receiver
from onesixty.messages.receive.inbound import InboundReceiver
from onesixty.messages.render import STATUS_NAMES
from onesixty.messages.settle import Settler
from onesixty.messages.types import Caller, Message, SendRequest
from onesixty.nodes.node import Node
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Connection, Database

from .scripted import PATIENCE_SECONDS, ScriptedCarrier

NUMBER = "+447700900000"


@dataclass(slots=True)
class Walk:
    """A running process; `account` sends its messages and `carrier` is its first carrier."""

    database: Database
    clock: ManualClock
    keeper: SnapshotKeeper
    node: Node
    leases: LeaseBook
    dispatcher: Dispatcher
    settler: Settler
    receiver: Receiver
    inbound: InboundReceiver
    reconciler: Reconciler
    sweeper: Sweeper
    fallbacks: Fallbacks
    acceptor: Acceptor
    account: int
    sandbox: int
    carriers: list[ScriptedCarrier]
    hooks: list[str]  # who woke the reader of the outbox

    @classmethod
    async def open(
        cls, database: Database, clock: ManualClock, account: int, sandbox: int
    ) -> "Walk":
        """Put together what runs between the doors, without lanes; see `lane`."""
        sealer, luck = Sealer(b"test master key"), chance.chance(160)
        keeper = await SnapshotKeeper.start(database, clock)
        node = await Node.register(database.url, "test")
        book = LeaseBook()
        dispatcher = Dispatcher(database, clock, book, node.number)
        settler = Settler(database, clock, luck, book)
        receiver = Receiver(database, clock, settler.gatherer.caught_up)
        inbound = InboundReceiver(database, clock, keeper)
        reconciler = Reconciler(database, clock, node.number, book)
        sweeper = Sweeper(database, clock, Policy())
        fallbacks = Fallbacks(database, clock)
        hooks: list[str] = []
        handover = Handover(dispatcher, book, node.number, sandbox, lambda: hooks.append("accept"))
        acceptor = Acceptor(database, keeper, sealer, clock, luck, handover)
        dispatcher.report = settler.put
        dispatcher.on_receipts, dispatcher.on_inbound = receiver.put, inbound.put
        settler.look = reconciler.look = sweeper.look = fallbacks.look = dispatcher.look
        receiver.parked = reconciler.parked
        sweeper.carrier_at = dispatcher.carrier_at
        for part in (settler, receiver, inbound, reconciler, sweeper, fallbacks):
            part.wake_webhooks = partial(hooks.append, type(part).__name__)
        walk = cls(
            database, clock, keeper, node, book, dispatcher, settler, receiver, inbound, reconciler,
            sweeper, fallbacks, acceptor, account, sandbox, [], hooks,
        )  # fmt: skip
        for gatherer in walk._gatherers():
            gatherer.start()
        return walk

    async def close(self) -> None:
        """Stop everything where it stands."""
        for number in list(self.dispatcher.lanes):
            await self.dispatcher.lanes.pop(number).loop.stop()
        for gatherer in self._gatherers():
            await gatherer.stop()
        await self.node.leave()

    async def lane(
        self, number: int, window: int = 100, *, by_itself: bool = False
    ) -> ScriptedCarrier:
        """Open the lane of a carrier that is on file.

        It only claims when `claim` is called, unless it may do so by itself.
        """
        carrier = ScriptedCarrier(number, self.clock, window)
        await self.dispatcher.open(number, carrier, None, False)
        self.carriers.append(carrier)
        if not by_itself:
            await self.lane_of(carrier).loop.stop()
        await self.claim()
        return carrier

    async def route_over(self, *numbers: int) -> None:
        """Have every route lead over these carriers, in this order."""
        carriers = [{"carrier_id": number, "weight": 1} for number in numbers]
        groups = [{"strategy": "priority", "carriers": carriers}]
        await self.ask("UPDATE routes SET groups = $1 RETURNING 1", groups)
        await self.keeper.refresh()

    @property
    def carrier(self) -> ScriptedCarrier:
        """The first one."""
        return self.carriers[0]

    def lane_of(self, carrier: ScriptedCarrier) -> Lane:
        """The line before a carrier."""
        return self.dispatcher.lanes[carrier.number]

    def caller(self, *, test: bool = False, account: int | None = None) -> Caller:
        """Somebody of the account."""
        return Caller(account or self.account, test, frozenset({"*"}), ids.uuid7())

    async def send(self, body: str = "hello", to: str = NUMBER, **more: Any) -> Message:
        """Have one message taken."""
        taken = await self.acceptor.accept(SendRequest(to, body, **more), self.caller())
        assert isinstance(taken, Message), taken
        return taken

    async def send_many(self, requests: Sequence[SendRequest]) -> list[Message]:
        """Have a batch taken, all of it."""
        taken = await self.acceptor.accept_batch(requests, self.caller(), ids.uuid7())
        assert isinstance(taken, list)
        assert all(isinstance(one, Message) for one in taken), taken
        return [one for one in taken if isinstance(one, Message)]

    async def claim(self) -> None:
        """Let every lane look into the queue until it has what it takes."""
        for lane in list(self.dispatcher.lanes.values()):
            while await lane.run_once():
                pass

    async def settled(self) -> None:
        """Wait until every answer so far is written."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.settler.gatherer.caught_up()

    async def received(self) -> None:
        """Wait until every receipt and inbound message so far is written."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.receiver.gatherer.caught_up()
            await self.inbound.gatherer.caught_up()

    async def swept(self) -> None:
        """Look at every message in doubt that is due."""
        while await self.sweeper.run_once():
            pass

    async def fell_back(self) -> None:
        """Let every message go on whose next channel is due, and the lanes look for it."""
        while await self.fallbacks.run_once():
            pass
        await self.claim()

    async def row(self, message: Message) -> Any:
        """The message as it is stored."""
        async with self.database.read() as connection:
            return await store.get(connection, message.account_id, message.id)

    async def status(self, message: Message) -> str:
        """The name of its status."""
        return STATUS_NAMES[(await self.row(message))["status"]]

    async def told(self, message: Message) -> list[str]:
        """The statuses that its events tell of, in their order."""
        async with self.database.read() as connection:
            rows = await store.events_of(connection, message.account_id, message.id)
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
        return [STATUS_NAMES[row["type"]] for row in rows]

    async def parts(self, message: Message) -> list[Any]:
        """Its submissions."""
        async with self.database.read() as connection:
            return await store.submissions(connection, message.id)

    async def ask(self, statement: str, *arguments: Any) -> Any:
        """The one value that a statement gives."""
        async with self.database.read() as connection:
            return await connection.fetchval(statement, *arguments)

    async def count(self, table: str) -> int:
        """Rows of a table."""
        number: int = await self.ask(f"SELECT count(*) FROM {table}")
        return number

    def _gatherers(self) -> list[Any]:
        parts = (self.acceptor, self.settler, self.receiver, self.inbound)
        return [part.gatherer for part in parts]


async def somebody_waits(tx: Connection, count: int = 1) -> None:
    """Wait until so many statements hang on locks."""
    waits = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await tx.fetchval(waits) < count:
            await tx.execute("SELECT pg_stat_clear_snapshot()")
