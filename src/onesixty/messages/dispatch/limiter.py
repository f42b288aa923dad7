"""Limits as lanes keep them: a token bucket for each limit, shared by the lanes of this process.

A claim takes of a limited flow what its buckets have, its quota. So what has to wait stays in the
queue, in its place, and costs nothing.
"""

from collections.abc import Callable
from typing import Final

from onesixty.kit.clock import Clock
from onesixty.messages.dispatch.rates import Bucket
from onesixty.messages.types import Message
from onesixty.records import limits
from onesixty.records.snapshot import LimitRecord, Snapshot
from onesixty.sms import numbers

SLACK: Final = 16  # messages promised beyond what a shared limit has left
FLOWS_MOST: Final = 10_000  # remembered; beyond it they are learnt anew
_Quotas = tuple[list[int], list[str], list[int]]


class Limiter:
    """Divides each limit by the number of processes, of which every one keeps its part."""

    def __init__(
        self, clock: Clock, book: Callable[[], Snapshot], processes: Callable[[], int]
    ) -> None:
        self._clock, self._book, self._processes = clock, book, processes
        self._seen: tuple[Snapshot, int] | None = None
        self._buckets: dict[int, Bucket] = {}  # by number of the limit
        self._flows: dict[tuple[int, str], list[Bucket]] = {}
        self._turn, self._more = 0, False  # some flow was not promised all that is left for it
        self._booked: dict[int, float] = {}  # until when what was sent back has filled a bucket

    def quotas(self) -> _Quotas:
        """Of each known flow its account, its name, and how many messages of it may go now.

        Flows that share a limit have their turns: not all of them have messages waiting, so a few
        more may be taken than there is room for, which go back.
        """
        self._follow()
        if not self._flows:
            return [], [], []
        now, self._turn = self._clock.monotonic(), self._turn + 1
        flows = list(self._flows.items())
        first = self._turn % len(flows)
        self._more = False
        found: _Quotas = [], [], []
        promised: dict[int, int] = {}  # of each bucket, to the flows that share it
        for (account_id, flow), buckets in flows[first:] + flows[:first]:
            left = _left(buckets, now)
            taken = max((promised.get(id(bucket), 0) for bucket in buckets), default=0)
            quota = max(0, min(left, left + SLACK - taken))
            self._more = self._more or quota < left
            for bucket in buckets:
                promised[id(bucket)] = promised.get(id(bucket), 0) + quota
            found[0].append(account_id)
            found[1].append(flow)
            found[2].append(quota)
        return found

    def knows(self, message: Message) -> bool:
        """Whether the claim knew the quota of this message's flow; if not, it does from now on."""
        key = message.account_id, message.flow or ""
        if message.flow is None or key in self._flows:
            return True
        if len(self._flows) >= FLOWS_MOST:
            self._flows.clear()
        found = limits.of_flow(self._book(), *key)
        self._flows[key] = [self._bucket(one) for one in found]
        return False

    def admit(self, message: Message) -> float | None:
        """Let a claimed message pass, and spend what it needs: None.

        Else the seconds after which it may be looked at again; 0 when its flow tells the claim.
        """
        book = self._book()
        if not book.limits or message.test:
            return None
        now, flow = self._clock.monotonic(), self._flow_of(message, book)
        if flow is None:
            return None
        found = [self._bucket(one) for one in limits.of_flow(book, message.account_id, flow)]
        if _left(found, now) > 0:
            for bucket in found:
                bucket.take(message.segments - message.parts_sent)
            return None
        return 0.0 if flow == message.flow else self._book_place(found, now)

    def soonest(self) -> float | None:
        """Seconds until a flow that has used up its quota has some again; None without such."""
        if self._more:
            return 0.0
        now = self._clock.monotonic()
        waits = [
            max(bucket.wait_seconds() for bucket in buckets)
            for buckets in self._flows.values()
            if _left(buckets, now) <= 0
        ]
        return min(waits, default=None)

    def _follow(self) -> None:
        """Take over limits that have changed; tokens of those that have not are kept."""
        book, processes = self._book(), max(1, self._processes())
        if self._seen and self._seen[0] is book and self._seen[1] == processes:
            return
        self._seen = book, processes
        known = {one.id: one for some in book.limits.values() for one in some}
        old, self._buckets = self._buckets, {}
        for number, bucket in old.items():
            if number in known:
                bucket.change(known[number].rate_per_second / processes)
                bucket.widen(known[number].burst / processes)
                self._buckets[number] = bucket
        self._flows.clear()
        self._booked.clear()

    def _bucket(self, one: LimitRecord) -> Bucket:
        bucket = self._buckets.get(one.id)
        if bucket is None:
            processes, now = max(1, self._processes()), self._clock.monotonic()
            bucket = Bucket(one.rate_per_second / processes, now, one.burst / processes)
            self._buckets[one.id] = bucket
        return bucket

    def _flow_of(self, message: Message, book: Snapshot) -> str | None:
        country = None
        if limits.look_at_country(book, message.account_id):
            number = numbers.parse(message.recipient)
            country = None if isinstance(number, numbers.NumberError) else number.country
        return limits.flow_of(book, message.account_id, message.sender, country or None)

    def _book_place(self, buckets: list[Bucket], now: float) -> float:
        # It was stored before its limits were made, so the claim cannot tell it from others: it
        # gets a time of its own, behind all that were sent back before it.
        tightest = min(buckets, key=lambda bucket: bucket.rate)
        at = max(now, self._booked.get(id(tightest), now)) + 1 / tightest.rate
        self._booked[id(tightest)] = at
        return at - now


def _left(buckets: list[Bucket], now: float) -> int:
    return min((max(0, bucket.available(now)) for bucket in buckets), default=1_000_000)
