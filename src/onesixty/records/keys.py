"""API keys: shown once, stored as a hash, limited by scopes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.kit.secrets import key_hash, token
from onesixty.storage.database import Connection, Rows

SCOPES: Final[dict[str, str]] = {
    "messages:write": "Send, schedule and cancel messages.",
    "messages:read": "Read messages, timelines and events; look numbers up.",
    "numbers:write": "With a key of the account at the top: load the number plan, set sources.",
    "numbers:read": "With a key of the account at the top: see the number plan and sources.",
    "numbers:lookup": "With a key of the account at the top: ask sources, which may cost money.",
    "esmes:write": "Add, change and remove customers who bind over SMPP.",
    "esmes:read": "See customers who bind over SMPP, and their sessions.",
    "carriers:write": "Add, change, pause and remove carriers.",
    "carriers:read": "See carriers and their live state.",
    "traces:read": "See what goes over SMPP sessions, without texts and whole numbers.",
    "traces:read_text": "See the texts and numbers in it too.",
    "routes:write": "Add, change and remove routes.",
    "routes:read": "See routes.",
    "limits:write": "Set, change and remove limits.",
    "limits:read": "See limits.",
    "billing:write": "Set caps; with a key of the account at the top also prices, terms, top-ups.",
    "billing:read": "See the balance, caps, prices and usage of the account and those below it.",
    "webhooks:write": "Add, change, test and replay webhooks.",
    "webhooks:read": "See webhooks and their deliveries.",
    "keys:write": "Make and revoke API keys of the account.",
    "keys:read": "See the API keys of the account, never the keys themselves.",
    "accounts:write": "Make accounts below this one.",
    "accounts:read": "See the account and those below it.",
    "metrics:read": "With a key of the account at the top: read the metrics of the process.",
    "*": "Everything the account may do.",
}
_LIVE, _TEST, _LETTERS = "os_live_", "os_test_", 40


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment that its text is known."""

    id: UUID
    text: str
    hint: str


async def create(
    tx: Connection,
    account_id: int,
    name: str,
    scopes: list[str],
    *,
    test: bool = False,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key; raises Problem for unknown scopes."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        detail = f"unknown scope {unknown[0]!r}" if unknown else "give at least one scope"
        detail += "; there are: " + ", ".join(SCOPES)
        raise Problem("invalid_request", detail, (FieldError("/scopes", "unknown_scope", detail),))
    text = (_TEST if test else _LIVE) + token(_LETTERS)
    return await _store(tx, text, (account_id, name, test, scopes, expires_at))


async def adopt(tx: Connection, account_id: int, name: str, text: str) -> NewKey:
    """Store a key that the operator chose, with every scope."""
    return await _store(tx, text, (account_id, name, text.startswith(_TEST), ["*"], None))


async def _store(tx: Connection, text: str, rest: tuple[Any, ...]) -> NewKey:
    key = NewKey(ids.uuid7(), text, text[:12])
    await tx.execute(
        "INSERT INTO api_keys (id, hash, hint, account_id, name, test, scopes, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        key.id,
        key_hash(text),
        key.hint,
        *rest,
    )
    return key


_COLUMNS = "id, name, hint, test, scopes, created_at, expires_at, revoked_at"


async def find(tx: Connection, account_id: int, key_id: UUID) -> Any:
    """The row of a key, or None when the account has no such key."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM api_keys WHERE account_id = $1 AND id = $2", account_id, key_id
    )


async def listing(tx: Connection, account_id: int, before: UUID | None, limit: int) -> Rows:
    """Keys of an account, newest first, revoked ones too, without the keys themselves."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM api_keys"
        " WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return rows


async def revoke(tx: Connection, account_id: int, key_id: UUID, now: datetime) -> bool:
    """End a key at once; False when the account has no such key. Revoking again changes nothing."""
    done = await tx.fetchval(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)"
        " WHERE account_id = $1 AND id = $2 RETURNING true",
        account_id,
        key_id,
        now,
    )
    return bool(done)
