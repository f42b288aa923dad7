"""Inbound: messages from handsets, joined from their parts.

They are stored before they are acknowledged to the carrier. Parts are rows, so they may come in any
order, over any session, to any process, across restarts. When some do not come in time the message
is shown without them; those that come after all complete it, and it is told of again.

Where the carrier gives a message an id, it is remembered: the same id is stored once.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog

from onesixty.carriers.content import CHANNELS, SMS
from onesixty.carriers.contract import Inbound
from onesixty.kit import ids, metrics
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Bounds, Gatherer
from onesixty.messages import store, windows
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Direction, Encoding
from onesixty.records.esmes.numbers import EsmeNumbers
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.smpp.data_coding import describe
from onesixty.sms.alphabet import Encoding as Alphabet
from onesixty.sms.form import Form, from_json
from onesixty.sms.reassembly import Assembled, Fragment, assemble
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
BATCH_MOST: Final = 500
INBOX_MOST: Final = 20_000
PARTS_WAIT: Final = timedelta(hours=24)  # since the last part; then the message is shown with gaps
REPEATS: Final = timedelta(minutes=10)  # how long parts of whole messages may come once more
SWEEP_MOST: Final = 500  # long messages in one transaction
IDS_KEPT: Final = timedelta(days=10)  # longer than any carrier repeats a call
IDS_SWEPT_MOST: Final = 5000  # in one statement
_ID_MOST: Final = 255  # characters; of longer ids the hash is kept
_LOCK: Final = 0x0160_0163  # advisory
_ENCODINGS: Final = {
    Alphabet.GSM7: Encoding.GSM7,
    Alphabet.ASCII: Encoding.GSM7,
    Alphabet.LATIN1: Encoding.LATIN1,
    Alphabet.BINARY: Encoding.BINARY,
}
_PLAIN: Final = Form()

_KEYS = """
    unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[], $6::smallint[], $7::smallint[])
"""
_PARTS = """
    CROSS JOIN LATERAL (
        SELECT ctid AS place, * FROM inbound_parts WHERE carrier_id = k.carrier_id
            AND sender = k.sender AND recipient = k.recipient AND reference = k.reference
            AND reference_bits = k.reference_bits AND total = k.total AND encoding = k.encoding
    ) p
"""
_NAMES = "carrier_id, sender, recipient, encoding, reference, reference_bits, total"
FIND: Final = f"SELECT p.* FROM {_KEYS} AS k({_NAMES}) {_PARTS}"
FORGET: Final = f"""
DELETE FROM inbound_parts WHERE ctid = ANY(ARRAY(
    SELECT p.place FROM {_KEYS} AS k({_NAMES}) {_PARTS}))
"""
KEEP: Final = f"""
INSERT INTO inbound_parts ({_NAMES}, part, locking, single, octets, received_at, form, message_id)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[], $6::smallint[],
    $7::smallint[], $8::smallint[], $9::smallint[], $10::smallint[], $11::bytea[],
    $12::timestamptz[], $13::jsonb[], $14::uuid[])
"""
MARK: Final = f"""
UPDATE inbound_parts SET message_id = shown.message_id
FROM (SELECT p.place, k.id AS message_id FROM unnest($1::int[], $2::text[], $3::text[], $4::text[],
        $5::int[], $6::smallint[], $7::smallint[], $8::uuid[]) AS k({_NAMES}, id) {_PARTS}) shown
WHERE inbound_parts.ctid = shown.place
"""
# Long messages that nobody waits for any more, by the time of their last part: not shown yet ($1),
# whole ($2), shown with gaps ($3).
STALE: Final = f"""
SELECT {_NAMES}, bool_or(message_id IS NOT NULL) AS is_shown FROM inbound_parts
GROUP BY {_NAMES} HAVING max(received_at) < CASE
    WHEN NOT bool_or(message_id IS NOT NULL) THEN $1::timestamptz
    WHEN count(*) = total THEN $2::timestamptz ELSE $3::timestamptz END
