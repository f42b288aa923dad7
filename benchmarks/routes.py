"""What choosing a carrier costs: `python benchmarks/routes.py`.

One core, no I/O: decisions a second over as many routes as `--routes`, by prefix, for numbers that
are spread over all of them. "first" decides for kinds of messages that were never seen, "again" for
those whose decisions are kept, which is what nearly all messages find. The best of three runs.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from onesixty.kit.chance import chance
from onesixty.records.routes import Facts, Quality, Router, Traits
from onesixty.records.snapshot import Account, CarrierRecord, Choice, Group, RouteRecord, Snapshot

RUNS: Final = 3
CARRIERS: Final = 20
GOAL: Final = 20_000  # a second, with 1,000 routes
NOBODY: Final = UUID(int=0)
NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD: Final = Quality(0.95, 5.0, 1.0, "good", 1000)


def book(count: int, strategy: str, *, by_more: bool) -> Snapshot:
    """Routes by prefix over three carriers each; `by_more`: every tenth also by tag and hours."""
    hours = ({"days": ["mon", "thu"], "from": "08:00", "to": "20:00", "zone": "Europe/Berlin"},)
    routes = []
    for number in range(count):
        match: dict[str, tuple[object, ...]] = {"prefix": (f"+447{number:04}",)}
        if by_more and number % 10 == 0:
            match |= {"tag": ("vip",), "time": hours}
        some = tuple(Choice(number % CARRIERS + n, n + 1) for n in range(3))
        group = Group(strategy, some, quality_floor=0.9 if strategy == "least_cost" else None)
        routes.append(RouteRecord(number, NOBODY, 1, f"route-{number}", 100, match, (group,)))
    rest = Group("priority", (Choice(0, 1), Choice(1, 1)))
    routes.append(RouteRecord(count, NOBODY, 1, "rest", 100, {}, (rest,)))
    carriers = {
        n: CarrierRecord(n, NOBODY, 1, f"c{n}", "loopback", {}, None, True, False, None, NOW)
        for n in range(CARRIERS + 3)
    }
    account = Account(1, NOBODY, None, "bench", "ACME", b"")
    return Snapshot(1, {1: account}, {}, carriers, {1: tuple(routes)}, {})


def messages(routes: int, count: int) -> Iterator[Traits]:
    """Messages to numbers of all routes, and some of none."""
    for number in range(count):
        area = number * 7919 % (routes + routes // 10)
        tags = ("vip",) if number % 3 == 0 else ("other", f"t{number}")
        yield Traits(1, f"+447{area:04}{number % 100:02}", "GB", "otp", "ACME", tags)


def measure(name: str, rules: Snapshot, routes: int, count: int) -> float:
    """Print a line; the decisions a second of those that are kept."""
    asked = list(messages(routes, count))
    cost = lambda carrier, *_: 5000 + carrier  # noqa: E731 - one fact, told at once
    facts = Facts(lambda _carrier: True, chance(1), lambda: NOW, cost=cost, quality=lambda *_: GOOD)
    firsts, agains, explanations = [], [], 0
    for _ in range(RUNS):
        router = Router(facts)
        kinds = asked[: routes + routes // 10]
        firsts.append(_a_second(router, rules, kinds))
        _a_second(router, rules, asked)
        agains.append(_a_second(router, rules, asked))
        explanations = len(router.unkept)
    first, again = max(firsts), max(agains)
    microseconds = 1_000_000 / again
    print(f"{name:<44}{first:>9,.0f} first{again:>11,.0f} again ({microseconds:.1f} µs)"
          f"{explanations:>7,} explanations")  # fmt: skip
    return again


def _a_second(router: Router, rules: Snapshot, asked: list[Traits]) -> float:
    began = time.process_time()
    for traits in asked:
        router.choose(rules, traits)
    return len(asked) / (time.process_time() - began)


def main() -> None:
    """Measure each way to choose."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument("--count", type=int, default=20_000, help="messages in a run")
    given = parser.parse_args()
    print(f"{given.routes:,} routes; decisions a second")
    found = [measure("one route", book(0, "priority", by_more=False), 1, given.count)]
    for strategy in ("priority", "weighted", "least_cost", "best_quality"):
        rules = book(given.routes, strategy, by_more=False)
        found.append(measure(strategy, rules, given.routes, given.count))
    rules = book(given.routes, "priority", by_more=True)
    found.append(measure("priority, tags and hours", rules, given.routes, given.count))
    if min(found) < GOAL:
        raise SystemExit(f"fewer than {GOAL:,} a second")


if __name__ == "__main__":
    main()
