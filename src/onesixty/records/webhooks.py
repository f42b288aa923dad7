"""Webhook endpoints on file, the log of their deliveries, and replays.

Another account's endpoint is not found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import Sealer, token_bytes
from onesixty.records import events
from onesixty.storage.database import Connection, Rows

ENDPOINTS_MOST: Final = 100  # of one account: every event is matched against each of them
OLD_SECRET_KEPT: Final = timedelta(hours=24)
REPLAY_MOST: Final = 10_000  # events in one call
CALLBACKS: Final = 0  # number of the pseudo endpoint that stands for the callback URLs of messages
SECRET_OCTETS: Final = 32

_COLUMNS = (
    "id, public_id, url, description, event_mask, old_secret_until, failing_since, disabled_at,"
    " disabled_reason, created_at, updated_at"
)
_THIS = "account_id = $1 AND public_id = $2 AND removed_at IS NULL"


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to be made; the door checked its URL. Without a secret one is made."""

    url: str
    event_mask: int
    description: str = ""
    secret: bytes | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What to change about an endpoint; None leaves a field as it is."""

    url: str | None = None
    event_mask: int | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries to list, newest first: those below an id, of one event, only failed
    attempts.
    """

    below: UUID | None = None
    event_id: UUID | None = None
    failed: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ReplayQuery:
    """Which events to send again, oldest first: of some types, in [since, until), above an id, only
    undelivered ones.
    """

    types: tuple[int, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    above: UUID | None = None
    failed: bool = False


async def create(
    tx: Connection, sealer: Sealer, account_id: int, new: NewEndpoint, now: datetime
) -> tuple[Any, bytes]:
    """Make an endpoint; returns its row and its secret.

    Raises Problem `conflict` at ENDPOINTS_MOST.
    """
    secret = new.secret or token_bytes(SECRET_OCTETS)
    row = await tx.fetchrow(
        "INSERT INTO webhook_endpoints (public_id, account_id, url, description, event_mask,"
        " secret, created_at, updated_at) SELECT $1, $2, $3, $4, $5, $6, $7, $7"
        " WHERE (SELECT count(*) FROM webhook_endpoints"
        f" WHERE account_id = $2 AND removed_at IS NULL) < $8 RETURNING {_COLUMNS}",
        ids.uuid7(),
        account_id,
        new.url,
        new.description,
        new.event_mask,
        sealer.seal(secret),
        now,
        ENDPOINTS_MOST,
    )
    if row is None:
        raise Problem("conflict", f"an account has at most {ENDPOINTS_MOST} webhook endpoints")
    return row, secret


async def listing(tx: Connection, account_id: int, below: UUID | None, limit: int) -> Rows:
    """Endpoints of an account, newest first."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE account_id = $1 AND removed_at IS NULL"
        " AND ($2::uuid IS NULL OR public_id < $2) ORDER BY public_id DESC LIMIT $3",
        account_id,
        below,
        limit,
    )
    return rows


async def get(tx: Connection, account_id: int, public_id: UUID) -> Any:
    """The row of an endpoint; raises Problem `not_found`."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE {_THIS}", account_id, public_id
    )
    return _found(row)


async def update(
    tx: Connection, account_id: int, public_id: UUID, change: Change, now: datetime
) -> Any:
    """Change an endpoint and return its row; a new URL or `enabled` starts with a clean slate.

    Raises `not_found`.
    """
    row = await tx.fetchrow(
        "UPDATE webhook_endpoints SET url = coalesce($3, url), updated_at = $7,"
        " event_mask = coalesce($4, event_mask), description = coalesce($5, description),"
        " failing_since = CASE WHEN $6 OR $3 <> url THEN NULL ELSE failing_since END,"
        " disabled_at = CASE WHEN $6 THEN NULL WHEN NOT $6 THEN coalesce(disabled_at, $7)"
        " ELSE disabled_at END,"
        " disabled_reason = CASE WHEN $6 THEN NULL"
        " WHEN NOT $6 THEN coalesce(disabled_reason, 'it was disabled by request')"
        f" ELSE disabled_reason END WHERE {_THIS} RETURNING {_COLUMNS}",
        account_id,
        public_id,
        change.url,
        change.event_mask,
        change.description,
        change.enabled,
        now,
    )
    return _found(row)