LIMIT {SWEEP_MOST}
"""
KNOW: Final = """
INSERT INTO inbound_ids (carrier_id, id, at)
SELECT n.carrier_id, n.id, $3 FROM unnest($1::int[], $2::text[]) AS n(carrier_id, id)
ON CONFLICT DO NOTHING RETURNING carrier_id, id
"""
FORGET_IDS: Final = f"""
WITH gone AS (
    DELETE FROM inbound_ids WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM inbound_ids WHERE at < $1 ORDER BY at LIMIT {IDS_SWEPT_MOST}))
    RETURNING 1
)
SELECT count(*) FROM gone
"""
_TOLD = f"""
recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, sequence, id, at FROM noted
), hooked AS ({store.WEBHOOKS})
SELECT count(*) FROM hooked
"""
_NEWS = """
news AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::smallint[], $5::smallint[],
        $6::int[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[],
        $12::timestamptz[], $13::int[], $14::smallint[], $15::jsonb[])
    AS news(account_id, id, event_id, encoding, segments, carrier_id, sender, recipient, body,
        error_code, form, at, esme, channel, content)
)"""
_ERROR_DETAIL = "CASE WHEN news.error_code IS NOT NULL THEN 'some parts never came' END"
INSERT: Final = f"""
WITH {_NEWS}, stored AS (
    INSERT INTO messages (account_id, id, status, direction, category, encoding, segments,
        parts_sent, carrier_id, sender, recipient, body, error_code, error_detail, form, channel,
        content, created_at, final_at)
    SELECT account_id, id, {Status.RECEIVED}, {Direction.INBOUND}, {Category.TRANSACTIONAL},
        encoding, segments, segments, carrier_id, sender, recipient, body, error_code,
        {_ERROR_DETAIL}, form, channel, content, at, at
    FROM news
), noted AS (
    SELECT account_id, event_id, {Status.RECEIVED} AS type, 1 AS sequence, id, false AS callback,
        esme, at
    FROM news
), {_TOLD}"""
# Parts that came after their message was shown.
COMPLETE: Final = f"""
WITH {_NEWS}, noted AS (
    UPDATE messages m SET body = news.body, form = news.form, error_code = news.error_code,
        error_detail = {_ERROR_DETAIL}, sequence = m.sequence + 1
    FROM news WHERE m.account_id = news.account_id AND m.id = news.id
    RETURNING m.account_id, news.event_id, {Status.RECEIVED} AS type, m.sequence, m.id,
        false AS callback, news.esme, news.at
), {_TOLD}"""

# Carrier, sender, recipient, encoding, reference, its bits, number of parts.
_Key = tuple[int, str, str, str, int, int, int]


class _Part(NamedTuple):
    """One part, and what came beside its text."""

    fragment: Fragment
    form: Form | None
    received_at: datetime
    channel: int = 0
    content: dict[str, Any] | None = None  # as it is stored


@dataclass(slots=True)
class _Group:
    """The parts of one long message that are here, by their numbers."""

    key: _Key
    message_id: UUID | None = None  # in which they were shown
    parts: dict[int, _Part] = field(default_factory=dict)
    fresh: list[int] = field(default_factory=list)  # parts that are not stored

    @property
    def is_whole(self) -> bool:
        return len(self.parts) == self.key[-1]

    def add(self, part: _Part) -> bool:
        """Take a part; False when it is of another message that happens to have this key."""
        number = part.fragment.sequence
        known = self.parts.get(number)
        if known is not None:
            return known.fragment.octets == part.fragment.octets
        self.parts[number] = part
        self.fresh.append(number)
        return True


class InboundReceiver:
    """Collects inbound messages of all carriers and writes them in batches."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keeper: SnapshotKeeper,
        parts_wait: timedelta = PARTS_WAIT,
    ) -> None:
        self._database, self._clock, self._keeper = database, clock, keeper
        self._parts_wait = parts_wait
        self._esmes, self._numbers = keeper.book.esmes, EsmeNumbers(keeper.book.esmes.values())
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.one_account: Callable[[], Mapping[int, Sequence[int]]] = dict
        self.gatherer: Gatherer[Inbound] = Gatherer(
            "inbound",
            self._write,
            clock,
            Bounds(batch_max=BATCH_MOST, inbox_max=INBOX_MOST),
        )

    def put(self, inbounds: Sequence[Inbound]) -> None:
        """Messages of one read.

        When too many wait already, the carrier is asked to bring these again.
        """
        for inbound in inbounds:
            if self.gatherer.is_full:
                inbound.acknowledge(False)
            else:
                self.gatherer.put(inbound)

    async def sweep(self) -> None:
        """Show messages whose missing parts are no longer waited for; forget old parts and ids."""
        found = SWEEP_MOST
        while found == SWEEP_MOST:
            async with self._database.write() as tx:
                found, hooked = await self._sweep(tx, self._clock.now())
            if hooked:
                self.wake_webhooks()
        found = IDS_SWEPT_MOST
        while found == IDS_SWEPT_MOST:
            ((found,),) = await self._database.fetch(FORGET_IDS, self._clock.now() - IDS_KEPT)

    async def _sweep(self, tx: Connection, now: datetime) -> tuple[int, int]:
        """How many long messages were looked at, and how many outbox rows written."""
        limits = now - self._parts_wait, now - REPEATS, now - 2 * self._parts_wait
        if not await tx.fetch(STALE, *limits):  # it reads all parts: nobody shall wait for that
            return 0, 0
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        stale = await tx.fetch(STALE, *limits)
        groups = await _find(tx, [tuple(row)[:7] for row in stale if not row["is_shown"]])
        hooked = await self._show(tx, groups, now)
        await _execute(tx, MARK, [(*group.key, group.message_id) for group in groups])
        await _execute(tx, FORGET, [tuple(row)[:7] for row in stale if row["is_shown"]])
        if groups:
            _log.info("inbound.gaps", messages=len(groups))
        return len(stale), hooked

    async def _write(self, inbounds: list[Inbound]) -> None:
        now = self._clock.now()
        async with self._database.write() as tx:
            fresh = inbounds
            if any(one.carrier_message_id for one in inbounds):
                fresh = await self._fresh(tx, inbounds, now)
            rows = [
                self._row(
                    (one.carrier_id, one.sender, one.recipient), ids.uuid7(), [_part(one)], now
                )
                for one in fresh
                if one.fragment.total == 1
            ]
            hooked = await _tell(tx, INSERT, rows)
            parts = [one for one in fresh if one.fragment.total > 1]
            if parts:
                hooked += await self._join(tx, parts, now)
            await windows.wrote(tx, fresh)
        for one in inbounds:
            one.acknowledge(True)
            metrics.inbound.labels(str(one.carrier_id)).inc()
        repeats = len(inbounds) - len(fresh)
        metrics.inbound_repeated.inc(repeats)
        _log.info("inbound.stored", messages=len(rows), parts=len(parts), repeats=repeats)
        if hooked:
            self.wake_webhooks()

    async def _fresh(
        self, tx: Connection, inbounds: Sequence[Inbound], now: datetime
    ) -> list[Inbound]:
        """Those that did not come before, by the ids that their carrier gave them."""
        one_account = self.one_account()
        firsts: dict[tuple[int, str], Inbound] = {}
        for one in inbounds:
            if one.carrier_message_id:
                # The calls of one account may come to any of its carriers.
                others = one_account.get(one.carrier_id, ())
                firsts.setdefault((min((one.carrier_id, *others)), _id(one)), one)
        # In one order: two processes that write the same ids wait for each other otherwise.
        rows = await tx.fetch(KNOW, *zip(*sorted(firsts), strict=True), now)
        fresh = {id(firsts[row["carrier_id"], row["id"]]) for row in rows}
        return [one for one in inbounds if not one.carrier_message_id or id(one) in fresh]

    async def _join(self, tx: Connection, parts: Sequence[Inbound], now: datetime) -> int:
        """Store parts and show what they make whole; how many outbox rows were written."""
        # Another process may have the other parts: who comes second sees them all.
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        keys = dict.fromkeys(_key(one) for one in parts)
        groups = {group.key: group for group in await _find(tx, list(keys))}
        ended: list[_Group] = []  # for another message has begun with their numbers
        for one in parts:
            key = _key(one)
            group = groups.setdefault(key, _Group(key))
            if not group.add(_part(one)):
                ended.append(group)
                groups[key] = _Group(key)
                groups[key].add(_part(one))
        late = [one for one in (*ended, *groups.values()) if one.message_id and one.fresh]
        whole = [one for one in groups.values() if one.message_id is None and one.is_whole]
        shown = [one for one in ended if one.message_id is None] + whole
        hooked = await _tell(tx, COMPLETE, [self._group_row(one, now) for one in late])
        hooked += await self._show(tx, shown, now)
        await _execute(tx, FORGET, [one.key for one in ended])
        await _execute(tx, KEEP, [row for one in groups.values() for row in _fresh_rows(one)])
        known = [one for one in whole if len(one.fresh) < len(one.parts)]
        await _execute(tx, MARK, [(*one.key, one.message_id) for one in known])
        return hooked

    async def _show(self, tx: Connection, groups: Sequence[_Group], now: datetime) -> int:
        for group in groups:
            group.message_id = ids.uuid7()
        return await _tell(tx, INSERT, [self._group_row(one, now) for one in groups])

    def _group_row(self, group: _Group, now: datetime) -> tuple[Any, ...] | None:
        assert group.message_id is not None
        parts = [group.parts[number] for number in sorted(group.parts)]
        return self._row(group.key[:3], group.message_id, parts, now)

    def _row(
        self,
        between: tuple[int, str, str],  # carrier, sender, recipient
        message_id: UUID,
        parts: Sequence[_Part],
        now: datetime,
    ) -> tuple[Any, ...] | None:
        """What INSERT takes of a message; None when its carrier is not on file any more."""
        carrier = self._keeper.book.carriers.get(between[0])
        if carrier is None:
            _log.warning("inbound.without_carrier", carrier=between[0])
            return None
        first = parts[0].fragment
        assembled = assemble(part.fragment for part in parts)
        form = _form(parts[0].form or _PLAIN, [part.fragment for part in parts], assembled)
        return (
            carrier.account_id, message_id, ids.uuid7(),
            int(_ENCODINGS.get(first.encoding, Encoding.UCS2)), first.total, *between,
            assembled.text.replace("\0", ""), "parts_missing" if assembled.missing else None,
            form.to_json() if form else None, now,
            self._esme(carrier.account_id, between[2]), parts[0].channel, parts[0].content,
        )  # fmt: skip

    def _esme(self, account_id: int, recipient: str) -> int | None:
        """The ESME that gets what comes for a number, as the outbox has it, or None."""
        esmes = self._keeper.book.esmes
        if esmes is not self._esmes:
            self._esmes, self._numbers = esmes, EsmeNumbers(esmes.values())
        number = self._numbers.receiver(account_id, recipient)
        return None if number is None else -number


