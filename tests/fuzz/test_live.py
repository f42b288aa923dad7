"""Spoilt PDUs over real sockets, to a server and to a client of ours: only that link suffers."""

import asyncio
import contextlib
import random

import pytest

from onesixty.smpp.pdus import Command
from onesixty.smpp.states import Timers
from smpp.wiring import (
    Esme,
    Fates,
    Raw,
    Smsc,
    Watch,
    bind_to,
    connected,
    serving,
    texts,
)

from .octets import stream

QUICK = Timers(reconnect_min_seconds=0.02, reconnect_max_seconds=0.1)
CONNECTIONS = 60
PDUS = 30


@pytest.mark.parametrize("mode", [None, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER])
async def test_a_server_stays_of_use_to_others(mode: int | None) -> None:
    """Whatever came on other connections, bound or not, a good client is served, all links end."""
    chance, watch = random.Random(mode), Watch()
    smsc, esme = Smsc(watch), Esme(watch)
    fates = Fates(watch)
    async with serving(smsc) as (server, port):
        async with connected(esme, bind_to(port)) as client:
            await watch.until(lambda: client.bound_for_submit)
            await asyncio.gather(*[_pester(port, mode, chance) for _ in range(CONNECTIONS)])
            client.submit(texts("still", "here"), fates)
            await watch.until(lambda: len(fates.answers) == 2)
        async with asyncio.timeout(5):
            while server.links:
                await next(iter(server.links)).lost.wait()


async def _pester(port: int, mode: int | None, chance: random.Random) -> None:
    raw = await Raw.connect(port, mode)
    octets = stream(chance, PDUS)
    with contextlib.suppress(ConnectionError):
        raw.write(octets)
        await raw.writer.drain()
    await raw.close()


async def test_a_client_outlives_a_mad_smsc() -> None:
    """Rubbish behind each bind_resp of one SMSC: the client binds anew, and uses the other."""
    chance, watch = random.Random(1), Watch()
    binds = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal binds
        binds += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readexactly(16)
            answer = bytes.fromhex("0000001080000009") + bytes(4) + head[12:16]
            writer.write(answer + stream(chance, PDUS))
            await writer.drain()
        writer.close()
        watch.ping()

    mad = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = mad.sockets[0].getsockname()[1]
    smsc, esme = Smsc(watch), Esme(watch)
    fates = Fates(watch)
    async with (
        serving(smsc) as (_, good),
        connected(esme, bind_to(port), bind_to(good), timers=QUICK) as client,
    ):
        await watch.until(lambda: binds > 3)
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("after all"), fates)
        await watch.until(lambda: len(fates.answers) == 1)
    mad.close()
