"""What messages cost that wait for their time: `python benchmarks/scheduled.py`.

Measures a server without and then with so many scheduled messages: its CPU while it has nothing to
do, the walk at full load, and how late those are sent whose time comes. Exits with 1 when a goal is
missed. Needs what `peers/run.py` needs.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).resolve().parent / "peers"))

from gateway import FOLDER, Gateway, prepare
from scenarios import Bench
from sinks import Sinks, wait_for

from _cpu import Meter
from _waiting import Client, wait_in_queue
from onesixty.storage import embedded

SETTLING_SECONDS: Final = 5  # until what was started is at rest
LATEST_SECONDS: Final = 2.0
GOALS: Final = {  # by name: the most that it may be, of the first value and what it may be more
    "idle, CPU ms a second": (1.0, 5.0),
    "told/s": (0.9, 0.0),
    "latest, ms": (0.0, LATEST_SECONDS * 1000),
}


def main() -> None:
    """Measure without and with, and print how they compare."""
    options = _options()
    prepare()
    sinks, gateway = Sinks(receipt_delay_milliseconds=500), Gateway("onesixty", "scheduled")
    bench = Bench(options, gateway, sinks)
    try:
        sinks.start()
        gateway.start()
        bench.bound()
        without = dict(_measure(options, bench))
        server = embedded.start(FOLDER / "onesixty-scheduled" / "data")
        wait_in_queue(server.url, "bench", options.messages, _due_at)
        after = dict(_measure(options, bench))
    finally:
        gateway.stop()
        sinks.stop()
    sys.exit(not _compare(options.messages, without, after))


def _measure(options: argparse.Namespace, bench: Bench) -> Iterator[tuple[str, float]]:
    time.sleep(SETTLING_SECONDS)
    with Meter(bench.gateway.processes()) as meter:
        time.sleep(options.idle_seconds)
    yield "idle, CPU ms a second", sum(meter.seconds.values()) * 1000 / options.idle_seconds
    flow = bench.forward(receipts=True)
    yield "accepted/s", flow["accept_per_s"]
    yield "told/s", flow["callback_per_s"]
    yield "CPU ms each", flow["cpu_s_per_1000"]
    yield from _lateness(options, bench)


def _lateness(options: argparse.Namespace, bench: Bench) -> Iterator[tuple[str, float]]:
    """Schedule some over the next seconds. Their text says when they are due, the SMSC when they
    come.
    """
    bench.sinks.reset()
    client = Client(bench.gateway.info.port, bench.gateway.info.headers)
    now, clock = datetime.now(UTC), time.monotonic_ns()
    for number in range(options.due):
        seconds = options.due_seconds * (1 + number / options.due)
        body = {
            "from": "bench",
            "to": f"+447700{number:06d}",
            "body": f"T{clock + int(seconds * 1e9)};due-{number} ",
            "send_at": (now + timedelta(seconds=seconds)).isoformat(),
        }
        client.post("/v1/messages", body)
    wait_for(
        lambda: bench.sinks.smsc()["distinct_msgs"] >= options.due,
        2 * options.due_seconds + 10 * LATEST_SECONDS,
    )
    seen = bench.sinks.smsc()
    yield "not sent", options.due - seen["distinct_msgs"]
    yield "late p50, ms", seen["lat_p50_us"] / 1000
    yield "late p99, ms", seen["lat_p99_us"] / 1000
    yield "latest, ms", seen["lat_max_us"] / 1000


def _due_at(place: float) -> datetime:
    """For every minute of 30 days from now."""
    return datetime.now(UTC) + timedelta(hours=1, days=30 * place)


def _compare(messages: int, without: dict[str, float], after: dict[str, float]) -> bool:
    print(f"{'scheduled messages':<28}{0:>12}{messages:>12,}")
    all_met = after["not sent"] == 0
    for what, value in after.items():
        verdict = ""
        if what in GOALS:
            share, more = GOALS[what]
            limit = without[what] * share + more
            met = value >= limit if what == "told/s" else value <= limit
            all_met &= met
            sign = "at least" if what == "told/s" else "at most"
            verdict = f"  goal {'met' if met else 'MISSED'}: {sign} {limit:,.0f}"
        print(f"{what:<28}{without[what]:>12,.2f}{value:>12,.2f}{verdict}")
    return all_met


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    add = parser.add_argument
    add("--messages", type=int, default=1_000_000, help="scheduled [%(default)s]")
    add("--idle-seconds", type=float, default=20, help="of doing nothing [%(default)s]")
    add("--receipt-count", type=int, default=20_000, help="messages at full load [%(default)s]")
    add("--due", type=int, default=500, help="messages whose time comes [%(default)s]")
    add("--due-seconds", type=float, default=10, help="from now, and over as many [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
