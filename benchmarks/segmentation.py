"""What text costs on the walk: choosing an alphabet, counting, cutting, reading a number.

    python benchmarks/segmentation.py

One core, no I/O. Each line is the best of five runs, so that other work on the machine shows least.
"""

import timeit
from collections.abc import Callable

from onesixty.sms.alphabet import GSM7
from onesixty.sms.normalise import smart
from onesixty.sms.numbers import parse
from onesixty.sms.segments import count, parts, plan

GSM_100 = (
    "Your parcel 4711 is on its way and arrives tomorrow b"
    "etween 10 and 12. Follow it at example.com/t/47"
)
EMOJI_100 = GSM_100[:99] + "📦"
GSM_400 = GSM_100 * 4
CURLY_100 = GSM_100[:99] + "’"
RUNS = 5
SECONDS_A_RUN = 0.2

CASES: dict[str, Callable[[], object]] = {
    "encode 100 characters of GSM-7": lambda: GSM7.encode(GSM_100),
    "choose and count, 100 characters of GSM-7": lambda: count(GSM_100),
    "choose and count, 100 characters with an emoji": lambda: count(EMOJI_100),
    "plan and parts, 100 characters of GSM-7": lambda: parts(plan(GSM_100), 1),
    "plan and parts, 400 characters of GSM-7": lambda: parts(plan(GSM_400), 1),
    "plan and parts, 100 characters with an emoji": lambda: parts(plan(EMOJI_100), 1),
    "smart encoding, 100 characters with a curly quote": lambda: smart(CURLY_100),
    "parse +447700900123": lambda: parse("+447700900123"),
    "parse +14155552671": lambda: parse("+14155552671"),
    "parse +44 (0)7700 900123": lambda: parse("+44 (0)7700 900123"),
}


def main() -> None:
    """Measure every case and print the table."""
    print(f"{'what':<52}{'us':>8}{'ops/s':>12}")
    for name, work in CASES.items():
        seconds = seconds_each(work)
        print(f"{name:<52}{seconds * 1e6:>8.2f}{1 / seconds:>12,.0f}")


def seconds_each(work: Callable[[], object]) -> float:
    """The least time that one call took, averaged over a run."""
    timer = timeit.Timer(work)
    calls, taken = timer.autorange()
    calls = max(1, int(calls * SECONDS_A_RUN / taken))
    return min(timer.repeat(RUNS, calls)) / calls


if __name__ == "__main__":
    main()
