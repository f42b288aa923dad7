"""A client for POSTs to customers' URLs: kept connections, no redirects, bounded in time and size.

Why our own: deliveries are the calls that the platform makes most, and all they need is one method.
At first it took 29 µs of processor time a call, a general client 160 to 225; see
docs/performance.md.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from onesixty.features.webhooks.connection import Answer, BrokenError, Connection, StaleError
from onesixty.kit.clock import Clock
from onesixty.kit.http import USER_AGENT, ForbiddenAddressError, PublicResolver

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
IDLE_MOST: Final = 256  # kept connections to one host
NAMES_SECONDS: Final = 10.0
NAMES_MOST: Final = 10_000
_SAFE: Final = "/%:@!$&'()*+,;=-._~?"
_Key = tuple[str, int, bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads: what to connect to, and how a request to it begins."""

    host: str
    port: int
    tls: bool
    head: bytes  # request line and the headers that never change, each with its CRLF
    key: _Key  # what it shares connections with

    @classmethod
    def of(cls, url: str) -> "Place":
        """Take a URL apart that `kit.http.check_url` has passed; ValueError if it is no use."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http or https URL")
        host, tls = parts.hostname, parts.scheme == "https"
        if not host.isascii():
            host = host.encode("idna").decode()
        authority = f"[{host}]" if ":" in host else host
        if parts.port is not None:
            authority += f":{parts.port}"
        target = quote(parts.path or "/", _SAFE)
        if parts.query:
            target += "?" + quote(parts.query, _SAFE)
        lines = (
            f"POST {target} HTTP/1.1",
            f"Host: {authority}",
            f"User-Agent: {USER_AGENT}",
            "Accept: */*",
            "Content-Type: application/json",
            "",
        )
        port = parts.port or (443 if tls else 80)
        return cls(host, port, tls, "\r\n".join(lines).encode(), (host, port, tls))


@dataclass(slots=True)
class _Call:
    """A request on its way, and who waits for its answer."""

    place: Place
    request: bytes
    told: Callable[[Answer], None]


class Client:
    """Keeps connections to many hosts. Never raises for what the far side or the network does.

    A call over a kept connection takes no task and no timer of its own: one timer looks whether the
    oldest call is late.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        allow_private: bool,
        seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock, self._seconds, self._tls = clock, seconds, tls
        self._resolver: AbstractResolver = ThreadedResolver() if allow_private else PublicResolver()
        self._names: dict[str, tuple[float, asyncio.Task[list[ResolveResult]]]] = {}
        self._idle: dict[_Key, list[Connection]] = {}
        self._asking: dict[Connection, None] = {}  # in the order in which they were asked
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def post(
        self, place: Place, headers: bytes, body: bytes, told: Callable[[Answer], None]
    ) -> None:
        """POST a body; `told` gets the answer, after this returned.

        `headers` are lines with their CRLF; Content-Length is added here. A closed client sends
        nothing and tells nobody.
        """
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (place.head, headers, len(body), body)
        call = _Call(place, request, told)
        if kept := self._idle.get(place.key):
            self._ask(kept.pop(), call)
        else:
            self._connect_for(call)

    def close_idle(self) -> None:
        """Close connections that were not used for IDLE_SECONDS; call it now and then."""
        oldest = self._clock.monotonic() - IDLE_SECONDS
        for key, connections in list(self._idle.items()):
            for connection in [one for one in connections if one.used_at <= oldest]:
                connection.close()
            if not connections:
                del self._idle[key]

    async def close(self) -> None:
        """Close every connection. Who waits for an answer is told nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        idle = [one for connections in self._idle.values() for one in connections]
        for connection in [*idle, *self._asking]:
            connection.close()
        self._idle.clear()
        self._asking.clear()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await self._resolver.close()

    def answered(self, connection: Connection, answer: Answer) -> None:
        """A connection has its answer."""
        self._asking.pop(connection, None)
        call: _Call = connection.call
        kept = self._idle.get(call.place.key)
        if kept is None:
            kept = self._idle[call.place.key] = []
        if connection.reusable and len(kept) < IDLE_MOST:
            connection.used_at, connection.home = self._clock.monotonic(), kept
            kept.append(connection)
        else:
            connection.close()
        call.told(answer)

    def failed(self, connection: Connection, error: BrokenError) -> None:
        """A connection has no answer and will not have one."""
        self._asking.pop(connection, None)
        connection.close()
        if isinstance(error, StaleError):
            # Closed in the moment that it was used, and nothing was answered: ask anew.
            self._connect_for(connection.call)
        else:
            connection.call.told(Answer(None, error=str(error)))

    def _ask(self, connection: Connection, call: _Call) -> None:
        loop = asyncio.get_running_loop()
        connection.call, connection.home = call, None
        connection.late_at = loop.time() + self._seconds
        self._asking[connection] = None
        if self._timer is None:
            self._timer = loop.call_at(connection.late_at, self._end_late)
        connection.ask(call.request)

    def _end_late(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._asking:
            oldest = next(iter(self._asking))
            if oldest.late_at > loop.time():
                self._timer = loop.call_at(oldest.late_at, self._end_late)
                return
            oldest.give_up(f"no answer within {self._seconds:g} s")

    def _connect_for(self, call: _Call) -> None:
        if not self._closed:
            task = asyncio.create_task(self._connect_and_ask(call))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect_and_ask(self, call: _Call) -> None:
        try:
            connection = await self._connect(call.place)
        except ForbiddenAddressError as error:
            answer = Answer(None, error=f"refused: {error}")
        except ssl.SSLError as error:
            answer = Answer(None, error=f"TLS failed: {error.reason or error}")
        except OSError as error:
            answer = Answer(None, error=f"cannot connect: {error.strerror or error}")
        except UnicodeError as error:
            answer = Answer(None, error=str(error))
        else:
            self._ask(connection, call)
            return
        call.told(answer)

    async def _connect(self, place: Place) -> Connection:
        found = await self._resolve(place.host, place.port)
        failure = OSError(f"{place.host} has no address")
        for entry in found:
            try:
                async with asyncio.timeout(CONNECT_SECONDS / len(found)):
                    return await self._connect_to(entry, place)
            except TimeoutError:
                failure = OSError(f"{entry['host']} does not answer")
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
        raise failure

    async def _connect_to(self, entry: ResolveResult, place: Place) -> Connection:
        if place.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        made: tuple[Any, Connection] = await asyncio.get_running_loop().create_connection(
            self._made,
            entry["host"],
            place.port,
            ssl=self._tls if place.tls else None,
            server_hostname=place.host if place.tls else None,
        )
        return made[1]

    def _made(self) -> Any:
        return Connection(self)

    async def _resolve(self, host: str, port: int) -> list[ResolveResult]:
        # One look-up for all that wait for a name: the threads that do them are few, and a dead
        # name server holds one for many seconds.
        now = self._clock.monotonic()
        kept = self._names.get(host)
        if kept is None or kept[0] <= now:
            if len(self._names) >= NAMES_MOST:
                self._names.clear()
            task = asyncio.ensure_future(
                self._resolver.resolve(host, port, socket.AddressFamily.AF_UNSPEC)
            )
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            kept = self._names[host] = (now + NAMES_SECONDS, task)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.shield(kept[1])
        except TimeoutError:
            raise OSError(f"the name {host} was not resolved in time") from None
