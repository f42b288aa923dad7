"""From the shapes of the API to rows of routes, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

from onesixty.entrypoints.rest.routes.shapes import Lane, LaneGroup, NewRoute
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.records import carriers, routes
from onesixty.records.snapshot import Snapshot
from onesixty.storage.database import Connection


def groups_of(body: NewRoute) -> list[LaneGroup]:
    """The groups of a route, whichever way they were written."""
    return body.groups or [LaneGroup(strategy=body.strategy, carriers=body.carriers or [])]


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


def _is_below(wanted: str, book: Snapshot, account_id: int) -> bool:
    identifier = ids.from_text("acc", wanted)
    account = next((one for one in book.accounts.values() if one.public_id == identifier), None)
    while account is not None and account.id != account_id:
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return account is not None


async def stored_groups(
    tx: Connection, account_id: int, groups: Sequence[LaneGroup], lane: str
) -> list[dict[str, Any]]:
    """Groups with the numbers of their carriers; raises Problem for unknown ones.

    `lane` is the JSON pointer of a carrier, with the places of its group and of itself.
    """
    places = [
        lane.format(group=number, place=place)
        for number, group in enumerate(groups)
        for place in range(len(group.carriers))
    ]
    names = [lane.carrier for group in groups for lane in group.carriers]
    try:
        found = await carriers.reachable(tx, account_id, names)
    except Problem as problem:
        raise _at(problem, places) from None
    return [
        {
            **group.model_dump(exclude_defaults=True, include={"quality_floor", "explore_percent"}),
            "strategy": group.strategy,
            "carriers": [
                {"carrier_id": found[lane.carrier], "weight": lane.weight}
                for lane in group.carriers
            ],
        }
        for group in groups
    ]


def shown_groups(groups: Iterable[dict[str, Any]], names: dict[int, str]) -> list[dict[str, Any]]:
    """Stored groups with the names of their carriers."""
    return [
        {
            "strategy": group["strategy"],
            "carriers": [
                {"carrier": names[one["carrier_id"]], "weight": one["weight"]}
                for one in group["carriers"]
            ],
            "quality_floor": group.get("quality_floor"),
            "explore_percent": group.get("explore_percent", 0),
        }
        for group in groups
    ]


async def shown(connection: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of routes as the API shows them."""
    names = await carriers.names(connection, used(rows))
    return [_shown(row, shown_groups(row["groups"], names)) for row in rows]


def used(rows: Iterable[Any]) -> set[int]:
    """The numbers of all carriers of these rows."""
    return {
        one["carrier_id"] for row in rows for group in row["groups"] for one in group["carriers"]
    }


async def find(connection: Connection, account_id: int, name: str) -> Any:
    """The row of a route; raises Problem `not_found`."""
    row = await routes.find(connection, account_id, name)
    if row is None:
        raise Problem("not_found", f"there is no route {name}")
    return row


def lanes_of(stored: Iterable[dict[str, Any]], names: dict[int, str]) -> list[LaneGroup]:
    """Stored groups as they were written."""
    return [
        LaneGroup(
            strategy=one["strategy"],
            carriers=[Lane(**lane) for lane in one["carriers"]],
            quality_floor=one["quality_floor"],
            explore_percent=one["explore_percent"],
        )
        for one in shown_groups(stored, names)
    ]


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
        "groups": groups,
        "enabled": row["enabled"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def _at(problem: Problem, places: Sequence[str]) -> Problem:
    """The problem of unknown carriers, told where the request names them."""
    errors = tuple(
        FieldError(places[int(error.pointer.split("/")[2])], error.code, error.detail)
        for error in problem.errors
    )
    return Problem(problem.code, problem.detail, errors)
