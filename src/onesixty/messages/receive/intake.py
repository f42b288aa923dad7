"""What a far side tells by one HTTP call: given to the rooms that store it, and waited for.

A call comes again when it is not answered well, so it is answered only once all of it is stored.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from onesixty.carriers.contract import Inbound, News, Receipt
from onesixty.kit.clock import Clock
from onesixty.messages.receive import storable
from onesixty.records import channel_templates, events
from onesixty.records.snapshot import CarrierRecord
from onesixty.storage.database import Database

PATIENCE_SECONDS: Final = 10.0  # the least that any provider waits for our answer


class Intake:
    """Takes the news of calls; `receipts` and `inbounds` are the rooms that store them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        receipts: Callable[[Sequence[Receipt]], None],
        inbounds: Callable[[Sequence[Inbound]], None],
    ) -> None:
        self._database, self._clock = database, clock
        self._receipts, self._inbounds = receipts, inbounds
        self.wake_webhooks: Callable[[], None] = lambda: None

    async def take(self, record: CarrierRecord, news: News) -> bool:
        """Store all of it; False when that did not go in time: then the call shall come again.

        Raises what the database raises.
        """
        pending = _Pending(len(news.receipts) + len(news.inbounds))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if news.receipts:
                    receipts = map(storable.receipt, news.receipts)
                    self._receipts([replace(one, acknowledge=pending.tell) for one in receipts])
                if news.inbounds:
                    inbounds = map(storable.inbound, news.inbounds)
                    self._inbounds([replace(one, acknowledge=pending.tell) for one in inbounds])
                if news.notices:
                    await self._tell(record, news.notices)
                return await pending.stored
        except TimeoutError:
            return False

    async def _tell(self, record: CarrierRecord, notices: Sequence[dict[str, Any]]) -> None:
        now = self._clock.now()
        async with self._database.write() as tx:
            for notice in notices:
                data = {
                    "carrier": record.name,
                    "kind": record.kind,
                    "notice": storable.json(notice),
                }
                await events.tell(tx, record.account_id, "carrier.notice", data, now)
                if notice.get("type") == "template_status":
                    await channel_templates.note(tx, record.id, storable.json(notice), now)
        self.wake_webhooks()


class _Pending:
    """How many are not stored yet."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not count:
            self.stored.set_result(True)

    def tell(self, stored: bool) -> None:
        """One of them is stored, or was turned away."""
        self._left -= 1
        if not self.stored.done() and (not stored or not self._left):
            self.stored.set_result(stored)
