"""Templates as their provider has them: synchronised, and told of by notices in between."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from onesixty.carriers.content import TemplateState
from onesixty.storage.database import Connection, Rows

APPROVED: Final = "APPROVED"
_REPLACE: Final = """
INSERT INTO channel_templates (carrier_id, name, language, status, category, reason, components,
    updated_at)
SELECT $1, n.*, $8 FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::jsonb[]) AS n(name, language, status, category, reason, components)
ON CONFLICT (carrier_id, name, language) DO UPDATE SET status = excluded.status,
    category = excluded.category, reason = excluded.reason, components = excluded.components,
    updated_at = excluded.updated_at
WHERE (channel_templates.status, channel_templates.category, channel_templates.reason,
    channel_templates.components) IS DISTINCT FROM
    (excluded.status, excluded.category, excluded.reason, excluded.components)
"""
_REMOVE: Final = """
DELETE FROM channel_templates WHERE carrier_id = $1
    AND (name, language) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""
_TRIED: Final = """
INSERT INTO channel_template_syncs (carrier_id, tried_at, synced_at, error) VALUES ($1, $2, $3, $4)
ON CONFLICT (carrier_id) DO UPDATE SET tried_at = excluded.tried_at,
    synced_at = coalesce(excluded.synced_at, channel_template_syncs.synced_at),
    error = excluded.error
"""


async def replace(
    tx: Connection, carrier_id: int, templates: Sequence[TemplateState], now: datetime
) -> None:
    """Keep what the provider has, and only that."""
    some = {(one.name, one.language): one for one in templates}.values()
    names, languages = [one.name for one in some], [one.language for one in some]
    await tx.execute(_REMOVE, carrier_id, names, languages)
    await tx.execute(
        _REPLACE,
        carrier_id,
        names,
        languages,
        [one.status for one in some],
        [one.category for one in some],
        [one.reason for one in some],
        [[dict(part) for part in one.components] for one in some],
        now,
    )
    await tx.execute(_TRIED, carrier_id, now, now, None)


async def failed(tx: Connection, carrier_id: int, error: str, now: datetime) -> None:
    """The provider could not be asked: what is known stays."""
    await tx.execute(_TRIED, carrier_id, now, None, error[:1000])


async def claim(
    tx: Connection, carrier_ids: Sequence[int], every: timedelta, now: datetime
) -> list[int]:
    """Those of the carriers that are due, marked as tried: no other process takes them."""
    rows = await tx.fetch(
        "INSERT INTO channel_template_syncs (carrier_id, tried_at)"
        " SELECT n.carrier_id, $3 FROM unnest($1::int[]) AS n(carrier_id)"
        " JOIN carriers c ON c.id = n.carrier_id"
        " ON CONFLICT (carrier_id) DO UPDATE SET tried_at = excluded.tried_at"
        " WHERE channel_template_syncs.tried_at <= $2 RETURNING carrier_id",
        list(carrier_ids),
        now - every,
        now,
    )
    return [row["carrier_id"] for row in rows]


async def note(tx: Connection, carrier_id: int, notice: Mapping[str, Any], now: datetime) -> None:
    """What a provider tells of one template, in Meta's words."""
    await tx.execute(
        "UPDATE channel_templates SET status = $4, reason = $5, updated_at = $6"
        " WHERE carrier_id = $1 AND name = $2 AND language = $3",
        carrier_id,
        str(notice.get("message_template_name")),
        str(notice.get("message_template_language")),
        str(notice.get("event")).upper(),
        str(notice.get("reason") or "").replace("NONE", ""),
        now,
    )


async def listing(connection: Connection, carrier_id: int) -> tuple[Rows, Any]:
    """The templates of a carrier by name, and the row of its last synchronisation or None."""
    rows: Rows = await connection.fetch(
        "SELECT name, language, status, category, reason, components, updated_at"
        " FROM channel_templates WHERE carrier_id = $1 ORDER BY name, language",
        carrier_id,
    )
    synced = await connection.fetchrow(
        "SELECT tried_at, synced_at, error FROM channel_template_syncs WHERE carrier_id = $1",
        carrier_id,
    )
    return rows, synced


async def load(connection: Connection) -> dict[int, dict[tuple[str, str], str]]:
    """The status of every template by name and language, by carrier; of those ever synchronised."""
    known = await connection.fetch(
        "SELECT carrier_id FROM channel_template_syncs WHERE synced_at IS NOT NULL"
    )
    found: dict[int, dict[tuple[str, str], str]] = {row["carrier_id"]: {} for row in known}
    for row in await connection.fetch(
        "SELECT carrier_id, name, language, status FROM channel_templates"
    ):
        if row["carrier_id"] in found:
            found[row["carrier_id"]][row["name"], row["language"]] = row["status"]
    return found


def why_not(known: Mapping[tuple[str, str], str] | None, name: str, language: str) -> str | None:
    """Why a carrier would not take this template now; None: it would, or nobody knows."""
    if known is None:
        return None
    status = known.get((name, language))
    if status is None:
        others = sorted(other for one, other in known if one == name)
        where = f"it exists in {', '.join(others)}" if others else "there is none of this name"
        return f"there is no template {name} in {language}: {where}"
    return None if status == APPROVED else f"the template {name} ({language}) is {status.lower()}"
