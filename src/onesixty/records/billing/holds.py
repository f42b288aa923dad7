"""Holding the prices of a batch of messages, in the transaction that stores them.

Balances and counters are locked in one order everywhere: balances by account, then counters by cap
and period. What is granted is decided here while they are locked, in the order of the messages:
each that fits is granted, whatever became of those before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids, money
from onesixty.records import events
from onesixty.records.billing.book import CHARGES, CapRecord, Hold, Payer
from onesixty.records.billing.books import WAYS, Kind
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection

TOLD_AT: Final = (100, 80, 50)  # percent of a cap

LOCK: Final = """
SELECT account_id, available, low_told FROM balances
WHERE account_id = ANY($1::int[]) ORDER BY account_id FOR UPDATE
"""
LOCK_CAPS: Final = """
SELECT c.cap_id, c.since, c.micros, c.told
FROM unnest($1::int[], $2::date[]) AS wanted(cap_id, since)
JOIN cap_counters c ON c.cap_id = wanted.cap_id AND c.since = wanted.since
ORDER BY c.cap_id, c.since FOR UPDATE OF c
"""
# Caps that were removed a moment ago count nothing.
BEGIN_CAPS: Final = """
INSERT INTO cap_counters (cap_id, since)
SELECT caps.id, wanted.since FROM unnest($1::int[], $2::date[]) AS wanted(cap_id, since)
JOIN caps ON caps.id = wanted.cap_id ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""
_SOURCE, _TARGET = WAYS[Kind.HOLD]
HOLD: Final = f"""
WITH hold AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::bigint[], $5::smallint[],
        $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[])
    AS hold(message_id, account_id, payer_id, micros, charge, country, caps, cap_micros, at, due_at)
), kept AS (
    INSERT INTO holds (message_id, account_id, payer_id, micros, charge, country, caps,
        cap_micros, at, due_at)
    SELECT message_id, account_id, payer_id, micros, charge, country, caps::int[],
        cap_micros::bigint[], at, due_at FROM hold
), written AS (
    INSERT INTO transfers (account_id, id, kind, source, target, micros, at)
    SELECT payer_id, message_id, {Kind.HOLD}, {_SOURCE}, {_TARGET}, micros, at
    FROM hold WHERE micros > 0
), taken AS (
    UPDATE balances b SET available = b.available - paid.micros, held = b.held + paid.micros,
        low_told = paid.low_told
    FROM unnest($11::int[], $12::bigint[], $13::boolean[]) AS paid(account_id, micros, low_told)
    WHERE b.account_id = paid.account_id
)
UPDATE cap_counters c SET micros = c.micros + counted.micros, told = counted.told
FROM unnest($14::int[], $15::date[], $16::bigint[], $17::smallint[])
    AS counted(cap_id, since, micros, told)
WHERE c.cap_id = counted.cap_id AND c.since = counted.since
"""

# Whoever settles takes them in the same order.
WAKE: Final = """
WITH held AS (
    SELECT message_id FROM holds WHERE message_id = ANY($1::uuid[]) ORDER BY message_id FOR UPDATE
)
UPDATE holds h SET due_at = $2 FROM held WHERE h.message_id = held.message_id
"""


@dataclass(frozen=True, slots=True)
class Denied:
    """Why nothing is held for a message: a problem code and a sentence."""

    code: str
    detail: str


@dataclass(slots=True)
class _Purse:
    payer: Payer
    available: int
    low_told: bool
    taken: int = 0


@dataclass(slots=True)
class _Counter:
    cap: CapRecord
    micros: int
    told: int
    taken: int = 0


@dataclass(slots=True)
class _Till:
    """What is left of balances and caps while a batch is granted."""

    purses: dict[int, _Purse] = field(default_factory=dict)
    counters: dict[tuple[int, date], _Counter] = field(default_factory=dict)

    def take(self, hold: Hold) -> Denied | None:
        """Hold it, or say why not."""
        purse = self.purses[hold.payer.account_id]
        room = purse.available - purse.taken + hold.payer.credit
        if hold.micros > room:
            has = money.amount(room)
            detail = f"it costs {money.amount(hold.micros)} {hold.payer.currency}, {has} is left"
            return Denied("insufficient_balance", detail)
        counters = [
            (counter, micros)
            for cap, micros in hold.caps
            if (counter := self.counters.get((cap.id, cap.since(hold.at))))
        ]
        for counter, micros in counters:
            if counter.cap.hard and counter.micros + counter.taken + micros > counter.cap.micros:
                return Denied("spend_cap_reached", _describe(counter.cap))
        purse.taken += hold.micros
        for counter, micros in counters:
            counter.taken += micros
        return None


