"""Accounts: every row of the platform belongs to one."""

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.kit.secrets import Sealer, token_bytes
from onesixty.storage.database import Connection, Rows

ROOT = "default"


async def create(
    tx: Connection, sealer: Sealer, name: str, parent_id: int | None, default_sender: str | None = None
) -> int:
    """Make an account and return its number; raises Problem `conflict` when the name is taken."""
    identifier: int | None = await tx.fetchval(
        "INSERT INTO accounts (public_id, parent_id, name, default_sender, signing_secret)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING id",
        ids.uuid7(),
        parent_id,
        name,
        default_sender,
        sealer.seal(token_bytes(24)),
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
        "SELECT id, public_id, parent_id, name, default_sender, created_at FROM accounts ORDER BY id"
    )
    return rows
