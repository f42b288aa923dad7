"""One request is sent once, and its error says whether it can have arrived."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from socket import gethostname

import pytest

from onesixty.carriers.http.client import Client
from onesixty.carriers.http.dialect import NoAnswerError, NotSentError, Request

BOUND_SECONDS = 5.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class FarEnd:
    """Reads requests; answers each with the next of `answers`, and closes behind one that is short.

    None: it never answers. Empty: it closes at once.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answers: list[bytes | None] = []
        self.port = 0
        self.came = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                self.requests.append(head + await reader.readexactly(length))
                self.came.set()
                answer = self.answers.pop(0)
                if answer is None:
                    await asyncio.Event().wait()
                    continue
                writer.write(answer)
                if answer != OK:
                    break
        writer.close()


@pytest.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    """Something that listens and does as it is told."""
    one = FarEnd()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client that waits 0.2 s."""
    one = Client(0.2)
    yield one
    await one.close()


def post(url: str) -> Request:
    """A request with a secret in its header and its URL."""
    return Request("POST", url + "?key=hush", {"Authorization": "Bearer hush"}, b"body")


async def test_a_request_goes_out_as_it_is(far_end: FarEnd, client: Client) -> None:
    """Method, escapes of the URL, headers and body arrive untouched, for signatures cover them."""
    far_end.answers = [b"HTTP/1.1 418 Teapot\r\nX-One: 1\r\nContent-Length: 4\r\n\r\nno\xff\x00"]
    url = f"{far_end.url}/a%2Fb/c%20d?x=%41&y=a+b&z=%C3%BC"
    answer = await client.ask(Request("PUT", url, {"X-Mine": "ü", "Content-Type": "a/b"}, b"{}"))
    assert (answer.status, answer.headers["x-one"], answer.body) == (418, "1", b"no\xff\x00")
    head, _, body = far_end.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /a%2Fb/c%20d?x=%41&y=a+b&z=%C3%BC HTTP/1.1"
    assert {"X-Mine: ü".encode(), b"Content-Type: a/b", b"Content-Length: 2"} <= set(lines)
    assert body == b"{}"


async def test_a_redirect_is_an_answer_and_cookies_are_forgotten(
    far_end: FarEnd, client: Client
) -> None:
    """Nothing is followed, and nothing is remembered for the next request."""
    redirect = b"HTTP/1.1 307 X\r\nLocation: /b\r\nSet-Cookie: a=1\r\nConnection: close\r\n\r\n"
    far_end.answers = [redirect, OK]
    assert (await client.ask(post(far_end.url))).status == 307
    assert (await client.ask(post(far_end.url))).status == 200
    assert len(far_end.requests) == 2
    assert b"cookie" not in far_end.requests[1].lower()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "without an answer"),
        (None, "no answer within 0.2 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off"),
        (b"not HTTP at all\r\n\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_001, "longer than 1000000 octets"),
    ],
    ids=["closed", "silent", "half head", "half body", "half chunk", "no HTTP", "too long"],
)
async def test_no_answer(far_end: FarEnd, client: Client, answer: bytes | None, words: str) -> None:
    """Once it left, whatever goes wrong means that it may have arrived; it is sent once."""
    far_end.answers = [answer, OK]
    with pytest.raises(NoAnswerError, match=words):
        await client.ask(post(far_end.url))
    assert len(far_end.requests) == 1


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_a_kept_connection_that_breaks_is_not_tried_again(
    far_end: FarEnd, client: Client, method: str
) -> None:
    """The far side closes a kept connection as it is used: one request, and nobody knows."""
    far_end.answers = [OK, b"", OK]
    await client.ask(post(far_end.url))
    with pytest.raises(NoAnswerError):
        await client.ask(Request(method, far_end.url, {}, b"x" if method == "POST" else b""))
    assert len(far_end.requests) == 2


async def test_nothing_left(far_end: FarEnd) -> None:
    """No name, nobody there, no TLS, no end of the handshake: nothing can have arrived."""
    client = Client(0.5)
    for url in (
        "http://nobody.invalid/",
        "http://127.0.0.1:1/",
        f"https://127.0.0.1:{far_end.port}/",
        "no URL at all",
    ):
        with pytest.raises(NotSentError) as caught:
            await client.ask(post(url))
        assert "hush" not in str(caught.value)
    assert not far_end.requests
    await client.close()
    with pytest.raises(NotSentError):
        await client.ask(post(far_end.url))


@pytest.mark.parametrize("spoil", [None, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_errors_keep_secrets(far_end: FarEnd, client: Client, spoil: bytes | None) -> None:
    """Neither headers nor the query stand in what an error says, however it is printed."""
    far_end.answers = [spoil]
    with pytest.raises(NoAnswerError) as caught:
        await client.ask(post(far_end.url))
    printed = "".join(traceback.format_exception(caught.value))
    assert "hush" not in printed
    assert "127.0.0.1" not in repr(caught.value)


async def test_a_header_with_a_line_break(far_end: FarEnd, client: Client) -> None:
    """A secret that was pasted with its line break is said to be so, and nothing leaves."""
    with pytest.raises(ValueError, match="Authorization has a line break"):
        await client.ask(Request("GET", far_end.url, {"Authorization": "Bearer x\n"}))
    assert not far_end.requests


async def test_many_at_once(far_end: FarEnd, client: Client) -> None:
    """Requests do not wait for each other."""
    far_end.answers = [None, *[OK] * 20]
    slow = asyncio.create_task(client.ask(post(far_end.url)))
    async with asyncio.timeout(BOUND_SECONDS):
        await far_end.came.wait()
    answers = await asyncio.gather(*(client.ask(post(far_end.url)) for _ in range(20)))
    assert {one.status for one in answers} == {200}
    with pytest.raises(NoAnswerError):
        await slow


async def test_inside_is_not_reached(far_end: FarEnd) -> None:
    """A client for public addresses sends nothing to private ones, written or behind a name."""
    client = Client(BOUND_SECONDS, public_only=True)
    for host in ("127.0.0.1", "[::1]", "localhost", "169.254.169.254", gethostname()):
        with pytest.raises(NotSentError):
            await client.ask(Request("GET", f"http://{host}:{far_end.port}/"))
    await client.close()
    assert not far_end.requests
