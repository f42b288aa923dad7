"""Read kept receipts again: with other settings, or for messages that were not known before.

A walk over the receipts of all carriers in the order of their ids, some thousands at a time, so
however long a history is, one step is short.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.contract import Receipt, StoredReceipt
from onesixty.messages.receive.apply import apply, fold
from onesixty.messages.receive.find import Finds, Search, find
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection

STEP: Final = 2000  # receipts of all carriers that one transaction passes

UNTIL: Final = "SELECT id FROM receipts WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1"
_COLUMNS: Final = (
    "id, carrier_id, message_id, carrier_message_id, state, error, sender, recipient, raw,"
    " received_at"
)
READ: Final = f"""
SELECT {_COLUMNS} FROM receipts
WHERE id > $1 AND id <= $2 AND carrier_id = $3 ORDER BY id FOR UPDATE
"""
PARKED: Final = f"""
SELECT {_COLUMNS} FROM receipts
WHERE message_id IS NULL AND id >= $1 AND carrier_id = $2 ORDER BY id LIMIT {STEP} FOR UPDATE
"""
REWRITE: Final = """
UPDATE receipts r SET account_id = coalesce(r.account_id, n.account_id),
    message_id = coalesce(r.message_id, n.message_id), part = coalesce(r.part, n.part),
    match_key = n.match_key, state = n.state
FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::smallint[], $5::text[], $6::smallint[])
    AS n(id, account_id, message_id, part, match_key, state)
WHERE r.id = n.id
"""
_LAST: Final = UUID(int=2**128 - 1)


@dataclass(slots=True)
class Reread:
    """What came of reading again."""

    read: int = 0
    matched: int = 0  # belonged to no message before
    changed: int = 0  # say something else than before
    unmatched: int = 0  # belong to none still
    hooked: int = 0  # outbox rows
    after: UUID | None = None  # where to go on, if there is more

    def add(self, other: "Reread") -> None:
        """Count the next step too."""
        self.read += other.read
        self.matched += other.matched
        self.changed += other.changed
        self.unmatched += other.unmatched
        self.hooked += other.hooked
        self.after = other.after


Reader = Callable[[StoredReceipt], Receipt]


async def step(
    tx: Connection, carrier_id: int, after: UUID, read: Reader, search: Search
) -> Reread:
    """Read the receipts of a carrier behind this id again, as far as one step goes."""
    until: UUID | None = await tx.fetchval(UNTIL, after, STEP - 1)
    rows = await tx.fetch(READ, after, until or _LAST, carrier_id)
    done = await _again(tx, rows, read, search)
    done.after = until
    return done


async def parked(
    tx: Connection, carrier_id: int, since: UUID, read: Reader, search: Search
) -> Reread:
    """Read those again that match nothing yet and are not older than this id."""
    return await _again(tx, await tx.fetch(PARKED, since, carrier_id), read, search)


async def _again(tx: Connection, rows: Sequence[Any], read: Reader, search: Search) -> Reread:
    """Read rows again, apply what is new, and keep how they read now."""
    pairs = [(row, read(_stored(row))) for row in rows]
    news = [
        (row, receipt)
        for row, receipt in pairs
        if row["message_id"] is None or receipt.state != row["state"]
    ]
    receipts = [receipt for _, receipt in news]
    finds = await find(tx, receipts, search) if news else Finds({}, {})
    # What belongs to a message already stays with it, whatever other readings of its id say.
    mine = {
        n: found
        for n, found in finds.rows.items()
        if news[n][0]["message_id"] in (None, found["message_id"])
    }
    changes = [
        _change(row, receipt, mine.get(n), finds.guessed.get(n) or search.keys(receipt))
        for n, (row, receipt) in enumerate(news)
    ]
    await tx.execute(REWRITE, *columns(changes, 6))
    told = fold((found, receipts[n]) for n, found in sorted(mine.items()))
    hooked = (await apply(tx, told)).hooked if told else 0
    matched = sum(news[n][0]["message_id"] is None for n in mine)
    return Reread(
        read=len(pairs),
        matched=matched,
        changed=sum(receipt.state != row["state"] for row, receipt in news),
        unmatched=sum(row["message_id"] is None for row in rows) - matched,
        hooked=hooked,
    )


def _change(row: Any, receipt: Receipt, found: Any, keys: Sequence[str]) -> tuple[Any, ...]:
    message = (found["account_id"], found["message_id"], found["part"]) if found else (None,) * 3
    return (row["id"], *message, keys[0] if keys else "", int(receipt.state))


def _stored(row: Any) -> StoredReceipt:
    return StoredReceipt(
        row["carrier_id"], row["carrier_message_id"], row["state"], row["error"] or "",
        row["sender"] or "", row["recipient"] or "", row["raw"], row["received_at"],
    )  # fmt: skip
