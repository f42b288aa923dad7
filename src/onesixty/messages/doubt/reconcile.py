"""Reconcile: bring together what came apart in time.

A receipt may overtake the answer to its own submit, and a submit may never be answered although its
receipt comes. Parked receipts are looked at again while they are young: first by the carrier's id;
then, for submissions that were never answered, by our own id where the carrier gives it back, else
by recipient, time and text.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog

from onesixty.carriers.contract import OutcomeKind, Price, ReceiptState
from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.messages import leases
from onesixty.messages.receive import apply, fold, write_costs
from onesixty.messages.states import RECEIPT_FINAL
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
YOUNG: Final = timedelta(minutes=10)  # as long as a late answer is remembered by its session
BATCH_MOST: Final = 1000
RESCUE_EVERY_SECONDS: Final = 5.0
_LOCK: Final = 0x0160_0164  # advisory

# A receipt may come over another carrier that is the same account at the SMSC.
_ONE_ACCOUNT = """(s.carrier_id = r.carrier_id
    OR (r.carrier_id, s.carrier_id) IN (SELECT * FROM unnest($3::int[], $4::int[])))"""
_FOUND = """r.id, r.carrier_id, r.state, r.error, r.received_at, r.carrier_message_id, r.match_key,
    r.cost_micros, r.cost_currency, s.account_id, s.message_id, s.attempt, s.part, s.parts,
    s.receipt_state, s.carrier_id AS sent_by, s.answered_at, s.outcome, r.sender"""
_BY_KEY = f"""
SELECT DISTINCT ON (r.id) {_FOUND}
FROM receipts r
JOIN submissions s ON s.match_key = r.match_key AND {_ONE_ACCOUNT} AND s.message_id >= $2
WHERE r.message_id IS NULL AND r.id >= $1
ORDER BY r.id, s.carrier_id <> r.carrier_id, s.message_id DESC LIMIT {BATCH_MOST}
"""
_BY_ECHO = f"""
SELECT DISTINCT ON (r.id) {_FOUND}
FROM receipts r
JOIN submissions s ON s.message_id = r.echoed AND {_ONE_ACCOUNT} AND s.message_id >= $2
    AND s.match_key IS NULL AND s.outcome IN ({OutcomeKind.ACCEPTED}, {OutcomeKind.UNKNOWN})
WHERE r.message_id IS NULL AND r.echoed IS NOT NULL AND r.id >= $1
ORDER BY r.id, s.attempt, s.part LIMIT {BATCH_MOST}
"""
# The text that a receipt quotes is at most 20 characters and often missing: those whose text fits
# come first.
_BY_ADDRESS = f"""
SELECT {_FOUND}
FROM submissions s
JOIN messages m ON m.account_id = s.account_id AND m.id = s.message_id
JOIN receipts r ON r.message_id IS NULL AND r.echoed IS NULL AND r.id >= $1 AND {_ONE_ACCOUNT}
    AND m.recipient IN ('+' || ltrim(r.sender, '+'), '+' || ltrim(r.recipient, '+'))
    AND r.received_at BETWEEN s.submitted_at - interval '1 second'
        AND s.submitted_at + interval '72 hours'
WHERE s.outcome = {OutcomeKind.UNKNOWN} AND s.receipt_state = 0 AND s.message_id >= $2
ORDER BY position(left(m.body, 12) IN r.raw) = 0, s.submitted_at, s.part, r.id LIMIT {BATCH_MOST}
"""
_CLAIM_RECEIPTS = """
UPDATE receipts r SET account_id = n.account_id, message_id = n.message_id, part = n.part
FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::smallint[])
    AS n(id, account_id, message_id, part)
