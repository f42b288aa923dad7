"""Which URLs the platform may call: none that reach into the network it runs in."""

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urljoin, urlsplit

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from onesixty.kit.problems import FieldError, Problem

USER_AGENT = "Onesixty/0.1 (+webhooks)"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REDIRECTS_MOST: Final = 5


class ForbiddenAddressError(OSError):
    """The name leads to a private, loopback or otherwise internal address."""


class PublicResolver(AbstractResolver):
    """Resolves names and refuses those that lead inside.

    It does so at the moment of the call: no name can change in between.
    """

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host; raises ForbiddenAddressError when any of them is internal."""
        found = await self._inner.resolve(host, port, family)
        for entry in found:
            if not is_public(entry["host"]):
                raise ForbiddenAddressError(f"{host} leads to the internal address {entry['host']}")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


def session(*, allow_private: bool, connections: int, seconds: float) -> ClientSession:
    """A client for calls to customers' URLs: bounded, without cookies."""
    connector = TCPConnector(
        limit=connections,
        resolver=None if allow_private else PublicResolver(),
        ttl_dns_cache=30 if allow_private else 10,
    )
    return ClientSession(
        connector=connector,
        timeout=ClientTimeout(total=seconds, connect=min(seconds, 10)),
        cookie_jar=DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        auto_decompress=False,
    )


@contextlib.asynccontextmanager
async def got(url: str, *, allow_private: bool, seconds: float) -> AsyncIterator[ClientResponse]:
    """The answer to a GET, its body to be read; redirects are followed where URLs may be called.

    Raises OSError, in words for people. Reading the body raises aiohttp's own errors.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            client = session(allow_private=allow_private, connections=1, seconds=seconds)
            await stack.enter_async_context(client)
            for _ in range(_REDIRECTS_MOST):
                if why := _why_not(url, allow_private):
                    raise OSError(why)
                response = await client.get(url, allow_redirects=False)
                stack.callback(response.close)
                if response.status not in _REDIRECTS or "Location" not in response.headers:
                    break
                url = urljoin(url, response.headers["Location"])
            else:
                raise OSError("it redirects too often")
        except ClientError as error:
            raise OSError(f"{urlsplit(url).hostname}: {error!r}") from error
        yield response


def check_url(url: str, *, allow_private: bool, pointer: str) -> None:
    """Raise Problem `url_not_allowed` unless the URL may be called.

    It must be http(s) with a host, and have no credentials and no internal literal address.
    """
    why = _why_not(url, allow_private)
    if why:
        raise Problem("url_not_allowed", why, (FieldError(pointer, "url_not_allowed", why),))


def is_literal_internal(url: str) -> bool:
    """Whether the host is written as an internal IP address: such hosts never pass a resolver."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return not is_public(host)


def _why_not(url: str, allow_private: bool) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "the URL cannot be read"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "the URL must begin with http:// or https:// and name a host"
    if parts.username or parts.password:
        return "the URL must not carry a user name or password"
    if port == 0 or len(url) > 2048 or any(ord(letter) < 33 for letter in url):
        return "the URL has a port, length or character that is not allowed"
    if not allow_private and is_literal_internal(url):
        return "the URL points to a private or loopback address"
    return None


def is_public(address: str) -> bool:
    """Whether an IP address, as text, belongs to the world and not to some network inside."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.is_site_local:
            return False
        ip = _inner(ip) or ip
    return ip.is_global and not ip.is_multicast


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, and to which gateways lead it."""
    if any(ip in network for network in _CARRY_IPV4):
        return ipaddress.IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour


_CARRY_IPV4 = (
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, RFC 4291, 2.5.5.1
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of one network, RFC 8215
)
