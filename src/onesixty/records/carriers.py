"""Carriers on file: settings checked against the kind's description, secret fields sealed apart."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from onesixty.carriers import registry
from onesixty.carriers.contract import CarrierSpec, Receipt, SettingField, StoredReceipt
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.kit.secrets import Sealer
from onesixty.records.snapshot import CarrierRecord
from onesixty.storage.database import Connection, Rows

SANDBOX: Final = "sandbox"  # the first account's: messages of test keys go there
_LARGEST: Final = 2**53  # what every JSON reader keeps exact; not-a-number and infinity fail too
_ENTRIES_MOST, _KEY_MOST, _VALUE_MOST = 100, 64, 4096  # of a map
_JSON_MOST: Final = 65_536  # octets of an object
_COLUMNS = (
    "id, public_id, account_id, name, kind, settings, secrets, enabled, paused, rate_per_second,"
    " burst, created_at, updated_at"
)


def check(spec: CarrierSpec, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check settings by the fields of the kind; raises Problem naming every one that is wrong.

    Gives the open settings, with defaults where none or null is given, and the secret settings.
    """
    known = {field.name: field for field in spec.fields}
    errors = [
        FieldError(
            f"/settings/{name}",
            "unknown_field",
            f"{spec.kind} has no setting {name}; it has: {', '.join(known)}",
        )
        for name in given
        if name not in known
    ]
    settings: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for name, field in known.items():
        value = field.default if given.get(name) is None else given[name]
        error = wrong(field, value)
        if error:
            errors.append(FieldError(f"/settings/{name}", "invalid", error))
        elif value is not None:
            (secrets if field.kind == "secret" else settings)[name] = value
    if errors:
        raise Problem("invalid_request", "the carrier's settings are not valid", tuple(errors))
    return settings, secrets


def reader(kind: str, settings: Mapping[str, Any]) -> Callable[[StoredReceipt], Receipt] | None:
    """How kept receipts of a carrier with these open settings are read; None: in no way."""
    spec = registry.SPECS.get(kind)
    if spec is None or spec.rereader is None:
        return None
    return spec.rereader({field.name: field.default for field in spec.fields} | dict(settings))


def opened(record: CarrierRecord, sealer: Sealer) -> dict[str, Any]:
    """All settings of a carrier, secrets included, for the carrier itself. Raises SealError."""
    return {**record.settings, **secrets_of(record.secrets, sealer)}


def secrets_of(sealed: bytes | None, sealer: Sealer) -> dict[str, Any]:
    """The secret settings of a carrier's row. Raises SealError."""
    secrets: dict[str, Any] = orjson.loads(sealer.open(sealed)) if sealed else {}
    return secrets


async def create(tx: Connection, sealer: Sealer, account_id: int, fields: dict[str, Any]) -> int:
    """Store a carrier: name, kind, settings, secrets, enabled, rate_per_second, burst.

    Raises Problem `conflict` for a taken name.
    """
    identifier: int | None = await tx.fetchval(
        "INSERT INTO carriers"
        " (public_id, account_id, name, kind, settings, secrets, enabled, rate_per_second, burst)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (account_id, name) WHERE removed_at IS NULL DO NOTHING RETURNING id",
        ids.uuid7(),
        account_id,
        fields["name"],
        fields["kind"],
        fields["settings"],
        _sealed(fields["secrets"], sealer),
        fields.get("enabled", True),
        fields.get("rate_per_second"),
        fields.get("burst"),
    )
    if identifier is None:
        detail = f"there is a carrier named {fields['name']} already"
        raise Problem("conflict", detail, (FieldError("/name", "taken", detail),))
    return identifier


