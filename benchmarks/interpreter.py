"""How fast a Python runs its own code: `python benchmarks/interpreter.py`, in seconds of CPU.

Builds without profile-guided optimization (what pyenv makes unless told otherwise) are a third
slower than those of a distribution. `--fastest NAME...` prints the path of the fastest that is new
enough: the first, unless another gains much. Runs on any Python 3, without anything installed.
"""

import argparse
import shutil
import subprocess
import sys
import time

OLDEST = (3, 11)
MUCH = 0.9  # of the seconds of the first: less is noise
TURNS, ROUNDS, LOOPS = 4, 4, 20_000  # in turns: a machine may be slow for a moment


class _Item:
    __slots__ = ("name", "number")

    def __init__(self, number: int) -> None:
        self.number, self.name = number, str(number)


def seconds() -> float:
    """CPU seconds for calls, attributes, dicts and texts in a loop: the best of some rounds."""
    return min(_round() for _ in range(ROUNDS))


def _round() -> float:
    began, total, known = time.process_time(), 0, {}
    for number in range(LOOPS):
        item = _Item(number)
        known[item.name] = item
        total += len(item.name) + item.number % 7
        if number % 1000 == 0:
            known.clear()
    return time.process_time() - began


def fastest(names: "list[str]") -> str:
    """The path of the fastest of these that runs and is new enough; "" when there is none."""
    best: dict[str, float] = {}
    for found in TURNS * [path for path in map(shutil.which, names) if path]:
        run = subprocess.run([found, __file__], stdout=subprocess.PIPE, check=False)
        if run.returncode == 0:
            took, path = run.stdout.decode().rstrip().split(" ", 1)
            best[path] = min(float(took), best.get(path, float(took)))
    if not best:
        return ""
    first, quickest = next(iter(best)), min(best, key=lambda path: best[path])
    return quickest if best[quickest] < best[first] * MUCH else first


def main() -> None:
    """Print the seconds, or the path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fastest", nargs="+", metavar="NAME", help="commands or paths")
    options = parser.parse_args()
    if options.fastest:
        print(fastest(options.fastest))
    elif sys.version_info < OLDEST:
        sys.exit("Python 3.11 or newer is needed")
    else:
        print(f"{seconds():.4f} {sys.executable}")


if __name__ == "__main__":
    main()
