#!/usr/bin/env python3
"""Onesixty against Kannel and Jasmin in one run, and which of our goals are met.

Every round runs each scenario on one gateway after the other, those of one goal side by side, and a
ratio is the median of its rounds: what slows the machine down for a while slows both. Each starts
empty, alone on the machine. Appends the records to --out, prints tables and the goals; exits with 1
when a goal is missed. For the options see run.py.
"""

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import run
import tables
from gateway import Gateway, prepare
from scenarios import CRASHES, SCENARIOS, Bench, Seen
from sinks import Sinks

OURS, FILE, MEMORY, SPOOL = "onesixty", "kannel file", "kannel memory", "kannel spool"
JASMIN: Final = "jasmin conn4"
TWO: Final = "onesixty 2"  # with two processes, and two binds a carrier
GATEWAYS: Final = (FILE, MEMORY, SPOOL, JASMIN, OURS, TWO)
BULKS: Final = {FILE: 100, MEMORY: 100, OURS: 1000}  # the most recipients that a request takes
PLAN: Final = {
    "b": (JASMIN, OURS, FILE, TWO),
    "a": (OURS, SPOOL, TWO, FILE),
    "f": (FILE, MEMORY, OURS),
    "c": (FILE, MEMORY, OURS),
    "e": (FILE, MEMORY, OURS, TWO),
    "d": (OURS,),
    "g": (OURS,),
    "h": (OURS,),
}
# In each round: near their goals, or much moved by the moment.
TIMES: Final = {"a": 3, "b": 3, "c": 3}
JASMIN_SHARE: Final = 10  # of the messages: it is slow

Records = dict[tuple[str, str], tables.Record]
Runs = dict[tuple[str, str], list[Seen]]
Ratio = tuple[float, str]  # and how it was seen


@dataclass(frozen=True, slots=True)
class Goal:
    """What is promised, what was seen, and whether it is enough."""

    promise: str
    seen: float
    met: bool


def main() -> None:
    """Run all, print all."""
    options = run.parser(__doc__).parse_args()
    prepare()
    gateways = {name: Gateway(*name.partition(" ")[::2]) for name in GATEWAYS}
    sinks = Sinks(options.receipt_delay_ms)
    runs: Runs = {}
    try:
        sinks.start()
        plan = [(key, one) for key in PLAN for one in range(TIMES.get(key, 1))] * options.reps
        for number, (key, _) in enumerate(plan):
            for name in PLAN[key]:
                bench = Bench(_share(options, name), gateways[name], sinks)
                runs.setdefault((key, name), []).append(_once(key, name, bench, number))
    finally:
        for gateway in gateways.values():
            gateway.stop()
        sinks.stop()
    records = {
        (key, name): run.record(key, gateways[name], seen) for (key, name), seen in runs.items()
    }
    run.keep(records.values(), options.out)
    print(tables.markdown(records.values()))
    goals = list(_goals(records, runs))
    for goal in goals:
        print(f"{'met   ' if goal.met else 'MISSED'} {goal.promise}: {goal.seen:,.3g}")
    sys.exit(not all(goal.met for goal in goals))


def _share(options: Any, name: str) -> Any:
    fewer = dict(vars(options))
    if name == JASMIN:
        fewer["receipt_count"] = options.receipt_count // JASMIN_SHARE
    return type(options)(**fewer)


def _once(key: str, name: str, bench: Bench, number: int) -> Seen:
    if key not in CRASHES:
        bench.gateway.start()
        bench.bound()
    print(name, end=" ", file=sys.stderr)
    try:
        if key == "f":
            return run.watch(key, lambda: bench.forward(bulk=BULKS[name]), number)
        return run.watch(key, lambda: SCENARIOS[key](bench), number)
    finally:
        bench.gateway.stop()


def _goals(records: Records, runs: Runs) -> Iterator[Goal]:
    def median(key: str, name: str, what: str) -> float:
        value: float = records[key, name][what]["median"]
        return value

    def ratio(key: str, what: str, name: str, theirs: str) -> Ratio:
        """How many times theirs, in each round and in the middle of them."""
        pairs = zip(runs[key, name], runs[key, theirs], strict=True)
        rounds = [ours[what] / others[what] for ours, others in pairs]
        shown = ", ".join(f"{one:.2f}" for one in rounds)
        return statistics.median(rounds), f"by {name}, rounds {shown}"

    def at_least(promise: str, least: float, *found: Ratio) -> Goal:
        seen, how = max(found)
        return Goal(f"{promise}, {how}", seen, seen >= least)

    def below(promise: str, most: float, seen: float) -> Goal:
        return Goal(promise, seen, seen < most)

    def both(key: str, what: str, theirs: str) -> tuple[Ratio, Ratio]:
        return ratio(key, what, OURS, theirs), ratio(key, what, TWO, theirs)

    def through(name: str) -> float:
        return min(median("f", name, what) for what in ("accept_per_s", "e2e_per_s"))

    yield at_least("b: 2 times Kannel with files", 2, *both("b", "callback_per_s", FILE))
    cpu, how = ratio("b", "cpu_s_per_1000", OURS, FILE)
    yield below(f"b: less CPU a message than Kannel with files, {how}", 1, cpu)
    yield at_least("b: 15 times Jasmin", 15, *both("b", "callback_per_s", JASMIN))
    # What reaches the SMSC: Kannel accepts faster than it sends, until its store is full.
    yield at_least("a: 1.3 times Kannel with files", 1.3, *both("a", "e2e_per_s", FILE))
    yield at_least("a: 3 times Kannel with a spool", 3, *both("a", "e2e_per_s", SPOOL))
    seen = through(OURS) / max(through(FILE), through(MEMORY))
    yield Goal("f: 2.5 times the best of Kannel", seen, seen >= 2.5)
    yield below("c: p50 below 3 ms", 3, median("c", OURS, "e2e_p50_ms"))
    yield below("c: p99 below 8 ms", 8, median("c", OURS, "e2e_p99_ms"))
    best = max((FILE, MEMORY), key=lambda name: median("e", name, "e2e_per_s"))
    yield at_least(f"e: not slower than {best}", 1, *both("e", "e2e_per_s", best))
    for (key, name), record in records.items():
        if name not in (OURS, TWO):
            continue
        yield below(f"{key}, {name}: none lost in any run", 1, record["lost"]["most"])
        if key in "bh":
            yield below(f"{key}, {name}: none twice in any run", 1, record["dup"]["most"])


if __name__ == "__main__":
    main()
