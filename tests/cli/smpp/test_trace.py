"""`onesixty smpp trace`: the sessions of a running server, on the terminal and in a file."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import KEY
from cli.programs import ENVIRONMENT, PROGRAM, Served, onesixty
from onesixty.cli import client
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults
from onesixty.simulator.smsc import Smsc

from .centre import run

PATIENCE_SECONDS = 20


@pytest.fixture
async def smsc(served: Served) -> AsyncIterator[Smsc]:
    """A simulated SMSC that the shared server is bound to as the carrier "traced"."""
    clock = SystemClock()
    smsc = Smsc(parse_faults(()), clock=clock, chance=chance(1))
    port = await smsc.start(port=0)
    settings = {"host": "127.0.0.1", "port": port, "system_id": "me", "password": "secret"}
    async with client.connect(served.url, KEY) as api:
        await api.post("/v1/carriers", {"name": "traced", "kind": "smpp", "settings": settings})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await api.get("/v1/carriers/traced"))["state"]["status"] != "up":
                await clock.sleep(0.05)
        yield smsc
        await api.ask("DELETE", "/v1/carriers/traced")
    await smsc.stop()


async def test_a_trace_in_lines_and_packets(
    smsc: Smsc, reach: dict[str, str], tmp_path: Path
) -> None:
    """The bind is there without its password; the file begins as pcap files do."""
    shown = await run("smpp", "trace", "traced", **reach)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert " --  opened: 127.0.0.1:" in lines[0]
    assert " ->  bind_transceiver 1 as me version 0x34" in lines[1]
    assert " <-  bind_transceiver_resp 1 ESME_ROK by ONESIXTY version 0x34" in lines[2]
    whole = await run("smpp", "trace", "traced", "--json", "--show-text", **reach)
    told: list[dict[str, Any]] = [json.loads(line) for line in whole.stdout.splitlines()]
    assert told[1]["fields"]["password"] == "******"
    file = tmp_path / "trace.pcap"
    written = await run("smpp", "trace", "traced", "--pcap", str(file), **reach)
    assert "PDUs written to" in written.stderr
    assert file.read_bytes()[:4] == bytes.fromhex("d4c3b2a1")
    assert b"secret" not in file.read_bytes()


async def test_following(smsc: Smsc, reach: dict[str, str]) -> None:
    """What comes while somebody looks is shown as it comes, once."""
    following = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "smpp", "trace", "traced", "--follow", "--show-text"),
        env=ENVIRONMENT | reach,
        stdout=subprocess.PIPE,
    )
    assert following.stdout
    seen = ""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "bind_transceiver_resp" not in seen:
            seen += (await following.stdout.readline()).decode()
        smsc.receive_from("+447700900123", "+14155550100", "Zoë")
        while "deliver_sm_resp" not in seen:
            seen += (await following.stdout.readline()).decode()
        following.terminate()
        rest = await following.stdout.read()
    assert seen.count("bind_transceiver ") == 1
    assert "447700900123 > 14155550100" in seen
    assert "'Zoë'" in seen
    assert rest == b""
    assert await following.wait() == 0


async def test_a_carrier_on_file_can_be_probed(smsc: Smsc, reach: dict[str, str]) -> None:
    """Its settings come from the server, the password does not; its own bind is left alone."""
    environment = reach | {"ONESIXTY_SMPP_PASSWORD": "secret"}
    done = await run("smpp", "probe", "traced", **environment)
    assert done.returncode == 0, done.stdout
    assert "transceiver 3.4  accepted in" in done.stdout
    sandbox = await run("smpp", "send", "--carrier", "sandbox", "--to", "1", "x", **environment)
    assert "sandbox is a carrier of the kind loopback" in sandbox.stderr


def test_wrong_use_is_said(reach: dict[str, str]) -> None:
    """Neither carrier nor customer, who is not there, and a carrier without sessions."""
    for arguments, exit_code, told in (
        ((), 2, "name a carrier"),
        (("none",), 1, "there is no carrier none"),
        (("--esme", "none"), 1, "there is no ESME none"),
        (("sandbox",), 0, "nothing is kept"),
    ):
        ended = onesixty("smpp", "trace", *arguments, **reach)
        assert ended.returncode == exit_code
        assert told in ended.stderr
