"""Inbound: messages from handsets, joined from their parts.

They are stored before they are acknowledged to the carrier.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from onesixty.carriers.contract import Inbound
from onesixty.kit import ids, metrics
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Gatherer
from onesixty.messages import store
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Direction, Encoding
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.sms.alphabet import Encoding as Alphabet
from onesixty.sms.reassembly import Fragment, assemble
from onesixty.storage.database import Connection, Database

_log = structlog.get_logger()
BATCH_MOST: Final = 500
INBOX_MOST: Final = 20_000
PARTS_WAIT: Final = timedelta(hours=1)  # then the message is shown with its gaps
_LOCK: Final = 0x0160_0163  # advisory
_ENCODINGS: Final = {Alphabet.UCS2: Encoding.UCS2, Alphabet.LATIN1: Encoding.LATIN1}

_KEEP_PARTS = """
INSERT INTO inbound_parts (carrier_id, sender, recipient, encoding, reference, reference_bits,
    total, part, locking, single, octets, received_at)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[], $6::smallint[],
    $7::smallint[], $8::smallint[], $9::smallint[], $10::smallint[], $11::bytea[],
    $12::timestamptz[])
ON CONFLICT DO NOTHING
"""
# Whole messages, and those whose missing parts are no longer waited for.
_TAKE_WHOLE = """
WITH ready AS (
    SELECT carrier_id, sender, recipient, encoding, reference, reference_bits, total
    FROM inbound_parts
    GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING count(*) = total OR max(received_at) < $1
)
DELETE FROM inbound_parts p USING ready r
WHERE p.carrier_id = r.carrier_id AND p.sender = r.sender AND p.recipient = r.recipient
    AND p.encoding = r.encoding AND p.reference = r.reference
    AND p.reference_bits = r.reference_bits AND p.total = r.total
RETURNING p.*
"""
_INSERT = f"""
WITH news AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::smallint[], $5::smallint[],
        $6::int[], $7::text[], $8::text[], $9::text[], $10::text[], $11::timestamptz[])
    AS news(account_id, id, event_id, encoding, segments, carrier_id, sender, recipient, body,
        error_code, at)
), stored AS (
    INSERT INTO messages (account_id, id, status, direction, category, encoding, segments,
        parts_sent, carrier_id, sender, recipient, body, error_code, error_detail, created_at,
        final_at)
    SELECT account_id, id, {Status.RECEIVED}, {Direction.INBOUND}, {Category.TRANSACTIONAL},
        encoding, segments, segments, carrier_id, sender, recipient, body, error_code,
        CASE WHEN error_code IS NOT NULL THEN 'some parts never came' END, at, at
    FROM news
), noted AS (
    SELECT account_id, event_id, {Status.RECEIVED} AS type, 1 AS sequence, id, false AS callback,
        NULL::int AS esme, at
    FROM news
), recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, sequence, id, at FROM noted
), hooked AS ({store.WEBHOOKS})
SELECT count(*) FROM hooked
"""


class InboundReceiver:
    """Collects inbound messages of all carriers and writes them in batches."""

    def __init__(self, database: Database, clock: Clock, keeper: SnapshotKeeper) -> None:
        self._database, self._clock, self._keeper = database, clock, keeper
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.gatherer: Gatherer[Inbound] = Gatherer(
            "inbound", self._write, clock, batch_max=BATCH_MOST, inbox_max=INBOX_MOST
        )

    def put(self, inbounds: Sequence[Inbound]) -> None:
        """Messages of one read.

        When too many wait already, the carrier is asked to bring these again.
        """
        for inbound in inbounds:
            if len(self.gatherer) < INBOX_MOST:
                self.gatherer.put(inbound)
            else:
                inbound.acknowledge(False)

    async def sweep(self) -> bool:
        """Show messages whose missing parts are no longer waited for.

        Always False: there is nothing more to do now.
        """
        async with self._database.write() as tx:
            hooked = await self._join(tx, [], self._clock.now())
        if hooked:
            self.wake_webhooks()
        return False

    async def _write(self, inbounds: list[Inbound]) -> None:
        parts = [one for one in inbounds if one.fragment.total > 1]
        async with self._database.write() as tx:
            if parts:
                # Another process may have the other parts: who comes second sees them all.
                await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await tx.execute(_KEEP_PARTS, *zip(*map(_part_row, parts), strict=True))
            whole = [one for one in inbounds if one.fragment.total == 1]
            hooked = await self._join(tx, whole, self._clock.now(), with_parts=bool(parts))
        for one in inbounds:
            one.acknowledge(True)
            metrics.inbound.labels(str(one.carrier_id)).inc()
        _log.info("inbound.stored", messages=len(whole), parts=len(parts))
        if hooked:
            self.wake_webhooks()

    async def _join(
        self, tx: Connection, whole: Sequence[Inbound], now: datetime, *, with_parts: bool = True
    ) -> int:
        rows = [
            row
            for one in whole
            if (row := self._row(one.carrier_id, one.sender, one.recipient, [one.fragment], now))
        ]
        if with_parts:
            groups: dict[tuple[Any, ...], list[Any]] = {}
            for part in await tx.fetch(_TAKE_WHOLE, now - PARTS_WAIT):
                groups.setdefault(tuple(part)[:7], []).append(part)
            for group in groups.values():
                first = group[0]
                row = self._row(
                    first["carrier_id"],
                    first["sender"],
                    first["recipient"],
                    [_fragment(part) for part in group],
                    now,
                )
                if row:
                    rows.append(row)
        if not rows:
            return 0
        hooked: int = await tx.fetchval(_INSERT, *zip(*rows, strict=True))
        return hooked

    def _row(
        self, carrier_id: int, sender: str, recipient: str, fragments: list[Fragment], now: datetime
    ) -> tuple[Any, ...] | None:
        carrier = self._keeper.book.carriers.get(carrier_id)
        if carrier is None:
            _log.warning("inbound.without_carrier", carrier=carrier_id)
            return None
        assembled = assemble(fragments)
        encoding = fragments[0].encoding
        body = (
            assembled.octets.hex()
            if encoding is Alphabet.BINARY
            else assembled.text.replace("\0", "")
        )
        return (
            carrier.account_id, ids.uuid7(), ids.uuid7(),
            int(_ENCODINGS.get(encoding, Encoding.GSM7)), fragments[0].total,
            carrier_id, sender, recipient, body,
            "parts_missing" if assembled.missing else None, now,
        )  # fmt: skip


def _part_row(one: Inbound) -> tuple[Any, ...]:
    f = one.fragment
    return (
        one.carrier_id, one.sender, one.recipient, f.encoding.value, f.reference, f.reference_bits,
        f.total, f.sequence, f.locking, f.single, f.octets, one.received_at,
    )  # fmt: skip


def _fragment(row: Any) -> Fragment:
    return Fragment(
        Alphabet(row["encoding"]), row["octets"], row["reference"], row["reference_bits"],
        row["total"], row["part"], row["locking"], row["single"],
    )  # fmt: skip
