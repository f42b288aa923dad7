"""What telling a customer costs, from the row of the outbox to the entry in the log:
`python benchmarks/webhooks.py`.

The far side is a process of its own, which answers as soon as it can and is not counted.
"""

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

import uvloop

import _room
from _cpu import Meter
from onesixty.features.webhooks.deliver import Deliverer, DeliverOptions
from onesixty.messages.settle import Settler
from onesixty.records import events, webhooks

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
PAUSE_SECONDS, LONGEST_SECONDS = 0.02, 120


class Sink(asyncio.Protocol):
    """Answers every request; each comes as one piece, which is true of small ones on one host."""

    def connection_made(self, transport: Any) -> None:
        """A connection."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """A request."""
        self.transport.write(ANSWER)


def sink(told: Connection) -> None:
    """Serve until ended; the port goes through the pipe."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


async def work(room: _room.Room, count: int) -> None:
    """Events of sent messages, all due when the deliverer starts."""
    mine, theirs = multiprocessing.Pipe()
    far_side = multiprocessing.get_context("spawn").Process(
        target=sink, args=(theirs,), daemon=True
    )
    far_side.start()
    port = await asyncio.to_thread(mine.recv)
    await _events(room, count, f"http://127.0.0.1:{port}/hooks")
    deliverer = Deliverer(
        room.database, room.keeper, room.sealer, room.clock, room.luck,
        DeliverOptions(allow_private=True),
    )  # fmt: skip
    with Meter([room.postmaster_pid]) as meter:
        began, used = time.perf_counter(), time.process_time()
        deliverer.start()
        deliverer.wake()
        async with asyncio.timeout(LONGEST_SECONDS):
            while await room.database.fetch("SELECT FROM webhook_queue LIMIT 1"):  # noqa: ASYNC110
                await asyncio.sleep(PAUSE_SECONDS)
        seconds, used = time.perf_counter() - began, time.process_time() - used
    await deliverer.stop(1)
    far_side.terminate()
    per = 1e6 / count  # milliseconds for 1,000
    postgres = meter.seconds["postgres"]
    print(
        f"{'one endpoint':<44}{count / seconds:>10,.0f}{used * per:>10.1f}{postgres * per:>12.1f}"
    )


async def _events(room: _room.Room, count: int, url: str) -> None:
    wanted = webhooks.NewEndpoint(url, events.mask(["message.sent"]))
    async with room.database.write() as tx:
        await webhooks.create(tx, room.sealer, room.caller.account_id, wanted, room.clock.now())
    await room.keeper.refresh()
    await room.fill(count)
    settler = Settler(room.database, room.clock, room.luck, room.leases)
    settler.gatherer.start()
    for outcome in room.outcomes:
        settler.put(outcome)
    await settler.gatherer.caught_up()
    await settler.gatherer.stop()


if __name__ == "__main__":
    _room.run(work, __doc__)
