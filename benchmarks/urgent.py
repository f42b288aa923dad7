"""How soon a code leaves behind a campaign: `python benchmarks/urgent.py`.

Queues a million marketing messages that are due behind each of two slow carriers: one that is given
200 messages a second, and one whose SMSC answers so late that no more go. Then sends codes one by
one and measures the time from each HTTP request to its submit_sm. Exits with 1 when one takes
longer than a second. Needs what `peers/run.py` needs.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).resolve().parent / "peers"))

from gateway import FOLDER, Gateway, prepare
from sinks import SMSC_PORT, Sinks, wait_for

from _waiting import Client, wait_in_queue
from onesixty.storage import embedded

LIMIT_SECONDS: Final = 1.0
PER_SECOND: Final = 200
WINDOW: Final = 10
ANSWER_MILLISECONDS: Final = 50  # WINDOW of them at a time: as many a second as PER_SECOND
CARRIERS: Final[dict[str, dict[str, Any]]] = {
    "rated": {"settings": {"window": 1000}, "rate_per_second": PER_SECOND},
    "slow": {"settings": {"window": WINDOW}},
}
FLOWING_SECONDS: Final = 5  # of the campaign, before the first code
PATIENCE_SECONDS: Final = 60


def main() -> None:
    """Queue, send codes, judge."""
    options = _options()
    prepare()
    sinks, gateway = Sinks(receipt_delay_milliseconds=500), Gateway("onesixty", "urgent")
    try:
        sinks.start()
        sinks.ask(f"delay {ANSWER_MILLISECONDS}")
        gateway.start()
        client = Client(gateway.info.port, gateway.info.headers)
        _provide(client)
        server = embedded.start(FOLDER / "onesixty-urgent" / "data")
        for name in CARRIERS:
            wait_in_queue(server.url, name, options.messages, lambda place: None)
        print(f"{options.messages:,} messages wait behind each carrier", flush=True)
        met = [_measure(options, sinks, client, name) for name in CARRIERS]
    finally:
        gateway.stop()
        sinks.stop()
    sys.exit(not all(met))


def _provide(client: Client) -> None:
    smsc = {"host": "127.0.0.1", "port": SMSC_PORT, "password": "bench", "receipts": False}
    for name, carrier in CARRIERS.items():
        settings = {**smsc, "system_id": name, **carrier["settings"]}
        client.post("/v1/carriers", {"name": name, "kind": "smpp", **carrier, "settings": settings})
        route = {"match": {"sender": name}, "carriers": [{"carrier": name}]}
        client.post("/v1/routes", {"name": name, **route})


def _measure(options: argparse.Namespace, sinks: Sinks, client: Client, name: str) -> bool:
    """Send the codes over one carrier; whether each was in time."""
    sinks.reset()
    time.sleep(FLOWING_SECONDS)
    flowing = sinks.smsc()["submits"] / FLOWING_SECONDS
    for number in range(options.codes):
        body = {
            "from": name,
            "to": f"+447701{number:06d}",
            "body": f"T{time.monotonic_ns()};code-{number} ",
            "category": "otp",
        }
        client.post("/v1/messages", body)
        time.sleep(options.seconds / options.codes)
    wait_for(lambda: sinks.smsc()["lat_n"] >= options.codes, PATIENCE_SECONDS)
    seen = sinks.smsc()
    missing = options.codes - seen["lat_n"]
    met = not missing and bool(seen["lat_max_us"] < LIMIT_SECONDS * 1e6)
    typical, longest = (seen[f"lat_{which}_us"] / 1e3 for which in ("p50", "max"))
    print(
        f"{name}: {options.codes} codes, {missing} not sent, p50 {typical:,.0f} ms,"
        f" max {longest:,.0f} ms, goal {'met' if met else 'MISSED'}: at most"
        f" {LIMIT_SECONDS * 1e3:,.0f} ms; both carriers took {flowing:,.0f} messages a second",
        flush=True,
    )
    return met


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    add = parser.add_argument
    add("--messages", type=int, default=1_000_000, help="behind each carrier [%(default)s]")
    add("--codes", type=int, default=50, help="over each carrier [%(default)s]")
    add("--seconds", type=float, default=30, help="in which they are sent [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
