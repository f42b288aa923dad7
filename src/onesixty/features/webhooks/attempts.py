"""One attempt to deliver: what is sent, and what the answer means."""

from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from onesixty.features.webhooks import feed, schedule
from onesixty.features.webhooks.connection import Answer
from onesixty.features.webhooks.outbox import Delivery
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.records.snapshot import Snapshot

RESPONSE_MOST: Final = 1000  # characters
ERROR_MOST: Final = 300


def told(row: Any, book: Snapshot) -> tuple[str, bytes]:
    """The id of an event and its JSON, as it is signed and sent."""
    event = feed.shown(row, book)
    identifier: str = event["id"] if event else ids.to_text("evt", row["event_id"])
    return identifier, orjson.dumps(event)


def is_success(status: int | None) -> bool:
    """Whether the endpoint took it: any 2xx."""
    return status is not None and 200 <= status < 300


def result(delivery: Delivery) -> str:
    """How the attempt ended: `delivered`, `retrying` or `given_up`."""
    if is_success(delivery.status_code):
        return "delivered"
    return "retrying" if delivery.next_attempt_at else "given_up"


def judge(
    row: Any, url: str, answer: Answer, *, took: float, now: datetime, chance: Chance
) -> Delivery:
    """What the log says of an attempt that took that many seconds, and when the next one is.

    410 means that the endpoint wants no more; it ends the delivery.
    """
    attempt = row["tries"] + 1
    success = is_success(answer.status)
    next_at = None
    if not success and answer.status != 410:
        asked = schedule.asked_wait(answer.status, answer.retry_after, now)
        delay = schedule.next_delay(attempt, asked, chance)
        next_at = None if delay is None else now + timedelta(seconds=delay)
    return Delivery(
        id=ids.uuid7(int(now.timestamp() * 1000)),
        account_id=row["owner_id"],
        event_id=row["event_id"],
        endpoint_id=row["endpoint_id"],
        attempt=attempt,
        url=url,
        status_code=answer.status,
        error=None if success else _why(answer)[:ERROR_MOST],
        # PostgreSQL's text cannot hold NUL.
        response=None if answer.status is None else answer.text[:RESPONSE_MOST].replace("\0", ""),
        milliseconds=int(took * 1000),
        at=now,
        next_attempt_at=next_at,
    )


def given_up(row: Any, url: str, why: str, now: datetime) -> Delivery:
    """The log's entry for an outbox row that is dropped without another attempt."""
    return Delivery(
        id=ids.uuid7(int(now.timestamp() * 1000)),
        account_id=row["owner_id"],
        event_id=row["event_id"],
        endpoint_id=row["endpoint_id"],
        attempt=row["tries"],
        url=url,
        status_code=None,
        error=f"given up: {why}",
        response=None,
        milliseconds=0,
        at=now,
        next_attempt_at=None,
    )


def _why(answer: Answer) -> str:
    if answer.status is None:
        return answer.error or "no answer"
    if 300 <= answer.status < 400:
        return f"answered {answer.status}: redirects are not followed, give the final URL"
    if answer.status == 410:
        return "answered 410 Gone: the endpoint wants no more events"
    return f"answered {answer.status}"
