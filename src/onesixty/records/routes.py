"""Routes: which carrier a message goes to. Choosing is pure; the records around it are rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.problems import FieldError, Problem
from onesixty.records.snapshot import Choice, RouteRecord, Snapshot
from onesixty.storage.database import Connection, Rows

MATCHES: Final[dict[str, str]] = {
    "country": "ISO 3166 codes of the recipient's country, such as GB",
    "prefix": "first digits of the recipient, such as +4477",
    "category": "otp, transactional, marketing, emergency",
    "channel": "sms",
    "sender": "sender IDs",
    "tag": "tags of the message, any of them",
}
STRATEGIES: Final[dict[str, str]] = {
    "priority": "the first carrier that is up; the others follow when it fails",
    "weighted": "shared out by weight among those that are up",
}


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


def choose(book: Snapshot, traits: Traits, is_up: Callable[[int], bool], chance: Chance) -> Chosen | None:
    """The first route that matches and has an enabled carrier; None when there is none.

    The account's own routes come first, then its parent's. A carrier that is down is passed over while another is
    up; when all are down the message waits for the preferred one.
    """
    account = book.accounts.get(traits.account_id)
    while account is not None:
        for route in book.routes.get(account.id, ()):
            if not _matches(route, traits):
                continue
            usable = [choice for choice in route.carriers if _enabled(book, choice.carrier_id)]
            if usable:
                order = _order(route.strategy, usable, is_up, chance)
                return Chosen(route.id, order[0], tuple(order[1:]))
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return None


def _matches(route: RouteRecord, traits: Traits) -> bool:
    match = route.match
    if not match:
        return True
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
            return False
    return True


def _enabled(book: Snapshot, carrier_id: int) -> bool:
    record = book.carriers.get(carrier_id)
    return record is not None and record.enabled


def _order(
    strategy: str, usable: list[Choice], is_up: Callable[[int], bool], chance: Chance
) -> list[int]:
    if len(usable) == 1:
        return [usable[0].carrier_id]
    if strategy == "weighted":
        # Each gets the key u^(1/w): sorting by it draws without replacement in proportion to the weights.
        usable = sorted(usable, key=lambda choice: chance.random() ** (1 / choice.weight), reverse=True)
    return [choice.carrier_id for choice in sorted(usable, key=lambda choice: not is_up(choice.carrier_id))]


def check_match(given: dict[str, Any]) -> dict[str, list[str]]:
    """The match of a route with every value as a list; raises Problem naming what is wrong."""
    match: dict[str, list[str]] = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if name not in MATCHES:
            detail = f"routes cannot match {name}; they match: {', '.join(MATCHES)}"
        elif not values or not all(isinstance(entry, str) and entry for entry in values):
            detail = f"{name} takes a text or a list of texts: {MATCHES[name]}"
        else:
            match[name] = [entry.upper() for entry in values] if name == "country" else values
            continue
        raise Problem("invalid_request", detail, (FieldError(f"/match/{name}", "invalid", detail),))
    return match


_COLUMNS = "id, public_id, account_id, name, position, match, strategy, carriers, enabled, created_at, updated_at"


async def create(tx: Connection, account_id: int, fields: dict[str, Any]) -> int:
    """Store a route: name, position, match, strategy, carriers, enabled. Raises Problem `conflict` for a taken name."""
    identifier: int | None = await tx.fetchval(
        "INSERT INTO routes (public_id, account_id, name, position, match, strategy, carriers, enabled)"
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


async def remove(tx: Connection, route_id: int) -> None:
    """Take a route out of use."""
    await tx.execute("UPDATE routes SET removed_at = now(), updated_at = now() WHERE id = $1", route_id)


async def find(tx: Connection, account_id: int, name: str) -> Any:
    """The row of an account's route by name, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM routes WHERE account_id = $1 AND name = $2 AND removed_at IS NULL FOR UPDATE",
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
