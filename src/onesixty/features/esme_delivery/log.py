"""The log of what was delivered to ESMEs, for people to read."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from onesixty.storage.database import Connection, Rows


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which attempts to list, newest first: below an id, about one message, only failed ones."""

    below: UUID | None = None
    message_id: UUID | None = None
    failed: bool = False
    limit: int = 50


async def attempts(connection: Connection, account_id: int, esme_id: int, query: LogQuery) -> Rows:
    """Attempts on an ESME, each with the type and the message of its event, where that is kept."""
    conditions: list[str] = ["account_id = $1", "endpoint_id = $2"]
    arguments: list[Any] = [account_id, -esme_id]
    if query.below:
        arguments.append(query.below)
        conditions.append(f"id < ${len(arguments)}")
    if query.message_id:
        arguments.append(query.message_id)
        told = f"SELECT id FROM events WHERE message_id = ${len(arguments)} AND account_id = $1"
        conditions.append(f"event_id = ANY(ARRAY({told}))")
    if query.failed:
        conditions.append("error IS NOT NULL")
    arguments.append(query.limit)
    rows: Rows = await connection.fetch(
        "SELECT d.*, event.type, event.message_id FROM (SELECT * FROM deliveries"
        f" WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ${len(arguments)}) d"
        " LEFT JOIN LATERAL (SELECT type, message_id FROM events"
        " WHERE account_id = d.account_id AND id = d.event_id LIMIT 1) event ON true"
        " ORDER BY d.id DESC",
        *arguments,
    )
    return rows
