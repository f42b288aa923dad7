"""Lookup sources on file: who may be asked about numbers, for how much."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from onesixty.kit import ids
from onesixty.kit.secrets import Sealer
from onesixty.records.lookups.book import SourceRecord
from onesixty.storage.database import Connection, Rows

_FIELDS: Final = (
    "kind", "settings", "secrets", "enabled", "countries", "follow", "price", "currency", "day_cap",
    "month_cap", "keep_seconds", "keep_unknown_seconds",
)  # fmt: skip
_COLUMNS: Final = "id, public_id, name, created_at, updated_at, " + ", ".join(_FIELDS)
_PUT: Final = f"""
INSERT INTO lookup_sources (public_id, name, {", ".join(_FIELDS)})
VALUES ($1, $2, {", ".join(f"${n}" for n in range(3, 3 + len(_FIELDS)))})
ON CONFLICT (name) DO UPDATE SET updated_at = now(),
    {", ".join(f"{name} = excluded.{name}" for name in _FIELDS)}
"""


async def put(tx: Connection, name: str, fields: Mapping[str, Any]) -> None:
    """Add a source or replace the one of this name; `fields` as the columns."""
    await tx.execute(_PUT, ids.uuid7(), name, *(fields[one] for one in _FIELDS))


async def find(tx: Connection, name: str) -> Any:
    """A source by its name, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM lookup_sources WHERE name = $1 FOR UPDATE", name
    )


async def listing(connection: Connection) -> Rows:
    """All sources by name."""
    rows: Rows = await connection.fetch(f"SELECT {_COLUMNS} FROM lookup_sources ORDER BY name")
    return rows


async def remove(tx: Connection, source_id: int) -> None:
    """Take a source away, with what it cost; its answers stay until they expire."""
    await tx.execute("DELETE FROM lookup_sources WHERE id = $1", source_id)


def sealed(secrets: Mapping[str, str], sealer: Sealer) -> bytes | None:
    """Secret settings as they are kept."""
    return sealer.seal(orjson.dumps(dict(secrets))) if secrets else None


def secrets_of(kept: bytes | None, sealer: Sealer) -> dict[str, str]:
    """Secret settings of a row. Raises SealError."""
    secrets: dict[str, str] = orjson.loads(sealer.open(kept)) if kept else {}
    return secrets


def opened(record: SourceRecord, sealer: Sealer) -> dict[str, Any]:
    """All settings of a source, secrets included. Raises SealError."""
    return {**record.settings, **secrets_of(record.secrets, sealer)}
