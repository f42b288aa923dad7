"""How fast: token buckets. Pure."""


class Bucket:
    """A token bucket: `rate` a second.

    Little is saved up, since carriers measure in slices of 100 ms.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._tokens, self._at = rate, max(1.0, rate / 10), now
        self.half_second = max(2, int(rate / 2))

    def available(self, now: float) -> int:
        """Whole tokens there are."""
        burst = max(1.0, self._rate / 10)
        self._tokens = min(burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        """Spend tokens; a long message may overdraw, the debt is waited off."""
        self._tokens -= count

    def wait_seconds(self) -> float:
        """Until there is one more token."""
        return max(0.001, (1.0 - self._tokens) / self._rate)