async def update(tx: Connection, sealer: Sealer, row: Any, changes: dict[str, Any]) -> None:
    """Change a carrier's row: any of settings, secrets, enabled, paused, rate_per_second, burst.

    Secrets that are the same stay sealed as they are: a running carrier reconnects at a change.
    """
    fields = dict(row) | changes
    if "secrets" in changes:
        same = changes["secrets"] == secrets_of(row["secrets"], sealer)
        fields["secrets"] = row["secrets"] if same else _sealed(changes["secrets"], sealer)
    await tx.execute(
        "UPDATE carriers SET settings = $2, secrets = $3, enabled = $4, paused = $5,"
        " rate_per_second = $6, burst = $7, updated_at = now() WHERE id = $1",
        row["id"],
        fields["settings"],
        fields["secrets"],
        fields["enabled"],
        fields["paused"],
        fields["rate_per_second"],
        fields["burst"],
    )


async def remove(tx: Connection, carrier_id: int) -> None:
    """Take a carrier out of use; messages of the past keep naming it."""
    await tx.execute(
        "UPDATE carriers SET removed_at = now(), updated_at = now() WHERE id = $1", carrier_id
    )


async def find(tx: Connection, account_id: int, name: str) -> Any:
    """The row of an account's carrier by name, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM carriers"
        " WHERE account_id = $1 AND name = $2 AND removed_at IS NULL FOR UPDATE",
        account_id,
        name,
    )


async def listing(tx: Connection, account_id: int, before: UUID | None, limit: int) -> Rows:
    """Carriers of an account, newest first."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM carriers WHERE account_id = $1 AND removed_at IS NULL"
        " AND ($2::uuid IS NULL OR public_id < $2) ORDER BY public_id DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return rows


async def names(tx: Connection, carrier_ids: set[int]) -> dict[int, str]:
    """The names of carriers by their numbers, of removed ones too."""
    rows = await tx.fetch(
        "SELECT id, name FROM carriers WHERE id = ANY($1::int[])", list(carrier_ids)
    )
    return {row["id"]: row["name"] for row in rows}


