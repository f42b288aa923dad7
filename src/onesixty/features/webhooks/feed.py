"""Events with the messages that they tell of, as rows and as JSON: webhooks, pulls and streams all
show the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from onesixty.messages import render, store
from onesixty.records.snapshot import Snapshot
from onesixty.storage.database import Connection, Rows

# For each row of `e`, which has account_id and event_id. LIMIT keeps these two from being planned
# as anything but one
# look-up a row by primary key, in one partition.
JOINS: Final[str] = f"""
    LEFT JOIN LATERAL (
        SELECT type, sequence AS event_sequence, message_id, data, at FROM events
        WHERE account_id = e.account_id AND id = e.event_id LIMIT 1
    ) event ON true
    LEFT JOIN LATERAL (
        SELECT {store.COLUMNS} FROM messages
        WHERE account_id = e.account_id AND id = event.message_id LIMIT 1
    ) message ON true
"""
COLUMNS: Final = (
    "e.event_id, e.account_id AS owner_id, event.type, event.event_sequence, event.message_id,"
    " event.data, event.at, message.*"
)


@dataclass(frozen=True, slots=True)
class Query:
    """Which events of an account to read: ids strictly between two, some types, one message, not
    those already seen.
    """

    above: UUID | None = None
    below: UUID | None = None
    types: Sequence[int] | None = None
    message_id: UUID | None = None
    seen: Sequence[UUID] = ()
    ascending: bool = False
    limit: int = 50


def shown(row: Any, book: Snapshot) -> dict[str, Any] | None:
    """The JSON object of an event row; None when its account is newer than the snapshot."""
    account = book.accounts.get(row["owner_id"])
    if account is None:
        return None
    kind = row["type"]
    data = row["data"] if row["id"] is None else render.message(row, book, kind)
    head = {"id": row["event_id"], "type": kind, "sequence": row["event_sequence"], "at": row["at"]}
    return render.event(head, account.public_id, data)


async def read(connection: Connection, account_id: int, query: Query) -> Rows:
    """Rows for `shown`, in the order of their ids."""
    conditions, arguments = ["account_id = $1"], [account_id, query.limit]
    for condition, value in (
        ("id > {}::uuid", query.above),
        ("id < {}::uuid", query.below),
        ("type = ANY({}::smallint[])", query.types),
        ("message_id = {}::uuid", query.message_id),
        ("id <> ALL({}::uuid[])", query.seen or None),
    ):
        if value is not None:
            arguments.append(value)  # type: ignore[arg-type]
            conditions.append(condition.format(f"${len(arguments)}"))
    order = "ASC" if query.ascending else "DESC"
    rows: Rows = await connection.fetch(
        f"WITH e AS MATERIALIZED (SELECT account_id, id AS event_id FROM events"
        f" WHERE {' AND '.join(conditions)} ORDER BY id {order} LIMIT $2)"
        f" SELECT {COLUMNS} FROM e {JOINS} ORDER BY e.event_id {order}",
        *arguments,
    )
    return rows
