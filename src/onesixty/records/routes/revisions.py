"""Revisions: all routes of an account after each change, who made it, and the way back.

Revision 0 is an account without routes. Numbers rise by one with each change.
"""

from dataclasses import dataclass
from typing import Any, Final

from onesixty.kit.problems import Problem
from onesixty.records import carriers
from onesixty.records.routes import document, rows
from onesixty.records.routes.document import EMPTY, Document
from onesixty.storage.database import Connection, Rows

KEPT: Final = 1000  # revisions of an account; older ones are forgotten
_LANE: Final = "/routes/{route}/groups/{group}/carriers/{place}/carrier"


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes the routes of which account, and why."""

    account_id: int
    author: str  # the id of an API key
    note: str


async def lock(tx: Connection, account_id: int) -> int:
    """Keep others from changing the account's routes until the end; the newest revision."""
    await tx.execute("SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id)
    return await newest(tx, account_id)


async def newest(connection: Connection, account_id: int) -> int:
    """The number of the newest revision; 0 where there is none."""
    number: int = await connection.fetchval(
        "SELECT coalesce(max(number), 0) FROM route_revisions WHERE account_id = $1", account_id
    )
    return number


async def current(connection: Connection, account_id: int) -> Document:
    """The routes as they are."""
    found = await rows.every(connection, account_id)
    return document.from_rows(found, await carriers.names(connection, document.used(found)))


async def note(tx: Connection, change: Change) -> int:
    """Keep what the routes have become, under the next number. The account is locked."""
    number = await newest(tx, change.account_id) + 1
    await tx.execute(
        "INSERT INTO route_revisions (account_id, number, author, note, document)"
        " VALUES ($1, $2, $3, $4, $5)",
        change.account_id,
        number,
        change.author,
        change.note,
        await current(tx, change.account_id),
    )
    await tx.execute(
        "DELETE FROM route_revisions WHERE account_id = $1 AND number <= $2",
        change.account_id,
        number - KEPT,
    )
    return number


async def find(connection: Connection, account_id: int, number: int) -> Any:
    """The row of a revision: number, author, note, document, at. Raises Problem `not_found`."""
    if number == 0:
        return {"number": 0, "author": None, "note": "no routes", "document": EMPTY, "at": None}
    row = await connection.fetchrow(
        "SELECT number, author, note, document, at FROM route_revisions"
        " WHERE account_id = $1 AND number = $2",
        account_id,
        number,
    )
    if row is None:
        raise Problem("not_found", f"there is no revision {number}, or no longer")
    return row


async def listing(connection: Connection, account_id: int, before: int, limit: int) -> Rows:
    """Revisions under a number, newest first: number, author, note, at, and how many `routes`."""
    found: Rows = await connection.fetch(
        "SELECT number, author, note, at, jsonb_array_length(document->'routes') AS routes"
        " FROM route_revisions WHERE account_id = $1 AND number < $2"
        " ORDER BY number DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return found


async def compare(tx: Connection, account_id: int, wanted: Document) -> list[dict[str, Any]]:
    """What `apply` would change; raises what it would raise."""
    await document.numbered(tx, account_id, [one["groups"] for one in wanted["routes"]], _LANE)
    return document.diff(await current(tx, account_id), wanted)


async def apply(tx: Connection, account_id: int, wanted: Document) -> list[dict[str, Any]]:
    """Make the routes what the document says; what changed. The account is locked.

    Raises Problem for carriers that are not there.
    """
    entries = wanted["routes"]
    lanes = [one["groups"] for one in entries]
    groups = await document.numbered(tx, account_id, lanes, _LANE)
    changes = document.diff(await current(tx, account_id), wanted)
    left = {row["name"]: row for row in await rows.every(tx, account_id)}
    last: dict[int, int] = {}
    for one, numbered in zip(entries, groups, strict=True):
        row = left.pop(one["name"], None)
        fields = {**one, "groups": numbered}
        # Among those of a position the older is first: what is to come later is made anew.
        if row is not None and row["id"] < last.get(one["position"], 0):
            await rows.remove(tx, row["id"])
            row = None
        if row is None:
            last[one["position"]] = await rows.create(tx, account_id, fields)
            continue
        last[one["position"]] = row["id"]
        if any(row[name] != fields[name] for name in ("position", "match", "groups", "enabled")):
            await rows.update(tx, row["id"], fields)
    for row in left.values():
        await rows.remove(tx, row["id"])
    return changes
