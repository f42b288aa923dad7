"""`onesixty serve` in a process of its own, on a data directory that is thrown away."""

import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from onesixty.cli.terminal import Failure
from onesixty.storage import embedded

START_SECONDS: Final = 60.0  # of which PostgreSQL takes most, on a slow disk
STOP_SECONDS: Final = 20.0
LOG_LINES_SHOWN: Final = 15
_URL: Final = re.compile(r"listens on (\S+)")
_KEY: Final = re.compile(r"\bos_live_\w+")


class DemoServer:
    """A running server: where it is, and its first key."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log
        self.url = self.key = ""
        self.exit_code: int | None = None

    async def read_announcement(self) -> None:
        """Wait until the server says where it listens, and its key; raises Failure."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                while not self.key:
                    line = (await self._process.stdout.readline()).decode()
                    if not line:
                        raise Failure("the server did not start")
                    if found := _URL.search(line):
                        self.url = found[1]
                    elif found := _KEY.search(line):
                        self.key = found[0]
        except TimeoutError:
            raise Failure("the server did not start") from None

    async def stop(self) -> None:
        """Ask it to stop, and wait for its end; kill it if it does not come."""
        if self.exit_code is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            await self._process.communicate()
        self.exit_code = self._process.returncode

    def errors(self) -> list[str]:
        """The errors in its log."""
        return [line for line in self._log.read_text().splitlines() if "[error" in line]

    def faults(self) -> list[str]:
        """What is wrong with how it ran, in words."""
        found = [f"the server logged: {line}" for line in self.errors()]
        if self.exit_code:
            found.append(f"the server ended with {self.exit_code}:\n{self.end_of_log()}")
        return found

    def end_of_log(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text().splitlines()[-LOG_LINES_SHOWN:])


@contextlib.asynccontextmanager
async def running(
    port: int = 0, settings: Mapping[str, str] | None = None
) -> AsyncIterator[DemoServer]:
    """A fresh server; gone afterwards, with all its data. `settings` as in the environment."""
    folder = Path(tempfile.mkdtemp(prefix="onesixty-demo-"))
    data_dir = folder / "data"
    try:
        server = await _start(folder, data_dir, port, settings or {})
        try:
            await server.read_announcement()
            yield server
        except Failure as failure:
            raise Failure(
                f"{failure}\nthe end of the server's log:\n{server.end_of_log()}"
            ) from None
        finally:
            await server.stop()
    finally:
        if data_dir.exists():
            embedded.discard(embedded.start(data_dir))
        shutil.rmtree(folder)


async def _start(
    folder: Path, data_dir: Path, port: int, settings: Mapping[str, str]
) -> DemoServer:
    # Settings of the caller's own server must not reach the demo's.
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("ONESIXTY_")
    }
    environment["ONESIXTY_ALLOW_PRIVATE_URLS"] = "true"  # the webhook receiver is on this machine
    environment |= settings
    arguments = ("serve", "--port", str(port), "--data-dir", str(data_dir))
    log = folder / "serve.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "onesixty.cli", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us: we stop it in order
        )
    return DemoServer(process, log)
