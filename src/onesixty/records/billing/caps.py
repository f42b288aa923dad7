"""Caps on file: how much an account, and those below it, may spend in a day or a month."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.storage.database import Connection, Rows

KINDS: Final[dict[str, str]] = {
    "account": "all that the account and those below it send",
    "key": "what is sent with one API key",
    "country": "what is sent to numbers of one country",
}
_COLUMNS: Final = (
    "c.id, c.public_id, c.account_id, c.kind, c.value, c.period, c.micros, c.hard, c.created_at,"
    " c.updated_at, a.currency, a.public_id AS account"
)
_BELOW: Final = (
    "WITH RECURSIVE below AS (SELECT id FROM accounts WHERE id = $1"
    " UNION ALL SELECT a.id FROM accounts a JOIN below ON a.parent_id = below.id)"
    " SELECT id FROM below"
)
_SPENT: Final = f"""
SELECT {_COLUMNS}, coalesce(n.micros, 0) AS spent
FROM caps c JOIN accounts a ON a.id = c.account_id
LEFT JOIN cap_counters n ON n.cap_id = c.id AND n.since =
    CASE c.period WHEN 'day' THEN $2::timestamptz AT TIME ZONE 'UTC'
    ELSE date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC') END::date
"""


async def create(tx: Connection, account_id: int, fields: dict[str, Any], now: datetime) -> Any:
    """Store a cap: kind, value, period, micros, hard; returns its row, see `find`.

    Raises Problem `conflict` when the account has one for this already. It counts what is accepted
    from now on.
    """
    public_id = await tx.fetchval(
        "INSERT INTO caps (public_id, account_id, kind, value, period, micros, hard)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id, kind, value, period)"
        " DO NOTHING RETURNING public_id",
        ids.uuid7(),
        account_id,
        *(fields[name] for name in ("kind", "value", "period", "micros", "hard")),
    )
    if public_id is None:
        detail = "there is such a cap already: change that one"
        raise Problem("conflict", detail, (FieldError("/value", "taken", detail),))
    return await find(tx, account_id, public_id, now)


async def find(tx: Connection, account_id: int, public_id: UUID | None, now: datetime) -> Any:
    """A cap of an account or of one below it, with what is spent in this period; or None."""
    return await tx.fetchrow(
        _SPENT + f" WHERE c.account_id IN ({_BELOW}) AND c.public_id = $3",
        account_id,
        now,
        public_id,
    )


async def listing(
    tx: Connection, account_id: int, before: UUID | None, limit: int, now: datetime
) -> Rows:
    """Caps of an account and of those below it, newest first, as `find` gives them."""
    rows: Rows = await tx.fetch(
        _SPENT + f" WHERE c.account_id IN ({_BELOW}) AND ($3::uuid IS NULL OR c.public_id < $3)"
        " ORDER BY c.public_id DESC LIMIT $4",
        account_id,
        now,
        before,
        limit,
    )
    return rows


async def change(tx: Connection, cap_id: int, micros: int, hard: bool) -> None:
    """Set how much, and whether what is over it is refused."""
    await tx.execute(
        "UPDATE caps SET micros = $2, hard = $3, updated_at = now() WHERE id = $1",
        cap_id,
        micros,
        hard,
    )
    # What was told was told of another amount.
    await tx.execute("UPDATE cap_counters SET told = 0 WHERE cap_id = $1", cap_id)


async def remove(tx: Connection, cap_id: int) -> None:
    """Take a cap away."""
    await tx.execute("DELETE FROM caps WHERE id = $1", cap_id)
