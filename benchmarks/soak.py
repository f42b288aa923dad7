"""Whether memory stays what it is under load: `python benchmarks/soak.py --minutes 30`.

Half of what the server can do, with receipts and webhooks, for that long. Exits with 1 when the
server, or what PostgreSQL's processes have of their own, takes more at the end than after the
warm-up, or when a message is lost or sent twice. PostgreSQL's shared buffers are shown apart: they
fill up to their fixed size and stay there. Needs what `peers/run.py` needs.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).resolve().parent / "peers"))

from gateway import Gateway, prepare
from scenarios import Bench, Seen
from sinks import Sinks

from _cpu import Footprint, footprints

SLICE_SECONDS: Final = 30  # of load; then all is waited for and memory is read
WARM_UP: Final = 1 / 3  # of the time: pools, caches and plans fill
RISE_MOST: Final = 0.05  # from the first third after the warm-up to the last one
NOTHING: Final = Footprint(0.0, 0.0)

Sample = tuple[float, dict[str, Footprint]]  # minutes from the start, memory by program


def main() -> None:
    """Load, sample, judge."""
    options = _options()
    prepare()
    sinks, gateway = Sinks(receipt_delay_milliseconds=500), Gateway("onesixty", "soak")
    bench, samples, wrong = Bench(options, gateway, sinks), [], 0.0
    try:
        sinks.start()
        gateway.start()
        bench.bound()
        rate = options.rate or bench.forward(receipts=True)["callback_per_s"] / 2
        print(f"{rate:,.0f} messages a second", flush=True)
        began = time.monotonic()
        while (minutes := (time.monotonic() - began) / 60) < options.minutes:
            seen = bench.steady(rate, SLICE_SECONDS)
            samples.append((minutes, footprints(gateway.processes())))
            wrong += _wrong(seen)
            _show(samples[-1], seen)
    finally:
        gateway.stop()
        sinks.stop()
    sys.exit(not (_is_flat(samples) and not wrong))


def _wrong(seen: Seen) -> float:
    """Messages that were refused, lost or sent twice, and callbacks that did not come."""
    missing: float = seen["acked"] - seen["callbacks"]
    return float(seen["not_acked"] + seen["lost"] + seen["dup"]) + missing


def _show(sample: Sample, seen: Seen) -> None:
    minutes, held = sample
    cells = [f"{minutes:6.1f} min  {seen['callbacks']:>8,} told"]
    for name, one in held.items():
        cells.append(f"{name} {one.own_mb:,.1f} MB")
        if one.shared_mb >= 1:
            cells.append(f"its shared buffers {one.shared_mb:,.1f} MB")
    if wrong := _wrong(seen):
        cells.append(f"{wrong:,.0f} WRONG")
    print("  ".join(cells), flush=True)


def _is_flat(samples: list[Sample]) -> bool:
    """Whether no program holds more at the end than after the warm-up.

    Medians, since sweeps of the database take and give back some memory now and then.
    """
    later = [held for _, held in samples[int(len(samples) * WARM_UP) :]]
    third = len(later) // 3
    if not third:
        print("too short to see a trend")
        return False
    flat = True
    for name in later[0]:
        values = [held.get(name, NOTHING).own_mb for held in later]
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        rises = last > first * (1 + RISE_MOST)
        flat &= not rises
        print(f"{name}: {first:,.1f} to {last:,.1f} MB, {'RISES' if rises else 'flat'}")
    return flat


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    add = parser.add_argument
    add("--minutes", type=float, default=30, help="[%(default)s]")
    add("--rate", type=float, help="messages a second [half of what it can do]")
    add("--receipt-count", type=int, default=20_000, help="to find that out [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
