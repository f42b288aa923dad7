#!/usr/bin/env python3
"""Two versions of Onesixty at the same time, each on a CPU of its own, and in turns on either.

    versus.py /path/to/one/src src --scenario b

The speed of a machine may change twofold within a minute; what runs in the same seconds feels most
of that alike, and some rounds even out the CPUs. Server, database, load and sinks of a version
share its CPU, so its rate tells what a message takes of all of them together. Needs Linux
and two CPUs. Prints each round, and how many times as many messages the second version does,
and as much CPU of its server it takes for one.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
PORTS: Final = 22_200  # and some above
RATES: Final = {"a": "e2e_per_s", "b": "callback_per_s", "f": "e2e_per_s"}
SECONDS: Final = 300  # a round, at most
Seen = tuple[float, float]  # messages a second, CPU s per 1,000


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("versions", nargs=2, type=Path, help="folders that hold the package")
    parser.add_argument("--scenario", choices=RATES, default="a", help="see run.py [%(default)s]")
    parser.add_argument("--count", type=int, default=15_000, help="messages [%(default)s]")
    parser.add_argument("--rounds", type=int, default=6, help="[%(default)s]")
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        sys.exit("two CPUs are needed")
    rates, costs = [], []
    with tempfile.TemporaryDirectory(prefix="onesixty-versus-") as folder:
        for number in range(options.rounds):
            turn = cpus if number % 2 else cpus[::-1]
            begun = [
                _begin(Path(folder) / str(place), place, cpu, options)
                for place, cpu in enumerate(turn)
            ]
            try:
                (rate, cost), (second_rate, second_cost) = (_seen(one, options) for one in begun)
            finally:
                for process, _ in begun:
                    if process.poll() is None:
                        process.send_signal(signal.SIGINT)  # it ends its server and sinks
                        process.wait()
            rates.append(second_rate / rate)
            costs.append(second_cost / cost)
            print(
                f"{rate:,.0f}/s against {second_rate:,.0f}/s,"
                f" {cost:.3f} against {second_cost:.3f} s/1,000",
                flush=True,
            )
    print(f"messages {_middle(rates)}, CPU {_middle(costs)}")


def _begin(
    folder: Path, place: int, cpu: int, options: argparse.Namespace
) -> tuple["subprocess.Popen[bytes]", Path]:
    ports = PORTS + place * 100
    out = folder.with_suffix(".jsonl")
    out.unlink(missing_ok=True)
    command = [sys.executable, HERE / "run.py", "--scenarios", options.scenario, "--reps", "1"]
    command += ["--count", str(options.count), "--receipt-count", str(options.count), "--out", out]
    environment = {
        "BENCH_TMP": str(folder),
        "HTTP_PORT": str(ports),
        "SMSC_PORT": str(ports + 10),
        "CB_PORT": str(ports + 20),
        "PYTHONPATH": str(options.versions[place].resolve()),
    }
    all_cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})  # what is started inherits it
    try:
        started = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.sched_setaffinity(0, all_cpus)
    return started, out


def _seen(begun: tuple["subprocess.Popen[bytes]", Path], options: argparse.Namespace) -> Seen:
    process, out = begun
    process.wait(SECONDS)
    if not out.exists():
        sys.exit(f"a run failed: see what {HERE / 'run.py'} says")
    record = json.loads(out.read_text().splitlines()[-1])
    names = RATES[options.scenario], "cpu_s_per_1000"
    rate, cost = (float(record[name]["median"]) for name in names)
    return rate, cost


def _middle(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} x ({min(ratios):.2f}-{max(ratios):.2f})"


if __name__ == "__main__":
    main()
