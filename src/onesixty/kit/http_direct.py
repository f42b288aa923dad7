"""The direct way of HTTP: a plain POST goes to a function and back in compiled code.

A `Front` stands before uvicorn's protocol. It reads requests, takes those that have a direct
function, and leaves all others to uvicorn from their headers on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final, NamedTuple

import httptools

Headers = list[tuple[bytes, bytes]]
DIRECT_MOST: Final = 64 * 1024  # octets of a body that is read without back-pressure
# Octets of a head, or of what follows a chunked body; the parser itself would keep any number.
HEAD_MOST: Final = 64 * 1024
# Says that a request is not for the direct way: these change how its body comes.
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_STATUS_LINES: Final = {
    int(one): f"HTTP/1.1 {int(one)} {one.phrase}\r\n".encode() for one in HTTPStatus
}


class Answer(NamedTuple):  # one for each request: made in a third of a frozen dataclass's time
    """What a direct function answers; `headers` beside content-type and content-length."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


Give = Callable[[Answer], None]

# Names of the headers are in lower case. It gives one answer, after it returned, and never raises.
# By a call: a task for each request would cost as much as reading it.
Direct = Callable[[Headers, bytes, Give], None]


class Corked:
    """Keeps what is written during one turn of the event loop and then writes it at once."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether no more can be written."""
        closing: bool = self._transport.is_closing()
        return closing

    def write(self, data: bytes) -> None:
        """Keep it for the end of this turn."""
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def write_whole(self, data: bytes) -> None:
        """Write an answer that is whole, after all that was written before."""
        self._flush()
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close after all that was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            if not self._transport.is_closing():
                self._transport.write(data)


class _Unheard:
    """In place of an event that nobody waits for."""

    def set(self) -> None:
        """Nothing."""


class Cycle:
    """One direct request and its answer; the names are those that uvicorn's protocol looks at."""

    message_event: ClassVar[_Unheard] = _Unheard()

    def __init__(self, respond: Direct, headers: Headers, keep_alive: bool) -> None:
        self.respond, self.headers, self.keep_alive = respond, headers, keep_alive
        self.body = b""
        self.disconnected = self.response_complete = False


class Front:
    """An asyncio.Protocol by its shape, and what the parser of requests calls.

    `slow` is uvicorn's protocol, as kit/http_server.py extends it.
    """

    def __init__(self, slow: Any) -> None:
        self._slow, self._loop = slow, slow.loop
        self._direct: Mapping[bytes, Direct] = {}
        self._transport: Corked | None = None
        self._parser: Any = None
        self._url = b""
        self._headers: Headers = []
        self._cycle: Cycle | None = None  # None: the request is not for the direct way
        self._came_on = False  # whether the head or a piece of the body ended in what came last
        self._unended = 0  # octets that came since

    def connection_made(self, transport: Any) -> None:
        """A connection; its transport is corked from here on."""
        self._direct = getattr(self._slow.config.app, "direct", {})
        self._transport = Corked(transport)
        self._parser = self._slow.parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._slow.connection_made(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self._slow.connection_lost(error)
        self._parser = None

    def eof_received(self) -> None:
        """The client says no more, so the connection ends."""

    def pause_writing(self) -> None:
        """The client does not read."""
        self._slow.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._slow.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Something of a request, or of several."""
        self._slow.idle_since = self._loop.time()
        self._came_on = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._slow.interrupted(error)
            return
        self._unended = 0 if self._came_on else self._unended + len(data)
        if self._unended > HEAD_MOST:
            self._slow.refuse_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The way of a request is decided by its head."""
        self._came_on = True
        respond = self._direct.get(self._url)
        if respond is not None and self._is_plain():
            self._cycle = Cycle(respond, self._headers, self._parser.should_keep_alive())
            self._slow.cycle = self._cycle
        else:
            self._cycle = None
            self._slow.begin(self._url, self._headers)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._came_on = True
        if self._cycle is None:
            self._slow.on_body(body)
        else:
            self._cycle.body += body

    def on_message_complete(self) -> None:
        """The whole request is here."""
        cycle = self._cycle
        if cycle is None:
            self._slow.on_message_complete()
        else:
            cycle.respond(cycle.headers, cycle.body, partial(self._respond, cycle))

    def _is_plain(self) -> bool:
        if self._parser.get_method() != b"POST" or self._parser.get_http_version() != "1.1":
            return False
        before = self._slow.cycle
        if before is not None and not before.response_complete:
            return False  # the one before it is not answered yet
        for name, value in self._headers:
            if name in _NOT_PLAIN or (name == b"content-length" and int(value) > DIRECT_MOST):
                return False
        return True

    def _respond(self, cycle: Cycle, answer: Answer) -> None:
        if cycle.disconnected:
            return
        if self._slow.flow.write_paused:
            self._slow.when_writable(partial(self._respond, cycle, answer))
            return
        parts = [_STATUS_LINES[answer.status]]
        for name, value in (*self._slow.server_state.default_headers, *answer.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (
            b"content-type: ", answer.content_type,
            b"\r\ncontent-length: ", b"%d" % len(answer.body),
            b"\r\n\r\n" if cycle.keep_alive else b"\r\nconnection: close\r\n\r\n",
            answer.body,
        )  # fmt: skip
        transport = self._transport
        assert transport is not None
        transport.write_whole(b"".join(parts))
        cycle.response_complete = True
        if not cycle.keep_alive:
            transport.close()
        self._slow.on_response_complete()
