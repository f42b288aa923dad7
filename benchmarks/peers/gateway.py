"""A gateway under test, driven by the shell script of its name."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sinks import CALLBACK_PORT, SMSC_PORT

HERE: Final = Path(__file__).resolve().parent
# Everything that a run writes.
FOLDER: Final = Path(os.environ.get("BENCH_TMP") or Path(tempfile.gettempdir()) / "onesixty-bench")


def prepare() -> None:
    """Make the folder and the C programs; from now on SIGTERM ends the run as Ctrl-C does."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run(["make", "-s", "-C", str(HERE)], check=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # everything is stopped on the way out


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """How to ask this gateway to send; the templates are those of hload.c."""

    name: str
    version: str
    port: int
    path: str
    path_dlr: str
    variant: str = ""
    method: str = "GET"
    headers: tuple[str, ...] = ()
    expect: str = ""  # texts of which a good answer has one, with | between them
    data: str = ""
    data_dlr: str = ""
    bulk: tuple[int, ...] = ()  # recipients in one request
    path_bulk: str = ""
    data_bulk: str = ""


class Gateway:
    """Starts, stops and kills it. Raises SystemExit when the driver fails."""

    def __init__(self, name: str, variant: str) -> None:
        self._script = HERE / f"{name}.sh"
        self._environment = {
            **os.environ,
            "BENCH_TMP": str(FOLDER),
            "SMSC_PORT": str(SMSC_PORT),
            "CB_PORT": str(CALLBACK_PORT),
            "VARIANT": variant,
        }
        self._up = False
        self.call("setup")
        self.info = Info(**json.loads(self.call("info")))

    def call(self, command: str) -> str:
        """Run one command of the driver; returns what it prints."""
        done = subprocess.run(
            [self._script, command],
            check=False,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{self._script.name} {command} failed")
        return done.stdout

    def start(self) -> None:
        """Start it with nothing in it, unless it is up."""
        if not self._up:
            self._up = True
            self.call("start")

    def stop(self) -> None:
        """Stop it, and forget what is in it."""
        if self._up:
            self._up = False
            self.call("stop")

    def processes(self) -> list[int]:
        """Those whose CPU and memory count, with brokers and databases; their children do too."""
        return [int(pid) for pid in self.call("pids").split()]