WHERE r.id = n.id AND r.message_id IS NULL
"""


class Reconciler:
    """Looks every second while young receipts are parked, and every five for dead processes."""

    def __init__(
        self, database: Database, clock: Clock, node_number: int, book: leases.LeaseBook
    ) -> None:
        self._database, self._clock = database, clock
        self._node_number, self._book = node_number, book
        self._look_until = (
            clock.monotonic() + YOUNG.total_seconds()
        )  # some may be there from before our start
        self._rescue_at = clock.monotonic()
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.look: Callable[[set[int]], None] = lambda carrier_ids: None
        self.wholes: Callable[[], Collection[int]] = tuple  # carriers that send messages whole
        self.one_account: Callable[[], Mapping[int, Sequence[int]]] = dict
        self.rematched: Callable[[Mapping[int, int]], None] = lambda counts: None
        # As of the receiver, of parts that the carrier took and said so.
        self.counted: Callable[[Sequence[tuple[Any, Any]]], None] = lambda told: None

    def parked(self) -> None:
        """A receipt was parked."""
        self._look_until = self._clock.monotonic() + YOUNG.total_seconds()

    async def run_once(self) -> bool:
        """One look; True when there may be more to match."""
        now = self._clock.monotonic()
        if now >= self._rescue_at:
            self._rescue_at = now + RESCUE_EVERY_SECONDS
            await self._rescue()
        if now > self._look_until:
            return False
        if await self._match(_BY_KEY) >= BATCH_MOST:
            return True  # what has an id that is known is not for guessing
        if await self._match(_BY_ECHO) >= BATCH_MOST:
            return True
        return await self._match(_BY_ADDRESS) >= BATCH_MOST

    async def _rescue(self) -> None:
        now, wholes = self._clock.now(), self.wholes()
        rescued = await leases.rescue(self._database, self._node_number, now, wholes)
        silent = await leases.give_up(self._database, self._node_number, now, wholes)
        if rescued or silent:
            _log.warning("reconcile.rescued", messages=rescued, unreported=silent)
            self.parked()
            self.wake_webhooks()
        orphans = await leases.requeue_orphans(self._database, self._node_number, self._book, now)
        if orphans:
            _log.warning("reconcile.requeued", carriers=sorted(orphans))
            self.look(orphans)

    def _pairs(self) -> tuple[list[int], list[int]]:
        """Carriers over which receipts came, and beside each one whose receipts they may be."""
        pairs = [(a, b) for a, others in self.one_account().items() for b in others]
        return [a for a, _ in pairs], [b for _, b in pairs]

    async def _match(self, statement: str) -> int:
        """Match what the statement finds; return how many rows it found."""
        now = self._clock.now()
        young, recent = ids.first_at(now - YOUNG), ids.first_at(now - timedelta(days=4))
        async with self._database.write() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                return 0  # another process is at it
            found = await tx.fetch(statement, young, recent, *self._pairs())
            rows = _one_to_one(found) if statement is _BY_ADDRESS else found
            hooked = await _apply(tx, rows) if rows else 0
        if hooked:
            self.wake_webhooks()
        if rows:
            self.rematched(Counter(row["carrier_id"] for row in rows))
            self.counted(_countable(rows))
            _log.info("reconcile.matched", receipts=len(rows))
        return len(found)


async def _apply(tx: Connection, rows: Sequence[Any]) -> int:
    await tx.execute(
        _CLAIM_RECEIPTS,
        [row["id"] for row in rows],
        [row["account_id"] for row in rows],
        [row["message_id"] for row in rows],
        [row["part"] for row in rows],
    )
    await write_costs(tx, [(row, _price(row)) for row in rows])
    news = fold((row, _Told(row)) for row in rows)
    return (await apply(tx, news)).hooked if news else 0


def _price(row: Any) -> Price | None:
    micros = row["cost_micros"]
    return None if micros is None else Price(micros, row["cost_currency"])


class _Told:
    """A stored receipt, as `fold` reads it."""

    __slots__ = ("carrier_message_id", "error", "match_keys", "received_at", "sender", "state")

    def __init__(self, row: Any) -> None:
        self.state, self.error = ReceiptState(row["state"]), row["error"]
        self.received_at, self.carrier_message_id = row["received_at"], row["carrier_message_id"]
        self.match_keys = (row["match_key"],)  # from now on it is that of the part
        self.sender = row["sender"]


def _countable(rows: Sequence[Any]) -> list[tuple[Any, _Told]]:
    """The first receipt that ends a part, of each; who sent the part is whose receipt it is."""
    first: dict[object, tuple[Any, _Told]] = {}
    for row in rows:
        told = _Told(row)
        if row["outcome"] == OutcomeKind.ACCEPTED and told.state in RECEIPT_FINAL:
            of_sender = {**row, "carrier_id": row["sent_by"]}
            first.setdefault((row["message_id"], row["attempt"], row["part"]), (of_sender, told))
    return list(first.values())


def _one_to_one(rows: Sequence[Any]) -> list[Any]:
    """Each receipt to one part and, in this round, each part and each id to one receipt.

    The others have their turn next time: a second receipt with the same id finds the part by it.
    """
    taken: set[object] = set()
    chosen = []
    for row in rows:
        part = (row["message_id"], row["attempt"], row["part"])
        names = {row["id"], part, row["match_key"] or row["id"]}
        if not names & taken:
            taken |= names
            chosen.append(row)
    return chosen