def _form(beside: Form, fragments: Sequence[Fragment], assembled: Assembled) -> Form | None:
    """What is shown beside the text; the octets where the text does not tell all of them."""
    keeps_octets = (
        fragments[0].encoding is Alphabet.BINARY
        or bool(assembled.flaws)
        or "\0" in assembled.text
        or any(one.malformed_header for one in fragments)
    )
    coding = beside.data_coding or 0
    keeps_coding = keeps_octets or describe(coding).message_waiting
    form = replace(
        beside,
        data=assembled.octets if keeps_octets else None,
        data_coding=coding if keeps_coding else None,
        missing_parts=assembled.missing,
    )
    return None if form == _PLAIN else form


def _key(one: Inbound) -> _Key:
    f = one.fragment
    return (
        one.carrier_id, one.sender, one.recipient, f.encoding.value, f.reference, f.reference_bits,
        f.total,
    )  # fmt: skip


def _between(one: Inbound) -> tuple[int, str, str]:
    return one.carrier_id, one.sender, one.recipient


def _part(one: Inbound) -> _Part:
    if one.content is None and not one.opt_out and one.channel == SMS:
        return _Part(one.fragment, one.form, one.received_at)
    content = one.content.to_json() if one.content else {}
    if one.opt_out:
        content["opt_out"] = one.opt_out
    channel = CHANNELS.index(one.channel)
    return _Part(one.fragment, one.form, one.received_at, channel, content or None)


