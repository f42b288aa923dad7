"""What customers say of messages beside the receipts, and judgements that people take back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.contract import OutcomeKind
from onesixty.messages.types import Direction
from onesixty.storage.database import Connection, Rows

# The carrier that took it last is the one that it is told of.
HANDED: Final = f"""
SELECT m.recipient, s.carrier_id, s.answered_at FROM messages m
LEFT JOIN LATERAL (
    SELECT carrier_id, answered_at FROM submissions
    WHERE message_id = m.id AND outcome = {OutcomeKind.ACCEPTED} AND NOT m.test
    ORDER BY attempt DESC LIMIT 1
) s ON true
WHERE m.account_id = $1 AND m.id = $2 AND m.direction = {Direction.OUTBOUND}
"""
KEEP: Final = """
INSERT INTO feedback (account_id, message_id, outcome, at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING 1
"""
STANDINGS: Final = """
SELECT carrier_id, country, level, since, why, rate, median_seconds, coverage, sample, at
FROM carrier_standings
"""
FORGET: Final = """
UPDATE carrier_standings SET level = 'good', since = $3, why = 'set by hand', rate = NULL,
    median_seconds = NULL, coverage = NULL, sample = 0, at = $3
WHERE carrier_id = $1 AND country = $2 RETURNING 1
"""


@dataclass(frozen=True, slots=True)
class Handed:
    """Who had a message, and when; `carrier_id` is None when no carrier took it."""

    recipient: str
    carrier_id: int | None
    at: datetime | None
    is_new: bool  # this was not said before


async def feedback(
    tx: Connection, of: tuple[int, UUID], outcome: str, now: datetime
) -> Handed | None:
    """Keep what is said of a message (account, id); None when there is no such message."""
    row = await tx.fetchrow(HANDED, *of)
    if row is None:
        return None
    if row["carrier_id"] is None:
        return Handed(row["recipient"], None, None, is_new=False)
    kept = await tx.fetchval(KEEP, *of, outcome, now)
    return Handed(row["recipient"], row["carrier_id"], row["answered_at"], is_new=bool(kept))


async def standings(connection: Connection) -> Rows:
    """How every carrier stands in every country."""
    rows: Rows = await connection.fetch(STANDINGS)
    return rows


async def forget(tx: Connection, carrier_id: int, country: str, now: datetime) -> Any:
    """Take a judgement back; None when there is none."""
    return await tx.fetchval(FORGET, carrier_id, country, now)
