"""The HTTP client against servers that do what servers do."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onesixty.features.webhooks.client import IDLE_SECONDS, Client, Place
from onesixty.features.webhooks.connection import Answer
from onesixty.kit.manual_clock import ManualClock

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server whose connections are handled by `talk`; gives the base URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"


async def request_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of the next request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


def answering(*pieces: bytes, count: int = 1) -> Talk:
    """Answers that many requests with these octets, piece by piece, then closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(count):
            await request_of(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()

    return talk


async def post(client: Client, place: Place, headers: bytes, body: bytes) -> Answer:
    """The answer to a POST."""
    told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    client.post(place, headers, body, told.set_result)
    async with asyncio.timeout(20):
        return await told


@pytest.fixture
async def client(clock: ManualClock) -> AsyncIterator[Client]:
    """A client that may call this machine."""
    made = Client(clock, allow_private=True, seconds=5)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("pieces", "status", "text"),
    [
        ((OK,), 200, "ok"),
        ((OK[:9], OK[9:30], OK[30:]), 200, "ok"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", OK), 200, "ok"),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,), 200, "ok"),
        ((b"HTTP/1.1 200 OK\r\n\r\nuntil the end",), 200, "until the end"),
        ((b"HTTP/1.0 201 Created\r\n\r\n",), 201, ""),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), 204, ""),
        (
            (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"0\r\n\r\n"),
            500,
            "abc",
        ),
        (
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 300_000,),
            200,
            "x" * 4000,
        ),
    ],
)
async def test_answers(client: Client, pieces: tuple[bytes, ...], status: int, text: str) -> None:
    """Answers are understood however they are cut, framed or ended; long ones are cut off."""
    async with serving(answering(*pieces)) as url:
        answer = await post(client, Place.of(url), b"", b"{}")
    assert (answer.status, answer.text, answer.error) == (status, text, None)


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((b"220 smtp.example.com ESMTP\r\n",), "not HTTP/1.1"),
        ((b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",), "not HTTP/1.1"),
        ((b"",), "closed before an answer came"),
        ((b"HTTP/1.1 200",), "closed before an answer came"),
        ((b"HTTP/1.1 200 OK\r\n" + b"X-Fill: y\r\n" * 30_000,), "too long"),
    ],
)
async def test_what_is_no_answer(client: Client, pieces: tuple[bytes, ...], error: str) -> None:
    """Anything else is an error in words, never an exception."""
    async with serving(answering(*pieces)) as url:
        answer = await post(client, Place.of(url), b"", b"{}")
    assert answer.status is None
    assert error in (answer.error or "")


async def test_requests_are_whole(client: Client) -> None:
    """The request carries path, query, host, our headers and the body, as HTTP/1.1 asks."""
    seen = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK)

    async with serving(talk) as url:
        await post(client, Place.of(f"{url}/a b/ü?q=é&x=%20#part"), b"X-Mine: 1\r\n", b'{"a":1}')
        authority = url.removeprefix("http://")
    (head, body), *_ = seen
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a%20b/%C3%BC?q=%C3%A9&x=%20 HTTP/1.1"
    assert f"Host: {authority}" in lines
    assert {"X-Mine: 1", "Content-Length: 7", "Content-Type: application/json"} <= set(lines)
    assert body == b'{"a":1}'


async def test_connections_are_kept(client: Client) -> None:
    """Calls one after the other share a connection, as long as the far side keeps it."""
    opened = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await answering(OK, count=3)(reader, writer)

    async with serving(talk) as url:
        place = Place.of(url)
        for _ in range(6):
            assert (await post(client, place, b"", b"{}")).status == 200
    assert len(opened) == 2


async def test_a_kept_connection_that_closes_is_replaced(client: Client) -> None:
    """A far side that drops a kept connection instead of answering is asked again on a new one."""
    opened = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await answering(OK)(reader, writer)
        if len(opened) == 1:
            await request_of(reader)  # and no answer

    async with serving(talk) as url:
        place = Place.of(url)
        assert (await post(client, place, b"", b"{}")).status == 200
        assert (await post(client, place, b"", b"{}")).status == 200
    assert len(opened) == 2


async def test_unasked_octets_end_a_connection(client: Client) -> None:
    """Two answers to one request are not taken for the answer to the next."""
    async with serving(answering(OK + OK.replace(b"200", b"500"), count=2)) as url:
        place = Place.of(url)
        assert (await post(client, place, b"", b"{}")).status == 200
        assert (await post(client, place, b"", b"{}")).status == 200


async def test_idle_connections_are_closed(client: Client, clock: ManualClock) -> None:
    """A connection that nobody needs is closed after a while."""
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(OK)(reader, writer)
        await reader.read()
        ended.set()

    async with serving(talk) as url:
        await post(client, Place.of(url), b"", b"{}")
        client.close_idle()
        assert not ended.is_set()
        await clock.advance(IDLE_SECONDS)
        client.close_idle()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_each_call_has_its_time(clock: ManualClock) -> None:
    """Whoever hangs is given up, also later on; its connection is not used again."""
    client = Client(clock, allow_private=True, seconds=0.2)
    opened = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        head, _ = await request_of(reader)
        if b"/hang" in head:
            await reader.read()
        writer.write(OK)
        await reader.read()

    async with serving(talk) as url:
        hanging, well = Place.of(f"{url}/hang"), Place.of(f"{url}/well")
        for _ in range(2):
            answers = await asyncio.gather(
                *(post(client, place, b"", b"{}") for place in (hanging, well, hanging))
            )
            assert [one.status for one in answers] == [None, 200, None]
            assert answers[0].error == answers[2].error == "no answer within 0.2 s"
        assert len(opened) == 5, "one was kept"
        await client.close()


async def test_a_closed_client_is_silent(client: Client) -> None:
    """Nobody is told anything after the end, and nothing is sent."""
    opened: list[asyncio.StreamWriter] = []
    told: list[Answer] = []
    asked, ended = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await request_of(reader)
        asked.set()
        await reader.read()
        ended.set()

    async with serving(talk) as url:
        client.post(Place.of(url), b"", b"{}", told.append)
        async with asyncio.timeout(5):
            await asked.wait()
        await client.close()
        client.post(Place.of(url), b"", b"{}", told.append)
        async with asyncio.timeout(5):
            await ended.wait()
    assert (told, len(opened)) == ([], 1)


async def test_nobody_listens(client: Client) -> None:
    """A refused connection and an unknown name are errors in words."""
    async with serving(answering(OK)) as url:
        pass
    answer = await post(client, Place.of(url), b"", b"{}")
    assert "cannot connect" in (answer.error or "")
    answer = await post(client, Place.of("http://no-such-host.invalid/"), b"", b"{}")
    assert "cannot connect" in (answer.error or "")


async def test_tls(clock: ManualClock, tmp_path: Path) -> None:
    """https is verified: a certificate of an unknown issuer is refused, a trusted one is not."""
    certificate, key = _certificate(tmp_path)
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=certificate)
    async with serving(answering(OK), offered) as url:
        for tls, status in ((None, None), (trusting, 200)):
            client = Client(clock, allow_private=True, seconds=5, tls=tls)
            answer = await post(client, Place.of(url), b"", b"{}")
            assert answer.status == status
            assert status or "TLS failed" in (answer.error or "")
            await client.close()


@pytest.mark.parametrize("url", ["ftp://example.com", "http://", "mailto:a@example.com"])
def test_what_cannot_be_called(url: str) -> None:
    """A URL without http or a host is no place."""
    with pytest.raises(ValueError, match="not an http"):
        Place.of(url)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
