"""As much of the platform as deliveries need: an account, messages, events, and a deliverer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from onesixty.features.webhooks.deliver import Deliverer, DeliverOptions
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.messages.states import Status
from onesixty.records import accounts, events, webhooks
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.records.webhooks import NewEndpoint
from onesixty.storage.database import Database

MESSAGE = """
INSERT INTO messages (account_id, id, status, sequence, direction, category, encoding, segments,
    recipient, sender, body, callback_url, created_at)
VALUES ($1, $2, $3, 3, 0, 2, 0, 1, '+14155550123', 'ACME', 'Hello', $4, $5)
"""
EVENT = """
WITH event AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    VALUES ($1, $2, $3, $4, $5, $6)
)
INSERT INTO webhook_queue (event_id, endpoint_id, account_id, due_at)
SELECT $2, endpoint_id, $1, $6 FROM unnest($7::int[]) AS endpoint_id
"""


@dataclass(slots=True)
class Platform:
    """The parts, and short ways to put rows in and to look at them."""

    database: Database
    keeper: SnapshotKeeper
    clock: ManualClock
    sealer: Sealer
    chance: Chance
    account_id: int = 0
    deliverers: list[Deliverer] = field(default_factory=list)

    @classmethod
    async def build(
        cls, database: Database, clock: ManualClock, sealer: Sealer, chance: Chance
    ) -> "Platform":
        """With one account."""
        async with database.write() as tx:
            account_id = await accounts.create(tx, sealer, "first", None)
        keeper = await SnapshotKeeper.start(database, clock)
        return cls(database, keeper, clock, sealer, chance, account_id)

    def deliverer(self, **options: Any) -> Deliverer:
        """A deliverer that settles, but claims only when told to; it may call this machine."""
        made = Deliverer(
            self.database,
            self.keeper,
            self.sealer,
            self.clock,
            self.chance,
            DeliverOptions(**{"allow_private": True} | options),
        )
        made.settling.start()
        self.deliverers.append(made)
        return made

    async def endpoint(self, url: str, *types: str) -> Any:
        """The row of a new endpoint; `secret` is what signs for it."""
        mask = events.mask(list(types or ["*"]))
        async with self.database.write() as tx:
            row, secret = await webhooks.create(
                tx, self.sealer, self.account_id, NewEndpoint(url, mask), self.clock.now()
            )
        await self.keeper.refresh()
        return dict(row) | {"secret": secret}

    async def message(
        self, callback_url: str | None = None, status: Status = Status.DELIVERED
    ) -> UUID:
        """The id of a new message."""
        message_id = self._id()
        await self.database.fetch(
            MESSAGE, self.account_id, message_id, status, callback_url, self.clock.now()
        )
        return message_id

    async def event(
        self, *endpoints: int, message: UUID | None = None, status: Status = Status.DELIVERED
    ) -> UUID:
        """The id of a new event about a message, with outbox rows for these endpoint numbers."""
        event_id, message_id = self._id(), message or await self.message()
        await self.database.fetch(
            EVENT, self.account_id, event_id, status, 3, message_id, self.clock.now(), endpoints
        )
        return event_id

    async def run(self, deliverer: Deliverer) -> None:
        """Deliver all that is due."""
        while await deliverer.run_once():
            pass
        await deliverer.quiet()

    async def outbox(self) -> list[dict[str, Any]]:
        """What waits, by the time that it is due."""
        rows = await self.database.fetch("SELECT * FROM webhook_queue ORDER BY due_at, event_id")
        return [dict(row) for row in rows]

    async def log(self) -> list[dict[str, Any]]:
        """Every delivery, oldest first."""
        rows = await self.database.fetch("SELECT * FROM deliveries ORDER BY at, id")
        return [dict(row) for row in rows]

    async def endpoint_row(self, number: int) -> dict[str, Any]:
        """An endpoint as it stands on file."""
        rows = await self.database.fetch("SELECT * FROM webhook_endpoints WHERE id = $1", number)
        return dict(rows[0])

    async def advance_to(self, moment: datetime) -> None:
        """Move the clock there."""
        await self.clock.advance((moment - self.clock.now()).total_seconds())

    async def stop(self) -> None:
        """Stop every deliverer."""
        for deliverer in self.deliverers:
            await deliverer.stop(0.5)

    def _id(self) -> UUID:
        return ids.uuid7(int(self.clock.now().timestamp() * 1000))
