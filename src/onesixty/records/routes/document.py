"""All routes of an account as one document, by names: kept as revisions, exported, imported.

`{"routes": [{"name", "position", "match", "groups": [{"strategy", "carriers": [{"carrier",
"weight"}], ...}], "enabled"}]}`, in the order in which they are tried but for their prefixes.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

import orjson
import yaml

from onesixty.kit.problems import FieldError, Problem
from onesixty.records import carriers
from onesixty.records.routes.match import MATCHES, TIME_FIELDS
from onesixty.storage.database import Connection

Document = dict[str, Any]
YAML_MOST: Final = 1024 * 1024  # some 7,000 routes; JSON is read much faster
DEPTH_MOST: Final = 20
EMPTY: Final[Document] = {"routes": []}
_FIELDS: Final = ("position", "match", "groups", "enabled")
_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it is there


class _Loader(_Fast):  # type: ignore[misc]
    """YAML in which only what looks like JSON is no text.

    As YAML 1.1 has it, NO is false, 20:00 is 1200 and +4477 is 4477.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


for _tag, _pattern, _first in (
    ("bool", "true|false", "tf"),
    ("int", "0|-?[1-9][0-9]*", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    ("null", "null|~|", ("n", "~", "")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


def from_rows(rows: Iterable[Any], names: dict[int, str]) -> Document:
    """The document of these rows, with the names of their carriers."""
    return {
        "routes": [
            {
                "name": row["name"],
                "position": row["position"],
                "match": row["match"],
                "groups": named(row["groups"], names),
                "enabled": row["enabled"],
            }
            for row in rows
        ]
    }


def named(groups: Iterable[dict[str, Any]], names: dict[int, str]) -> list[dict[str, Any]]:
    """Stored groups with the names of their carriers."""
    return [
        {
            **group,
            "carriers": [
                {"carrier": names[one["carrier_id"]], "weight": one["weight"]}
                for one in group["carriers"]
            ],
        }
        for group in groups
    ]


async def numbered(
    tx: Connection, account_id: int, routes: Sequence[Sequence[dict[str, Any]]], lane: str
) -> list[list[dict[str, Any]]]:
    """The groups of each route with the numbers of their carriers; raises Problem for unknown ones.

    `lane` is the JSON pointer of a carrier, with the places of its route, its group and itself.
    """
    places = [
        (lane.format(route=at, group=number, place=place), one["carrier"])
        for at, groups in enumerate(routes)
        for number, group in enumerate(groups)
        for place, one in enumerate(group["carriers"])
    ]
    try:
        found = await carriers.reachable(tx, account_id, [name for _, name in places])
    except Problem as problem:
        raise _at(problem, [pointer for pointer, _ in places]) from None
    return [[_numbered(group, found) for group in groups] for groups in routes]


def used(rows: Iterable[Any]) -> set[int]:
    """The numbers of all carriers of these rows."""
    return {
        one["carrier_id"] for row in rows for group in row["groups"] for one in group["carriers"]
    }


def diff(old: Document, new: Document) -> list[dict[str, Any]]:
    """What makes the new document of the old one: routes added, removed, changed, moved.

    `moved`: it comes before or after others of its position that it came after or before.
    """
    before = {one["name"]: one for one in old["routes"]}
    after = {one["name"]: one for one in new["routes"]}
    changes = []
    for name, one in after.items():
        if name not in before:
            fields = {field: {"from": None, "to": one[field]} for field in _FIELDS}
            changes.append({"route": name, "change": "added", "fields": fields})
        elif fields := _changed(before[name], one):
            changes.append({"route": name, "change": "changed", "fields": fields})
    for name, one in before.items():
        if name not in after:
            fields = {field: {"from": one[field], "to": None} for field in _FIELDS}
            changes.append({"route": name, "change": "removed", "fields": fields})
    told = {one["route"] for one in changes}
    changes += [
        {"route": name, "change": "moved", "fields": {}}
        for name in _moved(old, new)
        if name not in told
    ]
    return changes


def to_yaml(document: Document, comment: str) -> str:
    """The document for people: what says nothing is left out, one group is written short."""
    short = {"routes": [_short(one) for one in document["routes"]]}
    text: str = yaml.safe_dump(short, sort_keys=False, allow_unicode=True, width=100)
    return f"# {comment}\n{text}"


def read(raw: bytes) -> Any:
    """What JSON, or YAML, stands for; raises Problem `invalid_request`."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    if len(raw) > YAML_MOST:
        raise Problem("invalid_request", f"YAML has at most {YAML_MOST:,} bytes here; give JSON")
    try:
        _look_at(raw)
        return yaml.load(raw, Loader=_Loader)  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError) as error:
        words = " ".join(str(error).split())
        raise Problem("invalid_request", f"it is neither YAML nor JSON: {words:.300}") from None


def _look_at(raw: bytes) -> None:
    """Raise for what few octets of YAML can be too much with: depth takes time by its square."""
    depth = 0
    for event in yaml.parse(raw, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not taken: write it out")
        depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
        depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
        if depth > DEPTH_MOST:
            raise yaml.YAMLError(f"it is more than {DEPTH_MOST} levels deep")


def _numbered(group: dict[str, Any], found: dict[str, int]) -> dict[str, Any]:
    lanes = [
        {"carrier_id": found[one["carrier"]], "weight": one["weight"]} for one in group["carriers"]
    ]
    return {**group, "carriers": lanes}


def _at(problem: Problem, places: Sequence[str]) -> Problem:
    """The problem of unknown carriers, told where the request names them."""
    errors = tuple(
        FieldError(places[int(error.pointer.split("/")[2])], error.code, error.detail)
        for error in problem.errors
    )
    return Problem(problem.code, problem.detail, errors)


def _changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {
        field: {"from": old[field], "to": new[field]}
        for field in _FIELDS
        if old[field] != new[field]
    }


def _moved(old: Document, new: Document) -> list[str]:
    """Routes of both documents that stand in another order among those of their position."""
    places = {one["name"]: place for place, one in enumerate(old["routes"])}
    last: dict[int, int] = {}
    moved = []
    for one in new["routes"]:
        place, position = places.get(one["name"]), one["position"]
        if place is None or old["routes"][place]["position"] != position:
            continue
        if place < last.get(position, -1):
            moved.append(one["name"])
        last[position] = max(place, last.get(position, -1))
    return moved


def _short(route: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": route["name"], "position": route["position"]}
    if route["match"]:
        shown["match"] = {
            name: _one(route["match"][name]) for name in MATCHES if name in route["match"]
        }
    groups = [_short_group(one) for one in route["groups"]]
    if len(groups) == 1 and groups[0].keys() <= {"strategy", "carriers"}:
        shown |= groups[0]
    else:
        shown["groups"] = groups
    return shown if route["enabled"] else {**shown, "enabled": False}


def _one(values: list[Any]) -> Any:
    # Stored objects have lost the order in which people write them.
    ordered = [
        {name: one[name] for name in TIME_FIELDS} if isinstance(one, dict) else one
        for one in values
    ]
    return ordered[0] if len(ordered) == 1 else ordered


def _short_group(group: dict[str, Any]) -> dict[str, Any]:
    lanes = [_short_lane(one) for one in group["carriers"]]
    rest = {name: value for name, value in group.items() if name not in ("strategy", "carriers")}
    return {"strategy": group["strategy"], "carriers": lanes, **rest}


def _short_lane(lane: dict[str, Any]) -> dict[str, Any]:
    shown = {"carrier": lane["carrier"]}
    return shown if lane["weight"] == 1 else {**shown, "weight": lane["weight"]}
