"""Receive: receipts become rows; only then are they acknowledged to the carrier.

A receipt is matched by (carrier, normal form of the carrier's message id); carriers that are one
account at the SMSC share their receipts, which come over any of their binds. Every receipt is
stored as it came. One that matches nothing is parked: it may have overtaken the answer to its own
submit, see `doubt/reconcile.py`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.contract import Receipt
from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Bounds, Gatherer
from onesixty.messages.receive.apply import Applied, Offer, apply, fold, write_costs
from onesixty.messages.receive.find import Finds, Search, find
from onesixty.messages.receive.learning import Learner
from onesixty.messages.receive.rereading import Reader, Reread, parked, step
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Database

BATCH_MOST: Final = 1000
YOUNG: Final = timedelta(minutes=10)  # parked receipts that may have overtaken their answer
REST_SECONDS: Final = 0.02  # at most; the answer to a receipt waits for its commit
INBOX_MOST: Final = 100_000  # beyond it the carrier is asked to bring the receipt again

_COLUMNS = """id, carrier_id, account_id, message_id, part, carrier_message_id, match_key,
    state, error, sender, recipient, raw, received_at"""
_ARRAYS = """$1::uuid[], $2::int[], $3::int[], $4::uuid[], $5::smallint[], $6::text[],
    $7::text[], $8::smallint[], $9::text[], $10::text[], $11::text[], $12::text[],
    $13::timestamptz[]"""
STORE: Final = f"INSERT INTO receipts ({_COLUMNS}) SELECT * FROM unnest({_ARRAYS})"
# What only carriers over HTTP tell.
STORE_MORE: Final = f"""
INSERT INTO receipts ({_COLUMNS}, echoed, network, cost_micros, cost_currency)
SELECT * FROM unnest({_ARRAYS}, $14::uuid[], $15::text[], $16::bigint[], $17::text[])
"""


class Receiver:
    """Collects receipts of all carriers and writes them in batches."""

    def __init__(
        self, database: Database, clock: Clock, settled: Callable[[], Awaitable[None]]
    ) -> None:
        self._database, self._clock, self._settled = database, clock, settled
        self.wake_webhooks: Callable[[], None] = lambda: None
        # The deliverer of webhooks in this process: what it takes at once, and the way to it.
        self.offer: Callable[[set[int]], Offer] = lambda account_ids: Offer()
        self.hand: Callable[[Sequence[Any]], None] = lambda rows: None
        self.parked: Callable[[], None] = lambda: None
        # What was found of the submissions, each with its receipt, once both are written.
        self.counted: Callable[[Sequence[tuple[Any, Receipt]]], None] = lambda told: None
        self.one_account: Callable[[], Mapping[int, Sequence[int]]] = dict
        self.learner = Learner(database, clock)
        # How kept receipts of a carrier are read; None where its kind has no such way.
        self.reader_of: Callable[[int], Reader | None] = lambda carrier_id: None
        self.gatherer: Gatherer[Receipt] = Gatherer(
            "receipts",
            self._write,
            clock,
            Bounds(batch_max=BATCH_MOST, inbox_max=INBOX_MOST, rest_seconds=REST_SECONDS),
        )

    def put(self, receipts: Sequence[Receipt]) -> None:
        """Receipts of one read.

        When too many wait already, the carrier is asked to bring these again.
        """
        for receipt in receipts:
            if self.gatherer.is_full:
                receipt.acknowledge(False)
            else:
                self.gatherer.put(receipt)

    async def _write(self, receipts: list[Receipt]) -> None:
        # The answers that came before these receipts are in the database first, so that a receipt
        # finds its submission.
        await self._settled()
        search = self.search(self._clock.now())
        finds, done = await self._database.transact(
            lambda tx: self._take(tx, receipts, search), "receipts"
        )
        found = finds.rows
        for receipt in receipts:
            receipt.acknowledge(True)
        if len(found) < len(receipts):
            self.parked()
        self.hand(done.handed)
        if done.hooked > len(done.handed):
            self.wake_webhooks()
        self.learner.note(receipts, finds, search)
        self.counted([(found[n], receipts[n]) for n in found])

    async def _take(
        self, tx: Connection, receipts: list[Receipt], search: Search
    ) -> tuple[Finds, Applied]:
        finds = await find(tx, receipts, search)
        found = finds.rows
        await _store(tx, receipts, finds, search)
        if any(receipt.price for receipt in receipts):
            await write_costs(tx, [(found[n], receipts[n].price) for n in found])
        news = fold((found[n], receipt) for n, receipt in enumerate(receipts) if n in found)
        if not news:
            return finds, Applied(0, [])
        return finds, await apply(tx, news, offer=self.offer({n.account_id for n in news}))

    async def reread(self, carrier_id: int, after: UUID, read: Reader, steps_most: int) -> Reread:
        """Read the kept receipts of a carrier behind this id again, and apply what is new."""
        total, here = Reread(), after
        for _ in range(steps_most):
            search = self.search(self._clock.now())
            one = partial(step, carrier_id=carrier_id, after=here, read=read, search=search)
            total.add(await self._database.transact(one))
            if total.after is None:
                break
            here = total.after
        self._rematched(carrier_id, total)
        return total

    async def learn(self) -> bool:
        """Once in a while: look for what was parked lately by all readings, then learn."""
        since = ids.first_at(self._clock.now() - YOUNG)
        for carrier_id in self.learner.unmatched():
            if read := self.reader_of(carrier_id):
                search = self.search(self._clock.now())
                look = partial(parked, carrier_id=carrier_id, since=since, read=read, search=search)
                found = await self._database.transact(look)
                self._rematched(carrier_id, found)
        return await self.learner.run_once()

    def _rematched(self, carrier_id: int, done: Reread) -> None:
        if done.matched:
            self.learner.rematched({carrier_id: done.matched})
        if done.hooked:
            self.wake_webhooks()

    def search(self, now: datetime) -> Search:
        """Where to look for what receipts are about."""
        return Search(now, self.one_account(), self.learner.learnt)


async def _store(tx: Connection, receipts: Sequence[Receipt], finds: Finds, search: Search) -> None:
    rows = []
    for n, r in enumerate(receipts):
        row = finds.rows.get(n)
        keys = finds.guessed.get(n) or search.keys(r)
        rows.append(
            (
                ids.uuid7(), r.carrier_id,
                row["account_id"] if row else None,
                row["message_id"] if row else None,
                row["part"] if row else None,
                r.carrier_message_id, keys[0] if keys else "",
                int(r.state), r.error or None, r.sender, r.recipient, r.raw, r.received_at,
            )
        )  # fmt: skip
    if any(r.message_id or r.network or r.price for r in receipts):
        more = columns([_more(r) for r in receipts], 4)
        await tx.execute(STORE_MORE, *columns(rows, 13), *more)
    else:
        await tx.execute(STORE, *columns(rows, 13))


def _more(r: Receipt) -> tuple[Any, ...]:
    price = r.price
    return (
        r.message_id, r.network or None, price and price.micros, price and price.currency
    )  # fmt: skip
