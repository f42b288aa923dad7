"""The direct way of HTTP: one answer for each request, when its client can take it."""

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from onesixty.kit.http_direct import DIRECT_MOST, HEAD_MOST, Answer, Front, Give, Headers
from onesixty.kit.http_server import protocol as protocol_of

REQUEST = b"POST /way HTTP/1.1\r\nhost: x\r\n%bcontent-length: 2\r\n\r\n{}"


class Way:
    """An application with one direct function, which answers when it is told to."""

    def __init__(self) -> None:
        self.direct = {b"/way": self.take}
        self.asked: list[tuple[bytes, Give]] = []

    def take(self, headers: Headers, body: bytes, give: Give) -> None:
        """Keep the request."""
        self.asked.append((body, give))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """All that is not for the direct way."""


class Memory:
    """A transport in memory."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        """Take octets."""
        self.written += data

    def close(self) -> None:
        """Take no more."""
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What uvicorn asks."""
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 5000)}.get(name)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def resume_reading(self) -> None:
        """Nothing."""


Line = tuple[Way, Front, Memory, ServerState]


@pytest.fixture
async def line() -> Line:
    """An application, a connection to it, and what is written to that."""
    way, transport = Way(), Memory()
    config = Config(way, lifespan="off", log_config=None)
    config.load()
    config.app = way
    config.loaded_app = way  # without uvicorn's own middleware
    state = ServerState()
    protocol = protocol_of(config, state, {})
    protocol.connection_made(transport)
    return way, protocol, transport, state


async def test_an_answer_goes_out_when_it_is_given(line: Line) -> None:
    """Nothing before, all of it at once after; then the next request of the connection."""
    way, protocol, transport, _ = line
    for number in (1, 2):
        protocol.data_received(REQUEST % b"")
        assert len(way.asked) == number
        assert transport.written.count(b"HTTP/1.1 202") == number - 1
        way.asked[-1][1](Answer(202, b'{"n":%d}' % number, headers=((b"x-n", b"%d" % number),)))
        assert transport.written.endswith(b'content-length: 7\r\n\r\n{"n":%d}' % number)
        assert b"x-n: %d\r\n" % number in transport.written
    assert not transport.closed


async def test_a_client_that_does_not_read_is_waited_for(line: Line) -> None:
    """While the transport is full nothing is added to it."""
    way, protocol, transport, _ = line
    protocol.data_received(REQUEST % b"")
    protocol.pause_writing()
    way.asked[0][1](Answer(202, b"{}"))
    await asyncio.sleep(0)
    assert transport.written == b""
    protocol.resume_writing()
    for _ in range(3):
        await asyncio.sleep(0)
    assert transport.written.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert transport.written.endswith(b"\r\n\r\n{}")


async def test_a_client_that_left_gets_no_answer(line: Line) -> None:
    """An answer to nobody does no harm."""
    way, protocol, transport, _ = line
    protocol.data_received(REQUEST % b"")
    protocol.connection_lost(None)
    way.asked[0][1](Answer(202, b"{}"))
    assert transport.written == b""


async def test_a_last_request_ends_the_connection(line: Line) -> None:
    """`Connection: close` is honoured and told."""
    way, protocol, transport, _ = line
    protocol.data_received(REQUEST % b"connection: close\r\n")
    way.asked[0][1](Answer(202, b"{}"))
    assert b"\r\nconnection: close\r\n\r\n{}" in transport.written
    assert transport.closed


async def test_a_server_that_stops_answers_first(line: Line) -> None:
    """What was begun is answered, then the connection ends."""
    way, protocol, transport, state = line
    protocol.data_received(REQUEST % b"")
    for connection in state.connections:
        connection.shutdown()
    assert not transport.closed
    way.asked[0][1](Answer(202, b"{}"))
    assert b"connection: close" in transport.written
    assert transport.closed


@pytest.mark.parametrize(
    "begin",
    [
        b"POST /",
        b"POST /way HTTP/1.1\r\nx: ",
        REQUEST % b"" + b"POST /way HTTP/1.1\r\nx: ",
        b"POST /other HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: ",
    ],
)
async def test_headers_without_end_are_refused(line: Line, begin: bytes) -> None:
    """Targets, headers, and headers behind a body have a bound; who passes it is cut off."""
    way, protocol, transport, _ = line
    protocol.data_received(begin)
    fed = 0
    while not transport.closed:
        protocol.data_received(b"a" * 1000)
        fed += 1000
        assert fed <= HEAD_MOST + 1000
    assert fed > HEAD_MOST - len(begin)
    for _, give in way.asked:
        give(Answer(202, b"{}"))
    unanswered = b"transfer-encoding" in begin or len(way.asked)
    assert transport.written.startswith(b"HTTP/1.1 431 ") != bool(unanswered)


async def test_a_body_may_come_in_many_pieces(line: Line) -> None:
    """Only what belongs to no body counts: long bodies and many requests are not cut off."""
    way, protocol, transport, _ = line
    protocol.data_received(b"POST /way HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % DIRECT_MOST)
    for _ in range(DIRECT_MOST // 1024):
        protocol.data_received(b"a" * 1024)
    way.asked[0][1](Answer(202, b"{}"))
    for _ in range(HEAD_MOST // len(REQUEST)):
        protocol.data_received(REQUEST % b"x: 1\r\n")
        way.asked[-1][1](Answer(202, b"{}"))
        for octet in (REQUEST % b"x: 2\r\n")[:20], (REQUEST % b"x: 2\r\n")[20:]:
            protocol.data_received(octet)
        way.asked[-1][1](Answer(202, b"{}"))
    assert not transport.closed
    assert transport.written.count(b"HTTP/1.1 202") == len(way.asked)
