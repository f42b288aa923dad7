"""One HTTP request, sent exactly once, and whether it can have reached the far side.

No retries, no redirects followed, no cookies: a second request would be a second message.
"""

from types import SimpleNamespace
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    TraceConfig,
)
from yarl import URL

from onesixty.carriers.http.dialect import Answer, NoAnswerError, NotSentError, Request
from onesixty.kit.http import ForbiddenAddressError, PublicResolver, is_literal_internal

ANSWER_OCTETS_MOST: Final = 1_000_000
CONNECT_SECONDS_MOST: Final = 10.0
# Common servers close a connection that was idle for 5 s. One that closes just while we write makes
# a message uncertain, so ours are given up before.
KEPT_SECONDS: Final = 4.0
NAMES_SECONDS: Final = 30
# Compressed answers would have to be bounded twice; those of an API are small.
_HEADERS: Final = {"User-Agent": "Onesixty/0.1", "Accept-Encoding": "identity"}


class _Trip:
    """What is known of one request: once it has a connection, it may have been read."""

    __slots__ = ("connected",)

    def __init__(self) -> None:
        self.connected = False


class Client:
    """Keeps connections to a provider. Holds nothing before the first request."""

    def __init__(
        self, seconds: float, octets_most: int = ANSWER_OCTETS_MOST, *, public_only: bool = False
    ) -> None:
        """`seconds` for a whole request: connection, answer and its body.

        With `public_only` nothing is sent to an address inside the network that this runs in.
        """
        self._seconds, self._octets_most = seconds, octets_most
        self._public_only = public_only
        self._session: ClientSession | None = None
        self._closed = False

    async def ask(self, request: Request) -> Answer:
        """Send it once and read the whole answer, whatever its status.

        Raises NotSentError while nothing can have left, NoAnswerError from then on, and ValueError
        for a header that cannot be sent.
        """
        _check(request)
        if self._closed:
            raise NotSentError("the carrier is stopped")
        if self._public_only and is_literal_internal(request.url):
            raise NotSentError("the URL leads to a private or loopback address")
        trip, url = _Trip(), URL(request.url, encoded=True)  # as it was signed
        try:
            async with self._opened().request(
                request.method,
                url,
                headers=request.headers,
                data=request.body or None,
                skip_auto_headers=("Content-Type",),
                allow_redirects=False,
                trace_request_ctx=trip,
            ) as response:
                body = await self._read(response)
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, names, body)
        except (ClientError, OSError) as error:
            # Not chained: aiohttp's errors hold the request with its credentials.
            raise _meaning(error, trip, url, self._seconds) from None

    async def close(self) -> None:
        """Close every connection; nothing is sent any more."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> ClientSession:
        if self._session is None:
            trace = TraceConfig()
            trace.on_connection_create_end.append(_connected)
            trace.on_connection_reuseconn.append(_connected)
            self._session = ClientSession(
                # The carrier's window bounds the connections.
                connector=TCPConnector(
                    limit=0,
                    keepalive_timeout=KEPT_SECONDS,
                    ttl_dns_cache=NAMES_SECONDS,
                    resolver=PublicResolver() if self._public_only else None,
                ),
                timeout=ClientTimeout(
                    total=self._seconds, connect=min(self._seconds, CONNECT_SECONDS_MOST)
                ),
                cookie_jar=DummyCookieJar(),
                headers=_HEADERS,
                trace_configs=[trace],
                middlewares=(_once,),
            )
        return self._session

    async def _read(self, response: ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._octets_most:
                response.close()
                raise NoAnswerError(f"the answer is longer than {self._octets_most} octets")
        return bytes(body)


async def _connected(session: ClientSession, context: SimpleNamespace, _: object) -> None:
    context.trace_request_ctx.connected = True


async def _once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from sending again when a kept connection breaks, as it does for GET and PUT."""
    try:
        return await send(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as error:
        # Any other exception than these two ends the request.
        raise NoAnswerError(f"the connection ended without an answer: {_reason(error)}") from None


def _check(request: Request) -> None:
    for name, value in request.headers.items():
        if any(letter in "\r\n\0" for letter in name + value):
            raise ValueError(f"the header {name} has a line break: look at the settings behind it")


def _meaning(error: Exception, trip: _Trip, url: URL, seconds: float) -> Exception:
    """Our error for one of aiohttp's; its words name the host and never the rest of the URL."""
    if not trip.connected:
        return NotSentError(f"no connection to {url.host}: {_reason(error)}")
    if isinstance(error, TimeoutError):
        return NoAnswerError(f"no answer within {seconds:g} s")
    return NoAnswerError(f"the answer broke off: {_reason(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, ClientConnectorCertificateError):
        return f"its certificate: {error.certificate_error}"
    if isinstance(error, ClientConnectorError):
        if isinstance(error.os_error, ForbiddenAddressError):
            return "the name leads to an internal address"
        return error.os_error.strerror or type(error.os_error).__name__
    if isinstance(error, TimeoutError):
        return "it took too long"
    return type(error).__name__
