"""The supervisor: connections spread over its workers, what becomes of one that hangs or fails."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from onesixty.cli.serve.channel import HTTP, SMPP
from onesixty.cli.serve.supervisor import Patience, Supervisor
from onesixty.kit.clock import SystemClock
from onesixty.settings import Settings

START_SECONDS = 60.0
HANGS_SECONDS = 4.0
CONNECTIONS = 8


class Watched:
    """A supervisor that runs, and a way to its port."""

    def __init__(self, url: str, folder: Path, processes: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.smpp = socket.create_server(("127.0.0.1", 0))
        settings = Settings(
            database_url=url, data_dir=folder, secret_key="a" * 32, processes=processes
        )
        patience = Patience(running=HANGS_SECONDS)
        self.supervisor = Supervisor(
            settings, url, {HTTP: self.listener, SMPP: self.smpp}, SystemClock(), patience
        )
        self.ready = asyncio.Event()
        self.task = asyncio.create_task(self.supervisor.run(self.ready.set))

    def pids(self) -> list[int]:
        """The workers that take connections."""
        workers = self.supervisor.workers.values()
        return [one.process.pid for one in workers if one.is_ready and not one.is_leaving]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds; workers tell of themselves every second."""
        async with asyncio.timeout(START_SECONDS):
            while not holds():
                await SystemClock().sleep(0.05)


@pytest.fixture
async def watched(url: str, tmp_path: Path) -> AsyncIterator[Watched]:
    """Two workers on a fresh database."""
    found = Watched(url, tmp_path, 2)
    async with asyncio.timeout(START_SECONDS):
        await found.ready.wait()
    yield found
    found.supervisor.stop()
    found.supervisor.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await found.task
    found.listener.close()
    found.smpp.close()


class Client:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Connect to the server."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self) -> int:
        """Whether it is alive: the status of its answer."""
        self._writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        head = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(len(b'{"status":"ok"}'))
        return int(head.split()[1])

    def close(self) -> None:
        """End it."""
        self._writer.close()


async def customers_are_spread(watched: Watched) -> None:
    """SMPP connections go to the worker that has the fewest of them, however many HTTP has."""
    port = watched.smpp.getsockname()[1]
    links = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    enquiry = bytes.fromhex("00000010000000150000000000000001")
    for reader, writer in links:
        writer.write(enquiry)
        assert (await reader.readexactly(16))[4:8] == bytes.fromhex("80000015")
    assert [worker.loads[1] for worker in watched.supervisor.workers.values()] == [2, 2]
    for _, writer in links:
        writer.close()


async def test_workers_share_the_port(watched: Watched) -> None:
    """Kept connections are spread evenly; a worker that hangs is killed and replaced meanwhile."""
    clients = [await Client.connect(watched.port) for _ in range(CONNECTIONS)]
    assert {await client.ask() for client in clients} == {200}
    loads = [worker.loads[0] for worker in watched.supervisor.workers.values()]
    assert loads == [CONNECTIONS // 2] * 2
    await customers_are_spread(watched)
    for client in clients:
        client.close()
    before = watched.pids()
    os.kill(before[0], signal.SIGSTOP)
    await watched.until(lambda: len(watched.pids()) == 1)
    client = await Client.connect(watched.port)
    assert await client.ask() == 200
    client.close()
    await watched.until(lambda: len(watched.pids()) == 2)
    assert watched.pids()[0] == before[1] or watched.pids()[1] == before[1]
    assert before[0] not in watched.pids()
    watched.supervisor.stop()
    assert await watched.task


async def test_workers_that_cannot_start_end_it(tmp_path: Path) -> None:
    """When no worker can start, the server ends with an error instead of trying for ever."""
    watched = Watched("postgresql://nobody@127.0.0.1:1/nowhere", tmp_path, 1)
    async with asyncio.timeout(START_SECONDS):
        assert not await watched.task
    assert not watched.ready.is_set()
    watched.listener.close()
    watched.smpp.close()
