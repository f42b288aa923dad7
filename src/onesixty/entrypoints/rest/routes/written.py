"""From the shapes of the API to documents and rows of routes, and back."""

from collections.abc import Sequence
from typing import Any

from onesixty.entrypoints.rest.routes.shapes import LaneGroup, NewRoute
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import carriers, routes
from onesixty.records.routes import document
from onesixty.records.routes.revisions import Change
from onesixty.records.snapshot import Snapshot
from onesixty.storage.database import Connection


def change(caller: Caller, note: str) -> Change:
    """A change of the caller's routes."""
    return Change(caller.account_id, ids.to_text("key", caller.key_id), note)


def entry(body: NewRoute, book: Snapshot, account_id: int) -> dict[str, Any]:
    """A route as documents have it; raises Problem for conditions that no message can meet."""
    groups = body.groups or [LaneGroup(strategy=body.strategy, carriers=body.carriers or [])]
    return {
        "name": body.name,
        "position": body.position,
        "match": checked_match(body.match, book, account_id),
        "groups": [plain(group) for group in groups],
        "enabled": body.enabled,
    }


def plain(group: LaneGroup) -> dict[str, Any]:
    """A group as documents have it: without what it does not say."""
    said = group.model_dump(exclude_defaults=True, include={"quality_floor", "explore_percent"})
    lanes = [lane.model_dump() for lane in group.carriers]
    return {"strategy": group.strategy, "carriers": lanes, **said}


def checked_match(given: dict[str, Any], book: Snapshot, account_id: int) -> dict[str, list[Any]]:
    """The match in the form that messages are compared with; raises Problem.

    Accounts must be the given one or below it: no other's messages come to its routes.
    """
    match = routes.check_match(given)
    for wanted in match.get("account", ()):
        if not _is_below(wanted, book, account_id):
            detail = f"there is no account {wanted} here, or below"
            raise Problem(
                "invalid_request", detail, (FieldError("/match/account", "unknown", detail),)
            )
    return match


async def stored_groups(
    tx: Connection, account_id: int, groups: Sequence[dict[str, Any]], lane: str
) -> list[dict[str, Any]]:
    """Groups with the numbers of their carriers; raises Problem for unknown ones.

    `lane` is the JSON pointer of a carrier, with the places of its group and of itself.
    """
    (numbered,) = await document.numbered(tx, account_id, [groups], lane)
    return numbered


async def shown(connection: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of routes as the API shows them."""
    names = await carriers.names(connection, document.used(rows))
    return [_shown(row, document.named(row["groups"], names)) for row in rows]


async def find(connection: Connection, account_id: int, name: str) -> Any:
    """The row of a route; raises Problem `not_found`."""
    row = await routes.find(connection, account_id, name)
    if row is None:
        raise Problem("not_found", f"there is no route {name}")
    return row


def _is_below(wanted: str, book: Snapshot, account_id: int) -> bool:
    identifier = ids.from_text("acc", wanted)
    account = next((one for one in book.accounts.values() if one.public_id == identifier), None)
    while account is not None and account.id != account_id:
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return account is not None


def _shown(row: Any, groups: list[dict[str, Any]]) -> dict[str, Any]:
    only = groups[0] if len(groups) == 1 else {}
    return {
        "id": ids.to_text("rte", row["public_id"]),
        "object": "route",
        "name": row["name"],
        "position": row["position"],
        "match": row["match"],
        "strategy": only.get("strategy"),
        "carriers": only.get("carriers"),
        "groups": [{"quality_floor": None, "explore_percent": 0, **group} for group in groups],
        "enabled": row["enabled"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }
