"""uvicorn's HTTP protocol, cheaper for small answers, and with a direct way to hot functions.

- One write for a whole answer: at thousands of small answers a second the second system call would
  be the largest single cost of the HTTP server.
- The application may name functions for POSTs to some targets (`direct`): these are called with
  headers and body as they came, without ASGI between. It halves what HTTP costs a small one. All
  that is not plain (long or chunked bodies, `Expect`, pipelining, HTTP/1.0) goes the usual way,
  so the application answers these targets there too.
- One timer a connection watches its idleness, not one a request.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_log = structlog.get_logger()
Headers = list[tuple[bytes, bytes]]
DIRECT_MOST: Final = 64 * 1024  # octets of a body that is read without back-pressure
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


class _Corked:
    """Keeps what is written during one turn of the event loop and then writes it at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

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


class _Cycle:
    """One direct request and its answer; the names are those that uvicorn's protocol looks at."""

    __slots__ = ("body", "disconnected", "headers", "keep_alive", "respond", "response_complete")
    message_event = _Unheard()

    def __init__(self, respond: Direct, headers: Headers, keep_alive: bool) -> None:
        self.respond, self.headers, self.keep_alive = respond, headers, keep_alive
        self.body = b""
        self.disconnected = self.response_complete = False


class Protocol(HttpToolsProtocol):
    """Give this class to uvicorn as `http`."""

    _idle_since = 0.0

    def connection_made(self, transport: Any) -> None:
        """A connection; its transport is corked from here on."""
        super().connection_made(_Corked(transport))  # type: ignore[arg-type]
        self._direct: Mapping[bytes, Direct] = getattr(self.config.app, "direct", {})

    def on_message_begin(self) -> None:
        """A request begins; what ASGI wants to know of it is put together when it is wanted."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """The way of a request is decided by its head."""
        respond = self._direct.get(self.url)
        if respond is not None and self._is_plain():
            keep_alive = self.parser.should_keep_alive()
            self.cycle = _Cycle(respond, self.headers, keep_alive)  # type: ignore[assignment]
            return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        cycle: Any = self.cycle
        if type(cycle) is _Cycle:
            cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        cycle: Any = self.cycle
        if type(cycle) is _Cycle:
            cycle.respond(cycle.headers, cycle.body, partial(self._respond, cycle))
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with what waits, or begin to be idle."""
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for the whole time, else look again when it may be."""
        self.timeout_keep_alive_task = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # its answer starts the timer again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )

    def data_received(self, data: bytes) -> None:
        """Something of a request, or of several."""
        self._idle_since = self.loop.time()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; so is its timer."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """The timer runs on: it looks itself whether the connection was idle."""

    def _is_plain(self) -> bool:
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # the one before it is not answered yet
        for name, value in self.headers:
            if name in _NOT_PLAIN or (name == b"content-length" and int(value) > DIRECT_MOST):
                return False
        return True

    async def _respond_slowly(self, cycle: _Cycle, answer: Answer) -> None:
        await self.flow.drain()
        self._respond(cycle, answer)

    def _respond(self, cycle: _Cycle, answer: Answer) -> None:
        if cycle.disconnected:
            return
        if self.flow.write_paused:
            task = self.loop.create_task(self._respond_slowly(cycle, answer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            return
        parts = [_STATUS_LINES[answer.status]]
        for name, value in (*self.server_state.default_headers, *answer.headers):
            parts += name, b": ", value, b"\r\n"
        parts += (
            b"content-type: ", answer.content_type,
            b"\r\ncontent-length: ", b"%d" % len(answer.body),
            b"\r\n\r\n" if cycle.keep_alive else b"\r\nconnection: close\r\n\r\n",
            answer.body,
        )  # fmt: skip
        transport: Any = self.transport
        transport.write_whole(b"".join(parts))
        cycle.response_complete = True
        if not cycle.keep_alive:
            transport.close()
        self.on_response_complete()
