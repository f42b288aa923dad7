"""How fast: token buckets, what throttling leaves of a rate, and what a rate is seen to be. Pure.

Times are monotonic seconds.
"""

import math
from dataclasses import dataclass
from typing import Final

THROTTLE_FLOOR: Final = 1.0  # a second; a throttled carrier is always tried on
RECOVER_SECONDS: Final = 20.0  # to win back the rate at which the carrier throttled
BEYOND: Final = 4.0  # times that rate: without a configured one the ceiling ends there
ONE_EVENT_SECONDS: Final = 1.0  # what is throttled in that time counts once: it was on its way
SMOOTHING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: segments per second, and how many at once after a pause."""

    per_second: float
    burst: float | None = None


class Bucket:
    """A token bucket: `rate` a second, and `burst` at once after a pause.

    Without a burst little is saved up, since carriers measure in slices of 100 ms.
    """

    def __init__(self, rate: float, now: float, burst: float | None = None) -> None:
        self._burst = burst
        self._at = now
        self.change(rate)
        self._tokens = self._most

    def change(self, rate: float) -> None:
        """Go on at another rate with the tokens there are."""
        self.rate, self.half_second = rate, max(2, int(rate / 2))
        self._most = max(1.0, rate / 10, self._burst or 0.0)

    def widen(self, burst: float) -> None:
        """Have another burst from now on."""
        self._burst = burst
        self.change(self.rate)

    def available(self, now: float) -> int:
        """Whole tokens there are."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        """Spend tokens; a long message may overdraw, the debt is waited off."""
        self._tokens -= count

    def drain(self) -> None:
        """Give up what is saved."""
        self._tokens = min(self._tokens, 0.0)

    def wait_seconds(self) -> float:
        """Until there is one more token."""
        return max(0.001, (1.0 - self._tokens) / self.rate)


class Throttle:
    """A ceiling for a carrier that answers that it gets too much.

    It halves with each such answer and rises steadily while there are none (AIMD), from the rate
    that was seen up to the configured one.
    """

    def __init__(self, seen: float, configured: float | None, now: float) -> None:
        self._configured = configured
        self.bucket = Bucket(THROTTLE_FLOOR, now)
        self._cut(min(seen, configured or seen), now)

    def again(self, now: float) -> None:
        """One more such answer."""
        if now - self._since >= ONE_EVENT_SECONDS:
            self._cut(self.rate(now), now)

    def is_over(self, now: float) -> bool:
        """Whether the ceiling is so high that it no longer matters."""
        return self.rate(now) >= self._until

    def rate(self, now: float) -> float:
        """The ceiling, in segments per second."""
        return self._from + (now - self._since) * self._step

    def available(self, now: float) -> int:
        """Whole tokens there are."""
        self.bucket.change(self.rate(now))
        return self.bucket.available(now)

    def _cut(self, rate: float, now: float) -> None:
        self._from, self._since = max(THROTTLE_FLOOR, rate / 2), now
        self._step = max(THROTTLE_FLOOR / 2, rate / 2 / RECOVER_SECONDS)
        self._until = self._configured or max(THROTTLE_FLOOR, rate) * BEYOND
        self.bucket.change(self._from)
        self.bucket.drain()


class Meter:
    """How many a second there are of something that is counted in `count`."""

    def __init__(self, now: float) -> None:
        self.count = 0
        self._at = self._began = now
        self._rate = 0.0

    def read(self, now: float) -> float:
        """The rate lately; to be called every second or so."""
        seconds = now - self._at
        if seconds >= 1.0:
            weight = 1 - math.exp(-seconds / SMOOTHING_SECONDS) if self._at > self._began else 1.0
            self._rate += weight * (self.count / seconds - self._rate)
            self.count, self._at = 0, now
        elif self._at == self._began:
            return float(self.count)
        return self._rate
