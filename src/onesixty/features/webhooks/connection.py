"""One kept HTTP/1.1 connection: one request at a time, one answer each, cut off when too long."""

from typing import Any, Final, NamedTuple, Protocol

import httptools

TEXT_MOST: Final = 4000  # octets of an answer's body that are kept: enough for 1,000 characters
ANSWER_MOST: Final = 256 * 1024  # octets; a longer answer is cut off there


class Answer(NamedTuple):  # one for each call: made in a third of a frozen dataclass's time
    """What came back. `status` is None when nothing usable did; then `error` says why."""

    status: int | None
    text: str = ""
    retry_after: str | None = None
    error: str | None = None


class BrokenError(Exception):
    """The answer is not HTTP, it ended too soon, or it never came."""


class StaleError(BrokenError):
    """A kept connection ended before the first octet of an answer."""


class Asker(Protocol):
    """Who asks over connections, and is told how each request ended."""

    def answered(self, connection: "Connection", answer: Answer) -> None:
        """The answer is there; the connection may be `reusable`."""

    def failed(self, connection: "Connection", error: BrokenError) -> None:
        """There will be none, and the connection is of no more use."""


class Connection:
    """Call `ask`, `give_up` and `close`; the rest is called by the event loop, for which it is an
    asyncio.Protocol by its shape, and by the parser.

    It tells its asker by a call: a task or a future for each request would cost more than all else.
    """

    def __init__(self, asker: Asker) -> None:
        self.call: Any = None  # what it is asked just now, and the next two: kept by its asker
        self.late_at = self.used_at = 0.0
        self.home: list[Connection] | None = None  # the list of idle connections that it is in
        self.reusable = False
        self._asker = asker
        self._transport: Any = None
        self._parser: Any = None
        self._asking = self._whole = False
        self._asked = self._status = self._received = 0
        self._text = b""
        self._retry_after: str | None = None

    def ask(self, request: bytes) -> None:
        """Send a request. Its asker is told how it ends, never before this returns."""
        self._status, self._received, self._text, self._retry_after = 0, 0, b"", None
        self._asking, self._whole = True, False
        self._asked += 1
        self._transport.write(request)

    def give_up(self, why: str) -> None:
        """Wait no longer for the answer."""
        self._fail(BrokenError(why))

    def close(self) -> None:
        """End it at once, and leave the list of idle ones; its asker is told nothing more."""
        if self.home is not None and self in self.home:
            self.home.remove(self)
        self._asking = False
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

    def eof_received(self) -> None:
        """The far side says no more, so the connection ends."""

    def pause_writing(self) -> None:
        """Nothing: the next request waits for the answer of this one anyway."""

    def resume_writing(self) -> None:
        """Nothing, as before."""

    def data_received(self, data: bytes) -> None:
        """Octets of an answer."""
        if not self._asking:  # unasked, such as a 408 before an idle connection is closed
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._whole:
                self._finish(reusable=False)
            else:
                self._fail(BrokenError("the answer is not HTTP/1.1"))
            return
        if self._whole:
            self._finish(reusable=self.reusable)
        elif self._received > ANSWER_MOST:
            if self._status >= 200:
                self._finish(reusable=False)
            else:
                self._fail(BrokenError("the headers of the answer are too long"))

    def on_message_begin(self) -> None:
        """An answer begins. A second one to the same request makes the connection useless."""
        if self._whole:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if len(name) == 11 and not self._whole and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The status is known."""
        if not self._whole:
            self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if len(self._text) < TEXT_MOST and not self._whole:
            self._text += data[: TEXT_MOST - len(self._text)]

    def on_message_complete(self) -> None:
        """The answer is whole. Interim answers (1xx) are passed over."""
        if self._whole:
            return
        if self._status >= 200:
            # What came with it, if anything, is looked at before anyone asks again.
            self._whole, self.reusable = True, self._parser.should_keep_alive()
        else:
            self._status, self._text = 0, b""

    def _finish(self, *, reusable: bool) -> None:
        if self._asking:
            self._asking, self.reusable = False, reusable
            text = self._text.decode("utf-8", "replace")
            self._asker.answered(self, Answer(self._status, text, self._retry_after))

    def _fail(self, error: BrokenError) -> None:
        if self._asking:
            self._asking = False
            self._asker.failed(self, error)