async def learned(tx: Connection, carrier_id: int) -> dict[str, Any] | None:
    """What the receipts of a carrier have taught; None: none ever came."""
    found: dict[str, Any] | None = await tx.fetchval(
        "SELECT learned FROM carrier_learning WHERE carrier_id = $1", carrier_id
    )
    return found


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call of a far side that was refused, and why."""

    at: datetime
    path: str  # behind the callback URL
    status: int  # that it was answered
    reason: str


async def note_refusal(tx: Connection, carrier_id: int, refusal: Refusal) -> None:
    """Keep the last call of a carrier that was refused."""
    await tx.execute(
        "INSERT INTO call_refusals (carrier_id, at, path, status, reason)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (carrier_id) DO UPDATE SET at = excluded.at,"
        " path = excluded.path, status = excluded.status, reason = excluded.reason",
        carrier_id,
        *astuple(refusal),
    )


async def last_refusal(tx: Connection, carrier_id: int) -> Refusal | None:
    """The last call of a carrier that was refused, if any ever was."""
    row = await tx.fetchrow(
        "SELECT at, path, status, reason FROM call_refusals WHERE carrier_id = $1", carrier_id
    )
    return Refusal(**row) if row else None


_REACHABLE = (
    "WITH RECURSIVE above AS ("
    " SELECT id, parent_id, 0 AS height FROM accounts WHERE id = $1"
    " UNION ALL SELECT a.id, a.parent_id, height + 1"
    " FROM accounts a JOIN above ON a.id = above.parent_id)"
    " SELECT c.name, c.id FROM carriers c JOIN above ON c.account_id = above.id"
    " WHERE c.removed_at IS NULL"
)


async def reachable(
    tx: Connection, account_id: int, wanted: list[str], pointer: str = "/carriers/{}/carrier"
) -> dict[str, int]:
    """The numbers of carriers that an account may route to: its own and those of accounts above it.

    Where two have the same name the nearest counts. They cannot be removed until this transaction
    ends. Raises Problem naming the unknown ones, by their place in the list for `{}` of `pointer`,
    and those there are.
    """
    # Farthest first, so that the nearest is the one that stays in the dictionary.
    nearest_last = " AND c.name = ANY($2::text[]) ORDER BY height DESC FOR SHARE OF c"
    rows = await tx.fetch(_REACHABLE + nearest_last, account_id, wanted)
    found = {row["name"]: row["id"] for row in rows}
    unknown = [place for place, name in enumerate(wanted) if name not in found]
    if unknown:
        there = sorted({row["name"] for row in await tx.fetch(_REACHABLE, account_id)})
        advice = f"there are: {', '.join(there)}" if there else "add one at /v1/carriers first"
        errors = [
            FieldError(
                pointer.format(place),
                "unknown_carrier",
                f"there is no carrier {wanted[place]}; {advice}",
            )
            for place in unknown
        ]
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return found


def _sealed(secrets: dict[str, Any], sealer: Sealer) -> bytes | None:
    return sealer.seal(orjson.dumps(secrets)) if secrets else None


def wrong(field: SettingField, value: Any) -> str | None:
    """What is wrong with a value of a setting, if anything."""
    if field.required and value in (None, ""):
        return f"{field.name} is required: {field.title}"
    if value is None:
        return None
    if field.kind in ("text", "secret"):
        if not isinstance(value, str) or not _is_storable(value):
            return f"{field.name} must be text"
        too_long = field.at_most is not None and len(value) > field.at_most
        return f"{field.name} has at most {field.at_most:g} characters" if too_long else None
    if field.kind == "boolean":
        return None if isinstance(value, bool) else f"{field.name} must be true or false"
    if field.kind == "map":
        return _wrong_map(field, value)
    if field.kind == "json":
        return _wrong_json(field, value)
    if field.kind == "choice":
        return (
            None
            if value in field.choices
            else f"{field.name} must be one of: {', '.join(field.choices)}"
        )
    whole = field.kind == "integer"
    fits = isinstance(value, int if whole else (int, float)) and abs(value) <= _LARGEST
    if isinstance(value, bool) or not fits:
        return f"{field.name} must be a {'whole ' if whole else ''}number"
    if field.at_least is not None and value < field.at_least:
        return f"{field.name} must be at least {field.at_least:g}"
    if field.at_most is not None and value > field.at_most:
        return f"{field.name} must be at most {field.at_most:g}"
    return None


def _wrong_map(field: SettingField, value: Any) -> str | None:
    if not isinstance(value, dict) or len(value) > _ENTRIES_MOST:
        return f"{field.name} must be an object of at most {_ENTRIES_MOST} entries"
    for key, one in value.items():
        if not (isinstance(one, str) and _is_storable(key) and _is_storable(one)):
            return f"{field.name} must map text to text"
        if field.choices and one not in field.choices:
            return f"{field.name}: {key} must be one of: {', '.join(field.choices)}"
        if len(key) > _KEY_MOST or len(one) > _VALUE_MOST:
            return f"{field.name}: at most {_KEY_MOST} characters and a value of {_VALUE_MOST}"
    return None


def _wrong_json(field: SettingField, value: Any) -> str | None:
    if not isinstance(value, dict | list):
        return f"{field.name} must be an object or a list"
    try:
        text = orjson.dumps(value)
    except TypeError as error:  # numbers beyond 64 bits, lone surrogates
        return f"{field.name} cannot be kept as JSON: {error}"
    if b"\\u0000" in text:  # no jsonb has it
        return f"{field.name} must not have U+0000 in it"
    too_long = len(text) > _JSON_MOST
    return f"{field.name} has at most {_JSON_MOST:,} octets of JSON" if too_long else None


def _is_storable(text: str) -> bool:
    # PostgreSQL text has no NUL, and a lone surrogate (possible in JSON) has no UTF-8.
    return "\0" not in text and text.encode(errors="ignore").decode() == text
