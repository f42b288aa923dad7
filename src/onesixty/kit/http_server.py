"""uvicorn's HTTP protocol, cheaper for small answers, and with a direct way to hot functions.

- One write for a whole answer: at thousands of small answers a second the second system call would
  be the largest single cost of the HTTP server.
- The application may name functions for POSTs to some targets (`direct`): these are called with
  headers and body as they came, without ASGI between (kit/http_direct.py). It halves what HTTP
  costs a small one. All that is not plain (long or chunked bodies, `Expect`, pipelining, HTTP/1.0)
  goes the usual way, so the application answers these targets there too.
- One timer a connection watches its idleness, not one a request.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from onesixty.kit.http_direct import Front, Headers


def protocol(
    config: Config,
    server_state: ServerState,
    app_state: dict[str, Any],
    _loop: asyncio.AbstractEventLoop | None = None,
) -> Any:
    """Give this to uvicorn as `http`: the protocol of one connection."""
    return Front(_Slow(config, server_state, app_state, _loop))


class _Slow(HttpToolsProtocol):
    """What a Front leaves to uvicorn, and what both share."""

    idle_since = 0.0

    def begin(self, url: bytes, headers: Headers) -> None:
        """A request that is for ASGI, by its head."""
        self.on_message_begin()
        self.on_url(url)
        for name, value in headers:
            self.on_header(name, value)
        self.on_headers_complete()

    def interrupted(self, error: Exception) -> None:
        """The parser went no further, as in `data_received` of uvicorn."""
        if not isinstance(error, httptools.HttpParserUpgrade):
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
        elif self._should_upgrade():
            self.handle_websocket_upgrade()
        else:
            self._unsupported_upgrade_warning()

    def refuse_head(self) -> None:
        """Headers without end: say so, unless the answer to a request before would be due."""
        if self.cycle is None or self.cycle.response_complete:
            text = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE.phrase.encode()
            self.transport.write(
                b"HTTP/1.1 431 %b\r\ncontent-type: text/plain; charset=utf-8\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (text, len(text), text)
            )
        self.transport.close()

    def when_writable(self, respond: Callable[[], None]) -> None:
        """Give an answer once the client reads."""
        task = self.loop.create_task(self._respond_slowly(respond))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        """Go on with what waits, or begin to be idle."""
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for the whole time, else look again when it may be."""
        self.timeout_keep_alive_task = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # its answer starts the timer again
        left = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; so is its timer."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """The timer runs on: it looks itself whether the connection was idle."""

    async def _respond_slowly(self, respond: Callable[[], None]) -> None:
        await self.flow.drain()
        respond()
