"""What is known of single numbers: answers of sources, and what carriers told in receipts.

A row counts until it expires. One without a network says that somebody was asked and did not know.
Numbers are claimed before they are asked about, so that several processes do not pay twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Rows

RECEIPTS: Final = "receipts"  # the source that costs nothing

CLAIM: Final = """
INSERT INTO number_networks AS n (number, source, at, expires_at, asked_until)
SELECT wanted.number, $2, $3, $3, $4 FROM unnest($1::text[]) AS wanted(number)
ORDER BY wanted.number
ON CONFLICT (number) DO UPDATE SET asked_until = excluded.asked_until
WHERE (n.expires_at <= $3 OR $5)
    AND (n.asked_until IS NULL OR n.asked_until <= $3)
RETURNING n.number
"""
STORE: Final = """
INSERT INTO number_networks AS n (number, network, ported, valid, reachable, source, at, expires_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::boolean[], $5::boolean[],
    $6::text[], $7::timestamptz[], $8::timestamptz[])
    AS told(number, network, ported, valid, reachable, source, at, expires_at)
ORDER BY told.number
ON CONFLICT (number) DO UPDATE SET network = excluded.network, ported = excluded.ported,
    valid = excluded.valid, reachable = excluded.reachable, source = excluded.source,
    at = excluded.at, expires_at = excluded.expires_at, asked_until = NULL
"""
# What somebody was asked for counts more than what a carrier tells by the way.
LEARN: Final = """
INSERT INTO number_networks AS n (number, network, source, at, expires_at)
SELECT told.number, told.network, 'receipts', $3, $4
FROM unnest($1::text[], $2::text[]) AS told(number, network) ORDER BY told.number
ON CONFLICT (number) DO UPDATE SET network = excluded.network, ported = NULL, valid = NULL,
    reachable = NULL, source = excluded.source, at = excluded.at, expires_at = excluded.expires_at
WHERE n.source = 'receipts' OR n.network IS NULL OR n.expires_at <= $3
RETURNING n.number, n.network, n.expires_at
"""
LEAVE: Final = """
UPDATE number_networks SET asked_until = $2 WHERE number = ANY($1::text[])
"""
FIND: Final = """
SELECT number, network, ported, valid, reachable, source, at, expires_at FROM number_networks
WHERE number = ANY($1::text[]) AND expires_at > $2
"""
NEWEST: Final = """
SELECT number, network, at, expires_at FROM number_networks
WHERE at > $1 ORDER BY at DESC LIMIT $2
"""
FORGET: Final = """
DELETE FROM number_networks WHERE number IN (
    SELECT number FROM number_networks WHERE expires_at <= $1
        AND (asked_until IS NULL OR asked_until <= $1)
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a number. None: it was not told."""

    number: str  # E.164
    network: str | None  # digits of MCC and MNC
    ported: bool | None
    valid: bool | None
    reachable: bool | None
    source: str
    at: datetime
    expires_at: datetime


async def claim(
    tx: Connection,
    numbers: Sequence[str],
    source: str,
    times: tuple[datetime, datetime],
    *,
    again: bool,
) -> list[str]:
    """Those of the numbers that are ours to ask about, between these two times.

    Without `again` only those of which nobody was asked lately.
    """
    rows = await tx.fetch(CLAIM, numbers, source, *times, again)
    return [row["number"] for row in rows]


async def store(tx: Connection, answers: Sequence[Known]) -> None:
    """Keep what sources said; frees the numbers."""
    rows = [
        (a.number, a.network, a.ported, a.valid, a.reachable, a.source, a.at, a.expires_at)
        for a in answers
    ]
    await tx.execute(STORE, *columns(rows, 8))


async def learn(
    tx: Connection, told: Sequence[tuple[str, str]], now: datetime, until: datetime
) -> Rows:
    """Keep numbers with their networks as receipts tell; gives what is new: as `newest`."""
    numbers, networks = zip(*told, strict=True)
    rows: Rows = await tx.fetch(LEARN, numbers, networks, now, until)
    return rows


async def leave(tx: Connection, numbers: Sequence[str], until: datetime) -> None:
    """No answer came for these: they may be asked about again at that time."""
    await tx.execute(LEAVE, numbers, until)


async def find(connection: Connection, numbers: Sequence[str], now: datetime) -> dict[str, Known]:
    """What counts now of these numbers."""
    rows: Sequence[Any] = await connection.fetch(FIND, numbers, now)
    return {row["number"]: Known(**row) for row in rows}


async def forget(tx: Connection, now: datetime, most: int) -> int:
    """Drop what has expired, so many rows at most; how many there were."""
    done: str = await tx.execute(FORGET, now, most)
    return int(done.rpartition(" ")[2])
