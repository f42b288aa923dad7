"""Failover: what waits for a carrier that takes nothing goes to its next one, after a grace.

Messages without another carrier that is up stay in the queue, until theirs is back or they expire.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from onesixty.kit.clock import Clock
from onesixty.messages.dispatch.dispatcher import Dispatcher
from onesixty.messages.types import Category
from onesixty.storage.database import Database

_log = structlog.get_logger()
BATCH: Final = 1000
IDLE_SECONDS: Final = 0.5

# Every carrier and next carrier of what waits, by jumping from one pair to the next in the index.
PAIRS: Final = """
WITH RECURSIVE pair AS (
    (SELECT carrier_id, next_carrier FROM queue WHERE next_carrier IS NOT NULL
        ORDER BY carrier_id, next_carrier LIMIT 1)
    UNION ALL
    SELECT following.* FROM pair CROSS JOIN LATERAL (
        SELECT carrier_id, next_carrier FROM queue
        WHERE next_carrier IS NOT NULL
            AND (carrier_id, next_carrier) > (pair.carrier_id, pair.next_carrier)
        ORDER BY carrier_id, next_carrier LIMIT 1
    ) following
)
SELECT carrier_id, next_carrier FROM pair
"""

# Each goes to the first of its fallbacks that is up ($6); the carriers before that one are dropped.
MOVE: Final = """
WITH found AS MATERIALIZED (
    SELECT waiting.account_id, waiting.message_id FROM generate_series(0, $3::int) AS urgency(level)
    CROSS JOIN LATERAL (
        SELECT account_id, message_id FROM queue
        WHERE carrier_id = $1 AND next_carrier = $2 AND priority = urgency.level
            AND due_at <= $4 AND expires_at > $4
        ORDER BY due_at LIMIT $5 FOR UPDATE SKIP LOCKED
    ) waiting LIMIT $5
), moved AS (
    UPDATE messages m SET carrier_id = m.fallbacks[goal.place],
        fallbacks = m.fallbacks[goal.place + 1:]
    FROM found CROSS JOIN LATERAL (
        SELECT min(place) AS place
        FROM messages own CROSS JOIN unnest(own.fallbacks) WITH ORDINALITY AS f(carrier, place)
        WHERE own.account_id = found.account_id AND own.id = found.message_id
            AND f.carrier = ANY($6::int[])
    ) goal
    WHERE m.account_id = found.account_id AND m.id = found.message_id AND goal.place IS NOT NULL
    RETURNING m.account_id, m.id, m.carrier_id, m.fallbacks[1] AS next_carrier
)
UPDATE queue SET carrier_id = moved.carrier_id, next_carrier = moved.next_carrier
FROM moved WHERE queue.account_id = moved.account_id AND queue.message_id = moved.id
RETURNING queue.carrier_id
"""


@dataclass(frozen=True, slots=True)
class Graces:
    """How long a carrier may take nothing before its messages leave it, in seconds."""

    urgent: float  # emergency, otp
    other: float


class Failover:
    """Moves messages; safe to run in every process at once."""

    def __init__(
        self, database: Database, clock: Clock, dispatcher: Dispatcher, graces: Graces
    ) -> None:
        self._database, self._clock, self._dispatcher = database, clock, dispatcher
        self._graces = graces
        self._out: dict[int, float] = {}  # carriers without a lane here, and since when
        # Pairs of which nothing could move, and what was up then: tried again when that changes.
        self._stuck: dict[tuple[int, int], frozenset[int]] = {}

    async def run_once(self) -> bool:
        """Move what has waited long enough; always False, for the loop: nothing more to do now."""
        pairs = [tuple(row) for row in await self._database.fetch(PAIRS)]
        is_up = self._dispatcher.is_up
        carriers = {carrier for carrier, _ in pairs}
        for carrier in [one for one in self._out if one not in carriers or is_up(one)]:
            del self._out[carrier]
        out = {carrier: urgency for carrier in carriers if (urgency := self._urgency(carrier)) >= 0}
        if out:
            known = {*self._dispatcher.lanes, *carriers, *(following for _, following in pairs)}
            up = frozenset(carrier for carrier in known if is_up(carrier))
            for carrier, following in pairs:
                if carrier in out and self._stuck.get((carrier, following)) != up:
                    await self._move(carrier, following, out[carrier], up)
        return False

    def _urgency(self, carrier: int) -> int:
        """Up to which category messages leave the carrier now; -1 for none."""
        if self._dispatcher.is_up(carrier):
            return -1
        now, lane = self._clock.monotonic(), self._dispatcher.lanes.get(carrier)
        since = lane.out_since if lane else self._out.setdefault(carrier, now)
        seconds = now - since if since is not None else 0.0
        if seconds >= self._graces.other:
            return max(Category)
        return Category.OTP if seconds >= self._graces.urgent else -1

    async def _move(self, carrier: int, following: int, urgency: int, up: frozenset[int]) -> None:
        total, moved = 0, -1
        while moved:
            rows = await self._database.fetch(
                MOVE, carrier, following, urgency, self._clock.now(), BATCH, list(up)
            )
            moved = len(rows)
            total += moved
            self._dispatcher.look({row["carrier_id"] for row in rows})
        if total:
            _log.warning("failover.moved", carrier=carrier, messages=total)
        elif following not in up:
            self._stuck[carrier, following] = up
