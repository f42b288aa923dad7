"""HTTP itself: pipelined, dribbled, broken off, too large, and no HTTP at all."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from .whole import KEY, Api, whole_api

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGE = {"to": "+447700900123", "from": "ACME", "body": "Hello"}
BODY_MOST = 8 * 1024 * 1024
PATIENCE_SECONDS = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(server_url: str, template: str) -> AsyncIterator[Api]:
    """One API for all tests here."""
    async with whole_api(server_url, template) as found:
        yield found


class Wire:
    """A connection on which octets are written as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, api: Api) -> "Wire":
        """Connect."""
        host, _, port = api.url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def answer(self) -> tuple[int, dict[str, object]]:
        """Status and JSON of the next answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            raw = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), orjson.loads(raw) if raw else {}

    async def end(self) -> bytes:
        """What else comes until the server closes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read()


def request(method: str, path: str, body: bytes = b"", length: int | None = None) -> bytes:
    """The octets of a request with a key."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    ).encode() + body


def send(number: int) -> bytes:
    """The octets of a good send."""
    return request("POST", "/v1/messages", orjson.dumps(MESSAGE | {"reference": str(number)}))


async def stored(api: Api) -> int:
    """How many messages there are."""
    return int((await api.app.database.fetch("SELECT count(*) FROM messages"))[0][0])


async def test_pipelined(api: Api) -> None:
    """Requests that are sent without waiting for answers are answered all, and in their order."""
    wire, before = await Wire.open(api), await stored(api)
    wire.writer.write(b"".join(send(number) for number in range(50)))
    found = [await wire.answer() for _ in range(50)]
    assert [(status, body["reference"]) for status, body in found] == [
        (202, str(number)) for number in range(50)
    ]
    assert await stored(api) == before + 50
    wire.writer.close()


async def test_pipelined_mixed(api: Api) -> None:
    """Good, bad and other requests on one connection do not disturb each other."""
    wire = await Wire.open(api)
    wire.writer.write(
        send(1)
        + request("POST", "/v1/messages", b"{")
        + request("GET", "/v1/messages?limit=1")
        + request("POST", "/v1/messages", b'{"to": "x"}')
        + request("DELETE", "/v1/messages")
        + request("GET", "/healthz")
        + send(2)
    )
    assert [(await wire.answer())[0] for _ in range(7)] == [202, 400, 200, 422, 405, 200, 202]
    wire.writer.close()


async def test_dribbled(api: Api) -> None:
    """A request that comes octet by octet is a request."""
    wire = await Wire.open(api)
    for octet in send(3):
        wire.writer.write(bytes((octet,)))
        await wire.writer.drain()
        await asyncio.sleep(0)
    assert (await wire.answer())[0] == 202
    wire.writer.close()


async def test_broken_off(api: Api) -> None:
    """A client that leaves within its body stores nothing, and the server goes on."""
    before = await stored(api)
    for octets in (send(4)[:-1], send(4)[:20], request("POST", "/v1/messages", b"{", 100)):
        wire = await Wire.open(api)
        wire.writer.write(octets)
        await wire.writer.drain()
        wire.writer.transport.abort()
    wire = await Wire.open(api)
    wire.writer.write(send(5))
    assert (await wire.answer())[0] == 202
    wire.writer.close()
    assert await stored(api) == before + 1


async def test_told_too_large(api: Api) -> None:
    """Who announces too large a body is refused before it comes, and nothing is waited for."""
    for path in ("/v1/messages", "/v1/messages/batch"):
        wire = await Wire.open(api)
        wire.writer.write(request("POST", path, length=BODY_MOST + 1))
        status, problem = await wire.answer()
        assert (status, problem["code"]) == (413, "body_too_large")
        wire.writer.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"\0" * 70_000,
        b"GET\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "zeros", "no version", "negative length", "two lengths", "bad chunk"],
)
async def test_no_http(api: Api, octets: bytes) -> None:
    """What is no HTTP ends its own connection and nothing else."""
    wire = await Wire.open(api)
    wire.writer.write(octets)
    said = await wire.end()
    assert said == b"" or said.startswith(b"HTTP/1.1 4")
    wire.writer.close()
    assert (await api.ask("GET", "/healthz"))[0] == 200


def chunked(octets: bytes) -> bytes:
    """The same request with its body in one chunk."""
    head, _, body = octets.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    head = b"\r\n".join([*lines, b"Transfer-Encoding: chunked"])
    return head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (send(1), 202),
        (send(1).replace(KEY.encode(), b"os_live_wrong"), 401),
        (request("POST", "/v1/messages", b'{"to": "+1"'), 400),
        (request("POST", "/v1/messages", b'{"to": "+447700900123", "body": "x", "y": 1}'), 422),
        (send(2).replace(b"Host: x", b"Host: x\r\nIdempotency-Key: wire\r\nHost2: x"), 202),
        (send(2).replace(b"Host: x", b"Host: x\r\nIdempotency-Key: wire"), 202),
    ],
)
async def test_both_ways_answer_alike(api: Api, octets: bytes, status: int) -> None:
    """A plain send, which goes directly, and a chunked one, which does not, get equal answers."""
    answers = []
    for each in (octets, chunked(octets)):
        wire = await Wire.open(api)
        wire.writer.write(each)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await wire.reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            body = orjson.loads(await wire.reader.readexactly(int(headers["content-length"])))
        changing = ("id", "created_at", "trace_id")
        kept = {name: value for name, value in body.items() if name not in changing}
        assert int(head[0].split()[1]) == status
        names = set(headers) - {"idempotency-replayed"}
        answers.append((names, headers["content-type"], kept))
        wire.writer.close()
    assert answers[0] == answers[1]


async def test_asked_to_close(api: Api) -> None:
    """A connection whose request says so is closed after its answer."""
    wire = await Wire.open(api)
    wire.writer.write(send(1).replace(b"Host: x", b"Host: x\r\nConnection: close"))
    assert (await wire.answer())[0] == 202
    assert await wire.end() == b""
