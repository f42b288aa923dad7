"""How carriers stand in other processes: each tells the state of its lanes every second."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from onesixty.storage.database import Database

FRESH_SECONDS: Final = 8  # what was told longer ago counts no more

_TELL: Final = """
WITH gone AS (
    DELETE FROM carrier_states WHERE node_id = $1 AND carrier_id <> ALL($2::int[])
)
INSERT INTO carrier_states (node_id, carrier_id, state, at)
SELECT $1, carrier_id, state, now() FROM unnest($2::int[], $3::jsonb[]) AS told(carrier_id, state)
ON CONFLICT (carrier_id, node_id) DO UPDATE SET state = excluded.state, at = excluded.at
"""
_HEAR: Final = f"""
SELECT carrier_id, state FROM carrier_states
WHERE node_id = ANY($1::int[]) AND at > now() - interval '{FRESH_SECONDS} seconds'
ORDER BY carrier_id, node_id
"""
# From the best to the worst: a carrier can send when any process can send by it.
_ORDER: Final = ("up", "paused", "faulty", "down", "starting")
_SUMMED: Final = (
    "in_flight_segments",
    "waiting_in_memory",
    "observed_rate_per_second",
    "ceiling_per_second",
)


async def tell(database: Database, node: int, states: Mapping[int, Mapping[str, Any]]) -> None:
    """Write the states of this process's lanes, by carrier number."""
    await database.fetch(_TELL, node, list(states), [dict(state) for state in states.values()])


async def hear(database: Database, nodes: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The states that these processes told lately, by carrier number."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in await database.fetch(_HEAR, nodes):
        found.setdefault(row["carrier_id"], []).append(row["state"])
    return found


def merge(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One state of what several processes say of one carrier: the best, with the counts of all."""
    merged = dict(min(states, key=lambda one: _rank(one["status"])))
    if len(states) > 1:
        for key in _SUMMED:
            numbers = [one[key] for one in states if isinstance(one.get(key), int | float)]
            if numbers:
                merged[key] = sum(numbers)
        if "binds" in merged:
            merged["binds"] = [line for one in states for line in one.get("binds", ())]
        if "throttled" in merged:
            merged["throttled"] = any(one.get("throttled") for one in states)
    return merged


def _rank(status: str) -> int:
    return _ORDER.index(status) if status in _ORDER else len(_ORDER)
