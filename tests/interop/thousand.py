"""`make interop`: a thousand mixed messages each way, through a live server, for every peer.

Each run compares what one end gave with what the other end got: texts, ids, statuses, and prints
what differs. PYTHONPATH=tests python -m interop.thousand --count 1000 npm_smsc ...
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from . import carrier_side, customer_side, kannel_side, kannel_smsc
from .live import MissingPeerError

RUNS: Final[dict[str, Callable[[int], Coroutine[Any, Any, list[str]]]]] = {
    "npm_smsc": carrier_side.npm_smsc,
    "npm_esme": customer_side.npm_esme,
    "kannel_esme": kannel_side.kannel_esme,
    "kannel_smsc": kannel_smsc.kannel_smsc,
}
_SHOWN: Final = 10


def main() -> int:
    """Run all, or those that are named; 1 when anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    arguments = parser.parse_args()
    if unknown := set(arguments.runs) - set(RUNS):
        parser.error(f"no such run: {', '.join(unknown)}")
    failed = 0
    for name in arguments.runs or RUNS:
        began = time.monotonic()
        try:
            differences = asyncio.run(RUNS[name](arguments.count))
        except MissingPeerError as missing:
            print(f"{name}: not run, {missing} is missing")
            continue
        seconds = time.monotonic() - began
        print(f"{name}: {arguments.count} each way in {seconds:.0f} s, "
              f"{len(differences)} differences")  # fmt: skip
        for difference in differences[:_SHOWN]:
            print(f"    {difference}")
        failed += bool(differences)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
