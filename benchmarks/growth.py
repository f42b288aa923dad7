"""What history costs the walk: `python benchmarks/growth.py --messages 10000000`.

Two servers, one with an empty database and one with a past of so many messages, are measured in
turns: the whole walk with receipts and webhooks at full load, its latency at 50 messages a second,
and the answers of the listing endpoints. Each number is the median of the rounds; the last column
is aged to empty. Exits with 1 when a goal is missed. `--rounds 0 --keep` only writes the past.
Needs what `peers/run.py` needs.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).resolve().parent / "peers"))

from gateway import FOLDER, Gateway, prepare
from scenarios import Bench, Seen
from sinks import Sinks

import history
from onesixty.storage import embedded

SIDES: Final = ("empty", "aged")
# By name: whether more is better, and how far the ratio may be from 1 on the worse side.
GOALS: Final = {"told/s": (True, 0.10), "p99 ms": (False, 0.20)}
LISTS: Final = {
    "newest 50 messages": "/v1/messages?limit=50",
    "newest failed ones": "/v1/messages?status=failed&limit=50",
    "messages to a new number": "/v1/messages?to=%2B15005550006&limit=50",
    "messages with a reference": "/v1/messages?reference=none&limit=50",
    "newest 50 events": "/v1/events?limit=50",
}
LIST_TIMES: Final = 5
_PATIENCE_SECONDS: Final = 120

Measured = dict[str, list[float]]


def main() -> None:
    """Measure both sides and print how they compare."""
    options = _options()
    prepare()
    sinks = Sinks(receipt_delay_milliseconds=500)
    sides = {name: Gateway("onesixty", name) for name in SIDES}
    measured: dict[str, Measured] = {name: {} for name in SIDES}
    try:
        sinks.start()
        for name, gateway in sides.items():
            if not (options.reuse and name == "aged"):
                gateway.start()
                gateway.call("end")
        if not options.reuse:
            _age(options)
        for number in range(options.rounds):
            for name in SIDES if number % 2 == 0 else reversed(SIDES):
                for what, value in _round(options, sides[name], sinks):
                    measured[name].setdefault(what, []).append(value)
                    print(time.strftime("%H:%M:%S"), name, what, f"{value:.4g}", file=sys.stderr)
    finally:
        for name, gateway in sides.items():
            if options.keep and name == "aged":
                gateway.call("end")
            else:
                gateway.call("stop")
        sinks.stop()
    sys.exit(not _compare(measured))


def _age(options: argparse.Namespace) -> None:
    server = embedded.start(FOLDER / "onesixty-aged" / "data")
    try:
        history.write(server.url, options.messages, options.days)
    finally:
        embedded.stop(server)


def _round(
    options: argparse.Namespace, gateway: Gateway, sinks: Sinks
) -> Iterator[tuple[str, float]]:
    """Start one side, measure it once, end it; its database stays."""
    gateway.call("restart")
    bench = Bench(options, gateway, sinks)
    bench.bound()
    flow: Seen = bench.forward(receipts=True)
    yield "accepted/s", flow["accept_per_s"]
    yield "told/s", flow["callback_per_s"]
    yield "CPU ms each", flow["cpu_s_per_1000"]
    calm: Seen = bench.latency()
    yield "p50 ms", calm["e2e_p50_ms"]
    yield "p99 ms", calm["e2e_p99_ms"]
    yield "lost or twice", flow["lost"] + flow["dup"] + calm["lost"] + calm["dup"]
    for what, path in LISTS.items():
        yield f"{what}, ms", _answer_milliseconds(gateway, path)
    gateway.call("end")


def _answer_milliseconds(gateway: Gateway, path: str) -> float:
    """The median time of some answers."""
    connection = HTTPConnection("127.0.0.1", gateway.info.port, timeout=_PATIENCE_SECONDS)
    headers = dict(line.split(": ", 1) for line in gateway.info.headers)
    took = []
    for _ in range(LIST_TIMES):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 422):  # 422: it was ended, since it took too long
            raise SystemExit(f"GET {path}: {answer.status}")
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return statistics.median(took)


def _compare(measured: dict[str, Measured]) -> bool:
    """Print the medians of both sides; return whether every goal is met."""
    print(f"{'':<34}{'empty':>12}{'aged':>12}{'aged/empty':>12}")
    all_met = True
    for what, values in measured["empty"].items():
        empty, aged = statistics.median(values), statistics.median(measured["aged"][what])
        ratio = aged / empty if empty else float(aged > 0) + 1
        verdict = ""
        if what in GOALS:
            more_is_better, allowed = GOALS[what]
            met = ratio >= 1 - allowed if more_is_better else ratio <= 1 + allowed
            all_met &= met
            verdict = f"  goal {'met' if met else 'MISSED'}: within {allowed:.0%}"
        print(f"{what:<34}{empty:>12,.2f}{aged:>12,.2f}{ratio:>12.2f}{verdict}")
    return all_met


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    add = parser.add_argument
    add("--messages", type=int, default=1_000_000, help="of the past [%(default)s]")
    add("--keep", action="store_true", help="the aged database, for a later run with --reuse")
    add("--reuse", action="store_true", help="the aged database of an earlier run with --keep")
    add("--days", type=float, default=90, help="of the past [%(default)s]")
    add("--rounds", type=int, default=3, help="of each side [%(default)s]")
    add("--receipt-count", type=int, default=20_000, help="messages at full load [%(default)s]")
    add("--rate", type=float, default=50, help="messages a second for latency [%(default)s]")
    add("--latency-seconds", type=float, default=20, help="of that [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
