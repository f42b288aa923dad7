"""Carriers on file: settings checked against the kind's description, secret fields sealed apart."""

from typing import Any
from uuid import UUID

import orjson

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.kit.secrets import Sealer
from onesixty.carriers.contract import CarrierSpec, SettingField
from onesixty.records.snapshot import CarrierRecord
from onesixty.storage.database import Connection, Rows

_COLUMNS = (
    "id, public_id, account_id, name, kind, settings, secrets, enabled, paused, rate_per_second, created_at, updated_at"
)


def check(spec: CarrierSpec, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Validate settings by the kind's fields; return (open settings with defaults, secret settings). Raises Problem."""
    known = {field.name: field for field in spec.fields}
    errors = [
        FieldError(f"/settings/{name}", "unknown_field", f"{spec.kind} has no setting {name}; it has: {', '.join(known)}")
        for name in given
        if name not in known
    ]
    settings: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for name, field in known.items():
        value = given.get(name, field.default)
        error = _wrong(field, value)
        if error:
            errors.append(FieldError(f"/settings/{name}", "invalid", error))
        elif value is not None:
            (secrets if field.kind == "secret" else settings)[name] = value
    if errors:
        raise Problem("invalid_request", "the carrier's settings are not valid", tuple(errors))
    return settings, secrets


def opened(record: CarrierRecord, sealer: Sealer) -> dict[str, Any]:
    """All settings of a carrier, secrets included, for the carrier itself. Raises SealError."""
    secrets = orjson.loads(sealer.open(record.secrets)) if record.secrets else {}
    return {**record.settings, **secrets}


async def create(tx: Connection, sealer: Sealer, account_id: int, fields: dict[str, Any]) -> int:
    """Store a carrier: name, kind, settings, secrets, enabled, rate_per_second. Raises Problem `conflict` for a taken name."""
    identifier: int | None = await tx.fetchval(
        "INSERT INTO carriers (public_id, account_id, name, kind, settings, secrets, enabled, rate_per_second)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (account_id, name) WHERE removed_at IS NULL DO NOTHING RETURNING id",
        ids.uuid7(),
        account_id,
        fields["name"],
        fields["kind"],
        fields["settings"],
        sealer.seal(orjson.dumps(fields["secrets"])) if fields["secrets"] else None,
        fields.get("enabled", True),
        fields.get("rate_per_second"),
    )
    if identifier is None:
        detail = f"there is a carrier named {fields['name']} already"
        raise Problem("conflict", detail, (FieldError("/name", "taken", detail),))
    return identifier


async def update(tx: Connection, sealer: Sealer, carrier_id: int, fields: dict[str, Any]) -> None:
    """Change settings, secrets, enabled, paused and rate_per_second as given; all five keys are needed."""
    await tx.execute(
        "UPDATE carriers SET settings = $2, secrets = $3, enabled = $4, paused = $5, rate_per_second = $6,"
        " updated_at = now() WHERE id = $1",
        carrier_id,
        fields["settings"],
        sealer.seal(orjson.dumps(fields["secrets"])) if fields["secrets"] else None,
        fields["enabled"],
        fields["paused"],
        fields["rate_per_second"],
    )


async def remove(tx: Connection, carrier_id: int) -> None:
    """Take a carrier out of use; messages of the past keep naming it."""
    await tx.execute("UPDATE carriers SET removed_at = now(), updated_at = now() WHERE id = $1", carrier_id)


async def find(tx: Connection, account_id: int, name: str) -> Any:
    """The row of an account's carrier by name, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM carriers WHERE account_id = $1 AND name = $2 AND removed_at IS NULL FOR UPDATE",
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


def _wrong(field: SettingField, value: Any) -> str | None:
    if value is None:
        return f"{field.name} is required: {field.title}" if field.required else None
    if field.kind in ("text", "secret"):
        return None if isinstance(value, str) else f"{field.name} must be text"
    if field.kind == "boolean":
        return None if isinstance(value, bool) else f"{field.name} must be true or false"
    if field.kind == "choice":
        return None if value in field.choices else f"{field.name} must be one of: {', '.join(field.choices)}"
    whole = field.kind == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return f"{field.name} must be a {'whole ' if whole else ''}number"
    if field.at_least is not None and value < field.at_least:
        return f"{field.name} must be at least {field.at_least:g}"
    if field.at_most is not None and value > field.at_most:
        return f"{field.name} must be at most {field.at_most:g}"
    return None
