#!/usr/bin/env python3
"""Onesixty against Kannel and Jasmin in one run, and which of our goals are met.

Every round runs each scenario on one gateway after the other, so what slows the machine down slows
all of them. Each starts empty, alone on the machine. Appends the records to --out, prints tables
and the goals; exits with 1 when a goal is missed. For the options see run.py.
"""

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
    "b": (FILE, MEMORY, JASMIN, OURS, TWO),
    "a": (FILE, MEMORY, SPOOL, OURS, TWO),
    "f": (FILE, MEMORY, OURS),
    "c": (FILE, MEMORY, OURS),
    "e": (FILE, MEMORY, OURS, TWO),
    "d": (OURS,),
    "g": (OURS,),
    "h": (OURS,),
}
JASMIN_SHARE: Final = 10  # of the messages: it is slow

Records = dict[tuple[str, str], tables.Record]


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
    runs: dict[tuple[str, str], list[Seen]] = {}
    try:
        sinks.start()
        for number in range(options.reps):
            for key, names in PLAN.items():
                for name in names:
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
    goals = list(_goals(records))
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


def _goals(records: Records) -> Iterator[Goal]:
    def median(key: str, name: str, what: str) -> float:
        value: float = records[key, name][what]["median"]
        return value

    def at_least(promise: str, ratio: float, ours: float, theirs: float) -> Goal:
        return Goal(promise, ours / theirs, ours >= ratio * theirs)

    def best(key: str, what: str) -> tuple[str, float]:
        one, two = median(key, OURS, what), median(key, TWO, what)
        return ("two processes", two) if two > one else ("one process", one)

    def below(promise: str, most: float, seen: float) -> Goal:
        return Goal(promise, seen, seen < most)

    def through(name: str) -> float:
        return min(median("f", name, what) for what in ("accept_per_s", "e2e_per_s"))

    by, told = best("b", "callback_per_s")
    theirs = median("b", FILE, "callback_per_s")
    yield at_least(f"b: 2 times Kannel with files, {by}", 2, told, theirs)
    cpu = median("b", OURS, "cpu_s_per_1000") / median("b", FILE, "cpu_s_per_1000")
    yield below("b: less CPU a message than Kannel with files, ratio", 1, cpu)
    theirs = median("b", JASMIN, "callback_per_s")
    yield at_least(f"b: 15 times Jasmin, {by}", 15, told, theirs)
    # What reaches the SMSC: Kannel accepts faster than it sends, until its store is full.
    by, ours = best("a", "e2e_per_s")
    theirs = median("a", FILE, "e2e_per_s")
    yield at_least(f"a: 1.3 times Kannel with files, {by}", 1.3, ours, theirs)
    theirs = median("a", SPOOL, "e2e_per_s")
    yield at_least(f"a: 3 times Kannel with a spool, {by}", 3, ours, theirs)
    theirs = max(through(FILE), through(MEMORY))
    yield at_least("f: 2.5 times the best of Kannel", 2.5, through(OURS), theirs)
    yield below("c: p50 below 3 ms", 3, median("c", OURS, "e2e_p50_ms"))
    yield below("c: p99 below 8 ms", 8, median("c", OURS, "e2e_p99_ms"))
    theirs = max(median("e", name, "e2e_per_s") for name in (FILE, MEMORY))
    by, ours = best("e", "e2e_per_s")
    yield at_least(f"e: not slower than Kannel, {by}", 1, ours, theirs)
    for (key, name), seen in records.items():
        if name not in (OURS, TWO):
            continue
        yield below(f"{key}, {name}: none lost in any run", 1, seen["lost"]["most"])
        if key in "bh":
            yield below(f"{key}, {name}: none twice in any run", 1, seen["dup"]["most"])


if __name__ == "__main__":
    main()
