"""Routes: which carrier a message goes to. Choosing is pure; the records around it are rows."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from phonenumbers import SUPPORTED_REGIONS

from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.problems import FieldError, Problem
from onesixty.records.snapshot import Choice, RouteRecord, Snapshot
from onesixty.sms import sender as senders
from onesixty.storage.database import Connection, Rows

MATCHES: Final[dict[str, str]] = {
    "country": "ISO 3166 codes of the recipient's country, such as GB",
    "prefix": "first digits of the recipient with the country code, such as +4477",
    "category": "otp, transactional, marketing, emergency",
    "channel": "sms",
    "sender": "sender IDs",
    "tag": "tags of the message, any of them",
}
STRATEGIES: Final[dict[str, str]] = {
    "priority": "the first carrier that is up; the others follow when it fails",
    "weighted": "shared out by weight among those that are up",
}


VALUES_MOST: Final = 1000
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
_GAP: Final = 10  # between positions given by default: room to put one between two


@dataclass(frozen=True, slots=True)
class Traits:
    """What routes look at in a message."""

    account_id: int
    recipient: str
    country: str | None
    category: str
    sender: str | None
    tags: tuple[str, ...] = ()
    channel: str = "sms"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The lane of a message, and those to fall back to, in order."""

    route_id: int
    carrier_id: int
    fallbacks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Considered:
    """A route as it was looked at for a message."""

    route: RouteRecord
    against: str | None  # why it does not take the message; None: it does


def choose(
    book: Snapshot, traits: Traits, is_up: Callable[[int], bool], chance: Chance
) -> Chosen | None:
    """The first route that matches and has an enabled carrier; None when there is none.

    The account's own routes come first, then its parent's. A carrier that is down is passed over
    while another is up; when all are down the message waits for the preferred one.
    """
    account = book.accounts.get(traits.account_id)
    while account is not None:
        for route in book.routes.get(account.id, ()):
            if _mismatch(route, traits) is not None:
                continue
            usable = [choice for choice in route.carriers if _enabled(book, choice.carrier_id)]
            if usable:
                order = _order(route.strategy, usable, is_up, chance)
                return Chosen(route.id, order[0], tuple(order[1:]))
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return None


def consider(book: Snapshot, traits: Traits) -> list[Considered]:
    """Every route in the order of `choose`, which takes the first with nothing against it."""
    found = []
    account = book.accounts.get(traits.account_id)
    while account is not None:
        found += [
            Considered(route, _against(book, route, traits))
            for route in book.routes.get(account.id, ())
        ]
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return found


def shares(
    book: Snapshot, route: RouteRecord, is_up: Callable[[int], bool]
) -> list[tuple[int, float]]:
    """The enabled carriers of a route, those that are up first, and the part that each gets now."""
    usable = [choice for choice in route.carriers if _enabled(book, choice.carrier_id)]
    usable.sort(key=lambda choice: not is_up(choice.carrier_id))
    drawn = [choice for choice in usable if is_up(choice.carrier_id)] or usable
    if route.strategy == "priority":
        drawn = drawn[:1]
    total = sum(choice.weight for choice in drawn)
    return [
        (choice.carrier_id, choice.weight / total if choice in drawn else 0.0) for choice in usable
    ]


def _against(book: Snapshot, route: RouteRecord, traits: Traits) -> str | None:
    name = _mismatch(route, traits)
    if name is None:
        usable = any(_enabled(book, choice.carrier_id) for choice in route.carriers)
        return None if usable else "none of its carriers is enabled"
    if name == "tag":
        given = ", ".join(traits.tags)
    else:
        given = traits.recipient if name == "prefix" else getattr(traits, name)
    return f"{name} is {given or 'not given'}, the route takes {', '.join(route.match[name])}"


def _mismatch(route: RouteRecord, traits: Traits) -> str | None:
    """The first condition of the route that the message does not meet."""
    match = route.match
    if not match:
        return None
    for name, wanted in match.items():
        if name == "country":
            fits = traits.country in wanted
        elif name == "prefix":
            fits = traits.recipient.startswith(wanted)
        elif name == "tag":
            fits = any(tag in wanted for tag in traits.tags)
        else:
            fits = getattr(traits, name) in wanted
        if not fits:
            return name
    return None