async def remove(tx: Connection, account_id: int, public_id: UUID, now: datetime) -> None:
    """Take an endpoint off file; what waits for it is dropped by the deliverer.

    Raises `not_found`.
    """
    row = await tx.fetchrow(
        f"UPDATE webhook_endpoints SET removed_at = $3, updated_at = $3 WHERE {_THIS} RETURNING id",
        account_id,
        public_id,
        now,
    )
    _found(row)


async def rotate_secret(
    tx: Connection, sealer: Sealer, account_id: int, public_id: UUID, now: datetime
) -> tuple[Any, bytes]:
    """Give an endpoint a new secret; the one before signs too for OLD_SECRET_KEPT.

    Raises `not_found`.
    """
    secret = token_bytes(SECRET_OCTETS)
    row = await tx.fetchrow(
        "UPDATE webhook_endpoints SET old_secret = secret, old_secret_until = $4, secret = $3,"
        f" updated_at = $5 WHERE {_THIS} RETURNING {_COLUMNS}",
        account_id,
        public_id,
        sealer.seal(secret),
        now + OLD_SECRET_KEPT,
        now,
    )
    return _found(row), secret


async def test(tx: Connection, account_id: int, endpoint: Any, now: datetime) -> UUID:
    """Write a `webhook.test` event and its outbox row for this endpoint alone; returns the event's
    id.
    """
    event_id = ids.uuid7(int(now.timestamp() * 1000))
    data = {"webhook": ids.to_text("whk", endpoint["public_id"]), "url": endpoint["url"]}
    await tx.execute(
        "WITH event AS (INSERT INTO events (account_id, id, type, sequence, data, at)"
        " VALUES ($1, $2, $3, 1, $4, $5)) INSERT INTO webhook_queue"
        " (event_id, endpoint_id, account_id, due_at) VALUES ($2, $6, $1, $5)",
        account_id,
        event_id,
        events.NUMBERS["webhook.test"],
        data,
        now,
        endpoint["id"],
    )
    return event_id


async def deliveries(
    tx: Connection, account_id: int, endpoint_id: int, query: DeliveryQuery
) -> Rows:
    """Attempts on an endpoint (or CALLBACKS), newest first, each with the type of its event."""
    conditions, arguments = ["account_id = $1", "endpoint_id = $2"], [account_id, endpoint_id]
    if query.below:
        arguments.append(query.below)  # type: ignore[arg-type]
        conditions.append(f"id < ${len(arguments)}")
    if query.event_id:
        arguments.append(query.event_id)  # type: ignore[arg-type]
        conditions.append(f"event_id = ${len(arguments)}")
    if query.failed:
        conditions.append(_FAILED)
    rows: Rows = await tx.fetch(
        "SELECT d.*, event.type FROM (SELECT * FROM deliveries"
        f" WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ${len(arguments) + 1}) d"
        " LEFT JOIN LATERAL (SELECT type FROM events"
        " WHERE account_id = d.account_id AND id = d.event_id LIMIT 1) event ON true"
        " ORDER BY d.id DESC",
        *arguments,
        query.limit,
    )
    return rows


async def replay_one(
    tx: Connection, account_id: int, endpoint_id: int, event_id: UUID, now: datetime
) -> bool:
    """Send one event again, whatever types the endpoint takes; False when the account has no such
    event.
    """
    conditions, arguments = ["e.id = $5"], [event_id]
    return bool(await _replay(tx, (account_id, endpoint_id, now), conditions, arguments))


