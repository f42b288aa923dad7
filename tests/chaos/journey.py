"""Some messages on their whole way, through processes whose database connection breaks."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import asyncpg
import orjson

from features.webhooks.receiver import Receiver, receiving
from messages.scripted import PATIENCE_SECONDS, ScriptedCarrier, name_of
from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import ReceiptState, Submission
from onesixty.features.webhooks.deliver import Deliverer, DeliverOptions
from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.kit.secrets import Sealer
from onesixty.messages.states import Status
from onesixty.messages.types import Channel, Message, Refusal, SendRequest
from onesixty.messages.types import Step as Channels
from onesixty.records import events, idempotency, webhooks
from onesixty.storage.database import Database

from . import invariants
from .trap import JumpingClock, Trap

ROUNDS_MOST = 30
ROUND_SECONDS = 6.0  # what an unclear commit left behind is looked for after five
RESEND_SECONDS = 60.0  # the policy for a transactional message
REFUSED = "refuse this"
PLAN = (Channels(Channel.SMS, 2 * ROUND_SECONDS, REFUSED), Channels(Channel.SMS))
TRIES_MOST = 10
CONNECTIONS = 2  # of each process: to open more takes longer than what it does with them


@dataclass(slots=True)
class Process:
    """One process of the platform with its outbox."""

    walk: Walk
    deliverer: Deliverer
    trap: Trap

    @classmethod
    async def start(cls, url: str, clock: JumpingClock, account: int) -> "Process":
        """With a lane to the account's carrier; the sandbox was made before it."""
        trap = await Trap.open(url, connections=CONNECTIONS)
        assert isinstance(trap, Trap)
        sandbox, carrier = await trap.fetch("SELECT id FROM carriers ORDER BY id")
        walk = await Walk.open(trap, clock, account, sandbox["id"])
        await walk.lane(carrier["id"])
        options = DeliverOptions(allow_private=True)
        sealer = Sealer(b"test master key")
        deliverer = Deliverer(trap, walk.keeper, sealer, clock, chance(1), options)
        deliverer.settling.start()
        return cls(walk, deliverer, trap)

    async def die(self) -> None:
        """What it holds in memory is gone; PostgreSQL sees its connections end."""
        await self.walk.node._connection.close()
        await self.walk.close()
        await self.deliverer.stop(0.0)
        await self.trap.close()


Step = Callable[[Process], Awaitable[object]]


