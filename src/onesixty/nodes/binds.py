"""The sessions of customers (ESMEs) over several processes: how many there are, and of what kind.

Each process has a row for each ESME that is bound to it; rows of dead processes do not count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from onesixty.storage.database import Connection, Database

LOCK_SPACE: Final = 0x160_0E5  # of advisory locks, one for each ESME

_CLAIM: Final = """
INSERT INTO esme_states (esme_id, node_id, binds)
SELECT $1, $2, $3::int WHERE $3::int + coalesce((SELECT sum(binds) FROM esme_states
    WHERE esme_id = $1 AND node_id <> $2 AND node_id = ANY($4::int[])), 0) <= $5
ON CONFLICT (esme_id, node_id) DO UPDATE SET binds = excluded.binds
RETURNING true
"""
_TELL: Final = """
WITH gone AS (
    DELETE FROM esme_states WHERE node_id = $1 AND esme_id <> ALL($2::int[])
)
INSERT INTO esme_states (esme_id, node_id, binds, state)
SELECT esme_id, $1, jsonb_array_length(state -> 'sessions'), state
FROM unnest($3::int[], $4::jsonb[]) AS told(esme_id, state)
ON CONFLICT (esme_id, node_id) DO UPDATE SET binds = excluded.binds, state = excluded.state
"""
_COUNT: Final = """
SELECT esme_id, sum(binds)::int AS binds FROM esme_states
WHERE node_id <> $1 AND node_id = ANY($2::int[]) GROUP BY esme_id
"""
_HEAR: Final = """
SELECT esme_id, state FROM esme_states
WHERE esme_id = ANY($1::int[]) AND node_id <> $2 AND node_id = ANY($3::int[])
ORDER BY esme_id, node_id
"""
State = Mapping[str, Any]  # `sessions`: a list; `last_refusal`: what was refused last, or None


async def claim(
    tx: Connection, esme_id: int, node: int, binds: int, living: Sequence[int], most: int
) -> bool:
    """Have so many sessions of an ESME here, unless that would be more than `most` everywhere.

    Exact: two processes that ask at once have their turns.
    """
    await tx.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCK_SPACE, esme_id)
    return bool(await tx.fetchval(_CLAIM, esme_id, node, binds, list(living), most))


async def tell(
    database: Database, node: int, present: Sequence[int], changed: Mapping[int, State]
) -> None:
    """Write the states that have changed; forget the ESMEs that are no longer present here."""
    states = [dict(state) for state in changed.values()]
    await database.fetch(_TELL, node, list(present), list(changed), states)


async def count(database: Database, node: int, living: Sequence[int]) -> dict[int, int]:
    """How many sessions each ESME has in the other processes."""
    rows = await database.fetch(_COUNT, node, list(living))
    return {row["esme_id"]: row["binds"] for row in rows}


async def hear(
    database: Database, esme_ids: Sequence[int], node: int, living: Sequence[int]
) -> list[tuple[int, State]]:
    """The states of these ESMEs in the other processes, as those told them last."""
    rows = await database.fetch(_HEAR, list(esme_ids), node, list(living))
    return [(row["esme_id"], row["state"]) for row in rows]


def merge(states: Sequence[State]) -> dict[str, Any]:
    """One state of what several processes say of one ESME."""
    refusals = [one["last_refusal"] for one in states if one.get("last_refusal")]
    return {
        "sessions": [session for one in states for session in one.get("sessions", ())],
        "last_refusal": max(refusals, key=lambda one: one["at"], default=None),
    }
