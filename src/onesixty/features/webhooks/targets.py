"""How much each far side gets at a time: a window that success widens and failure halves, in a fair
share.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WINDOW_FIRST: Final = 8
PAUSE_MOST_SECONDS: Final = 600.0
HOSTS_KEPT: Final = 10_000
_FAILING_SHARE: Final = 4  # all failing targets together get at most a quarter of all calls
_SMOOTHING: Final = 0.1


@dataclass(slots=True)
class Target:
    """One far side: a webhook endpoint, or the host that callback URLs lead to."""

    window: int = WINDOW_FIRST
    in_flight: int = 0
    seconds: float = 0.0  # a call takes about this long
    failures: int = 0  # since the last success
    failing_since: datetime | None = None
    failing_noted: bool = False  # `failing_since` is on file
    closed_until: datetime | None = None  # it asked for a pause
    booked_until: datetime | None = None  # rows that found no room are spread up to here
    hungry: bool = False  # its last claim filled all its room: there is more

    def succeeded(self, seconds: float) -> None:
        """It took a delivery."""
        self.window += 1
        self.seconds += (seconds - self.seconds) * _SMOOTHING
        self.failures, self.failing_since, self.closed_until = 0, None, None

    def failed(self, seconds: float, now: datetime, asked_seconds: float | None) -> None:
        """It did not, and may have asked for a pause of that many seconds."""
        self.window = max(self.window // 2, 1)
        self.seconds += (seconds - self.seconds) * _SMOOTHING
        self.failures += 1
        self.failing_since = self.failing_since or now
        if asked_seconds:
            self.closed_until = now + timedelta(seconds=asked_seconds)

    def put_back_until(self, now: datetime) -> datetime:
        """When a row that found no room is to come again.

        Such rows follow each other at the pace that the target can take; else a backlog would be
        claimed and put back over and over.
        """
        pause = min(2.0 ** min(self.failures, 16), PAUSE_MOST_SECONDS)
        earliest = now + timedelta(seconds=pause)
        if self.closed_until is not None:
            earliest = max(earliest, self.closed_until)
        step = timedelta(seconds=max(self.seconds / self.window, 0.001))
        self.booked_until = max(self.booked_until or earliest, earliest) + step
        return min(self.booked_until, earliest + timedelta(seconds=PAUSE_MOST_SECONDS))


class Targets:
    """All far sides that this process calls or called."""

    def __init__(self, in_flight_most: int, per_target_most: int) -> None:
        self._most, self._per_target = in_flight_most, per_target_most
        self._endpoints: dict[int, Target] = {}
        self._hosts: dict[str, Target] = {}
        self._in_flight = self._failing_in_flight = 0

    def endpoint(self, number: int, failing_since: datetime | None = None) -> Target:
        """The target of an endpoint, which may be known to be failing since before this process
        began.
        """
        target = self._endpoints.get(number)
        if target is None:
            target = self._endpoints[number] = Target()
            if failing_since is not None:
                target.window, target.failures = 1, 1
                target.failing_since, target.failing_noted = failing_since, True
        return target

    def host(self, name: str) -> Target:
        """The target of callback URLs that lead to one host and port."""
        target = self._hosts.get(name)
        if target is None:
            if len(self._hosts) >= HOSTS_KEPT:
                self._hosts = {key: one for key, one in self._hosts.items() if one.in_flight}
            target = self._hosts[name] = Target()
        return target

    def keep_only(self, numbers: set[int]) -> None:
        """Forget the endpoints that are none of these."""
        for number in [one for one in self._endpoints if one not in numbers]:
            del self._endpoints[number]

    def free(self) -> int:
        """Calls that may be begun now, over all targets."""
        return self._most - self._in_flight

    def room(self, target: Target, now: datetime) -> int:
        """Calls that may be begun now to this target.

        No target ever has more calls than are left free: a newcomer finds room, however many hang.
        """
        if target.closed_until is not None and target.closed_until > now:
            return 0
        if target.failures and self._failing_in_flight * _FAILING_SHARE >= self._most:
            return 0
        earned = min(target.window, self._per_target) - target.in_flight
        return max(min(earned, (self.free() - target.in_flight) // 2), 0)

    def began(self, target: Target) -> None:
        """A delivery to it is on its way."""
        self._failing_in_flight += target.failures > 0
        target.in_flight += 1
        self._in_flight += 1

    def ended(self, target: Target, now: datetime, *, was_failing: bool) -> bool:
        """One is back; `was_failing` as it was when it began.

        True when enough room came together for more of its rows.
        """
        target.in_flight -= 1
        self._in_flight -= 1
        self._failing_in_flight -= was_failing
        target.window = min(target.window, self._per_target)
        room = self.room(target, now)
        return target.hungry and room > 0 and room * 3 >= target.in_flight
