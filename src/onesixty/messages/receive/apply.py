"""Apply what receipts say: states of parts, what follows for their messages, events."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from onesixty.carriers.contract import ErrorClass, OutcomeKind, Price, Receipt, ReceiptState
from onesixty.kit import ids
from onesixty.messages import store
from onesixty.messages.states import (
    FINAL,
    RECEIPT_ARRIVED,
    RECEIPT_CAUSES,
    Cause,
    Status,
    later_receipt,
    part_state,
    roll_up,
    sql_next,
    sql_overrules,
    sql_set,
)
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection

# The parts of one message are looked at and written by one process at a time. Every batch takes
# messages in the order of their ids, and before their parts: so no two wait for each other.
HOLD: Final = """
SELECT CASE WHEN m.past_steps IS NOT NULL THEN m.id END AS fell_back, m.past_steps
FROM unnest($1::int[], $2::uuid[]) AS n(account_id, message_id)
JOIN messages m ON m.account_id = n.account_id AND m.id = n.message_id
ORDER BY m.id FOR NO KEY UPDATE OF m
"""
SIBLINGS: Final = """
SELECT message_id, attempt, part, parts, outcome, receipt_state, receipt_error, match_key
FROM submissions
WHERE message_id = ANY($1::uuid[]) AND outcome IN (1, 4)
ORDER BY message_id, attempt, part
"""
_NEXT = sql_next("m.status", "n.cause", "m.steps")
_ARRIVED = f"n.cause IN ({Cause.DELIVERED}, {Cause.READ})"
# With `handed` the rows of the outbox for these endpoints are leased, and given as a claim gives
# them: see webhooks.outbox.CLAIM.
_HANDED = "noted.handed AND endpoint.id = ANY($20::int[])"
_MESSAGE = "m." + store.COLUMNS.replace(", ", ", m.")
# What one receipt says of a message is not all when it was sent twice: a failure is then left to
# `doubt.py`, which looks at both. Nor is it when it went by several channels: the failure of an
# earlier one is none of the message.
APPLY: Final = f"""
WITH parts AS (
    UPDATE submissions s SET receipt_state = p.state, receipt_error = p.error, receipt_at = p.at,
        carrier_message_id = coalesce(s.carrier_message_id, p.carrier_message_id),
        match_key = coalesce(s.match_key, p.match_key)
    FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::smallint[], $5::text[],
        $6::timestamptz[], $7::text[], $8::text[])
        AS p(message_id, attempt, part, state, error, at, carrier_message_id, match_key)
    WHERE s.message_id = p.message_id AND s.attempt = p.attempt AND s.part = p.part
        AND {sql_overrules("s.receipt_state", "p.state")}
), moved AS (
    UPDATE messages m SET status = {_NEXT},
        sequence = m.sequence + ({_NEXT} <> {Status.FALLING_BACK})::int,
        delivered_at = CASE WHEN {_ARRIVED} THEN coalesce(m.delivered_at, n.at) END,
        final_at = CASE WHEN {_NEXT} = ANY({sql_set(FINAL)}) THEN n.at END,
        error_code = n.error_code, error_class = CASE WHEN NOT {_ARRIVED} THEN n.error_class END,
        error_detail = n.error_detail, carrier_code = n.carrier_code
    FROM unnest($9::int[], $10::uuid[], $11::uuid[], $12::smallint[], $13::timestamptz[],
        $14::boolean[], $15::text[], $16::text[], $17::text[], $18::text[], $19::boolean[])
        AS n(account_id, message_id, event_id, cause, at, whole, error_class, error_code,
            error_detail, carrier_code, handed)
    WHERE m.account_id = n.account_id AND m.id = n.message_id AND {_NEXT} <> 0
        AND (n.whole OR {_ARRIVED} OR NOT m.possible_duplicate AND m.past_steps IS NULL)
    RETURNING {_MESSAGE}, m.status AS type, m.callback_url IS NOT NULL AS callback,
        {store.sql_esme("m.origin", "m.status")} AS esme, n.event_id, n.at, n.handed
), fallen AS (
    INSERT INTO fallbacks (message_id, account_id, due_at)
    SELECT id, account_id, at FROM moved WHERE type = {Status.FALLING_BACK}
    ON CONFLICT (message_id) DO UPDATE SET due_at = excluded.due_at
), noted AS (
    SELECT * FROM moved WHERE type <> {Status.FALLING_BACK}
), recorded AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    SELECT account_id, event_id, type, sequence, id, at FROM noted
), hooked AS ({store.sql_webhooks(f"CASE WHEN {_HANDED} THEN $21 ELSE noted.at END")})
SELECT (SELECT count(*) FROM hooked) AS hooked, handed.*
FROM (SELECT) one LEFT JOIN LATERAL (
    SELECT endpoint.id AS endpoint_id, 0 AS tries, noted.account_id AS owner_id,
        noted.sequence AS event_sequence, noted.id AS message_id, NULL::jsonb AS data, noted.*
    FROM {store.ENDPOINTS} AND {_HANDED}
) handed ON true
"""
# What a carrier takes for a part, by its newest word: a receipt that comes twice adds nothing.
COST: Final = """
UPDATE submissions s SET cost_micros = n.micros, cost_currency = n.currency
FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::bigint[], $5::text[])
    AS n(message_id, attempt, part, micros, currency)
