"""One kept HTTP/1.1 connection: one request at a time, one answer each, cut off when too long."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httptools

TEXT_MOST: Final = 4000  # octets of an answer's body that are kept: enough for 1,000 characters
ANSWER_MOST: Final = 256 * 1024  # octets; a longer answer is cut off there


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` is None when nothing usable did; then `error` says why."""

    status: int | None
    text: str = ""
    retry_after: str | None = None
    error: str | None = None


class BrokenError(Exception):
    """The answer is not HTTP, it ended too soon, or it never came."""


class StaleError(BrokenError):
    """A kept connection ended before the first octet of an answer."""


class Connection(asyncio.Protocol):
    """Call `ask` and `close`; the other methods are called by the event loop and by the parser."""

    def __init__(self) -> None:
        self.used_at = 0.0
        self.home: list[Connection] | None = None  # the list of idle connections that it is in
        self.reusable = False
        self._transport: Any = None
        self._parser: Any = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._asked = self._status = self._received = 0
        self._text = b""
        self._retry_after: str | None = None

    async def ask(self, request: bytes, seconds: float) -> Answer:
        """Send a request and wait that long for its answer; raises BrokenError or StaleError."""
        if self._transport.is_closing():
            raise StaleError("the connection was closed before the request was sent")
        self._status, self._received, self._text, self._retry_after = 0, 0, b"", None
        self._asked += 1
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer] = loop.create_future()
        self._waiter = waiter
        # A timer of the loop costs a third of what asyncio.timeout does.
        timer = loop.call_later(seconds, self._fail, BrokenError(f"no answer within {seconds:g} s"))
        self._transport.write(request)
        try:
            return await waiter
        finally:
            timer.cancel()

    def close(self) -> None:
        """End it at once, and leave the list of idle ones."""
        if self.home is not None and self in self.home:
            self.home.remove(self)
        self._waiter = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Connected."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The far side is gone. An answer without a length ends like this."""
        if self._status >= 200:
            self._finish(reusable=False)
        elif self._asked > 1 and not self._received:
            self._fail(StaleError("the connection was closed before an answer came"))
        else:
            self._fail(BrokenError("the connection was closed before an answer came"))
        self.close()

    def data_received(self, data: bytes) -> None:
        """Octets of an answer."""
        if self._waiter is None:  # unasked, such as a 408 before an idle connection is closed
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(BrokenError("the answer is not HTTP/1.1"))
            self.close()
            return
        if self._received > ANSWER_MOST:
            if self._status >= 200:
                self._finish(reusable=False)
            self._fail(BrokenError("the headers of the answer are too long"))
            self.close()

    def on_message_begin(self) -> None:
        """An answer begins. A second one to the same request makes the connection useless."""
        if self._waiter is None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if len(name) == 11 and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The status is known."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if len(self._text) < TEXT_MOST:
            self._text += data[: TEXT_MOST - len(self._text)]

    def on_message_complete(self) -> None:
        """The answer is whole. Interim answers (1xx) are passed over."""
        if self._status >= 200:
            self._finish(reusable=self._parser.should_keep_alive())
        else:
            self._status, self._text = 0, b""

    def _finish(self, *, reusable: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            self.reusable = reusable
            text = self._text.decode("utf-8", "replace")
            waiter.set_result(Answer(self._status, text, self._retry_after))

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
