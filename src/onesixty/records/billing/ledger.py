"""Who pays, and the ledger: double entry, every transfer takes from one book what it gives another.

Transfers of messages are written where messages are held and settled; those by hand are here. The
values of the books are kept in `balances`, in the statement that writes the transfer; `check` adds
all transfers up and compares.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.kit.problems import FieldError, Problem
from onesixty.records.billing.books import WAYS, Book, Kind
from onesixty.storage.database import Connection, Rows

MODES: Final = ("prepaid", "postpaid")
_BOOKS: Final = ", ".join(book.name.lower() for book in Book)
_HAS: Final = f"SELECT account_id, {_BOOKS} FROM balances WHERE account_id = $1"
_SHOW: Final = f"""
SELECT a.id AS account_id, a.currency, p.mode, p.credit, p.low, {_BOOKS}
FROM accounts a LEFT JOIN payers p ON p.account_id = a.id
LEFT JOIN balances b ON b.account_id = a.id WHERE a.id = $1
"""
_LIST: Final = f"""
SELECT a.name, a.currency, p.mode, {_BOOKS} FROM balances b
JOIN accounts a ON a.id = b.account_id LEFT JOIN payers p USING (account_id) ORDER BY a.name
"""
_PAYS: Final = """
INSERT INTO payers (account_id, mode, credit, low) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id) DO UPDATE SET mode = excluded.mode, credit = excluded.credit,
    low = excluded.low, updated_at = now()
"""
# Of those below too, as far as they do not pay by themselves: their caps are in it.
_CURRENCY: Final = """
WITH RECURSIVE below AS (
    SELECT id FROM accounts WHERE id = $1
    UNION ALL
    SELECT a.id FROM accounts a JOIN below ON a.parent_id = below.id
    WHERE NOT EXISTS (SELECT FROM payers p WHERE p.account_id = a.id)
)
UPDATE accounts a SET currency = $2 FROM below WHERE a.id = below.id
"""
_WRITE: Final = f"""
WITH written AS (
    INSERT INTO transfers (account_id, id, kind, source, target, micros, at, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING account_id, source, target, micros
)
UPDATE balances b SET
    {
    ", ".join(
        f"{book.name.lower()} = b.{book.name.lower()}"
        f" + CASE {book} WHEN w.target THEN w.micros WHEN w.source THEN -w.micros ELSE 0 END"
        for book in Book
    )
}
FROM written w WHERE b.account_id = w.account_id
"""
_ENOUGH: Final = """
UPDATE balances b SET low_told = false FROM payers p
WHERE b.account_id = $1 AND p.account_id = $1 AND b.low_told
    AND (p.low IS NULL OR b.available >= p.low)
"""
_OF_MESSAGE: Final = """
SELECT kind, micros FROM transfers WHERE account_id = $1 AND id = $2
"""

_STATEMENT: Final = f"""
SELECT id, max(at) AS at, max(note) AS note,
    {
    ", ".join(
        f"sum(micros) FILTER (WHERE kind = {kind})::bigint AS {kind.name.lower()}" for kind in Kind
    )
}
FROM transfers WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2)
GROUP BY id ORDER BY id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an account pays."""

    mode: str | None  # None: not by itself; as the account above it, or not at all
    currency: str
    credit: int = 0
    low: int | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """Money moved by hand."""

    kind: Kind  # REFUND or TOPUP
    micros: int
    note: str | None
    id: UUID  # new, or that of the message that is refunded


async def show(connection: Connection, account_id: int) -> Any:
    """mode, currency, credit, low and the books of an account; NULL where it has none."""
    return await connection.fetchrow(_SHOW, account_id)


async def listing(connection: Connection) -> Rows:
    """Accounts that pay or paid, with name, mode (NULL: no more), currency and their books."""
    rows: Rows = await connection.fetch(_LIST)
    return rows


async def statement(
    connection: Connection, account_id: int, before: UUID | None, limit: int
) -> Rows:
    """What moved the money of an account, newest first: a row for each message, top-up, refund.

    hold, charge, release, refund, topup are micros or NULL.
    """
    rows: Rows = await connection.fetch(_STATEMENT, account_id, before, limit)
    return rows


async def change_terms(tx: Connection, account_id: int, terms: Terms) -> None:
    """Set how an account pays, from the next message on.

    Raises Problem `conflict` for another currency once money has moved.
    """
    row = await show(tx, account_id)
    if terms.currency != row["currency"]:
        if await tx.fetchval(
            "SELECT true FROM transfers WHERE account_id = $1 LIMIT 1", account_id
        ):
            detail = f"its money is in {row['currency']}: the currency cannot change any more"
            raise Problem("conflict", detail, (FieldError("/currency", "in_use", detail),))
        await tx.execute(_CURRENCY, account_id, terms.currency)
    if terms.mode is None:
        await tx.execute("DELETE FROM payers WHERE account_id = $1", account_id)
        return
    credit = terms.credit if terms.mode == "postpaid" else 0
    await tx.execute(_PAYS, account_id, terms.mode, credit, terms.low)
    await tx.execute(
        "INSERT INTO balances (account_id) VALUES ($1) ON CONFLICT DO NOTHING", account_id
    )


async def pay(tx: Connection, account_id: int, payment: Payment, now: datetime) -> Any:
    """Move money by hand; returns the balance after it, as `show` does.

    Raises Problem `conflict` when the account does not pay, or when a message was refunded before,
    `invalid_request` when more would come back than it was charged.
    """
    if await tx.fetchrow(_HAS + " FOR UPDATE", account_id) is None:
        raise Problem("conflict", "this account does not pay: set its billing first")
    source, target = WAYS[payment.kind]
    await tx.execute(
        _WRITE, account_id, payment.id, int(payment.kind), int(source), int(target),
        payment.micros, now, payment.note,
    )  # fmt: skip
    await tx.execute(_ENOUGH, account_id)
    return await show(tx, account_id)


async def refundable(tx: Connection, account_id: int, message_id: UUID) -> int:
    """What a message was charged, as long as it was not refunded.

    Raises Problem `not_found` when it was charged nothing, `conflict` when it was refunded.
    """
    found = {
        row["kind"]: row["micros"] for row in await tx.fetch(_OF_MESSAGE, account_id, message_id)
    }
    if Kind.REFUND in found:
        raise Problem("conflict", "this message was refunded already")
    if Kind.CHARGE not in found:
        raise Problem("not_found", "this account was charged nothing for this message")
    micros: int = found[Kind.CHARGE]
    return micros
