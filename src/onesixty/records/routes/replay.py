"""The last messages once more, by the routes of now and by a draft: what would change.

Nothing is sent. Both sides see the same facts and the same luck, so that a message changes its
carrier only where the routes say so.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.content import CHANNELS, SMS
from onesixty.kit.chance import chance
from onesixty.records.routes.document import Document
from onesixty.records.routes.facts import Facts
from onesixty.records.routes.match import Traits
from onesixty.records.routes.router import Router
from onesixty.records.snapshot import RouteRecord, Snapshot, group_of
from onesixty.sms import numbers
from onesixty.storage.database import Connection, Rows

LAST_MOST: Final = 10_000
ACCOUNTS_MOST: Final = 1000  # below the one whose routes they are; the oldest
_NOBODY: Final = UUID(int=0)

LAST: Final = """
SELECT latest.* FROM unnest($1::int[]) AS account(number) CROSS JOIN LATERAL (
    SELECT account_id, id, recipient, category, sender, tags, channel, segments, send_at, created_at
    FROM messages WHERE account_id = account.number AND direction = 0 AND NOT test
    ORDER BY id DESC LIMIT $2
) latest ORDER BY latest.id DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Side:
    """What one set of routes decides for a message."""

    route: str | None  # None: it would be refused
    carrier_id: int | None
    cost_micros: int | None  # of the whole message
    delivered_rate: float | None  # of what the carrier takes for that country


@dataclass(frozen=True, slots=True)
class Moved:
    """A message that would go by another carrier."""

    message_id: UUID
    recipient: str
    country: str | None
    before: Side
    after: Side


@dataclass(slots=True)
class Totals:
    """What one side comes to, over the messages of which both sides are known."""

    carriers: Counter[int | None] = field(default_factory=Counter)
    micros: int = 0
    delivered: float = 0.0


class Replay:
    """Counts messages one by one; read the result from its fields.

    Costs are told of the carriers of `accounts` only: what others pay is theirs to know.
    """

    def __init__(
        self, book: Snapshot, draft: Snapshot, facts: Facts, accounts: Collection[int]
    ) -> None:
        self._books = book, draft
        self._routers = [Router(replace(facts, chance=chance(0))) for _ in self._books]
        self._facts = facts
        self._told = {one.id for one in book.carriers.values() if one.account_id in accounts}
        self.messages = self.priced = self.judged = 0
        self.before, self.after = Totals(), Totals()
        self.moved: list[Moved] = []

    def add(self, row: Any, categories: Mapping[int, str]) -> None:
        """Decide about a message, given as a row of LAST, in both ways."""
        traits = _traits(row, categories, self._facts)
        units = row["segments"] if traits.channel == SMS else 1
        before, after = (
            self._decide(router, book, traits, units)
            for router, book in zip(self._routers, self._books, strict=True)
        )
        self.messages += 1
        for totals, side in ((self.before, before), (self.after, after)):
            totals.carriers[side.carrier_id] += 1
        if before.cost_micros is not None and after.cost_micros is not None:
            self.priced += 1
            self.before.micros += before.cost_micros
            self.after.micros += after.cost_micros
        if before.delivered_rate is not None and after.delivered_rate is not None:
            self.judged += 1
            self.before.delivered += before.delivered_rate
            self.after.delivered += after.delivered_rate
        if before.carrier_id != after.carrier_id:
            moved = Moved(row["id"], traits.recipient, traits.country, before, after)
            self.moved.append(moved)

    def _decide(self, router: Router, book: Snapshot, traits: Traits, units: int) -> Side:
        router.facts.chance.seed(self.messages)
        chosen = router.choose(book, traits)
        if chosen is None:
            return Side(None, None, None, None)
        facts, carrier_id = self._facts, chosen.carrier_id
        cost = None
        if carrier_id in self._told:
            cost = facts.cost(carrier_id, traits.recipient, traits.network, traits.channel)
        quality = facts.quality(carrier_id, traits.country)
        return Side(
            book.route_names.get(chosen.route_id),
            carrier_id,
            None if cost is None else cost * units,
            quality.delivered_rate if quality else None,
        )


def drafted(
    book: Snapshot, account_id: int, draft: Document, groups: Sequence[Sequence[dict[str, Any]]]
) -> Snapshot:
    """The book as it would be with these routes of the account; `groups` have numbers."""
    records = tuple(
        RouteRecord(
            place - len(groups),  # below those of all routes on file, and rising
            _NOBODY,
            account_id,
            one["name"],
            one["position"],
            {name: tuple(values) for name, values in one["match"].items()},
            tuple(group_of(group) for group in numbered),
        )
        for place, (one, numbered) in enumerate(zip(draft["routes"], groups, strict=True))
        if one["enabled"]
    )
    names = {one.id: one.name for one in records}
    return replace(
        book,
        routes={**book.routes, account_id: records},
        route_names={**book.route_names, **names},
    )


def below(book: Snapshot, account_id: int) -> list[int]:
    """The account and those below it, whose messages its routes may take."""
    found = [account_id]
    children: dict[int | None, list[int]] = {}
    for one in book.accounts.values():
        children.setdefault(one.parent_id, []).append(one.id)
    for number in found:  # grows while it is read
        found += sorted(children.get(number, ()))
    return found[:ACCOUNTS_MOST]


async def last(connection: Connection, accounts: Sequence[int], count: int) -> Rows:
    """The newest outbound messages of these accounts, without those of test keys."""
    rows: Rows = await connection.fetch(LAST, list(accounts), count)
    return rows


def _traits(row: Any, categories: Mapping[int, str], facts: Facts) -> Traits:
    number = numbers.parse(row["recipient"])
    at: datetime = row["send_at"] or row["created_at"]
    return Traits(
        row["account_id"],
        row["recipient"],
        number.country if isinstance(number, numbers.Number) else None,
        categories[row["category"]],
        row["sender"],
        tuple(row["tags"] or ()),
        CHANNELS[row["channel"]],
        facts.network(row["recipient"]),
        at,
    )
