"""Which URLs may be called: none that lead inside, however the address is written."""

import socket
from contextlib import closing

import aiohttp
import pytest

from onesixty.kit.http import (
    ForbiddenAddressError,
    PublicResolver,
    check_url,
    is_literal_internal,
    session,
)
from onesixty.kit.problems import Problem

PUBLIC = [
    "https://example.com",
    "http://example.com:8080/hook?x=1#y",
    "https://93.184.215.14/hook",
    "https://[2606:4700:4700::1111]:8443/",
    "https://EXAMPLE.com./",
    "https://bücher.example/",
]
INTERNAL = [
    "http://localhost/",
    "http://LOCALHOST:8160/",
    "http://api.localhost/",
    "http://127.0.0.1/",
    "http://127.9.9.9/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[ff02::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a00:1::1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[fec0::1]/",
]
# Forms of 127.0.0.1 that `inet_aton` takes: they are no addresses to us, so they are resolved.
ODD = ["2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "0x7f.1", "127.0.1"]
BAD = {
    "ftp://example.com/": "http://",
    "file:///etc/passwd": "http://",
    "javascript:alert(1)": "http://",
    "//example.com/": "http://",
    "example.com": "http://",
    "": "http://",
    "https://": "http://",
    "https:///path": "http://",
    "https://user@example.com/": "password",
    "https://user:secret@example.com/": "password",
    "https://:secret@example.com/": "password",
    "https://example.com:0/": "port",
    "https://example.com:65536/": "cannot be read",
    "https://example.com:-1/": "cannot be read",
    "https://example.com:http/": "cannot be read",
    "https://[::1/": "cannot be read",
    "https://example.com/a b": "character",
    " https://example.com/": "character",
    "https://example.com/\r\nX: y": "character",
    "https://example.com/" + "a" * 2048: "length",
}


def why_refused(url: str, *, allow_private: bool = False) -> str:
    """What the caller is told of a URL that must be refused."""
    with pytest.raises(Problem) as caught:
        check_url(url, allow_private=allow_private, pointer="/url")
    problem = caught.value
    assert problem.code == "url_not_allowed"
    assert [(error.pointer, error.code) for error in problem.errors] == [
        ("/url", "url_not_allowed")
    ]
    return problem.detail


@pytest.mark.parametrize("url", PUBLIC)
def test_public_urls_may_be_called(url: str) -> None:
    """Names, IPv4 and IPv6 addresses of the public network pass."""
    check_url(url, allow_private=False, pointer="/url")


@pytest.mark.parametrize("url", INTERNAL)
def test_internal_addresses_are_refused(url: str) -> None:
    """Loopback, private, link-local, shared, multicast and mapped addresses are refused at once."""
    assert "private or loopback" in why_refused(url)
    assert is_literal_internal(url)


@pytest.mark.parametrize("url", INTERNAL)
def test_internal_addresses_pass_where_they_are_allowed(url: str) -> None:
    """For local use the setting lets them through."""
    check_url(url, allow_private=True, pointer="/url")


@pytest.mark.parametrize(("url", "why"), BAD.items(), ids=[url[:40] for url in BAD])
@pytest.mark.parametrize("allow_private", [True, False])
def test_urls_that_are_wrong_are_refused(url: str, why: str, allow_private: bool) -> None:
    """Schemes, credentials, ports, lengths and characters are checked, with a reason."""
    assert why in why_refused(url, allow_private=allow_private)


@pytest.mark.parametrize("host", [*ODD, "localhost"])
async def test_names_that_lead_inside_are_refused_at_the_call(host: str) -> None:
    """The resolver has the last word: what the C library takes for loopback is refused."""
    resolver = PublicResolver()
    with pytest.raises(ForbiddenAddressError, match=r"internal address 127\.0\.0\.1"):
        await resolver.resolve(host, 80)
    await resolver.close()


async def test_a_public_address_resolves() -> None:
    """What is public passes the resolver unchanged."""
    resolver = PublicResolver()
    found = await resolver.resolve("93.184.215.14", 443)
    assert [(entry["host"], entry["port"]) for entry in found] == [("93.184.215.14", 443)]
    await resolver.close()


async def call(client: aiohttp.ClientSession, url: str) -> None:
    """What the platform does with a customer's URL."""
    check_url(url, allow_private=False, pointer="/url")
    await client.get(url)


@pytest.mark.parametrize("host", [*ODD, "localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_no_spelling_reaches_a_server_inside(host: str) -> None:
    """Between the check of the URL and the client's resolver, no call arrives at loopback."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)
        url = f"http://{host}:{server.getsockname()[1]}/"
        async with session(allow_private=False, connections=1, seconds=5) as client:
            with pytest.raises((Problem, aiohttp.ClientError)):
                await call(client, url)
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_a_call_inside_arrives_where_that_is_allowed() -> None:
    """The setting opens the client too, so the test above is refused for its reason only."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)
        url = f"http://localhost:{server.getsockname()[1]}/"
        async with session(allow_private=True, connections=1, seconds=0.2) as client:
            with pytest.raises(TimeoutError):
                await client.get(url)
        server.accept()[0].close()
