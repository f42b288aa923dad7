"""Price lists in memory: finding a price is a few look-ups in dicts, however long the list is.

A row names the first digits of numbers, a network, both, or neither. Where the network of a number
is known and the deck has a row for it, that row counts: the digits of a ported number tell the
wrong one. Else the row with the longest prefix counts. Rows that are not valid at the time are
passed over.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from onesixty.storage.database import Connection

COST, SELL = "cost", "sell"
PAGE: Final = 5000  # rows taken in at once; the loop goes on in between

# From, until (None: for ever), micros; the latest first.
Spans = tuple[tuple[datetime, datetime | None, int], ...]


@dataclass(slots=True)
class _Prefixes:
    """The rows of one channel and network, by their first digits."""

    spans: dict[str, Spans] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()  # of the digits, longest first

    def find(self, number: str, at: datetime) -> int | None:
        spans = self.spans
        for length in self.lengths:
            found = spans.get(number[1 : 1 + length])
            if found is not None:
                for since, until, micros in found:
                    if since <= at and (until is None or at < until):
                        return micros
        return None


class Rows:
    """All prices of a deck."""

    def __init__(self) -> None:
        self._by_network: dict[tuple[int, str], _Prefixes] = {}  # by channel and network

    @property
    def by_network(self) -> bool:
        """Whether a row is for one network only."""
        return any(network for _, network in self._by_network)

    def add(
        self, key: tuple[int, str, str], since: datetime, until: datetime | None, micros: int
    ) -> None:
        """One row; the key is its channel, network and prefix."""
        channel, network, prefix = key
        rows = self._by_network.setdefault((channel, network), _Prefixes())
        before, entry = rows.spans.get(prefix), (since, until, micros)
        if before is None:
            rows.spans[prefix] = (entry,)
        else:
            latest_first = sorted((entry, *before), key=lambda one: one[0], reverse=True)
            rows.spans[prefix] = tuple(latest_first)
        if len(prefix) not in rows.lengths:
            rows.lengths = tuple(sorted({*rows.lengths, len(prefix)}, reverse=True))

    def find(self, number: str, network: str | None, channel: int, at: datetime) -> int | None:
        """Micros for a number in E.164 at a time; None when no row takes it."""
        if network:
            of_network = self._by_network.get((channel, network))
            found = of_network.find(number, at) if of_network else None
            if found is not None:
                return found
        rows = self._by_network.get((channel, ""))
        return rows.find(number, at) if rows else None


@dataclass(frozen=True, slots=True)
class Deck:
    """A price list: of a carrier's costs, or of what an account is charged."""

    id: int
    public_id: UUID
    name: str
    kind: str  # COST or SELL
    carrier_id: int | None
    account_id: int | None
    currency: str
    charge: str
    revision: int
    rows: Rows


_DECKS: Final = (
    "SELECT id, public_id, name, kind, carrier_id, account_id, currency, charge, revision"
    " FROM decks ORDER BY id"
)
# What ended long ago prices nothing; messages are counted up to some weeks after they went.
_ROWS: Final = """
SELECT channel, network, prefix, micros, valid_from, valid_until FROM deck_rows
WHERE deck_id = $1 AND (valid_until IS NULL OR valid_until > now() - interval '60 days')
ORDER BY channel, network, prefix, valid_from
"""


async def load(connection: Connection, before: Mapping[int, Deck]) -> dict[int, Deck]:
    """All decks; the rows of those whose revision is that of `before` are not read again.

    To be called in a transaction.
    """
    found = {}
    for row in await connection.fetch(_DECKS):
        known = before.get(row["id"])
        same = known is not None and known.revision == row["revision"]
        rows = known.rows if known and same else await _rows(connection, row["id"])
        found[row["id"]] = Deck(**row, rows=rows)
    return found


async def _rows(connection: Connection, deck_id: int) -> Rows:
    rows = Rows()
    cursor = await connection.cursor(_ROWS, deck_id)
    while page := await cursor.fetch(PAGE):
        for channel, network, prefix, micros, since, until in page:
            rows.add((channel, network, prefix), since, until, micros)
        await asyncio.sleep(0)
    return rows
