"""The rows of explanations: few, for what is alike is one row."""

from typing import Any, Final

from onesixty.records.routes.router import Router
from onesixty.storage.database import Connection, Database

KEEP: Final = """
INSERT INTO explanations (id, content) SELECT * FROM unnest($1::bigint[], $2::jsonb[])
ON CONFLICT (id) DO NOTHING
"""


async def keep(database: Database, router: Router) -> None:
    """Store what the router has not yet seen stored, before the messages that refer to it."""
    found = dict(sorted(router.unkept.items()))  # in one order: others may store the same
    await database.fetch(KEEP, list(found), list(found.values()))
    router.kept(found)


async def find(connection: Connection, number: int) -> dict[str, Any] | None:
    """What was stored under a number, or None."""
    content: dict[str, Any] | None = await connection.fetchval(
        "SELECT content FROM explanations WHERE id = $1", number
    )
    return content
