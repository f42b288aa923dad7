"""Nonsense at the SMPP ports while traffic flows: nobody is harmed by it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from onesixty.kit.chance import chance

from .platform import Walk, until
from .traffic import all_ended, handsets, send_all, taken

HEADER = struct.Struct(">IIII")
BIND = HEADER.pack(16 + 7, 9, 0, 1) + b"\0" * 7
NONSENSE = {
    "http": b"GET / HTTP/1.1\r\nHost: smsc\r\n\r\n",
    "noise": chance(7).randbytes(100_000),
    "zeros": b"\0" * 100_000,
    "half a PDU": BIND[:-3],
    "half a header": BIND[:5],
    "absurd length": HEADER.pack(0xFFFFFFFF, 4, 0, 1) + b"x" * 1000,
    "length below a header": HEADER.pack(3, 4, 0, 1),
    "long and never ending": HEADER.pack(60_000, 4, 0, 1) + b"x" * 59_000,
    "unknown commands": b"".join(HEADER.pack(16, n * 7919, 0, n) for n in range(1, 2000)),
    "submit before bind": HEADER.pack(16, 4, 0, 1) * 100,
    "binds without end": BIND * 500,
    "answers to nothing": HEADER.pack(16, 0x80000004, 0, 99) * 500,
}


async def throw(port: int, octets: bytes) -> None:
    """Send it and leave without a word, whatever the other side thinks of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        await writer.drain()
        writer.transport.abort()
        await reader.read()
    except ConnectionError:
        pass


async def test_nonsense_at_the_smsc(walk: Walk) -> None:
    """While nonsense of every kind comes in at the SMSC, every message passes, and once."""

    async def keep_throwing() -> None:
        await asyncio.gather(*[throw(walk.smsc.port, octets) for octets in NONSENSE.values()] * 3)

    throwing = asyncio.create_task(keep_throwing())
    messages = await send_all(walk, 200)
    assert await all_ended(walk, messages) == {"delivered": 200}
    assert taken(walk.smsc) == dict.fromkeys(handsets(200), 1)
    await throwing
    assert (await walk.get("/v1/carriers/acme"))["state"]["status"] == "up"


@asynccontextmanager
async def talking(octets: bytes) -> AsyncIterator[int]:
    """A server that says this to whoever connects, over and over; gives its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("kind", ["http", "noise", "absurd length", "half a PDU"])
async def test_a_carrier_that_talks_nonsense(walk: Walk, kind: str) -> None:
    """A carrier whose SMSC talks nonsense stays down and says why; the others go on."""
    async with talking(NONSENSE[kind]) as port:
        settings = {"host": "127.0.0.1", "port": port, "system_id": "x"}
        body = {"name": "odd", "kind": "smpp", "settings": settings}
        await walk.post("/v1/carriers", body)
        await walk.route("first", "odd", "acme", position=0)

        async def is_tried() -> bool:
            state = (await walk.get("/v1/carriers/odd"))["state"]
            return bool(state["status"] == "down" and state["binds"])

        await until(is_tried)
        messages = await send_all(walk, 20)
        assert await all_ended(walk, messages) == {"delivered": 20}
        tested = await walk.post("/v1/carriers/odd/test")
        assert tested["ok"] is False
        assert tested["detail"]
