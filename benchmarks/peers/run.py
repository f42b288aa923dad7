#!/usr/bin/env python3
"""SMS gateways side by side: HTTP in, SMPP out, delivery receipts back as HTTP callbacks.

    run.py --gateway onesixty --scenarios a,b,c,e,f,d,g,h
    run.py --gateway kannel --variant spool --reps 1

Needs Linux, a C compiler, make and Python 3.11; the standard library is enough. Prints one JSON
record for each scenario, then tables, and appends the records to --out. Everything is on 127.0.0.1.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # _cpu.py is for all benchmarks

import tables
from gateway import FOLDER, Gateway, prepare
from scenarios import CRASHES, SCENARIOS, Bench, Seen
from sinks import Sinks


def main() -> None:
    """Run the scenarios asked for."""
    options = _options()
    prepare()
    gateway, sinks = Gateway(options.gateway, options.variant), Sinks(options.receipt_delay_ms)
    bench, records = Bench(options, gateway, sinks), []
    try:
        sinks.start()
        for key, run in _runs(options.scenarios, bench):
            if key not in CRASHES:
                gateway.start()
                bench.bound()
            records.append(record(key, gateway, [watch(key, run, n) for n in range(options.reps)]))
            print(json.dumps(records[-1]), flush=True)
            keep(records[-1:], options.out)
    finally:
        gateway.stop()
        sinks.stop()
    print("\n" + tables.markdown(records))


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    add = options.add_argument
    add("--gateway", default="onesixty", help="the name of a driver beside this file [%(default)s]")
    add("--variant", default="", help="of the gateway, see its driver")
    add("--scenarios", default="a,b,c,e,f,d,g,h", help="[%(default)s]")
    return options.parse_args()


def parser(about: str | None) -> argparse.ArgumentParser:
    """How much of everything: the options of every run."""
    parser = argparse.ArgumentParser(description=about.split("\n", 1)[0] if about else None)
    add = parser.add_argument
    add("--reps", type=int, default=3, help="runs of each scenario [%(default)s]")
    add("--count", type=int, default=20_000, help="messages in a and f [%(default)s]")
    add("--receipt-count", type=int, default=20_000, help="messages in b [%(default)s]")
    add("--receipt-delay-ms", type=int, default=500, help="from submit to receipt [%(default)s]")
    add("--rate", type=float, default=50, help="messages a second in c [%(default)s]")
    add("--latency-seconds", type=float, default=20, help="of c [%(default)s]")
    add("--slow-count", type=int, default=5000, help="messages in e [%(default)s]")
    add("--crash-count", type=int, default=5000, help="messages in d, g and h [%(default)s]")
    add(
        "--crash-rate",
        type=float,
        default=1000,
        help="messages a second in d, g and h [%(default)s]",
    )
    add(
        "--crash-stall", type=float, default=20, help="quiet seconds that end d, g, h [%(default)s]"
    )
    add("--out", type=Path, default=FOLDER / "records.jsonl", help="[%(default)s]")
    return parser


def _runs(wanted: str, bench: Bench) -> Iterator[tuple[str, Callable[[], Seen]]]:
    for key in wanted.split(","):
        if key == "f":
            for bulk in bench.gateway.info.bulk:
                yield key, lambda bulk=bulk: bench.forward(bulk=bulk)  # type: ignore[misc]
        else:
            yield key, lambda key=key: SCENARIOS[key](bench)  # type: ignore[misc]


def watch(key: str, run: Callable[[], Seen], number: int) -> Seen:
    """Run a scenario and tell on standard error what was seen."""
    seen = run()
    columns = {name: seen[name] for name in tables.TABLES[key][1] if name in seen}
    print(time.strftime("%H:%M:%S"), key, number + 1, columns, file=sys.stderr, flush=True)
    if seen["bad_sample"]:
        print("an answer that was no acceptance:", seen["bad_sample"], file=sys.stderr, flush=True)
    return seen


def record(key: str, gateway: Gateway, runs: list[Seen]) -> tables.Record:
    """The runs of a scenario as one: who, when, and the median, least and most of each number."""
    info = gateway.info
    about = {"gateway": info.name, "variant": info.variant, "version": info.version}
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    load = [round(value, 2) for value in os.getloadavg()]
    return {**about, "scenario": key, "date": now, "reps": len(runs), "load": load, **_fold(runs)}


def keep(records: Iterable[tables.Record], out: Path) -> None:
    """Append records to a file, one a line."""
    with out.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in records)


def _fold(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median, least and most of every number; whatever else there is, of the first run."""
    folded: dict[str, Any] = {}
    for name, first in runs[0].items():
        values = [run[name] for run in runs if name in run]
        if isinstance(first, dict):
            folded[name] = _fold(values)
        elif isinstance(first, (int, float)):
            numbers = statistics.median(values), min(values), max(values)
            median, least, most = (round(value, 4) for value in numbers)
            folded[name] = {"median": median, "least": least, "most": most}
        else:
            folded[name] = first
    return folded


if __name__ == "__main__":
    main()