def _enabled(book: Snapshot, carrier_id: int) -> bool:
    record = book.carriers.get(carrier_id)
    return record is not None and record.enabled


def _order(
    strategy: str, usable: list[Choice], is_up: Callable[[int], bool], chance: Chance
) -> list[int]:
    if len(usable) == 1:
        return [usable[0].carrier_id]
    if strategy == "weighted":
        # Sorting by the key u^(1/w) draws without replacement in proportion to the weights.
        usable = sorted(
            usable, key=lambda choice: chance.random() ** (1 / choice.weight), reverse=True
        )
    return [
        choice.carrier_id
        for choice in sorted(usable, key=lambda choice: not is_up(choice.carrier_id))
    ]


def check_match(given: dict[str, Any]) -> dict[str, list[str]]:
    """The match of a route in the form that `choose` compares with; raises Problem."""
    match: dict[str, list[str]] = {}
    errors = []
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        normal = [_normal(name, entry) for entry in values]
        known = [entry for entry in normal if entry is not None]
        if name not in MATCHES:
            detail = f"routes cannot match {name}; they match: {', '.join(MATCHES)}"
        elif not values or len(values) > VALUES_MOST:
            detail = f"{name} takes 1 to {VALUES_MOST} texts"
        elif len(known) < len(values):
            detail = f"{values[normal.index(None)]!r:.60} is not right for {name}: {MATCHES[name]}"
        else:
            match[name] = known
            continue
        errors.append(FieldError(f"/match/{name}", "invalid", detail))
    if errors:
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return match


def _normal(name: str, value: Any) -> str | None:
    """The value in the form that messages have it in, or None when no message can have it."""
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        return None
    if name == "country":
        return value.upper() if value.upper() in SUPPORTED_REGIONS or value == "001" else None
    if name == "prefix":
        return value if _PREFIX.fullmatch(value) else None
    if name in ("category", "channel"):
        return value if value in MATCHES[name].split(", ") else None
    if name == "sender":
        sender = senders.classify(value)
        return sender.value if isinstance(sender, senders.Sender) else None
    return value


_COLUMNS = (
    "id, public_id, account_id, name, position, match, strategy, carriers, enabled,"
    " created_at, updated_at"
)


async def create(tx: Connection, account_id: int, fields: dict[str, Any]) -> int:
    """Store a route: name, position, match, strategy, carriers, enabled.

    Raises Problem `conflict` for a taken name.
    """
    identifier: int | None = await tx.fetchval(
        "INSERT INTO routes"
        " (public_id, account_id, name, position, match, strategy, carriers, enabled)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (account_id, name) WHERE removed_at IS NULL DO NOTHING RETURNING id",
        ids.uuid7(),
        account_id,
        fields["name"],
        fields["position"],
        fields["match"],
        fields["strategy"],
        fields["carriers"],
        fields["enabled"],
    )
    if identifier is None:
        detail = f"there is a route named {fields['name']} already"
        raise Problem("conflict", detail, (FieldError("/name", "taken", detail),))
    return identifier


async def update(tx: Connection, route_id: int, fields: dict[str, Any]) -> None:
    """Change position, match, strategy, carriers and enabled; all five keys are needed."""
    await tx.execute(
        "UPDATE routes SET position = $2, match = $3, strategy = $4, carriers = $5, enabled = $6,"
        " updated_at = now() WHERE id = $1",
        route_id,
        fields["position"],
        fields["match"],
        fields["strategy"],
        fields["carriers"],
        fields["enabled"],
    )


async def next_position(tx: Connection, account_id: int) -> int:
    """A position after the last route of an account."""
    position: int = await tx.fetchval(
        "SELECT coalesce(max(position), 0) + $2 FROM routes"
        " WHERE account_id = $1 AND removed_at IS NULL",
        account_id,
        _GAP,
    )
    return position


async def using(tx: Connection, carrier_id: int) -> list[str]:
    """The names of the routes, of any account, that a carrier is in."""
    rows = await tx.fetch(
        "SELECT name FROM routes WHERE removed_at IS NULL AND carriers"
        " @> jsonb_build_array(jsonb_build_object('carrier_id', $1::int)) ORDER BY name",
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
