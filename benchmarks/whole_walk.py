"""The whole walk, from HTTP to the SMSC and back: `python benchmarks/whole_walk.py`.

Starts `onesixty serve` as a user would, with an SMSC, a webhook receiver and HTTP load beside it on
the same cores, and ends them again. Linux only; needs a C compiler and make.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

RUN: Final = Path(__file__).parent / "peers" / "run.py"
_CPU: Final = "CPU ms per 1,000"
NAMES: Final = {
    "a": "single requests, 64 connections",
    "f": "requests of {bulk:,.0f} recipients",
    "b": "single requests, receipts, webhooks",
    "c": "50 messages/s, for their latency",
}


def main() -> None:
    """Run the scenarios and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="messages [%(default)s]")
    parser.add_argument("--seconds", type=int, default=10, help="of the last [%(default)s]")
    options = parser.parse_args()
    print(f"{'':<40}{'accepted':>10}{'sent':>10}{'told':>10}{'p50':>8}{'p99':>8}{_CPU:>22}")
    rates, units = f"{'/s':>10}" * 3, f"{'ms':>8}" * 2
    print(f"{f'{options.count:,} messages':<40}{rates}{units}{'Python':>10}{'PostgreSQL':>12}")
    command = [sys.executable, str(RUN), "--scenarios", ",".join(NAMES), "--reps", "1"]
    command += ["--count", str(options.count), "--receipt-count", str(options.count)]
    command += ["--latency-seconds", str(options.seconds)]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True) as process,
    ):
        for line in process.stdout or ():
            if line.startswith("{"):
                print(_row(json.loads(line)), flush=True)
        if process.wait():
            complaints.seek(0)
            sys.exit(complaints.read().decode())


def _row(record: dict[str, Any]) -> str:
    seen = {name: one["median"] for name, one in record.items() if _is_folded(one)}
    cpu = {name: one["median"] * 1000 for name, one in record["cpu_s_per_1000_of"].items()}
    postgres = cpu.pop("postgres", 0.0)
    lacking = seen["lost"] + seen["dup"] + seen["not_acked"]
    cells = [
        f"{NAMES[record['scenario']].format(**seen):<40}",
        *(
            f"{_whole(seen.get(name)):>10}"
            for name in ("accept_per_s", "e2e_per_s", "callback_per_s")
        ),
        *(f"{_tenths(seen.get(name)):>8}" for name in ("e2e_p50_ms", "e2e_p99_ms")),
        f"{sum(cpu.values()):>10.0f}{postgres:>12.0f}",
        f"  {lacking:.0f} lost, twice or refused" if lacking else "",
    ]
    return "".join(cells)


def _is_folded(value: object) -> bool:
    return isinstance(value, dict) and "median" in value


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _tenths(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


if __name__ == "__main__":
    main()
