"""What a far side tells by one HTTP call: given to the rooms that store it, and waited for.

A call comes again when it is not answered well, so it is answered only once all of it is stored.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from onesixty.carriers.content import Content, from_json
from onesixty.carriers.contract import Inbound, News, Receipt
from onesixty.kit.clock import Clock
from onesixty.records import channel_templates, events
from onesixty.records.snapshot import CarrierRecord
from onesixty.storage.database import Database

PATIENCE_SECONDS: Final = 10.0  # the least that any provider waits for our answer
RAW_MOST: Final = 65_536  # characters that are kept of a receipt
# Characters of an id: of a longer one an index could not be kept, and no message of ours has one.
ID_MOST: Final = 500
_TEXTS: Final = ("carrier_message_id", "error", "sender", "recipient", "text", "raw", "word")


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
                    self._receipts([_receipt(one, pending) for one in news.receipts])
                if news.inbounds:
                    self._inbounds([_inbound(one, pending) for one in news.inbounds])
                if news.notices:
                    await self._tell(record, news.notices)
                return await pending.stored
        except TimeoutError:
            return False

    async def _tell(self, record: CarrierRecord, notices: Sequence[dict[str, Any]]) -> None:
        now = self._clock.now()
        async with self._database.write() as tx:
            for notice in notices:
                data = {"carrier": record.name, "kind": record.kind, "notice": _clean(notice)}
                await events.tell(tx, record.account_id, "carrier.notice", data, now)
                if notice.get("type") == "template_status":
                    await channel_templates.note(tx, record.id, _clean(notice), now)
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


def _receipt(one: Receipt, pending: _Pending) -> Receipt:
    texts = {
        name: _clean(getattr(one, name))[: RAW_MOST if name == "raw" else ID_MOST]
        for name in _TEXTS
    }
    keys = tuple(key for key in map(_clean, one.match_keys) if len(key) <= ID_MOST)
    return replace(one, **texts, match_keys=keys, acknowledge=pending.tell)


def _inbound(one: Inbound, pending: _Pending) -> Inbound:
    texts = {
        name: _clean(getattr(one, name)) for name in ("sender", "recipient", "carrier_message_id")
    }
    if len(texts["carrier_message_id"]) > ID_MOST:
        texts["carrier_message_id"] = ""  # its repeats are not known
    content = one.content and _content(one.content)
    return replace(one, **texts, content=content, acknowledge=pending.tell)


def _content(content: Content) -> Content:
    return from_json(_clean(content.to_json()))


def _clean(value: Any) -> Any:
    """A text, or JSON, without what PostgreSQL cannot keep: U+0000 and half characters."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value
