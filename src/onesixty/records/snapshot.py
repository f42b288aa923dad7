"""The small records in memory: an immutable copy that the walk decides by.

It is at most about a second old.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg.transaction import Transaction

from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.nodes.node import Node
from onesixty.records import channel_templates, esmes
from onesixty.records.billing import book as billing
from onesixty.records.billing.book import Billing
from onesixty.records.esmes import EsmeRecord
from onesixty.records.lookups import book as lookups
from onesixty.records.lookups.book import LookupBook
from onesixty.storage.database import Connection, Database

POLL_SECONDS = 1.0
OTHERS_SECONDS = 1.0
LOOK_SECONDS = 0.005
_TELL = "UPDATE nodes SET revision = $2 WHERE id = $1"
_LATE = "SELECT count(*) FROM nodes WHERE id = ANY($1::int[]) AND revision < $2"


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant. Where it has no route of its own, its parent's serve."""

    id: int
    public_id: UUID
    parent_id: int | None
    name: str
    default_sender: str | None
    signing_secret: bytes  # sealed
    currency: str = "EUR"  # ISO 4217; of its prices and its balance


@dataclass(frozen=True, slots=True)
class Key:
    """An API key that may be used, by its hash."""

    id: UUID
    account_id: int
    test: bool
    scopes: frozenset[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CarrierRecord:
    """A configured way out."""

    id: int
    public_id: UUID
    account_id: int
    name: str
    kind: str
    settings: Mapping[str, Any]
    secrets: bytes | None  # sealed
    enabled: bool
    paused: bool
    rate_per_second: int | None
    updated_at: datetime
    burst: int | None = None
    is_guest: bool = False  # of an account that has another one above it


@dataclass(frozen=True, slots=True)
class Choice:
    """A carrier of a route, with its weight."""

    carrier_id: int
    weight: int


@dataclass(frozen=True, slots=True)
class Group:
    """Carriers of a route among which a strategy chooses."""

    strategy: str  # records/routes/groups.STRATEGIES
    carriers: tuple[Choice, ...]
    quality_floor: float | None = None  # the least part of delivered messages, 0 to 1
    explore_percent: int = 0  # so much goes to others than the preferred one, for evidence


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A rule: messages that match go to a carrier of its groups, which are tried in order."""

    id: int
    public_id: UUID
    account_id: int
    name: str
    position: int
    match: Mapping[str, tuple[Any, ...]]  # as records/routes/match.check gives it
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """How fast an account and those below it may send."""

    id: int
    account_id: int  # whose limit it is
    kind: str  # records/limits.KINDS
    value: str
    rate_per_second: float  # segments
    burst: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint that is neither removed nor disabled."""

    id: int
    public_id: UUID
    account_id: int
    url: str
    event_mask: int
    secret: bytes  # sealed
    old_secret: bytes | None  # sealed
    old_secret_until: datetime | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All small records at one moment."""

    revision: int
    accounts: Mapping[int, Account]
    keys: Mapping[bytes, Key]
    carriers: Mapping[int, CarrierRecord]
    routes: Mapping[int, tuple[RouteRecord, ...]]  # by account and position, older ones first
    endpoints: Mapping[int, Endpoint]
    limits: Mapping[int, tuple[LimitRecord, ...]] = field(default_factory=dict)  # by account
    esmes: Mapping[int, EsmeRecord] = field(default_factory=dict)  # disabled ones too
    # Status by name and language, by carrier whose templates were read.
    templates: Mapping[int, Mapping[tuple[str, str], str]] = field(default_factory=dict)
    esme_names: Mapping[str, EsmeRecord] = field(default_factory=dict)  # the same by system_id
    route_names: Mapping[int, str] = field(default_factory=dict)
    billing: Billing = field(default_factory=Billing)
    lookups: LookupBook = field(default_factory=LookupBook)


class SnapshotKeeper:
    """Holds the newest Snapshot; reads it again when the records' revision has changed."""

    def __init__(self, database: Database, clock: Clock, book: Snapshot) -> None:
        self._database = database
        self.book = book
        self._clock = clock
        self._node: Node | None = None
        self._changed: list[Callable[[], None]] = []
        self._lock = asyncio.Lock()
        self.loop = Loop("snapshot", self.follow, clock, idle_seconds=POLL_SECONDS)

    @classmethod
    async def start(cls, database: Database, clock: Clock) -> "SnapshotKeeper":
        """Read the records once; start `loop` to follow their changes."""
        async with database.read() as connection, _unchanging(connection):
            return cls(database, clock, await load(connection))

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after every change, with the new book in place."""
        self._changed.append(callback)

    async def join(self, node: Node) -> None:
        """Be one of several processes: let the others know from now on what this one has read."""
        self._node = node
        await self._tell(node)

    async def refresh(self) -> None:
        """Read what changed, and wait until the other processes have done so too.

        After it a change counts wherever the next request goes. Nobody is waited for longer than
        OTHERS_SECONDS.
        """
        await self.follow()
        node, revision = self._node, self.book.revision
        until = self._clock.monotonic() + OTHERS_SECONDS
        while node and not node.alone() and self._clock.monotonic() < until:
            others = [number for number in node.roll.all if number != node.number]
            (late,) = await self._database.fetch(_LATE, others, revision)
            if not late["count"]:
                return
            await self._clock.sleep(LOOK_SECONDS)

    async def follow(self) -> bool:
        """Read the records if they changed; always False, for the loop: nothing more to do now."""
        async with self._lock, self._database.read() as connection:
            number = await connection.fetchval("SELECT number FROM records_revision")
            if number == self.book.revision:
                return False
            async with _unchanging(connection):
                self.book = await load(connection, self.book)
        if self._node:
            await self._tell(self._node)
        for callback in self._changed:
            callback()
        return False

    async def _tell(self, node: Node) -> None:
        await self._database.fetch(_TELL, node.number, self.book.revision)


def _unchanging(connection: Connection) -> Transaction:
    return connection.transaction(isolation="repeatable_read", readonly=True)


async def load(connection: Connection, before: Snapshot | None = None) -> Snapshot:
    """Read every small record, in a transaction; what is large and unchanged is from `before`."""
    revision = await connection.fetchval("SELECT number FROM records_revision")
    accounts = await connection.fetch(
        "SELECT id, public_id, parent_id, name, default_sender, signing_secret, currency"
        " FROM accounts"
    )
    keys = await connection.fetch(
        "SELECT hash, id, account_id, test, scopes, expires_at FROM api_keys"
        " WHERE revoked_at IS NULL"
    )
    carriers = await connection.fetch(
        "SELECT c.id, c.public_id, account_id, c.name, kind, settings, secrets, enabled, paused,"
        " rate_per_second, burst, c.updated_at, a.parent_id IS NOT NULL AS is_guest"
        " FROM carriers c JOIN accounts a ON a.id = c.account_id"
        " WHERE c.removed_at IS NULL ORDER BY c.id"
    )
    endpoints = await connection.fetch(
        "SELECT id, public_id, account_id, url, event_mask, secret, old_secret, old_secret_until,"
        " failing_since FROM webhook_endpoints"
        " WHERE removed_at IS NULL AND disabled_at IS NULL ORDER BY id"
    )
    customers = await esmes.load(connection)
    tenants = {row["id"]: Account(**row) for row in accounts}
    routes = await _routes(connection)
    return Snapshot(
        revision=revision,
        accounts=tenants,
        keys={
            row["hash"]: Key(
                row["id"],
                row["account_id"],
                row["test"],
                frozenset(row["scopes"]),
                row["expires_at"],
            )
            for row in keys
        },
        carriers={row["id"]: CarrierRecord(**row) for row in carriers},
        routes=routes,
        endpoints={row["id"]: Endpoint(**row) for row in endpoints},
        limits=await _limits(connection),
        templates=await channel_templates.load(connection),
        esmes={one.id: one for one in customers},
        esme_names={one.system_id: one for one in customers},
        route_names={one.id: one.name for some in routes.values() for one in some},
        billing=await billing.load(connection, tenants, before.billing if before else Billing()),
        lookups=await lookups.load(connection, before.lookups if before else LookupBook()),
    )


async def _limits(connection: Connection) -> dict[int, tuple[LimitRecord, ...]]:
    rows = await connection.fetch(
        "SELECT id, account_id, kind, value, rate_per_second, burst FROM limits ORDER BY id"
    )
    found: dict[int, list[LimitRecord]] = {}
    for row in rows:
        found.setdefault(row["account_id"], []).append(LimitRecord(**row))
    return {account_id: tuple(some) for account_id, some in found.items()}


async def _routes(connection: Connection) -> dict[int, tuple[RouteRecord, ...]]:
    rows = await connection.fetch(
        "SELECT id, public_id, account_id, name, position, match, groups FROM routes"
        " WHERE removed_at IS NULL AND enabled ORDER BY account_id, position, id"
    )
    found: dict[int, list[RouteRecord]] = {}
    for row in rows:
        match = {name: tuple(values) for name, values in row["match"].items()}
        groups = tuple(group_of(one) for one in row["groups"])
        record = RouteRecord(**{**row, "match": match, "groups": groups})
        found.setdefault(record.account_id, []).append(record)
    return {account_id: tuple(routes) for account_id, routes in found.items()}


def group_of(stored: Mapping[str, Any]) -> Group:
    """A group as it is stored."""
    return Group(
        stored["strategy"],
        tuple(Choice(one["carrier_id"], one["weight"]) for one in stored["carriers"]),
        stored.get("quality_floor"),
        stored.get("explore_percent", 0),
    )
