"""When a failed delivery is tried again, and when it is given up."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from onesixty.kit.chance import Chance

# Waits after the first, second, ... failed attempt: the 13th and last attempt is 70 hours after the
# first.
DELAYS_SECONDS: Final = (5, 30, 120, 600, 3600, 10_800, 21_600, *[43_200] * 5)
ATTEMPTS_MOST: Final = len(DELAYS_SECONDS) + 1
DISABLE_AFTER_SECONDS: Final = 72 * 3600
RETRY_AFTER_MOST_SECONDS: Final = 3600.0
JITTER: Final = 0.1


def next_delay(attempt: int, asked_seconds: float | None, chance: Chance) -> float | None:
    """Seconds until the attempt after number `attempt` (from 1), or None when that was the last.

    `asked_seconds` is what the endpoint asked for with Retry-After: it can only lengthen the wait.
    """
    if attempt >= ATTEMPTS_MOST:
        return None
    delay = DELAYS_SECONDS[attempt - 1] * chance.uniform(1 - JITTER, 1 + JITTER)
    return max(delay, asked_seconds or 0.0)


def asked_wait(status: int | None, header: str | None, now: datetime) -> float | None:
    """The wait in seconds that an answer 429 or 503 asks for with Retry-After (RFC 9110, 10.2.3),
    at most an hour.
    """
    if header is None or status not in (429, 503):
        return None
    try:
        seconds = (
            float(header)
            if header.isdigit()
            else (parsedate_to_datetime(header) - now).total_seconds()
        )
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MOST_SECONDS)
