"""What HTTP itself costs a small request, without our own work: `python benchmarks/http_server.py`.

Request and answer pass through a transport in memory, so no system call is in it. Times are of the
processor, the shortest of many runs in turns.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import uvloop
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from onesixty.kit.http_direct import Answer, Give, Headers
from onesixty.kit.http_server import protocol as ours

PATH: Final = "/v1/messages"
BODY: Final = b'{"to":"+447700900123","from":"ACME","body":"Your parcel arrives tomorrow"}'
ANSWER: Final = b'{"id":"msg_01h455vb4pex5vsknk084sn02q","object":"message","status":"queued"}'
REQUEST: Final = (
    b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:8016\r\nUser-Agent: load/1\r\n"
    b"Authorization: Bearer sk_live_0123456789abcdefghijklmnop\r\n"
    b"Content-Type: application/json\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%b"
) % (len(BODY), BODY)
RUNS: Final = 50


class Plain:
    """An ASGI application that reads the request and gives an answer that is ready."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWER})


class Direct(Plain):
    """The same with a direct way to it."""

    def __init__(self) -> None:
        self.direct = {PATH.encode(): self.take}

    def take(self, headers: Headers, body: bytes, give: Give) -> None:
        """One request."""
        asyncio.get_running_loop().call_soon(give, Answer(202, ANSWER))


class Memory:
    """A transport that counts the writes, and wakes who waits when an answer is whole."""

    def __init__(self) -> None:
        self.written, self.answered = b"", asyncio.Event()

    def write(self, data: bytes) -> None:
        """Take octets of an answer."""
        self.written += data
        if self.written.endswith(ANSWER):
            self.answered.set()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What uvicorn asks."""
        return {"sockname": ("127.0.0.1", 8016), "peername": ("127.0.0.1", 50000)}.get(name)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def pause_reading(self) -> None:
        """Nothing."""

    resume_reading = close = pause_reading


WAYS: Final = (
    ("uvicorn as it is", HttpToolsProtocol, Plain()),
    ("ours, over ASGI", ours, Plain()),
    ("ours, the direct way", ours, Direct()),
)


async def measure(count: int) -> None:
    """Print microseconds of a request for each way."""
    connections = [connected(protocol, app) for _, protocol, app in WAYS]
    times = [float("inf")] * len(WAYS)
    for _ in range(RUNS):
        for number, (protocol, memory) in enumerate(connections):
            began = time.process_time_ns()
            await ask(protocol, memory, count)
            times[number] = min(times[number], (time.process_time_ns() - began) / count)
    for (name, _, _), taken in zip(WAYS, times, strict=True):
        print(f"{name:<44}{taken / 1000:>8.1f} µs of CPU a request")


def connected(kind: Callable[..., Any], app: Plain) -> tuple[Any, Memory]:
    """A connection of one of the ways."""
    config = Config(app, access_log=False, server_header=False, lifespan="off")
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Mon, 23 Nov 2026 04:00:00 GMT")]
    protocol, memory = kind(config, state, {}), Memory()
    protocol.connection_made(memory)
    return protocol, memory


async def ask(protocol: Any, memory: Memory, count: int) -> None:
    """That many requests, one after the other."""
    for _ in range(count):
        memory.written = b""
        memory.answered.clear()
        protocol.data_received(REQUEST)
        await memory.answered.wait()
        assert memory.written.startswith(b"HTTP/1.1 202 ")


def main() -> None:
    """Measure on uvloop, as the server runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="requests a run [%(default)s]")
    uvloop.run(measure(parser.parse_args().count))


if __name__ == "__main__":
    main()
