#!/usr/bin/env python3
"""Markdown tables of what run.py recorded: `tables.py records.jsonl...`."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

Record = dict[str, Any]

_LOSS: Final = {"lost": "lost", "dup": "dup"}
_QUALITY: Final = {"not_acked": "not accepted", **_LOSS}
_COSTS: Final = {"cpu_s_per_1000": "CPU s/1,000", "peak_mb": "peak MB"}
_FLOW: Final = {"accept_per_s": "accepted/s", "e2e_per_s": "to the SMSC/s"}
_CRASH: Final = {"acked": "acknowledged", "arrived_of_acked": "of these arrived", **_LOSS}
TABLES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "a": (
        "Single requests, no receipts",
        {**_FLOW, **_QUALITY, **_COSTS, "http_p50_ms": "HTTP p50 ms", "http_p99_ms": "HTTP p99 ms"},
    ),
    "b": (
        "With receipts and callbacks",
        {
            **_FLOW,
            "callback_per_s": "until the last callback/s",
            "callbacks": "callbacks",
            **_QUALITY,
            **_COSTS,
        },
    ),
    "c": (
        "Latency at 50 messages/s",
        {
            "e2e_p50_ms": "to the SMSC p50 ms",
            "e2e_p99_ms": "p99 ms",
            "e2e_max_ms": "max ms",
            "http_p50_ms": "HTTP p50 ms",
            "http_p99_ms": "p99 ms",
            "cpu_s_per_1000": "CPU s/1,000",
        },
    ),
    "d": ("kill -9 while the SMSC is away", _CRASH),
    "e": ("The SMSC answers after 50 ms", {"e2e_per_s": "to the SMSC/s", **_QUALITY}),
    "f": ("Many recipients in one request", {"bulk": "recipients", **_FLOW, **_QUALITY, **_COSTS}),
    "g": ("kill -9 with messages in flight to an SMSC that answers after 20 ms", _CRASH),
    "h": ("As g, each message with a receipt", _CRASH),
}


def main() -> None:
    """Print the tables of the files named on the command line."""
    lines = (line for name in sys.argv[1:] for line in Path(name).read_text().splitlines())
    print(markdown(map(json.loads, lines)))


def markdown(records: Iterable[Record]) -> str:
    """One table for each scenario, one line for each record: median (least-most)."""
    records, tables = list(records), []
    for key, (title, columns) in TABLES.items():
        mine = [record for record in records if record["scenario"] == key]
        if mine:
            rows = [["gateway", *columns.values()], ["---"] * (len(columns) + 1)]
            rows += [[_name(one), *(_cell(one.get(column)) for column in columns)] for one in mine]
            table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
            tables.append(f"### {key}. {title}\n\n{table}\n")
    return "\n".join(tables)


def _name(record: Record) -> str:
    return f"{record['gateway']} {record['variant']}".strip()


def _cell(folded: Any) -> str:
    if folded is None:
        return ""
    if folded["least"] == folded["most"]:
        return _number(folded["median"])
    return f"{_number(folded['median'])} ({_number(folded['least'])}-{_number(folded['most'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    main()