def _id(one: Inbound) -> str:
    """What an inbound message, or a part, is remembered by."""
    text, part = one.carrier_message_id, one.fragment
    if part.total > 1:
        text = f"{text} {part.sequence}/{part.total}"
    return text if len(text) <= _ID_MOST else hashlib.sha256(text.encode()).hexdigest()


def _fresh_rows(group: _Group) -> list[tuple[Any, ...]]:
    rows = []
    for number in group.fresh:
        part = group.parts[number]
        f, form = part.fragment, part.form
        rows.append(
            (
                *group.key, number, f.locking, f.single, f.octets, part.received_at,
                form.to_json() if form else None, group.message_id,
            )
        )  # fmt: skip
    return rows


async def _find(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> list[_Group]:
    """The groups of which there are parts."""
    groups: dict[_Key, _Group] = {}
    for row in await tx.fetch(FIND, *columns(keys, 7)) if keys else ():
        fragment = Fragment(
            Alphabet(row["encoding"]), row["octets"], row["reference"], row["reference_bits"],
            row["total"], row["part"], row["locking"], row["single"],
        )  # fmt: skip
        form = from_json(row["form"]) if row["form"] else None
        key: _Key = (
            row["carrier_id"], row["sender"], row["recipient"], row["encoding"], row["reference"],
            row["reference_bits"], row["total"],
        )  # fmt: skip
        group = groups.setdefault(key, _Group(key, row["message_id"]))
        group.parts[row["part"]] = _Part(fragment, form, row["received_at"])
    return list(groups.values())


async def _tell(tx: Connection, statement: str, rows: Iterable[tuple[Any, ...] | None]) -> int:
    """Write messages with their events; how many outbox rows that made."""
    known = [row for row in rows if row is not None]
    hooked: int = await tx.fetchval(statement, *columns(known, 15)) if known else 0
    return hooked


async def _execute(tx: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await tx.execute(statement, *columns(rows, len(rows[0])))
