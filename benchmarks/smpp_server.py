"""Customers over SMPP: submits a second that are durable before their answer, and idle binds.

`python benchmarks/smpp_server.py` starts `onesixty serve` on a folder of its own, binds, submits,
and then binds a thousand sessions that do nothing. Messages go to the loopback carrier, so all of
the walk but a carrier's network is in it.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from typing import Any, Final

from _cpu import Meter, footprints
from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Pdu

KEY: Final = "os_live_benchmarkbenchmarkbench"
NAME, PASSWORD = "bench", "secret"
_HEADER: Final = struct.Struct(">IIII")
_TEXT: Final = b"T%020d xxx" + b"x" * 70


class Bind:
    """One session that keeps its window full, and does not decode what it need not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._rest = b""
        self.seconds: list[float] = []  # from submit to answer
        self.refused = 0

    @classmethod
    async def open(cls, port: int) -> "Bind":
        """Connect and bind; RuntimeError when that is refused."""
        one = cls(*await asyncio.open_connection("127.0.0.1", port))
        fields: Any = {"system_id": NAME, "password": PASSWORD, "interface_version": 0x34}
        one._writer.write(encode(Pdu(Command.BIND_TRANSCEIVER, sequence=1, fields=fields)))
        while not (found := await one._answers()):
            continue
        if found[0][0]:
            raise RuntimeError(f"the bind was refused: {found[0][0]:#x}")
        return one

    async def submit(self, count: int, window: int) -> None:
        """Submit so many, with so many open at a time."""
        began: dict[int, float] = {}
        sent = answered = 0
        while answered < count:
            batch = []
            while sent < count and len(began) < window:
                sent += 1
                began[sent + 1] = time.perf_counter()
                batch.append(_submit(sent + 1))
            if batch:
                self._writer.write(b"".join(batch))
            for status, sequence in await self._answers():
                now = time.perf_counter()
                self.seconds.append(now - began.pop(sequence))
                self.refused += bool(status)
                answered += 1

    async def _answers(self) -> list[tuple[int, int]]:
        """Status and sequence number of the responses of one read."""
        data = self._rest + await self._reader.read(65536)
        if not data:
            raise RuntimeError("the server closed the session")
        found, at = [], 0
        while at + 16 <= len(data):
            length, command, status, sequence = _HEADER.unpack_from(data, at)
            if at + length > len(data):
                break
            if command & 0x80000000:
                found.append((status, sequence))
            elif command == Command.ENQUIRE_LINK:
                self._writer.write(_HEADER.pack(16, 0x80000015, 0, sequence))
            at += length
        self._rest = data[at:]
        return found


def _submit(sequence: int) -> bytes:
    text = _TEXT % sequence
    return _TEMPLATE[:12] + sequence.to_bytes(4, "big") + _TEMPLATE[16 : -len(text)] + text


_FIELDS: Final[Any] = {
    "source_addr_ton": 5,
    "source_addr": "Bench",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "447700900123",
    "short_message": _TEXT % 0,
}
_TEMPLATE: Final = encode(replace(Pdu(Command.SUBMIT_SM), fields=_FIELDS))


async def load(port: int, options: argparse.Namespace) -> None:
    """Submit over all binds and print what was seen."""
    binds = [await Bind.open(port) for _ in range(options.binds)]
    each = options.count // options.binds
    await asyncio.gather(*(bind.submit(each // 10, options.window) for bind in binds))  # warm up
    for bind in binds:
        bind.seconds.clear()
    began = time.perf_counter()
    with Meter([options.pid]) as meter:
        await asyncio.gather(*(bind.submit(each, options.window) for bind in binds))
        took = time.perf_counter() - began
    seconds = sorted(second for bind in binds for second in bind.seconds)
    refused = sum(bind.refused for bind in binds)
    print(
        f"{len(seconds):,} submits over {options.binds} binds, window {options.window}:"
        f" {len(seconds) / took:,.0f} a second, answered in {statistics.median(seconds) * 1e3:.1f}"
        f" ms (median), {seconds[int(len(seconds) * 0.99)] * 1e3:.1f} ms (99 %), {refused} refused"
    )
    for name, spent in meter.seconds.items():
        print(f"  {name}: {spent / len(seconds) * 1e6:.0f} ms of CPU for 1,000")


async def idle(port: int, options: argparse.Namespace) -> None:
    """Bind sessions that do nothing, and print what they take."""
    before = sum(one.own_mb for one in footprints([options.pid]).values())
    binds = [await Bind.open(port) for _ in range(options.idle)]
    after = sum(one.own_mb for one in footprints([options.pid]).values())
    print(
        f"{len(binds):,} idle binds: {after - before:,.0f} MB more, {after:,.0f} MB in all,"
        f" {(after - before) / len(binds) * 1e3:,.0f} KB each"
    )


def ask(url: str, path: str, body: dict[str, Any]) -> None:
    """A POST that must succeed."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=10).read()


def main() -> None:
    """Start the server, load it, end it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    add = parser.add_argument
    add("--count", type=int, default=40_000, help="submits [%(default)s]")
    add("--binds", type=int, default=4, help="[%(default)s]")
    add("--window", type=int, default=100, help="open submits of a bind [%(default)s]")
    add("--idle", type=int, default=1000, help="idle binds afterwards [%(default)s]")
    add("--processes", type=int, default=1, help="[%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onesixty-bench-smpp-") as folder:
        command = [sys.executable, "-m", "onesixty.cli", "serve", "--port", "0", "--smpp-port", "0"]
        command += ["--data-dir", folder, "--processes", str(options.processes)]
        environment = {**os.environ, "ONESIXTY_BOOTSTRAP_KEY": KEY, "ONESIXTY_LOG_LEVEL": "error"}
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            told = ""
            while "Ready" not in told:
                line = server.stdout.readline()
                if not line:
                    raise RuntimeError(f"the server did not start: {told}")
                told += line
            options.pid = server.pid
            url = re.search(r"http://\S+:\d+", told)
            port = re.search(r"SMPP to \S+:(\d+)", told)
            assert url, told
            assert port, told
            ask(url[0], "/v1/routes", {"name": "all", "carriers": [{"carrier": "sandbox"}]})
            esme = {"system_id": NAME, "password": PASSWORD, "max_binds": 1000}
            ask(url[0], "/v1/esmes", esme | {"window": options.window})
            asyncio.run(load(int(port[1]), options))
            if options.idle:
                asyncio.run(idle(int(port[1]), options))
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
