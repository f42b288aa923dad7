"""Accept: decide everything about messages, make them durable, answer. Nothing is decided later.

`address -> compose -> time -> route -> price -> store`. A bad request becomes a Refusal and never
harms its neighbours. The answer is given after the commit. Messages whose lane has room are stored
as leased to this process and handed to the lane in memory; the others wait in the queue, from which
the lane claims them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from onesixty.kit import metrics
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Bounds, Full, Gatherer
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import Sealer
from onesixty.messages import store, windows
from onesixty.messages.accept.decide import Pick, decide
from onesixty.messages.handover import Handover, Storing
from onesixty.messages.types import Caller, Message, Refusal, SendRequest
from onesixty.records import idempotency, routes
from onesixty.records.billing import holds
from onesixty.records.routes import explanations
from onesixty.records.snapshot import Snapshot, SnapshotKeeper
from onesixty.storage.database import Connection, Database

GATHER_MOST: Final = 1000  # messages in one transaction
REST_SECONDS: Final = 0.01  # at most, between two of them
INBOX_MOST: Final = 5000  # single requests that wait for their commit; more are told to come back
BATCHED_MOST: Final = 50_000  # messages of batch requests that wait for their commit
CHUNK: Final = 2000  # messages of a batch request in one statement

# Turns stored messages into the bytes of the answer, which is kept with the idempotency key.
Encode = Callable[[Sequence[Message | Refusal]], idempotency.Answer | None]
Result = list[Message | Refusal] | idempotency.Answer | Problem


@dataclass(slots=True)
class _Entry:
    """One single request on its way to its commit."""

    message: Message
    claim: idempotency.Claim | None
    encode: Encode | None
    done: asyncio.Future[Result]
    began: float  # monotonic seconds


@dataclass(slots=True)
class _Batch:
    """The messages of one batch request on their way to their commit."""

    id: UUID
    account_id: int
    decided: list[Message | Refusal]
    claim: idempotency.Claim | None
    encode: Encode | None

    def good(self) -> list[Message]:
        return [one for one in self.decided if isinstance(one, Message)]


class Acceptor:
    """The way into the platform for outbound messages, whatever door they came through."""

    def __init__(
        self,
        database: Database,
        keeper: SnapshotKeeper,
        sealer: Sealer,
        clock: Clock,
        chance: Chance,
        handover: Handover,
    ) -> None:
        self._database, self._keeper, self._sealer = database, keeper, sealer
        self._clock, self._handover = clock, handover
        self.router = routes.Router(routes.Facts(handover.lanes.is_up, chance, clock.now))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batched = 0  # messages of batches that wait for their commit
        self.batched_most = BATCHED_MOST
        self.gatherer: Gatherer[_Entry] = Gatherer(
            "accept",
            self._write,
            clock,
            Bounds(batch_max=GATHER_MOST, inbox_max=INBOX_MOST, rest_seconds=REST_SECONDS),
            give_up=self._give_up,
        )

    async def accept(
        self,
        request: SendRequest,
        caller: Caller,
        claim: idempotency.Claim | None = None,
        encode: Encode | None = None,
    ) -> Message | Refusal | idempotency.Answer:
        """Take one message. `encode` makes the answer that is kept under `claim`.

        Raises Problem `overloaded` or a conflict.
        """
        begun = self.begin(request, caller, claim, encode)
        if isinstance(begun, Refusal):
            if claim and (kept := await self._kept(claim)):
                return kept
            return self.end([begun])
        return self.end(await begun)

    def begin(
        self,
        request: SendRequest,
        caller: Caller,
        claim: idempotency.Claim | None = None,
        encode: Encode | None = None,
    ) -> "Refusal | asyncio.Future[Result]":
        """Decide about one message now, have it stored soon: the future is done after its commit.

        For doors that take many at once without a task for each; without a claim its result is a
        list of one Message or Refusal. Raises Problem `overloaded`. Refusals are the caller's to
        count.
        """
        began = self._clock.monotonic()
        decided = self.preview(request, caller)
        if isinstance(decided, Refusal):
            return decided
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # Python 3.11 asks the system each time
        future: asyncio.Future[Result] = self._loop.create_future()
        try:
            self.gatherer.put(_Entry(decided, claim, encode, future, began))
        except Full:
            detail = "too many messages wait to be stored"
            raise Problem("overloaded", detail, retry_after_seconds=1) from None
        return future

    def end(self, result: Result) -> Message | Refusal | idempotency.Answer:
        """What became of one message; a refusal is counted. Raises the Problem that it may be."""
        if isinstance(result, Problem):
            raise result
        if isinstance(result, idempotency.Answer):
            return result
        if isinstance(refusal := result[0], Refusal):
            metrics.refused.labels(refusal.code).inc()
        return result[0]

    async def accept_batch(
        self,
        requests: Sequence[SendRequest],
        caller: Caller,
        batch_id: UUID,
        claim: idempotency.Claim | None = None,
        encode: Encode | None = None,
    ) -> list[Message | Refusal] | idempotency.Answer:
        """Take many messages as one batch, in one transaction.

        The good ones are stored, the others come back refused. Raises Problem `overloaded` or a
        conflict.
        """
        if self._batched + len(requests) > self.batched_most:
            detail = "too many messages of batches wait to be stored"
            raise Problem("overloaded", detail, retry_after_seconds=1)
        self._batched += len(requests)
        try:
            return await self._accept_batch(requests, caller, batch_id, claim, encode)
        finally:
            self._batched -= len(requests)

    async def _accept_batch(
        self,
        requests: Sequence[SendRequest],
        caller: Caller,
        batch_id: UUID,
        claim: idempotency.Claim | None,
        encode: Encode | None,
    ) -> list[Message | Refusal] | idempotency.Answer:
        book, now, pick = self._keeper.book, self._clock.now(), self._pick(caller)
        network = self.router.facts.network
        decided: list[Message | Refusal] = []
        for number, request in enumerate(requests):
            outcome = decide(book, request, caller, now, pick, network)
            if isinstance(outcome, Message):
                outcome.batch_id = batch_id
            decided.append(outcome)
            if number % 500 == 499:
                await asyncio.sleep(0)  # a large batch does not hold up the others' codes
        batch = _Batch(batch_id, caller.account_id, decided, claim, encode)
        with Storing(self._handover, batch.good()) as storing:
            await self._keep_explanations()
            kept = await self._database.transact(
                lambda tx: self._store_batch(tx, storing, batch, now), "batch"
            )
            if kept is not None:
                storing.undo()
                return kept
        storing.hand_over()
        for refusal in batch.decided:
            if isinstance(refusal, Refusal):
                metrics.refused.labels(refusal.code).inc()
        return batch.decided

    async def _store_batch(
        self, tx: Connection, storing: Storing, batch: _Batch, now: datetime
    ) -> idempotency.Answer | None:
        """Store what the database lets pass, and the answer; or give the answer there is."""
        kept = await self._take(tx, batch.claim)
        if kept is not None:
            return kept
        good = batch.good()
        if self._asks(good):
            denied = await self._deny(tx, good)
            batch.decided = [
                denied.get(one.id, one) if isinstance(one, Message) else one
                for one in batch.decided
            ]
            good = batch.good()
            storing.keep_only(good)
        for start in range(0, len(good), CHUNK):
            await storing.insert(tx, good[start : start + CHUNK])
        refused = len(batch.decided) - len(good)
        await store.insert_batch_row(tx, batch.account_id, batch.id, len(good), refused, now)
        if batch.claim and batch.encode:
            answer = batch.encode(batch.decided)
            await idempotency.keep(tx, self._sealer, [(batch.claim, answer)])
        return None

    def preview(self, request: SendRequest, caller: Caller) -> Message | Refusal:
        """Decide as for a send, and store nothing."""
        now, pick, network = self._clock.now(), self._pick(caller), self.router.facts.network
        return decide(self._keeper.book, request, caller, now, pick, network)

    def _pick(self, caller: Caller) -> Pick:
        return self._pick_sandbox if caller.test else self._pick_route

    def _pick_route(self, book: Snapshot, traits: routes.Traits) -> routes.Chosen | None:
        return self.router.choose(book, traits)

    def _pick_sandbox(self, book: Snapshot, traits: routes.Traits) -> routes.Chosen | None:
        return routes.Chosen(0, self._handover.sandbox_carrier, ())

    async def _kept(self, claim: idempotency.Claim) -> idempotency.Answer | None:
        """The answer to an earlier request with this key; it counts though refused by now."""
        return await self._database.transact(lambda tx: self._take_or_keep(tx, claim))

    async def _take_or_keep(
        self, tx: Connection, claim: idempotency.Claim
    ) -> idempotency.Answer | None:
        kept = await self._take(tx, claim)
        if kept is None:
            await idempotency.keep(tx, self._sealer, [(claim, None)])
        return kept

    async def _take(
        self, tx: Connection, claim: idempotency.Claim | None
    ) -> idempotency.Answer | None:
        if claim is None:
            return None
        (kept,) = await idempotency.take(tx, self._sealer, [claim], self._clock.now())
        if isinstance(kept, Problem):
            raise kept
        return kept

    async def _write(self, entries: list[_Entry]) -> None:
        try:
            await self._write_together(entries)
        except asyncpg.DataError as error:
            if len(entries) == 1:
                self._give_up(entries, error)
                return
        else:
            return
        # A text that PostgreSQL refuses: it shall not harm those that were gathered with it.
        for entry in entries:
            await self._write([entry])

    async def _write_together(self, entries: list[_Entry]) -> None:
        entries = [entry for entry in entries if not entry.done.done()]
        with Storing(self._handover, [entry.message for entry in entries]) as storing:
            await self._keep_explanations()
            if any(entry.claim for entry in entries):
                entries = await self._write_claimed(entries, storing)
            elif self._asks([entry.message for entry in entries]):
                entries = await self._write_asked(entries, storing)
            elif entries:
                await storing.insert_alone(self._database)
        storing.hand_over()
        for entry in entries:
            _answer(entry, [entry.message])
        if entries:
            metrics.accept_seconds.observe(self._clock.monotonic() - entries[0].began)

    async def _write_asked(self, entries: list[_Entry], storing: Storing) -> list[_Entry]:
        """Store those that the database lets pass, and give them; answer the others."""
        messages = [entry.message for entry in entries]
        refused = await self._database.transact(
            lambda tx: self._store_passed(tx, messages, storing), "accept"
        )
        for entry in entries:
            if entry.message.id in refused:
                _answer(entry, [refused[entry.message.id]])
        return [entry for entry in entries if entry.message.id not in refused]

    async def _store_passed(
        self, tx: Connection, messages: list[Message], storing: Storing
    ) -> dict[UUID, Refusal]:
        refused = await self._deny(tx, messages)
        passed = [message for message in messages if message.id not in refused]
        storing.keep_only(passed)
        await storing.insert(tx, passed)
        return refused

    def _asks(self, messages: list[Message]) -> bool:
        """Whether what the database knows may refuse any of them."""
        return any(message.hold or windows.matters(message) for message in messages)

    async def _deny(self, tx: Connection, messages: list[Message]) -> dict[UUID, Refusal]:
        """Refusals by message; the price of all others is held."""
        now = self._clock.now()
        denied = await windows.closed(tx, messages, now)
        if wanted := [one.hold for one in messages if one.hold and one.id not in denied]:
            answers = await holds.reserve(tx, wanted, now)
            denied |= {
                one.message_id: Refusal(answer.code, answer.detail)
                for one, answer in zip(wanted, answers, strict=True)
                if answer
            }
        return denied

    async def _keep_explanations(self) -> None:
        if self.router.unkept:
            await explanations.keep(self._database, self.router)

    def _give_up(self, entries: list[_Entry], error: Exception) -> None:
        # Nothing was stored. Each caller is told so; there is no retry behind its back.
        for entry in entries:
            if not entry.done.done():
                entry.done.set_exception(error)

    async def _write_claimed(self, entries: list[_Entry], storing: Storing) -> list[_Entry]:
        """Store what is keyless or the first with its key, and give it; answer the others."""
        stored, answers = await self._database.transact(
            lambda tx: self._store_claimed(tx, entries, storing), "accept"
        )
        for entry, answer in answers:
            _answer(entry, answer)
        return stored

    async def _store_claimed(
        self, tx: Connection, entries: list[_Entry], storing: Storing
    ) -> tuple[list[_Entry], list[tuple[_Entry, Result]]]:
        first: dict[tuple[int, str], _Entry] = {}
        repeats = [  # in this very batch
            (entry, entry.claim)
            for entry in entries
            if entry.claim and first.setdefault(entry.claim.name, entry) is not entry
        ]
        claims = [entry.claim for entry in first.values() if entry.claim]
        kept = await idempotency.take(tx, self._sealer, claims, self._clock.now())
        answers: list[tuple[_Entry, Result]] = [
            (entry, answer)
            for entry, answer in zip(first.values(), kept, strict=True)
            if answer is not None
        ]
        others = {id(entry) for entry, _ in (*answers, *repeats)}
        stored = [entry for entry in entries if id(entry) not in others]
        refused = await self._deny(tx, [entry.message for entry in stored])
        denied = [
            (entry, refused[entry.message.id]) for entry in stored if entry.message.id in refused
        ]
        answers += [(entry, [refusal]) for entry, refusal in denied]
        freed = {entry.claim.name: refusal for entry, refusal in denied if entry.claim}
        answers += [(entry, [freed[one.name]]) for entry, one in repeats if one.name in freed]
        repeats = [one for one in repeats if one[1].name not in freed]
        stored = [entry for entry in stored if entry.message.id not in refused]
        storing.keep_only([entry.message for entry in stored])
        await storing.insert(tx, [entry.message for entry in stored])
        encoded = [
            (entry.claim, entry.encode([entry.message]))
            for entry in stored
            if entry.claim and entry.encode
        ]
        encoded += [(entry.claim, None) for entry, _ in denied if entry.claim]
        await idempotency.keep(tx, self._sealer, encoded)
        if repeats:
            found = await idempotency.look(tx, self._sealer, [claim for _, claim in repeats])
            answers += zip([entry for entry, _ in repeats], found, strict=True)
        return stored, answers


def _answer(entry: _Entry, result: Result) -> None:
    if not entry.done.done():  # its caller may have gone away
        entry.done.set_result(result)
