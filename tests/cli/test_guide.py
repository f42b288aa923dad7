"""The getting-started guide, done as it says: every `bash` block is run, in its order."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onesixty.cli.demo.ports import free_port

from .programs import ENVIRONMENT, data_folder

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "getting-started.md"
OWN_TERMINAL = "# a terminal of its own: "
READY = {"the server": "Ready.", "the carrier": "listens on", "the receiver": ""}
END = "the block is done:"


class Terminals:
    """A shell for the blocks that end, and one for each that runs on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._shell = self._start(["bash"], subprocess.PIPE)
        self._others: dict[str, subprocess.Popen[str]] = {}

    def run(self, block: str) -> str:
        """Run a block in the shell that stays; what it printed."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{block}\necho; echo '{END}' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while not lines or not lines[-1].startswith(END):
            lines.append(self._shell.stdout.readline())
            assert lines[-1], "".join(lines)
        assert lines[-1] == f"{END} 0\n", "".join(lines)
        return "".join(lines[:-1])

    def run_on(self, name: str, block: str) -> str:
        """Start a block that does not end; what it printed until it was ready."""
        other = self._start(["bash", "-c", f"exec {block}"], subprocess.DEVNULL)
        self._others[name] = other
        return self.read(name, READY[name])

    def read(self, name: str, *until: str) -> str:
        """What a running block prints next, up to the line with which all of these were in it."""
        stdout = self._others[name].stdout
        assert stdout
        said = ""
        while not all(one in said for one in until):
            line = stdout.readline()
            assert line, said
            said += line
        return said

    def close(self) -> None:
        """End everything, the last first."""
        for process in reversed([self._shell, *self._others.values()]):
            process.terminate()
            process.communicate(timeout=30)

    def _start(self, command: list[str], stdin: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=ENVIRONMENT | {"PATH": self._path},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def terminals() -> Iterator[Terminals]:
    """Terminals in an empty folder, whose server keeps its data there."""
    with data_folder("onesixty-data") as data_dir:
        opened = Terminals(data_dir.parent)
        yield opened
        opened.close()


def test_it_works_as_it_says(terminals: Terminals, tmp_path: Path) -> None:
    """A reader who does what the guide says gets what it promises, to the last webhook."""
    text = on_free_ports(GUIDE.read_text(encoding="utf-8"))
    (receiver,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    hook = tmp_path / "hook.py"
    hook.write_text(receiver)
    said = ""
    for written in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        block = filled_in(written.replace("hook.py", shlex.quote(str(hook))), said)
        if block.startswith(OWN_TERMINAL):
            title, command = block.removeprefix(OWN_TERMINAL).splitlines()
            said += terminals.run_on(title, command.replace("ONESIXTY_", "env ONESIXTY_", 1))
        else:
            said += terminals.run(block)
    terminals.read("the receiver", "message.sent +14155550127", "message.delivered +14155550127")
    assert '"status":"queued"' in said
    assert '"accepted":2,"refused":1' in said
    assert said.count("delivered\n") >= 2


def filled_in(block: str, said: str) -> str:
    """A block with the secrets that were printed before it, where the guide has dots."""
    for secret in ("os_live_", "whsec_"):
        if f"{secret}..." in block:
            printed = re.findall(rf"{secret}[\w+/=]+", said)
            block = block.replace(f"{secret}...", printed[0])
    return block


def on_free_ports(text: str) -> str:
    """The guide with ports that nobody uses on this machine."""
    for port in ("8160", "2775", "3000"):
        free = str(free_port())
        text = re.sub(rf"\b{port}\b", free, text)
        if port == "8160":
            text = text.replace("onesixty serve\n", f"onesixty serve --port {free}\n")
        if port == "2775":
            text = text.replace(
                "onesixty simulate smsc\n", f"onesixty simulate smsc --port {free}\n"
            )
    return text
