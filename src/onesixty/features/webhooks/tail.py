"""Following the events of an account as they come, though some commit a little after later ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from onesixty.features.webhooks import feed
from onesixty.kit import ids
from onesixty.storage.database import Connection, Rows

# An event has its id before its transaction commits: younger ones may still get company before
# them.
SETTLED_AFTER: Final = timedelta(seconds=2)
BATCH: Final = 500


class Tail:
    """Reads each new event once.

    What is younger than SETTLED_AFTER is looked over again each time.
    """

    def __init__(
        self,
        account_id: int,
        since: datetime,
        types: Sequence[int] | None = None,
        message_id: UUID | None = None,
    ) -> None:
        self._account_id, self._types, self._message_id = account_id, types, message_id
        self._above = ids.first_at(since)
        self._seen: set[UUID] = set()

    async def read(self, connection: Connection, now: datetime) -> Rows:
        """Up to BATCH new rows for `feed.shown`, oldest first; BATCH of them mean there is more."""
        query = feed.Query(
            above=self._above,
            types=self._types,
            message_id=self._message_id,
            seen=list(self._seen),
            ascending=True,
            limit=BATCH,
        )
        rows = await feed.read(connection, self._account_id, query)
        self._seen.update(row["event_id"] for row in rows)
        settled = ids.first_at(now - SETTLED_AFTER)
        if len(rows) == BATCH:
            settled = min(settled, rows[-1]["event_id"])
        self._above = max(self._above, settled)
        self._seen = {one for one in self._seen if one > self._above}
        return rows


def resume_at(last: UUID) -> datetime:
    """Where to begin after the event that a client saw last: it may get some again, but misses
    none.
    """
    return ids.time_of(last) - SETTLED_AFTER
