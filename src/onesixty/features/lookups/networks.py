"""Networks of numbers in memory: routes and prices ask for each message, so nothing is waited for.

A number whose network was told lately, by a source or by a receipt, is in that one; another is in
that of its digits: by the operator's own plan, else by the one that comes with the program. What is
told in one process is in the memory of the others some seconds later.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from onesixty.kit.clock import Clock
from onesixty.records.lookups import known
from onesixty.records.snapshot import Snapshot, SnapshotKeeper
from onesixty.sms import networks
from onesixty.sms.networks import Network
from onesixty.storage.database import Database

KEPT_MOST: Final = 100_000  # numbers, the newest
READ_MOST: Final = 10_000  # of what is new, at once
# A row may become visible so long after the moment that it is of.
LATE: Final = timedelta(seconds=5)
SWEEP_SECONDS: Final = 60.0
OWN, SHIPPED = "own", "shipped"  # plans


class Networks:
    """What this process knows. While no route and no price asks for networks it keeps nothing."""

    def __init__(self, database: Database, clock: Clock, keeper: SnapshotKeeper) -> None:
        self._database, self._clock, self._keeper = database, clock, keeper
        self._known: dict[str, tuple[str, datetime]] = {}  # by number: code ("": none), until
        self._since = datetime(1970, 1, 1, tzinfo=UTC)
        self._swept_at = clock.monotonic()
        self._plan = keeper.book.lookups.plan
        self._is_read = False
        self.is_used = False
        self.follow()

    def follow(self) -> None:
        """Look at the newest records; to be called after each change."""
        self._plan = self._keeper.book.lookups.plan
        self.is_used = _asks(self._keeper.book)

    def of(self, number: str) -> str | None:
        """The network of a number in E.164, digits of MCC and MNC; None: not known or not used."""
        if not self.is_used:
            return None
        entry = self._known.get(number)
        if entry is not None and entry[0]:
            return entry[0]
        found = self._plan.find(number) or networks.shipped().find(number)
        return found[1].code if found else None

    def by_digits(self, number: str) -> tuple[str, str, Network] | None:
        """The plan that knows a number, OWN or SHIPPED, the digits that count, the network."""
        for name, plan in ((OWN, self._plan), (SHIPPED, networks.shipped())):
            if found := plan.find(number):
                return name, *found
        return None

    def knows(self, number: str) -> bool:
        """Whether a source or a receipt told of a number lately, that it knows none included."""
        return number in self._known

    def remember(self, number: str, code: str | None, until: datetime) -> None:
        """Take in what was told of a number."""
        if not self.is_used:
            return
        self._known.pop(number, None)
        if len(self._known) >= KEPT_MOST:
            del self._known[next(iter(self._known))]
        self._known[number] = (code or "", until)

    async def run_once(self) -> bool:
        """Take in what other processes were told, forget what expired; always False: no more.

        The first time it reads the shipped plan, beside the event loop: that takes half a second.
        """
        if not self.is_used:
            return False
        if not self._is_read:
            await asyncio.to_thread(networks.shipped)
            self._is_read = True
        first = not self._known
        rows = await self._database.fetch(
            known.NEWEST, self._since - LATE, KEPT_MOST if first else READ_MOST
        )
        now = self._clock.now()
        for row in reversed(rows):
            if row["expires_at"] > now:
                self.remember(row["number"], row["network"], row["expires_at"])
        if rows:
            self._since = rows[0]["at"]
        if self._clock.monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = self._clock.monotonic()
            self._forget(number for number, (_, until) in self._known.items() if until <= now)
        return False

    def _forget(self, numbers: Iterable[str]) -> None:
        for number in list(numbers):
            del self._known[number]


def _asks(book: Snapshot) -> bool:
    """Whether any route, price or cost depends on networks."""
    by_route = any("network" in one.match for some in book.routes.values() for one in some)
    return by_route or any(one.rows.by_network for one in book.billing.decks.values())
