"""The scenarios: each puts load on a gateway, watches the sinks, and tells what it saw."""

import json
import subprocess
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway import FOLDER, Gateway
from sinks import PROGRAMS, Sinks, wait_for

from _cpu import Memory, Meter

Seen = dict[str, Any]
BIND_SECONDS: Final = 30
SLOW_MILLISECONDS: Final = 50
FLOWING_MILLISECONDS: Final = 20
KILL_AFTER: Final = 0.6  # of the load


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests over keep-alive connections: as fast as they are answered, or `rate` a second."""

    count: int
    connections: int = 64
    rate: float = 0.0
    receipts: bool = False
    bulk: int = 1  # recipients in each request
    seconds: float = 180.0  # at most


class Bench:
    """A gateway, the sinks, and how much of everything."""

    def __init__(self, options: Namespace, gateway: Gateway, sinks: Sinks) -> None:
        self.options, self.gateway, self.sinks = options, gateway, sinks
        self._runs = 0
        self._tag = ""

    def forward(self, *, receipts: bool = False, bulk: int = 1) -> Seen:
        """a, b, f: as much as it takes, until the last message, or its receipt, is through."""
        self._warm_up(500)
        roots = self.gateway.processes()
        count = self.options.receipt_count if receipts else self.options.count
        with Meter(roots) as meter, Memory(roots) as memory:
            told = self._load(Load(count=count // bulk, receipts=receipts, bulk=bulk))
            messages = told["acked"] * bulk
            self._until(self._submits, messages)
            if receipts:
                self._until(lambda: self.sinks.callbacks().get("distinct", 0), messages)
        smsc = self.sinks.smsc()
        seen = {"accept_per_s": told["accept_per_s"] * bulk, "e2e_per_s": _rate(smsc)}
        if bulk > 1:
            lost, twice = messages - smsc["distinct_msgs"], smsc["duplicates"]
            seen |= {"bulk": bulk, "lost": lost, "dup": twice} | _failures(told)
        else:
            seen |= self._quality(told)
        if receipts:
            seen |= _returned(self.sinks.callbacks(), smsc, told)
        return seen | _costs(meter, memory, told, messages)

    def latency(self) -> Seen:
        """c: time from the HTTP request to the submit_sm at low load."""
        self._warm_up(200)
        count = int(self.options.rate * self.options.latency_seconds)
        roots = self.gateway.processes()
        with Meter(roots) as meter, Memory(roots) as memory:
            told = self._load(Load(count=count, rate=self.options.rate))
            self._until(self._submits, told["acked"])
        smsc = self.sinks.smsc()
        took = {f"e2e_{name}_ms": smsc[f"lat_{name}_us"] / 1e3 for name in ("p50", "p99", "max")}
        return took | self._quality(told) | _costs(meter, memory, told, told["acked"])

    def slow_smsc(self) -> Seen:
        """e: the SMSC answers late, so the rate shows how much of the window is used."""
        self._warm_up(200)
        self.sinks.ask(f"delay {SLOW_MILLISECONDS}")
        roots = self.gateway.processes()
        try:
            with Meter(roots) as meter, Memory(roots) as memory:
                told = self._load(Load(count=self.options.slow_count))
                self._until(self._submits, told["acked"])
        finally:
            time.sleep(0.3)
            self.sinks.ask("delay 0")
        seen = {"e2e_per_s": _rate(self.sinks.smsc())}
        return seen | self._quality(told) | _costs(meter, memory, told, told["acked"])

    def steady(self, rate: float, seconds: float) -> Seen:
        """Not a scenario by itself: messages with receipts at a rate, until all are told."""
        self.sinks.reset()
        count = int(rate * seconds)
        told = self._load(Load(count=count, rate=rate, receipts=True, seconds=2 * seconds))
        self._until(lambda: self.sinks.callbacks().get("distinct", 0), told["acked"])
        returned = _returned(self.sinks.callbacks(), self.sinks.smsc(), told)
        return {"acked": told["acked"]} | self._quality(told) | returned

    def crash(self, *, flowing: bool, receipts: bool = False) -> Seen:
        """d, g, h: kill -9 with all messages waiting, or with a window of them in flight."""
        self.gateway.stop()
        self.sinks.stop_smsc()
        self.sinks.start_smsc()
        try:
            self.gateway.start()
            self.bound()
            self._warm_up(200)
            if flowing:
                self.sinks.ask(f"delay {FLOWING_MILLISECONDS}")
            else:
                self.sinks.stop_smsc()
                time.sleep(1)
            told, before = self._kill_under_load(flowing, receipts)
            self.gateway.call("restart")
            self.sinks.start_smsc()
            self._until(self._submits, None, self.options.crash_stall)
            got, acknowledged = self.sinks.received(self._tag), self._acknowledged()
            return {
                "acked": len(acknowledged),
                "arrived_of_acked": len(acknowledged & got.keys()),
                "lost": len(acknowledged - got.keys()),
                "dup": sum(copies - 1 for copies in got.values()),
                "arrived_unacked": len(got.keys() - acknowledged),
                "before_kill": before,
            } | _failures(told)
        finally:
            self.gateway.stop()
            self.sinks.start_smsc()

    def bound(self) -> None:
        """Wait until the gateway is bound to the SMSC."""
        if not wait_for(lambda: self.sinks.smsc().get("bound", 0), BIND_SECONDS):
            raise SystemExit("the gateway did not bind to the SMSC")

    def _kill_under_load(self, flowing: bool, receipts: bool) -> tuple[Seen, int]:
        """What the load generator told, and how many messages the SMSC had until the kill."""
        count, rate = self.options.crash_count, self.options.crash_rate
        load = Load(count=count, rate=rate, receipts=receipts, connections=32, seconds=60)
        with subprocess.Popen(self._command(load), stdout=subprocess.PIPE, text=True) as process:
            time.sleep(KILL_AFTER * count / rate)
            self.gateway.call("kill9")
            told: Seen = json.loads(process.communicate()[0])
        before = 0
        if flowing:
            before = self._submits()
            self.sinks.ask("delay 0")
        return told, before

    def _warm_up(self, count: int) -> None:
        self.sinks.reset()
        told = self._load(Load(count=count, connections=8))
        self._until(self._submits, told["acked"])
        time.sleep(0.5)
        self.sinks.reset()

    def _load(self, load: Load) -> Seen:
        done = subprocess.run(self._command(load), check=False, stdout=subprocess.PIPE)
        told: Seen = json.loads(done.stdout)
        return told

    def _command(self, load: Load) -> list[str]:
        info = self.gateway.info
        self._runs += 1
        self._tag = f"r{self._runs}"
        path, data = info.path, info.data
        if load.receipts:
            path, data = info.path_dlr, info.data_dlr
        elif load.bulk > 1:
            path, data = info.path_bulk or path, info.data_bulk or data
        options = {
            "--port": info.port,
            "--method": info.method,
            "--path": path,
            "--data": data,
            "--expect": info.expect,
            "--count": load.count,
            "--conns": load.connections,
            "--rate": load.rate,
            "--bulk": load.bulk,
            "--max-time": load.seconds,
            "--tag": self._tag,
            "--acked": FOLDER / "acked",
        }
        command = [str(PROGRAMS / "hload")]
        for name, value in options.items():
            if value:
                command += [name, str(value)]
        for header in info.headers:
            command += ["-H", header]
        return command

    def _until(self, value: Callable[[], int], wanted: int | None, stall: float = 20.0) -> None:
        """Wait until the value is what is wanted, or has not grown for `stall` seconds."""
        best, grown_at = -1, time.monotonic()
        while time.monotonic() - grown_at < stall:
            now = value()
            if now > best:
                best, grown_at = now, time.monotonic()
            if wanted is not None and now >= wanted:
                return
            time.sleep(0.1)

    def _submits(self) -> int:
        return int(self.sinks.smsc().get("submits", 0))

    def _acknowledged(self) -> set[int]:
        return {int(number) for number in (FOLDER / "acked").read_text().split()}

    def _quality(self, told: Seen) -> Seen:
        """Messages acknowledged over HTTP and never seen by the SMSC, and copies too many."""
        got = self.sinks.received(self._tag)
        lost, twice = len(self._acknowledged() - got.keys()), sum(got.values()) - len(got)
        return {"lost": lost, "dup": twice} | _failures(told)


SCENARIOS: Final[dict[str, Callable[[Bench], Seen]]] = {
    "a": Bench.forward,
    "b": lambda bench: bench.forward(receipts=True),
    "c": Bench.latency,
    "d": lambda bench: bench.crash(flowing=False),
    "e": Bench.slow_smsc,
    "g": lambda bench: bench.crash(flowing=True),
    "h": lambda bench: bench.crash(flowing=True, receipts=True),
}
CRASHES: Final = "dgh"  # these start and stop the gateway themselves


def _rate(smsc: Seen) -> float:
    """Messages a second between the first and the last submit_sm."""
    if smsc["submits"] < 2:
        return 0.0
    seconds: float = (smsc["last_ns"] - smsc["first_ns"]) / 1e9
    return float(smsc["submits"] - 1) / seconds


def _returned(callbacks: Seen, smsc: Seen, told: Seen) -> Seen:
    """The way back; the rate is from the first request to the last callback."""
    seconds = (callbacks["last_ns"] - told["first_ns"]) / 1e9
    return {
        "receipts": smsc["dlr_acked"],
        "callbacks": callbacks["distinct"],
        "callback_requests": callbacks["requests"],
        "callback_per_s": callbacks["distinct"] / seconds if callbacks["distinct"] else 0.0,
    }


def _failures(told: Seen) -> Seen:
    return {"not_acked": told["sent"] - told["acked"], "bad_sample": told["bad_sample"]}


def _costs(meter: Meter, memory: Memory, told: Seen, messages: int) -> Seen:
    per = 1000 / max(messages, 1)
    return {
        "cpu_s_per_1000": sum(meter.seconds.values()) * per,
        "cpu_s_per_1000_of": {name: used * per for name, used in meter.seconds.items()},
        "peak_mb": memory.peak_mb,
        "http_p50_ms": told["p50_us"] / 1e3,
        "http_p99_ms": told["p99_us"] / 1e3,
        "load_cpu_s": told["cpu_s"],
    }
