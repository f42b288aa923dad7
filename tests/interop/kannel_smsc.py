"""Kannel's `drive_smpp` as the SMSC: it delivers numbered messages and takes what we submit.

It knows a transmitter and a receiver, texts without a header, and no receipts. Its real purpose is
to drive Kannel's own bearerbox, for whose boxes it looks at a port that cannot be changed.
"""

import asyncio
import contextlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from onesixty.cli.demo.ports import free_port

from .live import Live, MissingPeerError, live, until

PROGRAM: Final = Path("/usr/lib/kannel/test/drive_smpp")
INSTALLED: Final = os.access(PROGRAM, os.X_OK)
_BOXES_PORT: Final = 13_001
_CONF: Final = """
group = core
admin-port = 13000
admin-password = interop
smsbox-port = 13001

group = smsc
smsc = smpp
smsc-id = smpp
host = 127.0.0.1
port = {port}
system-type = VMA
address-range = ""
smsc-username = esme
smsc-password = interop

group = smsbox
bearerbox-host = 127.0.0.1
"""
_TAKEN: Final = re.compile(r"submit_sm: short_message = <(.*)>")


async def kannel_smsc(count: int) -> list[str]:
    """So many messages each way; what differs."""
    if not INSTALLED:
        raise MissingPeerError(str(PROGRAM))
    port = free_port()
    async with live() as server, _driven(port, count) as log:
        await server.carrier("kannel", port, bind="transmitter_receiver", window=50)
        # Both ways at once: it delivers at most 500 more than it has taken.
        wrong = await _outbound(server, log, count)
        arrived = Counter(one["body"] for one in await server.received(count))
        given = Counter(str(number) for number in range(1, count + 1))
        differences = [f"in {text}: {more} too many" for text, more in (arrived - given).items()]
        differences += [f"in {text}: never came" for text in given - arrived]
        return differences + wrong


async def _outbound(server: Live, log: Path, count: int) -> list[str]:
    texts = {f"+4917{place:08d}": f"message {place}, at last" for place in range(count)}
    await server.send([{"to": to, "from": "Shop", "body": text} for to, text in texts.items()])

    async def are_they() -> bool:
        return len(_taken(log)) >= count

    async def sent() -> bool:
        found = await server.messages("outbound")
        return len(found) == count and all(one["status"] == "sent" for one in found)

    await until(are_they)
    await until(sent)
    taken, given = Counter(_taken(log)), Counter(texts.values())
    wrong = [f"out {text}: {more} too many" for text, more in (taken - given).items()]
    return wrong + [f"out {text}: never came" for text in given - taken]


def _taken(log: Path) -> list[str]:
    """The texts that it has taken."""
    return _TAKEN.findall(log.read_text())


@contextlib.asynccontextmanager
async def _driven(port: int, count: int) -> AsyncIterator[Path]:
    """It runs, and writes this file."""
    try:
        boxes = await asyncio.start_server(lambda _, __: None, "127.0.0.1", _BOXES_PORT)
    except OSError:
        raise MissingPeerError(f"the port {_BOXES_PORT}, which is taken,") from None
    with tempfile.TemporaryDirectory(prefix="onesixty-kannel-") as folder:
        conf, log = Path(folder) / "conf", Path(folder) / "log"
        conf.write_text(_CONF.format(port=port))
        options = "-v", "0", "-l", str(log), "-p", str(port), "-m", str(count), "-c", str(conf)
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            yield log
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            boxes.close()
