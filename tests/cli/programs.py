"""The real program, in processes of its own as a user runs it, or in this one."""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onesixty.cli import main
from onesixty.storage import embedded

PROGRAM = (sys.executable, "-P", "-m", "onesixty.cli")
# In memory, if there is room for it; the disk outside a run of tests.
_FOLDERS = os.environ.get("ONESIXTY_TEST_DIRECTORY") or tempfile.gettempdir()
# Compiled once, not at every start.
ENVIRONMENT = {
    name: text
    for name, text in os.environ.items()
    if not name.startswith("ONESIXTY_") and name != "PYTHONDONTWRITEBYTECODE"
} | {"TMPDIR": _FOLDERS}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def onesixty(*arguments: str, **environment: str) -> Ended:
    """Run a command to its end in this process, where nothing is imported anew."""
    out, err = io.StringIO(), io.StringIO()
    before, argv = dict(os.environ), sys.argv
    os.environ.clear()
    os.environ.update(ENVIRONMENT | {"COLUMNS": "240"} | environment)
    sys.argv = ["onesixty", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code: object = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.argv = argv
    assert isinstance(code, int)
    return Ended(code, out.getvalue(), err.getvalue())


def process(*arguments: str, **environment: str) -> Ended:
    """Run a command to its end in a process of its own, as a user does."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Served:
    """A running `onesixty serve` and what it said when it was ready."""

    process: subprocess.Popen[str]
    said: str

    @property
    def url(self) -> str:
        """Where it listens."""
        found = re.search(r"listens on (\S+)", self.said)
        assert found
        return found[1]

    @property
    def keys(self) -> list[str]:
        """The API keys that it showed."""
        return list(dict.fromkeys(re.findall(r"os_live_\w+", self.said)))

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate(timeout=30)


def serve(data_dir: Path, *arguments: str, **environment: str) -> Served:
    """Start a server and wait until it listens."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--data-dir", str(data_dir), *arguments],
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=(data_dir.parent / "serve.log").open("w"),
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    said = ""
    while "Ready." not in said:
        line = process.stdout.readline()
        assert line, (data_dir.parent / "serve.log").read_text()
        said += line
    return Served(process, said)


@contextlib.contextmanager
def data_folder(name: str = "data") -> Iterator[Path]:
    """The name of a data directory that is gone afterwards, with its database wherever it is."""
    folder = Path(tempfile.mkdtemp(prefix="data-", dir=_FOLDERS))
    folder.chmod(0o755)  # the user that PostgreSQL runs as under root must pass
    data_dir = folder / name
    try:
        yield data_dir
    finally:
        if (data_dir / "postgres.lock").exists():
            embedded.discard(embedded.start(data_dir))
        shutil.rmtree(folder)


def postmaster_runs(data_dir: Path) -> bool:
    """Whether the embedded database of a data directory is up."""
    pointer = data_dir / "postgres.location"
    home = Path(pointer.read_text().splitlines()[0]) if pointer.exists() else data_dir
    return (home / "postgres" / "postmaster.pid").exists()
