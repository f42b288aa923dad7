"""The long run: `make fuzz COUNT=10000000 SEED=1`; a failure says how to have it again."""

import argparse
import faulthandler
import resource
import sys
import time
from collections import Counter
from typing import Final

from .run import run_case

BATCH: Final = 1_000
HANGS_AFTER_SECONDS: Final = 300  # a batch takes seconds
GROWS_AT_MOST_KB: Final = 50_000


def main() -> int:
    """Run cases until they had so many PDUs; 0 when all kept the rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="PDUs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the case to begin with")
    arguments = parser.parse_args()
    began, number, pdus = time.monotonic(), arguments.first, Counter[str]()
    at_first = _memory_kb()
    while pdus.total() < arguments.count:
        faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True)
        pdus += _run_batch(arguments.seed, range(number, number + BATCH), arguments.count)
        number += BATCH
        assert _memory_kb() < at_first + GROWS_AT_MOST_KB, f"{_memory_kb()} KB, case {number}"
    faulthandler.cancel_dump_traceback_later()
    print(f"{pdus.total():,} PDUs of seed {arguments.seed} kept the rules")
    print(f"{time.monotonic() - began:,.0f} s, {_memory_kb() - at_first:,} KB more than at first")
    for kind, count in sorted(pdus.items()):
        print(f"{count:>12,}  {kind}")
    return 0


def _run_batch(seed: int, numbers: range, wanted: int) -> Counter[str]:
    """Run these cases, or fewer when that is PDUs enough."""
    pdus: Counter[str] = Counter()
    for number in numbers:
        try:
            kind, count = run_case(seed, number)
        except BaseException:
            again = f"make fuzz SEED={seed} FIRST={number} COUNT=1"
            print(f"to have it again: {again}", file=sys.stderr)
            raise
        pdus[kind] += count
        if pdus.total() >= wanted:
            break
    return pdus


def _memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
