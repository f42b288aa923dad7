"""Receive: receipts and inbound messages become rows; only then are they acknowledged to the carrier.

A receipt is matched by (carrier, normal form of the carrier's message id). Every receipt is stored as it came. One
that matches nothing is parked: it may have overtaken the answer to its own submit, see `reconcile.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.contract import Receipt, ReceiptState
from onesixty.kit import ids, metrics
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Gatherer
from onesixty.messages import store
from onesixty.messages.states import FINAL, Cause, later_receipt, sql_later_receipt, sql_next
from onesixty.storage.database import Connection, Database

BATCH_MOST: Final = 1000
INBOX_MOST: Final = 100_000  # beyond it the carrier is asked to bring the receipt again
REMEMBERED: Final = timedelta(days=14)  # receipts for older messages are only stored

MATCH: Final = """
WITH news AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::timestamptz[])
    AS news(n, id, carrier_id, carrier_message_id, key, second_key, state, error, sender, recipient, raw, at)
), found AS (
    SELECT DISTINCT ON (news.n) news.n, s.account_id, s.message_id, s.attempt, s.part
    FROM news JOIN submissions s ON s.match_key = ANY(ARRAY[news.key, news.second_key])
        AND s.carrier_id = news.carrier_id AND s.message_id >= $13
    ORDER BY news.n, s.match_key <> news.key, s.message_id DESC
), stored AS (
    INSERT INTO receipts (id, carrier_id, account_id, message_id, part, carrier_message_id, match_key, state, error, sender,
        recipient, raw, received_at)
    SELECT news.id, news.carrier_id, found.account_id, found.message_id, found.part, news.carrier_message_id, news.key,
        news.state, news.error, news.sender, news.recipient, news.raw, news.at
    FROM news LEFT JOIN found USING (n)
)
SELECT n, account_id, message_id, attempt, part FROM found
"""

_ERROR_CODES: Final = {
    ReceiptState.EXPIRED: ("expired_at_carrier", "the carrier gave up at the end of the validity"),
    ReceiptState.DELETED: ("deleted_at_carrier", "the carrier deleted it"),
    ReceiptState.UNDELIVERABLE: ("undelivered", "the carrier could not deliver it"),
    ReceiptState.REJECTED: ("rejected_at_carrier", "the carrier or the handset rejected it"),
}
_CODE_CASE = " ".join(f"WHEN {int(s)} THEN '{code}'" for s, (code, _) in _ERROR_CODES.items())
_TEXT_CASE = " ".join(f"WHEN {int(s)} THEN '{text}'" for s, (_, text) in _ERROR_CODES.items())
_FAILED = f"({', '.join(str(int(state)) for state in _ERROR_CODES)})"
_FINAL = "{" + ",".join(str(int(status)) for status in sorted(FINAL)) + "}"
_NEXT = sql_next("m.status", "d.cause")

# Parts first, then the message by the rule over its parts: delivered when all are, undelivered when none is pending
# and one failed. A part that was tried twice counts as delivered when one try was.
APPLY: Final = f"""
WITH news AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::smallint[], $5::smallint[], $6::text[],
        $7::timestamptz[], $8::uuid[], $9::text[])
    AS news(account_id, message_id, attempt, part, state, error, at, event_id, carrier_message_id)
), parts AS (
    UPDATE submissions s SET receipt_state = {sql_later_receipt("s.receipt_state", "n.state")}, receipt_error = n.error,
        receipt_at = n.at, carrier_message_id = coalesce(s.carrier_message_id, n.carrier_message_id)
    FROM news n WHERE s.message_id = n.message_id AND s.attempt = n.attempt AND s.part = n.part
        AND {sql_later_receipt("s.receipt_state", "n.state")} <> s.receipt_state
    RETURNING s.account_id, s.message_id, s.attempt, s.part, s.receipt_state, n.error, n.at, n.event_id
), touched AS (
    SELECT DISTINCT ON (message_id) account_id, message_id, event_id, error, at, receipt_state FROM parts
    ORDER BY message_id, part DESC
), each_part AS (
    SELECT t.account_id, t.message_id, s.part,
        bool_or(coalesce(p.receipt_state, s.receipt_state) IN ({int(ReceiptState.DELIVERED)}, {int(ReceiptState.READ)}))
            AS delivered,
        bool_or(coalesce(p.receipt_state, s.receipt_state) = {int(ReceiptState.READ)}) AS read,
        max(coalesce(p.receipt_state, s.receipt_state))
            FILTER (WHERE coalesce(p.receipt_state, s.receipt_state) IN {_FAILED}) AS failed
    FROM touched t JOIN submissions s ON s.message_id = t.message_id AND s.outcome IN (1, 4)
    LEFT JOIN parts p ON p.message_id = s.message_id AND p.attempt = s.attempt AND p.part = s.part
    GROUP BY t.account_id, t.message_id, s.part
), decided AS (
    SELECT account_id, message_id, count(*) FILTER (WHERE delivered) AS arrived, max(failed) AS failed,
        CASE
            WHEN bool_and(read) THEN {Cause.READ}
            WHEN bool_and(delivered) THEN {Cause.DELIVERED}
            WHEN NOT bool_and(delivered OR failed IS NOT NULL) THEN 0
            WHEN max(failed) = {int(ReceiptState.EXPIRED)} AND min(failed) = max(failed) AND NOT bool_or(delivered)
                THEN {Cause.EXPIRED_AT_CARRIER}
            ELSE {Cause.UNDELIVERED}
        END AS cause
    FROM each_part GROUP BY account_id, message_id
), moved AS (
    UPDATE messages m SET status = {_NEXT}, sequence = m.sequence + 1,
        delivered_at = CASE WHEN d.cause IN ({Cause.DELIVERED}, {Cause.READ}) THEN coalesce(m.delivered_at, t.at) END,
        final_at = CASE WHEN {_NEXT} = ANY('{_FINAL}'::smallint[]) THEN t.at END,
        error_code = CASE WHEN d.cause IN ({Cause.DELIVERED}, {Cause.READ}) THEN NULL
            WHEN d.arrived > 0 THEN 'partially_delivered' ELSE CASE d.failed {_CODE_CASE} END END,
        error_class = CASE WHEN d.cause NOT IN ({Cause.DELIVERED}, {Cause.READ}) THEN 'recipient' END,
        error_detail = CASE WHEN d.cause IN ({Cause.DELIVERED}, {Cause.READ}) THEN NULL
            WHEN d.arrived > 0 THEN 'only some of its parts arrived' ELSE CASE d.failed {_TEXT_CASE} END END,
        carrier_code = CASE WHEN d.cause NOT IN ({Cause.DELIVERED}, {Cause.READ}) THEN t.error END
    FROM decided d JOIN touched t USING (message_id)
    WHERE d.cause <> 0 AND m.account_id = d.account_id AND m.id = d.message_id AND {_NEXT} <> 0
    RETURNING m.account_id, m.id, m.status AS type, m.sequence, m.callback_url IS NOT NULL AS callback, t.event_id, t.at
), noted AS (
    SELECT account_id, event_id, type, sequence, id, callback, at FROM moved
), recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, sequence, id, at FROM noted
), hooked AS ({store.WEBHOOKS})
SELECT count(*) FROM hooked
"""


@dataclass(slots=True)
class PartNews:
    """What the receipts of one batch say of one part of one attempt."""

    account_id: int
    message_id: UUID
    attempt: int
    part: int
    state: ReceiptState
    error: str
    at: datetime
    carrier_message_id: str


class Receiver:
    """Collects receipts of all carriers and writes them in batches."""

    def __init__(
        self, database: Database, clock: Clock, settled: Callable[[], Awaitable[None]]
    ) -> None:
        self._database, self._clock, self._settled = database, clock, settled
        self.wake_webhooks: Callable[[], None] = lambda: None
        self.parked: Callable[[], None] = lambda: None
        self.gatherer: Gatherer[Receipt] = Gatherer(
            "receipts", self._write, clock, batch_max=BATCH_MOST, inbox_max=INBOX_MOST
        )

    def put(self, receipts: Sequence[Receipt]) -> None:
        """Receipts of one read. When too many wait already, the carrier is asked to bring these again."""
        for receipt in receipts:
            if len(self.gatherer) < INBOX_MOST:
                self.gatherer.put(receipt)
            else:
                receipt.acknowledge(False)

    async def _write(self, receipts: list[Receipt]) -> None:
        # The answers that came before these receipts are in the database first, so that a receipt finds its submission.
        await self._settled()
        hooked = 0
        async with self._database.write() as tx:
            rows = await tx.fetch(MATCH, *_match_arguments(receipts, self._clock.now()))
            news = _fold(receipts, rows)
            if news:
                hooked = await apply(tx, news)
        for receipt in receipts:
            receipt.acknowledge(True)
        if len(rows) < len(receipts):
            self.parked()
        if hooked:
            self.wake_webhooks()
        _count(receipts, len(rows))


async def apply(tx: Connection, news: Sequence[PartNews]) -> int:
    """Write what receipts say of parts, and what follows for their messages; return how many outbox rows that made."""
    columns = zip(
        *[
            (
                n.account_id, n.message_id, n.attempt, n.part, int(n.state), n.error or None, n.at, ids.uuid7(),
                n.carrier_message_id or None,
            )
            for n in news
        ],
        strict=True,
    )  # fmt: skip
    hooked: int = await tx.fetchval(APPLY, *columns)
    return hooked


def _match_arguments(receipts: Sequence[Receipt], now: datetime) -> list[Any]:
    columns = zip(
        *[
            (
                n, ids.uuid7(), r.carrier_id, r.carrier_message_id, r.match_keys[0] if r.match_keys else "",
                r.match_keys[1] if len(r.match_keys) > 1 else None, int(r.state), r.error or None, r.sender,
                r.recipient, r.raw, r.received_at,
            )
            for n, r in enumerate(receipts)
        ],
        strict=True,
    )  # fmt: skip
    return [*columns, ids.first_at(now - REMEMBERED)]


def _fold(receipts: Sequence[Receipt], rows: Sequence[Any]) -> list[PartNews]:
    """One entry for each part: an UPDATE takes a row once, and the order of receipts matters."""
    parts: dict[tuple[UUID, int, int], PartNews] = {}
    for row in sorted(rows, key=lambda row: row["n"]):
        receipt = receipts[row["n"]]
        key = (row["message_id"], row["attempt"], row["part"])
        known = parts.get(key)
        if known is None:
            parts[key] = PartNews(
                row["account_id"],
                *key,
                receipt.state,
                receipt.error,
                receipt.received_at,
                receipt.carrier_message_id,
            )
        elif (state := later_receipt(known.state, receipt.state)) is not known.state:
            known.state, known.error, known.at = state, receipt.error, receipt.received_at
    return list(parts.values())


def _count(receipts: Sequence[Receipt], matched: int) -> None:
    carrier = str(receipts[0].carrier_id)
    metrics.receipts.labels(carrier, "matched").inc(matched)
    metrics.receipts.labels(carrier, "parked").inc(len(receipts) - matched)
