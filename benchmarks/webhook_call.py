"""What one webhook call costs over a kept connection: `python benchmarks/webhook_call.py`.

Request and answer pass through a transport in memory, so no system call is in it; `webhooks.py`
measures the whole. Times are of the processor, the shortest of many runs.
"""

import asyncio
import time
from typing import Any, Final

import uvloop

from onesixty.features.webhooks.client import Client, Place
from onesixty.features.webhooks.connection import Answer, Connection
from onesixty.kit.clock import SystemClock

ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Mon, 23 Nov 2026 04:00:00 GMT\r\n"
    b"Content-Length: 2\r\n\r\nok"
)
HEADERS: Final = b"webhook-id: evt_01h455vb4pex5vsknk084sn02q\r\nwebhook-timestamp: 1795407600\r\n"
BODY: Final = b"x" * 900
RUNS: Final = 60
CALLS: Final = 500


class Memory:
    """A transport whose far side answers at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._loop = connection, asyncio.get_running_loop()
        connection.connection_made(self)

    def write(self, data: bytes) -> None:
        """A request."""
        self._loop.call_soon(self._connection.data_received, ANSWER)

    def abort(self) -> None:
        """Nothing."""


class Calls:
    """So many calls, one after the other."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client, self._place, self._left = client, place, CALLS
        self.done = asyncio.Event()

    def next(self) -> None:
        """Begin one."""
        self._client.post(self._place, HEADERS, BODY, self.answered)

    def answered(self, answer: Answer) -> None:
        """One is back; the next begins in the next turn, as claimed rows do."""
        assert answer.status == 200
        self._left -= 1
        if self._left:
            asyncio.get_running_loop().call_soon(self.next)
        else:
            self.done.set()


async def measure() -> None:
    """Print microseconds of a call."""
    client, place = _connected()
    fastest = float("inf")
    for _ in range(RUNS):
        calls = Calls(client, place)
        began = time.process_time_ns()
        calls.next()
        await calls.done.wait()
        fastest = min(fastest, (time.process_time_ns() - began) / 1000 / CALLS)
    print(f"{'a call over a kept connection':<44}{fastest:>8.1f} µs of CPU")
    await client.close()


def _connected() -> tuple[Client, Place]:
    client: Any = Client(SystemClock(), allow_private=True, seconds=15)
    place, connection = Place.of("http://127.0.0.1:9/hooks"), Connection(client)
    Memory(connection)
    client._idle[place.key] = connection.home = [connection]
    return client, place


if __name__ == "__main__":
    uvloop.run(measure())
