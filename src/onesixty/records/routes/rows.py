"""The rows of routes."""

from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.storage.database import Connection, Rows

POSITION: Final = 100  # of a route that names none: the longest prefix decides
POSITION_MOST: Final = 1_000_000_000

_COLUMNS = (
    "id, public_id, account_id, name, position, match, groups, enabled, created_at, updated_at"
)


async def create(tx: Connection, account_id: int, fields: dict[str, Any]) -> int:
    """Store a route: name, position, match, groups, enabled.

    Raises Problem `conflict` for a taken name.
    """
    identifier: int | None = await tx.fetchval(
        "INSERT INTO routes"
        " (public_id, account_id, name, position, match, groups, enabled)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (account_id, name) WHERE removed_at IS NULL DO NOTHING RETURNING id",
        ids.uuid7(),
        account_id,
        fields["name"],
        fields["position"],
        fields["match"],
        fields["groups"],
        fields["enabled"],
    )
    if identifier is None:
        detail = f"there is a route named {fields['name']} already"
        raise Problem("conflict", detail, (FieldError("/name", "taken", detail),))
    return identifier


async def update(tx: Connection, route_id: int, fields: dict[str, Any]) -> None:
    """Change position, match, groups and enabled; all four keys are needed."""
    await tx.execute(
        "UPDATE routes SET position = $2, match = $3, groups = $4, enabled = $5,"
        " updated_at = now() WHERE id = $1",
        route_id,
        fields["position"],
        fields["match"],
        fields["groups"],
        fields["enabled"],
    )


async def using(tx: Connection, carrier_id: int) -> list[str]:
    """The names of the routes, of any account, that a carrier is in."""
    rows = await tx.fetch(
        "SELECT name FROM routes WHERE removed_at IS NULL AND groups @> jsonb_build_array("
        "jsonb_build_object('carriers', jsonb_build_array(jsonb_build_object('carrier_id', $1::int)"
        "))) ORDER BY name",
        carrier_id,
    )
    return [row["name"] for row in rows]


async def remove(tx: Connection, route_id: int) -> None:
    """Take a route out of use."""
    await tx.execute(
        "UPDATE routes SET removed_at = now(), updated_at = now() WHERE id = $1", route_id
    )


async def find(tx: Connection, account_id: int, name: str) -> Any:
    """The row of an account's route by name, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM routes"
        " WHERE account_id = $1 AND name = $2 AND removed_at IS NULL FOR UPDATE",
        account_id,
        name,
    )


async def listing(tx: Connection, account_id: int, before: UUID | None, limit: int) -> Rows:
    """Routes of an account, newest first; `position` tells the order in which they are tried."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM routes WHERE account_id = $1 AND removed_at IS NULL"
        " AND ($2::uuid IS NULL OR public_id < $2) ORDER BY public_id DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return rows


async def every(tx: Connection, account_id: int) -> Rows:
    """All routes of an account, locked for change, in the order of position and age."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM routes WHERE account_id = $1 AND removed_at IS NULL"
        " ORDER BY position, id FOR UPDATE",
        account_id,
    )
    return rows