@dataclass(slots=True)
class Journey:
    """A client who asks again until it is answered, the processes, the carrier and its receipts.

    The carrier refuses the first step of each plan.
    """

    url: str
    clock: JumpingClock
    account: int
    receiver: Receiver
    process: Process
    looking: asyncpg.Connection
    """Ours, by which nobody but the test asks; it keeps the plans of what is asked after each."""
    jump: float = 0.0
    """Seconds by which the clock is set forward or back while messages are on their way."""
    promised: dict[UUID, str] = field(default_factory=dict)
    """The recipient of each message that was answered."""
    _taken: list[Submission] = field(default_factory=list)  # from processes that died since
    _deferred: list[Submission] = field(default_factory=list)
    _receipted: set[str] = field(default_factory=set)

    async def run(self, number: int) -> None:
        """Send five messages, by each way that there is, and see them delivered."""
        await self._send(f"{number}1")
        self._carrier.turn(up=False)  # so that it goes through the queue
        await self._send(f"{number}2")
        self._carrier.turn(up=True)
        await self._send(f"{number}3", f"{number}4")
        for one in self._carrier.unanswered()[:1]:
            self._carrier.defer(one)
            self._deferred.append(one)
        await self.clock.advance(self.jump)
        await self._send(f"{number}5", steps=PLAN)
        await self._round()
        await self.clock.advance(max(0.0, -self.jump))  # what waits does until it is as late again
        for _ in range(ROUNDS_MOST):
            await self._round()
            if await self._is_at_rest():
                return
            if await self._only_waits_to_be_sent_again():
                await self.clock.advance(RESEND_SECONDS)
        raise TimeoutError(await self._statuses())

    async def check(self) -> None:
        """Assert that nothing was lost, nothing was done twice, and everybody was told."""
        assert await invariants.violations(self.looking, at_rest=True) == []
        statuses = await self._statuses()
        assert statuses.keys() == self.promised.keys()
        sent = Counter(one.message_id for one in self._all_taken())
        assert {one: times for one, times in sent.items() if times > 1} == {}
        told = {one.headers["webhook-id"] for one in self.receiver.taken}
        rows = await self.looking.fetch("SELECT id FROM events")
        assert {ids.to_text("evt", row["id"]) for row in rows} <= told

    async def _send(self, *names: str, steps: tuple[Channels, ...] = ()) -> None:
        requests = [
            SendRequest(f"+4477009{int(name):05d}", f"number {name}", steps=steps) for name in names
        ]
        key = " ".join(names)

        async def send(process: Process) -> None:
            accept, caller = process.walk.acceptor, process.walk.caller()
            claim = idempotency.claim(self.account, key, "POST", "/", b"")
            if len(requests) == 1:
                one = await accept.accept(requests[0], caller, claim, _encode)
                answer = one if isinstance(one, idempotency.Answer) else _encode([one])
            else:
                some = await accept.accept_batch(requests, caller, ids.uuid7(), claim, _encode)
                answer = some if isinstance(some, idempotency.Answer) else _encode(some)
            for identifier, request in zip(orjson.loads(answer.body), requests, strict=True):
                self.promised[UUID(identifier)] = request.to

        for _ in range(TRIES_MOST):
            if await self._does(send):
                return
        raise TimeoutError(key)

    async def _round(self) -> None:
        """Every loop once, and a carrier that takes and delivers all that it is given."""
        await self._does(lambda process: process.walk.claim())
        for one in self._carrier.unanswered():
            if one.body == REFUSED:
                self._carrier.refuse(one)
                self._deferred.append(one)
            else:
                self._carrier.accept(one)
        await self._does(lambda process: process.walk.settled())
        await self._does(lambda process: process.walk.fallbacks.run_once())
        self._bring_receipts()
        await self._does(lambda process: process.walk.received())
        await self._does(lambda process: process.walk.reconciler.run_once())
        await self._does(lambda process: process.walk.sweeper.run_once())
        await self._does(_deliver)
        await self.clock.advance(ROUND_SECONDS)

    async def _does(self, step: Step) -> bool:
        """Whether a step was done; what breaks has its next turn, and who dies is replaced."""
        trap = self.process.trap
        task = asyncio.ensure_future(step(self.process))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not task.done() and not trap.is_dead:
                await asyncio.wait([task], timeout=0.01)
        if trap.is_dead:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._taken += self._carrier.taken
            await self.process.die()
            self.process = await Process.start(self.url, self.clock, self.account)
            return False
        try:
            task.result()
        except asyncpg.ConnectionDoesNotExistError:
            return False
        return True

    def _bring_receipts(self) -> None:
        """Bring each until it is acknowledged."""
        for one in self._all_taken():
            if name_of(one) not in self._receipted and one not in self._carrier.unanswered():
                receipt = self._carrier.made_receipt(one, ReceiptState.DELIVERED, name_of(one))
                self._carrier.bring(replace(receipt, acknowledge=self._acknowledged(name_of(one))))

    def _acknowledged(self, name: str) -> Callable[[bool], None]:
        return lambda stored: self._receipted.add(name) if stored else None

    async def _is_at_rest(self) -> bool:
        if set((await self._statuses()).values()) != {Status.DELIVERED}:
            return False
        rest = invariants.AT_REST.values()
        return not any([await self.looking.fetch(statement) for statement in rest])

    async def _only_waits_to_be_sent_again(self) -> bool:
        """Whether all that is left was in a process that died before its carrier had it."""
        taken = {one.message_id for one in self._all_taken()}
        left = {
            one: status
            for one, status in (await self._statuses()).items()
            if status is not Status.DELIVERED
        }
        return not left.keys() & taken and set(left.values()) == {Status.UNCERTAIN}

    async def _statuses(self) -> dict[UUID, Status]:
        rows = await self.looking.fetch("SELECT id, status FROM messages")
        return {row["id"]: Status(row["status"]) for row in rows}

    def _all_taken(self) -> list[Submission]:
        """What the SMSC has, whoever gave it."""
        some = self._taken + self._carrier.taken
        return [one for one in some if not any(one is each for each in self._deferred)]

    @property
    def _carrier(self) -> ScriptedCarrier:
        return self.process.walk.carrier


@contextlib.asynccontextmanager
async def beginning(database: Database, on_file: OnFile) -> AsyncIterator[Journey]:
    """A journey in a fresh database, with an account, a carrier and a webhook endpoint on file."""
    clock = JumpingClock()
    account = await on_file.account("acme")
    await on_file.carrier(account, name="sandbox")
    await on_file.route(account, await on_file.carrier(account, name="main"), name="all")
    looking = await asyncpg.connect(database.url)
    async with receiving() as receiver:
        async with database.write() as tx:
            new = webhooks.NewEndpoint(receiver.url, events.mask(["*"]))
            await webhooks.create(tx, on_file.sealer, account, new, clock.now())
        process = await Process.start(database.url, clock, account)
        journey = Journey(database.url, clock, account, receiver, process, looking)
        yield journey
        await journey.process.die()
    await looking.close()


def _encode(taken: Sequence[Message | Refusal]) -> idempotency.Answer:
    names = [str(one.id) for one in taken if isinstance(one, Message)]
    return idempotency.Answer(202, orjson.dumps(names))


async def _deliver(process: Process) -> None:
    while await process.deliverer.run_once():
        pass
    await process.deliverer.quiet()
