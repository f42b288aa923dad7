"""The far sides of a gateway: an SMSC that counts and times, and an HTTP server for callbacks."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

PROGRAMS: Final = Path(__file__).resolve().parents[2] / "build" / "bench"
# Other ports let two runs share a machine, for trying only: what they measure is worth nothing.
SMSC_PORT: Final = int(os.environ.get("SMSC_PORT", "21775"))
STATISTICS_PORT: Final = SMSC_PORT + 1
CALLBACK_PORT: Final = int(os.environ.get("CB_PORT", "21780"))
START_SECONDS: Final = 5


class Sinks:
    """Both sinks. They end by themselves when this process ends, however it does."""

    def __init__(self, receipt_delay_milliseconds: int) -> None:
        self._delay = receipt_delay_milliseconds
        self._smsc: subprocess.Popen[bytes] | None = None
        self._callbacks: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start both and wait until they answer."""
        self.start_smsc()
        self._callbacks = _start("http_sink", "--port", CALLBACK_PORT)
        _ready("http_sink", self.callbacks)

    def stop(self) -> None:
        """End both."""
        self.stop_smsc()
        if self._callbacks:
            _end(self._callbacks)
            self._callbacks = None

    def start_smsc(self) -> None:
        """Start the SMSC if it is not there."""
        if self._smsc is None:
            ports = ("--port", SMSC_PORT, "--stats-port", STATISTICS_PORT)
            self._smsc = _start("smsc_sink", *ports, "--dlr", "--dlr-delay-ms", self._delay)
            _ready("smsc_sink", self.smsc)

    def stop_smsc(self) -> None:
        """End the SMSC, with every connection."""
        if self._smsc:
            _end(self._smsc)
            self._smsc = None

    def ask(self, line: str) -> bytes:
        """The SMSC's answer to a command; see the top of smsc_sink.c."""
        with socket.create_connection(("127.0.0.1", STATISTICS_PORT), START_SECONDS) as connection:
            connection.sendall(line.encode() + b"\n")
            answer = b""
            while part := connection.recv(1 << 16):
                answer += part
        return answer

    def smsc(self) -> dict[str, Any]:
        """What the SMSC counted; empty while it is away."""
        try:
            counted: dict[str, Any] = json.loads(self.ask("stats"))
        except OSError:
            return {}
        return counted

    def callbacks(self, what: str = "__stats") -> dict[str, Any]:
        """What the callback server counted; empty while it is away."""
        try:
            with urlopen(f"http://127.0.0.1:{CALLBACK_PORT}/{what}", timeout=5) as answer:
                counted: dict[str, Any] = json.load(answer)
        except OSError:
            return {}
        return counted

    def reset(self) -> None:
        """Count from zero."""
        self.ask("reset")
        self.callbacks("__reset")

    def received(self, tag: str) -> dict[int, int]:
        """Copies of each message with this tag that reached the SMSC, by number of its request."""
        wanted = re.compile(rb"^(\d+)\tT\d+;" + tag.encode() + rb"-(\d+) ", re.MULTILINE)
        copies: dict[int, int] = {}
        for count, number in wanted.findall(self.ask("dump")):
            copies[int(number)] = copies.get(int(number), 0) + int(count)
        return copies


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    """Look every 100 ms until it holds; False when it did not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([PROGRAMS / program, *map(str, arguments)])


def _ready(program: str, answer: Callable[[], object]) -> None:
    if not wait_for(answer, START_SECONDS):
        raise SystemExit(f"{program} does not answer: is its port taken?")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