WHERE s.message_id = n.message_id AND s.attempt = n.attempt AND s.part = n.part
    AND (s.cost_micros, s.cost_currency) IS DISTINCT FROM (n.micros, n.currency)
"""
_ERRORS: Final = {
    ReceiptState.EXPIRED: ("expired_at_carrier", "the carrier gave up at the end of the validity"),
    ReceiptState.DELETED: ("deleted_at_carrier", "the carrier deleted it"),
    ReceiptState.UNDELIVERABLE: ("undelivered", "the carrier could not deliver it"),
    ReceiptState.REJECTED: ("rejected_at_carrier", "the carrier or the handset rejected it"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the deliverer of webhooks takes from us at once, without looking into the outbox."""

    endpoints: Sequence[int] = ()
    rooms: Mapping[int, int] = field(default_factory=dict)
    """How many events each account may have, at most."""
    until: datetime | None = None
    """Its rows are leased to it until then."""


class Applied(NamedTuple):
    """What came of receipts: rows of the outbox, and those among them that are the deliverer's."""

    hooked: int
    handed: list[Any]


@dataclass(slots=True)
class PartNews:
    """What receipts say of one part of one attempt."""

    account_id: int
    message_id: UUID
    attempt: int
    part: int
    parts: int  # of the whole message
    state: ReceiptState  # that stands after these receipts
    error: str
    at: datetime
    carrier_message_id: str
    match_key: str
    error_class: str = ErrorClass.RECIPIENT


@dataclass(slots=True)
class _Parts:
    """The tries of each part of a message, at one channel."""

    total: int
    tries: dict[int, list[tuple[bool, ReceiptState]]] = field(default_factory=dict)

    def end(self) -> tuple[Cause | None, ReceiptState, list[ReceiptState]]:
        """What they come to, the state that is shown for it, and the state of each."""
        known = self.tries.values()
        states = [part_state(tries) for tries in known if tries]
        return *roll_up(states, self.total - sum(not tries for tries in known)), states


# What the parts of a message come to: the news that it is told by, the cause (None: nothing yet),
# and what the message shows: code, detail, the carrier's own code.
Verdict = tuple[PartNews, Cause | None, tuple[str | None, str | None, str | None]]


def fold(matched: Iterable[tuple[Any, Any]]) -> list[PartNews]:
    """One entry for each part whose state changes.

    An UPDATE takes a row once, and the order of receipts matters. Takes pairs of a row of MATCH and
    what tells of it: `state`, `error`, `received_at`, `carrier_message_id`, `match_keys`.
    """
    parts: dict[tuple[UUID, int, int], PartNews] = {}
    for row, receipt in matched:
        key = (row["message_id"], row["attempt"], row["part"])
        known = parts.get(key)
        before = known.state if known else ReceiptState(row["receipt_state"])
        after = later_receipt(before, receipt.state)
        if after is before:
            continue
        news = PartNews(
            row["account_id"], *key, row["parts"], after, receipt.error or "", receipt.received_at,
            receipt.carrier_message_id, receipt.match_keys[0] if receipt.match_keys else "",
        )  # fmt: skip
        if isinstance(receipt, Receipt) and receipt.error_class:
            news.error_class = receipt.error_class
        parts[key] = news
    return list(parts.values())


