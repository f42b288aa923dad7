"""What waits in the queue for each lane, counted every few seconds, for display and metrics."""

from typing import Final

from onesixty.kit import metrics
from onesixty.kit.clock import Clock
from onesixty.messages.dispatch.claim import FLOWS
from onesixty.messages.dispatch.dispatcher import Dispatcher
from onesixty.storage.database import Database

COUNT_MOST: Final = 100_000  # beyond it nobody counts: it would cost more the more there is
IDLE_SECONDS: Final = 5.0

BACKLOG: Final = f"""
WITH RECURSIVE {FLOWS}, due AS (
    SELECT FROM flow CROSS JOIN LATERAL (
        SELECT FROM queue
        WHERE carrier_id = $1 AND queue.priority = flow.priority
            AND queue.account_id = flow.account_id AND queue.flow = flow.flow AND due_at <= $2
        LIMIT $3
    ) waiting WHERE flow.due_at <= $2 LIMIT $3
)
SELECT (SELECT count(*) FROM due) AS waiting,
    (SELECT extract(epoch FROM $2 - min(due_at))::float8 FROM flow WHERE due_at <= $2) AS age
"""


class Backlog:
    """Looks how much is due for the lanes of this process, and for how long."""

    def __init__(self, database: Database, clock: Clock, dispatcher: Dispatcher) -> None:
        self._database, self._clock, self._dispatcher = database, clock, dispatcher

    async def run_once(self) -> bool:
        """Count; always False, for the loop: nothing more to do now."""
        for number, lane in list(self._dispatcher.lanes.items()):
            (row,) = await self._database.fetch(BACKLOG, number, self._clock.now(), COUNT_MOST)
            waiting, age = row["waiting"], row["age"] or 0.0
            lane.waiting = {
                "due": waiting,
                "more_than_that": waiting >= COUNT_MOST,
                "oldest_due_seconds": round(age, 1),
            }
            state, label = lane.describe(), str(number)
            metrics.queue_due.labels(label).set(waiting)
            metrics.queue_oldest_seconds.labels(label).set(age)
            metrics.lane_rate.labels(label).set(state["observed_rate_per_second"])
            metrics.lane_ceiling.labels(label).set(state["ceiling_per_second"] or 0)
            metrics.breaker_open.labels(label).set(lane.breaker.is_open)
        return False
