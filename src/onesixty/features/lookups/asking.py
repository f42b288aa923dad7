"""Asking sources about numbers, within their caps, and learning from receipts. None of it is waited
for by a message: the next one to the number goes by the answer.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog

from onesixty.carriers.contract import Outcome, Receipt
from onesixty.carriers.http.dialect import NoAnswerError, NotSentError
from onesixty.features.lookups.networks import Networks
from onesixty.features.lookups.sources import KINDS, Answer, Source, UnreadableAnswerError
from onesixty.kit import money
from onesixty.kit.clock import Clock
from onesixty.kit.secrets import Sealer, SealError
from onesixty.records import events
from onesixty.records.lookups import known, sources, spending
from onesixty.records.lookups.book import SourceRecord
from onesixty.records.lookups.known import Known
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.sms import numbers
from onesixty.sms.networks import code_of
from onesixty.storage.database import Connection, Database

WAITING_MOST: Final = 10_000  # numbers to be asked about, and those that receipts told of
BATCH_MOST: Final = 200
AT_ONCE: Final = 10  # questions to one source
ASKING: Final = timedelta(minutes=1)  # nobody else asks meanwhile
LEFT_FOR: Final = timedelta(minutes=5)  # after a question that was not answered
LEARNT_FOR: Final = timedelta(days=30)
FORGET_MOST: Final = 5000
FORGET_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 2.0
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_log = structlog.get_logger()


class End(StrEnum):
    """What came of wanting to ask."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"  # or none that could be read
    CAP_REACHED = "cap_reached"
    BEING_ASKED = "being_asked"  # by somebody else, or it failed a moment ago
    NO_SOURCE = "no_source"  # none that may be asked about such a number


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of wanting to ask about one number."""

    end: End
    source: SourceRecord | None = None
    detail: str = ""


class Lookups:
    """Asks about single numbers when told to, and by itself about those that messages went to."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keeper: SnapshotKeeper,
        sealer: Sealer,
        networks: Networks,
    ) -> None:
        self.networks = networks
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.wake: Callable[[], None] = lambda: None  # there are numbers to be asked about
        self._database, self._clock, self._keeper = database, clock, keeper
        self._sealer = sealer
        self._open: dict[int, tuple[SourceRecord, Source]] = {}
        self._waiting: dict[str, None] = {}  # numbers, in their order
        self._learnt: dict[str, str] = {}  # networks by number
        self._forgot_at = clock.monotonic()

    def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Messages that were handed over: those to unknown numbers are asked about."""
        if not self.networks.is_used or not self._follows():
            return
        for one in outcomes:
            number = one.submission.recipient
            if one.submission.test or self.networks.knows(number):
                continue
            if len(self._waiting) < WAITING_MOST:
                self._waiting[number] = None
                self.wake()

    def receipts(self, told: Sequence[tuple[Any, Receipt]]) -> None:
        """Receipts, each with the row of its submission: networks that differ are kept.

        Carriers of accounts below teach nothing: what they say would steer the messages of others.
        """
        if not self.networks.is_used:
            return
        for row, receipt in told:
            number, code = receipt.sender, receipt.network and code_of(receipt.network)
            if not code or not _NUMBER.fullmatch(number) or self.networks.of(number) == code:
                continue
            if self._is_ours(row["carrier_id"]) and len(self._learnt) < WAITING_MOST:
                self._learnt[number] = code

    async def look(self, number: str, country: str, name: str | None = None) -> Asked:
        """Ask about a number now, whatever is known of it; of the source of this name, if given."""
        source = self._keeper.book.lookups.source_for(country, name)
        if source is None:
            return Asked(End.NO_SOURCE)
        return (await self._ask(source, [number], again=True))[number]

    async def run_once(self) -> bool:
        """Keep what receipts told, ask about what waits, forget what expired long ago."""
        if self._learnt:
            await self._keep()
        if self._clock.monotonic() - self._forgot_at >= FORGET_SECONDS:
            async with self._database.write() as tx:
                gone = await known.forget(tx, self._clock.now(), FORGET_MOST)
            if gone < FORGET_MOST:  # else there may be more, when it runs next
                self._forgot_at = self._clock.monotonic()
        batch = list(self._waiting)[:BATCH_MOST]
        for number in batch:
            del self._waiting[number]
        if batch:
            await self._ask_batch(batch)
        return bool(self._waiting)

    async def close(self) -> None:
        """Close the connections to all sources."""
        for _, source in self._open.values():
            await source.close()
        self._open.clear()

    def _follows(self) -> bool:
        return any(one.enabled and one.follow for one in self._keeper.book.lookups.sources)

    def _is_ours(self, carrier_id: int) -> bool:
        book = self._keeper.book
        carrier = book.carriers.get(carrier_id)
        return carrier is not None and book.accounts[carrier.account_id].parent_id is None

    async def _keep(self) -> None:
        told, self._learnt = self._learnt, {}
        now = self._clock.now()
        try:
            async with self._database.write() as tx:
                rows = await known.learn(tx, sorted(told.items()), now, now + LEARNT_FOR)
        except BaseException:
            self._learnt = told | self._learnt
            raise
        for row in rows:
            self.networks.remember(row["number"], row["network"], row["expires_at"])

    async def _ask_batch(self, batch: Sequence[str]) -> None:
        """What is kept already is taken into memory; sources are asked about the rest."""
        async with self._database.read() as connection:
            kept = await known.find(connection, batch, self._clock.now())
        wanted: dict[int, list[str]] = {}
        book = self._keeper.book.lookups
        by_id = {one.id: one for one in book.sources}
        for number in batch:
            if number in kept:
                self.networks.remember(number, kept[number].network, kept[number].expires_at)
                continue
            parsed = numbers.parse(number)
            if isinstance(parsed, numbers.NumberError):
                continue
            source = next(
                (one for one in book.sources if one.follow and one.takes(parsed.country)), None
            )
            if source is not None:
                wanted.setdefault(source.id, []).append(number)
        for source_id, some in wanted.items():
            await self._ask(by_id[source_id], some, again=False)

    async def _ask(
        self, source: SourceRecord, wanted: Sequence[str], *, again: bool
    ) -> Mapping[str, Asked]:
        """Ask one source about numbers, as far as its caps go; each at most once."""
        asker = await self._opened(source)
        if asker is None:
            return dict.fromkeys(wanted, Asked(End.NO_ANSWER, source, "it cannot be used as set"))
        now = self._clock.now()
        async with self._database.write() as tx:
            purse = await spending.open_purse(tx, source, now)
            room = purse.room(len(wanted))
            times = (now, now + ASKING)
            mine = (
                await known.claim(tx, wanted[:room], source.name, times, again=again)
                if room
                else []
            )
            cap = await purse.take(tx, len(mine), over=room < len(wanted))
            if cap:
                await self._tell(tx, source, cap, now)
        if cap:
            self.wake_webhooks()
        turns = asyncio.Semaphore(AT_ONCE)
        ends = await asyncio.gather(*(self._question(asker, one, turns) for one in mine))
        told = dict(zip(mine, ends, strict=True))
        await self._write(source, now, told)
        found = {number: _asked(source, end) for number, end in told.items()}
        for number in wanted[:room]:
            found.setdefault(number, Asked(End.BEING_ASKED, source))
        return found | dict.fromkeys(wanted[room:], Asked(End.CAP_REACHED, source))

    async def _question(
        self, asker: Source, number: str, turns: asyncio.Semaphore
    ) -> "Answer | NotSentError | NoAnswerError | UnreadableAnswerError":
        async with turns:
            try:
                return await asker.ask(number)
            except (NotSentError, NoAnswerError, UnreadableAnswerError) as error:
                return error
            except ValueError as error:  # a header that cannot be sent
                return NotSentError(str(error))

    async def _write(
        self, source: SourceRecord, asked_at: datetime, told: Mapping[str, Answer | Exception]
    ) -> None:
        """Keep answers; what failed is left alone for a while."""
        now = self._clock.now()
        answers = [
            Known(number, one.network, one.ported, one.valid, one.reachable, source.name, now,
                  now + (source.keep if one.network else source.keep_unknown))
            for number, one in told.items()
            if isinstance(one, Answer)
        ]  # fmt: skip
        failed = {number: one for number, one in told.items() if isinstance(one, Exception)}
        async with self._database.write() as tx:
            if answers:
                await known.store(tx, answers)
            if failed:
                await known.leave(tx, sorted(failed), now + LEFT_FOR)
            for error in failed.values():
                count = spending.give_back if isinstance(error, NotSentError) else spending.fail
                await count(tx, source, asked_at, str(error))
        for one in answers:
            self.networks.remember(one.number, one.network, one.expires_at)
        if failed:
            error = next(iter(failed.values()))
            _log.warning("lookup.failed", source=source.name, count=len(failed), error=str(error))

    async def _opened(self, source: SourceRecord) -> Source | None:
        before = self._open.get(source.id)
        if before and before[0] == source:
            return before[1]
        try:
            made = KINDS[source.kind](sources.opened(source, self._sealer), self._clock)
        except (KeyError, ValueError, SealError) as error:
            _log.error("lookup.unusable", source=source.name, error=str(error))
            return None
        self._open[source.id] = (source, made)
        if before:
            await before[1].close()
        return made

    async def _tell(self, tx: Connection, source: SourceRecord, cap: str, now: datetime) -> None:
        most = source.day_cap if cap == "day" else source.month_cap
        operator = min(
            one.id for one in self._keeper.book.accounts.values() if one.parent_id is None
        )
        data = {
            "source": source.name,
            "period": cap,
            "limit": money.shown(most or 0, source.currency),
        }
        _log.warning("lookup.cap_reached", source=source.name, period=cap)
        await events.tell(tx, operator, "lookup.cap_reached", data, now)


def _asked(source: SourceRecord, end: Answer | Exception) -> Asked:
    if isinstance(end, Answer):
        return Asked(End.ANSWERED, source)
    return Asked(End.NO_ANSWER, source, str(end))