async def apply(
    tx: Connection, news: Sequence[PartNews], *, every_try: bool = False, offer: Offer = Offer()
) -> Applied:
    """Write what receipts say of parts, and what follows for their messages.

    With `every_try` all attempts of a message are looked at, even where the news are of the only
    part of the first. What is handed by an offer has to reach the deliverer after the commit.
    """
    news = sorted(news, key=lambda n: n.message_id)
    hand = _shares(offer)
    whole = {n.message_id for n in news if every_try or n.parts > 1 or n.attempt > 1}
    verdicts = [_single(n) for n in news if n.message_id not in whole]
    if whole:
        held = await tx.fetch(HOLD, [n.account_id for n in news], [n.message_id for n in news])
        past = {
            row["fell_back"]: [step["attempts"] for step in row["past_steps"]]
            for row in held
            if row["fell_back"]
        }
        verdicts += await _roll_up(tx, [n for n in news if n.message_id in whole], past)
        verdicts.sort(key=lambda verdict: verdict[0].message_id)
    parts = [
        (
            n.message_id, n.attempt, n.part, int(n.state), n.error or None, n.at,
            n.carrier_message_id or None, n.match_key or None,
        )
        for n in news
    ]  # fmt: skip
    moves = [
        (
            n.account_id, n.message_id, ids.uuid7(), int(cause), n.at, n.message_id in whole,
            n.error_class, *shown, hand(n.account_id),
        )
        for n, cause, shown in verdicts
        if cause is not None
    ]  # fmt: skip
    lease = list(offer.endpoints), offer.until
    rows = await tx.fetch(APPLY, *columns(parts, 8), *columns(moves, 11), *lease)
    return Applied(rows[0]["hooked"], [row for row in rows if row["endpoint_id"] is not None])


def _shares(offer: Offer) -> Callable[[int], bool]:
    """Whether the next event of an account is handed over."""
    left = dict(offer.rooms)

    def take(account_id: int) -> bool:
        room = left.get(account_id, 0)
        left[account_id] = room - 1
        return room > 0

    return take


async def write_costs(tx: Connection, matched: Sequence[tuple[Any, Price | None]]) -> None:
    """Write what parts cost, the last word for each; does nothing where none tells.

    Takes rows of MATCH, all that `apply` will be called for: their messages are held before the
    parts are touched.
    """
    costs = {
        (row["message_id"], row["attempt"], row["part"]): price for row, price in matched if price
    }
    if not costs:
        return
    held = [(row["account_id"], row["message_id"]) for row, _ in matched]
    await tx.execute(HOLD, *zip(*held, strict=True))
    rows = [(*part, price.micros, price.currency) for part, price in sorted(costs.items())]
    await tx.execute(COST, *zip(*rows, strict=True))


def _single(news: PartNews) -> Verdict:
    code, detail = _ERRORS.get(news.state, (None, None))
    return (
        news,
        RECEIPT_CAUSES.get(news.state),
        (code, detail, news.error or None if code else None),
    )


async def _roll_up(
    tx: Connection, news: Sequence[PartNews], past: Mapping[UUID, Sequence[int]]
) -> list[Verdict]:
    """What all tries of messages come to; `past`: attempts at the end of each earlier channel."""
    changed = {(n.message_id, n.attempt, n.part): n for n in news}
    parts: dict[tuple[UUID, int], _Parts] = {}  # by message and channel
    errors: dict[tuple[UUID, ReceiptState], str] = {}  # of the carrier, for each state
    for row in await tx.fetch(SIBLINGS, list({n.message_id for n in news})):
        message_id, part = row["message_id"], row["part"]
        state, error = ReceiptState(row["receipt_state"]), row["receipt_error"]
        if n := changed.get((message_id, row["attempt"], part)):
            state, error = later_receipt(state, n.state), n.error
        is_accepted = row["outcome"] == OutcomeKind.ACCEPTED
        step = bisect_left(past[message_id], row["attempt"]) if message_id in past else 0
        of_step = parts.setdefault((message_id, step), _Parts(row["parts"]))
        tries = of_step.tries.setdefault(part, [])
        if is_accepted and row["match_key"] is None and state is ReceiptState.NONE:
            continue  # no receipt can be told to be its own: it goes the way of the others
        tries.append((is_accepted, state))
        errors.setdefault((message_id, state), error or "")
    verdicts: list[Verdict] = []
    for n in {n.message_id: n for n in news}.values():
        steps = past.get(n.message_id, ())
        parts.setdefault((n.message_id, bisect_left(steps, n.attempt)), _Parts(0)).total = n.parts
        ends = [
            parts.get((n.message_id, step), _Parts(n.parts)).end() for step in range(len(steps) + 1)
        ]
        # Where one channel arrived the message did; that an earlier one failed is known.
        arrived = [end for end in ends if end[1] in RECEIPT_ARRIVED]
        cause, worst, states = max(arrived, key=lambda end: end[1]) if arrived else ends[-1]
        code, detail = _ERRORS.get(worst, (None, None))
        if code and RECEIPT_ARRIVED.intersection(states):
            code, detail = "partially_delivered", "only some of its parts arrived"
        failed = [state for state in (worst, *states) if state in _ERRORS]
        told = [errors[n.message_id, state] for state in failed if (n.message_id, state) in errors]
        verdicts.append((n, cause, (code, detail, told[0] or None if told else None)))
    return verdicts
