"""The breaker of a lane: a carrier that fails or keeps silent is given nothing for a while. Pure.

Only faults of the carrier count, never those of a recipient or a text. It opens when the last ten
submissions all failed, or half of the last fifty. A refused account fails everything, a refused
sender only what it sends: refusals of our settings count towards ten in a row alone. After a
cool-down the carrier is asked for a sign of life that costs no message, and is given messages again
when it gives one.
"""

from typing import Any, Final

RUN: Final = 10  # failures in a row that open it
WINDOW, FAILED_MOST = 50, 25  # or so many of so many
TRIAL: Final = 3  # failures in a row that open it again just after it closed
COOL_FIRST_SECONDS, COOL_MOST_SECONDS = 5.0, 300.0
STEADY_SECONDS: Final = 600.0  # closed for that long: the next cool-down is a first one again
_RUN, _WINDOW, _TRIAL = (1 << RUN) - 1, (1 << WINDOW) - 1, (1 << (RUN - TRIAL)) - 1


class Breaker:
    """Open or closed; times are monotonic seconds."""

    def __init__(self) -> None:
        self.is_open = False
        self.probe_at = 0.0  # when the carrier is to be asked, while it is open
        self._last = 0  # one bit for each submission, the newest lowest: 1 failed
        self._faults = 0  # the same without refusals of our settings
        self._cool = COOL_FIRST_SECONDS
        self._changed_at: float | None = None

    def good(self) -> None:
        """The carrier did its part."""
        self._last = (self._last << 1) & _WINDOW
        if self._last:
            self._faults = (self._faults << 1) & _WINDOW
        else:  # it works: what it lost with its next connection is a new story
            self._faults, self._cool = 0, COOL_FIRST_SECONDS

    def bad(self, now: float, *, by_settings: bool = False) -> bool:
        """The carrier failed, never answered, or refused our settings there.

        True when this opens the breaker.
        """
        if self.is_open:
            return False
        self._last = (self._last << 1 | 1) & _WINDOW
        self._faults = (self._faults << 1 | (not by_settings)) & _WINDOW
        if self._last & _RUN != _RUN and self._faults.bit_count() < FAILED_MOST:
            return False
        if self._changed_at is None or now - self._changed_at >= STEADY_SECONDS:
            self._cool = COOL_FIRST_SECONDS
        self.is_open = True
        self._wait(now)
        return True

    def probed(self, alive: bool, now: float) -> None:
        """What the carrier gave for a sign of life: close, or wait longer."""
        if not alive:
            self._wait(now)
            return
        self.is_open, self._changed_at = False, now
        self._last = self._faults = _TRIAL

    def describe(self, now: float) -> dict[str, Any]:
        """For display."""
        if not self.is_open:
            return {"state": "closed"}
        left = max(0.0, self.probe_at - now)
        return {"state": "open" if left else "half_open", "probe_in_seconds": round(left, 1)}

    def _wait(self, now: float) -> None:
        self._changed_at, self.probe_at = now, now + self._cool
        self._cool = min(self._cool * 2, COOL_MOST_SECONDS)