async def reserve(tx: Connection, holds: Sequence[Hold], now: datetime) -> list[Denied | None]:
    """Hold the prices of messages, as many as fit, in their order; say of each whether.

    To be called before the messages are stored, in the same transaction; those denied must not be.
    """
    till = await _open(tx, holds)
    answers = [till.take(hold) for hold in holds]
    granted = [hold for hold, denied in zip(holds, answers, strict=True) if denied is None]
    if not granted:
        return answers
    lows = [one for one in till.purses.values() if _is_low(one)]
    passed = [(one, told) for one in till.counters.values() if (told := _passed(one)) > one.told]
    for purse in lows:
        purse.low_told = True
    for counter, told in passed:
        counter.told = told
    await tx.execute(HOLD, *_arguments(granted, till))
    for purse in lows:
        await events.tell(tx, purse.payer.account_id, "balance.low", _low(purse), now)
    for counter, _ in passed:
        await events.tell(tx, counter.cap.account_id, "spend.cap_reached", _reached(counter), now)
    return answers


async def wake(tx: Connection, message_ids: Sequence[UUID], now: datetime) -> None:
    """Look soon at what is held for these: they ended long before they were due."""
    await tx.execute(WAKE, message_ids, now)


async def _open(tx: Connection, holds: Sequence[Hold]) -> _Till:
    till = _Till()
    payers = {hold.payer.account_id: hold.payer for hold in holds}
    for row in await tx.fetch(LOCK, list(payers)):
        payer = payers[row["account_id"]]
        till.purses[payer.account_id] = _Purse(payer, row["available"], row["low_told"])
    caps = {(cap.id, cap.since(hold.at)): cap for hold in holds for cap, _ in hold.caps}
    if caps:
        wanted = [number for number, _ in caps], [since for _, since in caps]
        rows = await tx.fetch(LOCK_CAPS, *wanted)
        if len(rows) < len(caps):
            await tx.execute(BEGIN_CAPS, *wanted)
            rows = await tx.fetch(LOCK_CAPS, *wanted)
        for row in rows:
            name = (row["cap_id"], row["since"])
            till.counters[name] = _Counter(caps[name], row["micros"], row["told"])
    return till


def _arguments(granted: Sequence[Hold], till: _Till) -> list[Any]:
    rows = [
        (
            hold.message_id, hold.account_id, hold.payer.account_id, hold.micros,
            _charge(hold.payer), hold.country, _list([cap.id for cap, _ in hold.caps]),
            _list([micros for _, micros in hold.caps]), hold.at, hold.due_at,
        )
        for hold in granted
    ]  # fmt: skip
    purses = [(number, one.taken, one.low_told) for number, one in till.purses.items()]
    counters = [(*name, one.taken, one.told) for name, one in till.counters.items()]
    return [*columns(rows, 10), *columns(purses, 3), *columns(counters, 4)]


def _charge(payer: Payer) -> int:
    assert payer.deck is not None  # else there would be no price
    return CHARGES[payer.deck.charge]


def _list(numbers: Sequence[int]) -> str | None:
    # As text: a list of lists would be taken for one array of two dimensions.
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else None


def _is_low(purse: _Purse) -> bool:
    low = purse.payer.low
    return low is not None and not purse.low_told and purse.available - purse.taken < low


def _low(purse: _Purse) -> dict[str, Any]:
    payer = purse.payer
    return {
        "available": money.shown(purse.available - purse.taken, payer.currency),
        "threshold": money.shown(payer.low or 0, payer.currency),
    }


def _passed(counter: _Counter) -> int:
    spent, most = counter.micros + counter.taken, counter.cap.micros
    return next((percent for percent in TOLD_AT if spent * 100 >= most * percent), 0)


def _reached(counter: _Counter) -> dict[str, Any]:
    cap = counter.cap
    return {
        "cap": ids.to_text("cap", cap.public_id),
        "kind": cap.kind,
        "period": cap.period,
        "hard": cap.hard,
        "percent": counter.told,
        "spent": money.shown(counter.micros + counter.taken, cap.currency),
        "limit": money.shown(cap.micros, cap.currency),
    }


def _describe(cap: CapRecord) -> str:
    of = {"account": "the account", "key": "this key", "country": f"messages to {cap.value}"}
    most = f"{money.amount(cap.micros)} {cap.currency}"
    return f"{of[cap.kind]} may spend {most} in a {cap.period}, and this would be more"