async def replay(
    tx: Connection, account_id: int, endpoint_id: int, query: ReplayQuery, now: datetime
) -> list[UUID]:
    """Send events again, at most REPLAY_MOST, oldest first; returns their ids.

    Only types that the endpoint takes.
    """
    arguments: list[Any] = []
    conditions = ["(SELECT event_mask FROM webhook_endpoints WHERE id = $2) >> e.type & 1 = 1"]
    if endpoint_id == CALLBACKS:
        conditions = [f"{events.CALLBACK_MASK} >> e.type & 1 = 1"]
    for condition, value in (
        ("e.type = ANY({}::smallint[])", query.types),
        ("e.id >= {}::uuid", query.since and ids.first_at(query.since)),
        ("e.id < {}::uuid", query.until and ids.first_at(query.until)),
        ("e.id > {}::uuid", query.above),
    ):
        if value is not None:
            arguments.append(value)
            conditions.append(condition.format(f"${len(arguments) + 4}"))
    if query.failed:
        conditions.append(_UNDELIVERED)
    conditions.append(f"e.type <> {events.NUMBERS['webhook.test']}")  # meant for one endpoint, once
    return await _replay(tx, (account_id, endpoint_id, now), conditions, arguments)


async def note_failing(tx: Connection, since: Mapping[int, datetime]) -> None:
    """Put on file since when endpoints fail without a success."""
    await tx.execute(
        "UPDATE webhook_endpoints e SET failing_since = f.since"
        " FROM unnest($1::int[], $2::timestamptz[]) AS f(id, since)"
        " WHERE e.id = f.id AND e.failing_since IS NULL",
        list(since),
        list(since.values()),
    )


async def note_recovered(tx: Connection, numbers: list[int]) -> None:
    """Put on file that endpoints take deliveries again."""
    await tx.execute(
        "UPDATE webhook_endpoints SET failing_since = NULL"
        " WHERE id = ANY($1) AND failing_since IS NOT NULL",
        numbers,
    )


async def disable(tx: Connection, number: int, reason: str, now: datetime) -> None:
    """Send nothing more to an endpoint until its owner enables it again."""
    await tx.execute(
        "UPDATE webhook_endpoints SET disabled_at = $3, disabled_reason = $2, updated_at = $3"
        " WHERE id = $1 AND disabled_at IS NULL",
        number,
        reason,
        now,
    )


_FAILED: Final = "(status_code IS NULL OR status_code NOT BETWEEN 200 AND 299)"
# An event with a failed attempt at the endpoint and no successful one: given up, or waiting for its
# next attempt.
_UNDELIVERED: Final = f"""
    e.id IN (
        SELECT event_id FROM deliveries WHERE account_id = $1 AND endpoint_id = $2 AND {_FAILED}
    ) AND NOT EXISTS (
        SELECT FROM deliveries WHERE event_id = e.id AND endpoint_id = $2 AND NOT {_FAILED}
    )
"""


async def _replay(
    tx: Connection, about: tuple[int, int, datetime], conditions: list[str], arguments: list[Any]
) -> list[UUID]:
    # Callbacks exist only for messages that name a URL.
    rows = await tx.fetch(
        "WITH chosen AS (SELECT e.id FROM events e WHERE e.account_id = $1"
        " AND ($2 <> 0 OR EXISTS (SELECT FROM messages m WHERE m.account_id = e.account_id"
        " AND m.id = e.message_id AND m.callback_url IS NOT NULL))"
        f" AND {' AND '.join(conditions)} ORDER BY e.id LIMIT $4)"
        " INSERT INTO webhook_queue (event_id, endpoint_id, account_id, due_at)"
        " SELECT id, $2, $1, $3 FROM chosen"
        " ON CONFLICT (event_id, endpoint_id) DO UPDATE SET due_at = excluded.due_at, attempts = 0"
        " RETURNING event_id",
        *about,
        REPLAY_MOST,
        *arguments,
    )
    return sorted(row["event_id"] for row in rows)


def _found(row: Any) -> Any:
    if row is None:
        raise Problem("not_found", "there is no such webhook endpoint")
    return row
