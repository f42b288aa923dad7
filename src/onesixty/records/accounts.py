"""Accounts: every row of the platform belongs to one."""

from typing import Any
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.kit.secrets import Sealer, token_bytes
from onesixty.storage.database import Connection, Rows

ROOT = "default"
CURRENCY = "EUR"  # of the first account, until it is told another one


async def create(
    tx: Connection,
    sealer: Sealer,
    name: str,
    parent_id: int | None,
    default_sender: str | None = None,
) -> int:
    """Make an account and return its number; raises Problem `conflict` when the name is taken."""
    identifier: int | None = await tx.fetchval(
        "INSERT INTO accounts"
        " (public_id, parent_id, name, default_sender, signing_secret, currency)"
        " VALUES ($1, $2, $3, $4, $5, coalesce((SELECT currency FROM accounts WHERE id = $2), $6))"
        " ON CONFLICT (name) DO NOTHING RETURNING id",
        ids.uuid7(),
        parent_id,
        name,
        default_sender,
        sealer.seal(token_bytes(24)),
        CURRENCY,
    )
    if identifier is None:
        detail = f"there is an account named {name} already"
        raise Problem("conflict", detail, (FieldError("/name", "taken", detail),))
    return identifier


async def find(tx: Connection, name: str) -> int | None:
    """The number of an account by its name."""
    identifier: int | None = await tx.fetchval("SELECT id FROM accounts WHERE name = $1", name)
    return identifier


async def listing(tx: Connection) -> Rows:
    """All accounts, oldest first: id, public_id, parent_id, name, default_sender, created_at."""
    rows: Rows = await tx.fetch(
        "SELECT id, public_id, parent_id, name, default_sender, created_at"
        " FROM accounts ORDER BY id"
    )
    return rows


async def public_id(tx: Connection, account_id: int) -> UUID:
    """The public id of an account by its number."""
    identifier: UUID = await tx.fetchval("SELECT public_id FROM accounts WHERE id = $1", account_id)
    return identifier


_BELOW = (
    "WITH RECURSIVE below AS (SELECT id FROM accounts WHERE id = $1"
    " UNION ALL SELECT a.id FROM accounts a JOIN below ON a.parent_id = below.id)"
    " SELECT a.id, a.public_id, parent.public_id AS parent, a.name, a.default_sender, a.created_at"
    " FROM accounts a JOIN below USING (id) LEFT JOIN accounts parent ON parent.id = a.parent_id"
)


async def below(tx: Connection, account_id: int, before: UUID | None, limit: int) -> Rows:
    """An account and all that are below it, newest first; `parent` is a public id."""
    rows: Rows = await tx.fetch(
        _BELOW + " WHERE $2::uuid IS NULL OR a.public_id < $2 ORDER BY a.public_id DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return rows


async def find_below(tx: Connection, account_id: int, public_id: UUID) -> Any:
    """The row of an account by its public id, if it is the given account or below it, or None."""
    return await tx.fetchrow(_BELOW + " WHERE a.public_id = $2", account_id, public_id)


async def change_default_sender(
    tx: Connection, account_id: int, default_sender: str | None
) -> None:
    """Set the sender of messages that name none; None takes it away."""
    await tx.execute(
        "UPDATE accounts SET default_sender = $2 WHERE id = $1", account_id, default_sender
    )
