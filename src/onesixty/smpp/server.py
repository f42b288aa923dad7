"""An SMPP server (SMSC): listens, lets clients bind, and passes messages both ways.

Whatever one connection does - garbage, half PDUs, silence - only that connection ends.
"""

import asyncio
import socket
import ssl
import struct
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from onesixty.kit.clock import Clock
from onesixty.smpp.link import Answer, AnswerKind, Link, Ticket
from onesixty.smpp.pdus import RESPONSE_BIT, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.session import Session
from onesixty.smpp.states import BindMode, BindRequested, Event, PeerUnbound, Side, Timers
from onesixty.smpp.statuses import Status
from onesixty.smpp.trace.capture import Capture

__all__ = ["Answer", "AnswerKind", "BindMode", "Server", "ServerEvents", "ServerLink", "Timers"]


class ServerEvents(Protocol):
    """What a server asks and tells its owner, on the event loop. Only `on_bind` may raise."""

    async def on_bind(self, link: "ServerLink", pdu: Pdu) -> int:
        """Whether this client may bind: the command_status of the answer, 0 to accept.

        Until this returns the client waits; one that raises refuses with ESME_RSYSERR.
        """
        ...

    def on_requests(self, link: "ServerLink", pdus: list[Pdu]) -> None:
        """submit_sm, submit_multi, data_sm, query_sm, cancel_sm, replace_sm of one read.

        Answer each with `link.respond`, in any order. A client that leaves twice the window
        unanswered is not read until answers went out.
        """
        ...

    def on_unbound(self, link: "ServerLink") -> None:
        """An accepted bind is over: unbound or lost. Once for each `on_bind` that returned 0."""
        ...


_HEADER = struct.Struct(">IIII")
HANDSHAKE_SECONDS = 10.0
"""A TLS client gets that long; after it the time to bind begins."""
PDUS_OF_A_CLIENT = 250
"""So many are kept to look at, of each connection: there may be many."""


class Server:
    """One listening port.

    `window`: requests to each client that may be unanswered. `tls`: speak TLS from the first octet.
    A connection is closed at once where it would be one more than `connections_most`, or, of its
    address, one more than `unbound_most` that are not bound; `on_turned_away` is told of it.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        events: ServerEvents,
        timers: Timers,
        tls: ssl.SSLContext | None = None,
        window: int = 10,
        system_id: str = "ONESIXTY",
    ) -> None:
        self.clock, self.events, self.timers = clock, events, timers
        self.window, self.system_id, self.tls = window, system_id, tls
        self.connections_most = self.unbound_most = sys.maxsize
        self.on_turned_away: Callable[[str], None] = lambda host: None
        self.links: set[ServerLink] = set()
        """Every connection that is up, bound or not."""
        self.unbound: Counter[str] = Counter()
        """Of each address, the connections that are not bound yet."""
        self._listener: Any = None  # an asyncio.Server; the sockets of uvloop's are a list
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which the system chooses where 0 is given."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._made, host, port, ssl=self.tls, **self._patience()
        )
        self.watch()
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def start_on(self, listener: socket.socket) -> None:
        """Listen on a socket that is bound already."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._made, sock=listener, ssl=self.tls, **self._patience()
        )
        self.watch()

    def watch(self) -> None:
        """Let time pass for the connections; `start` does it, `take` alone does not."""
        self._ticker = self._ticker or asyncio.create_task(self._tick())

    async def take(self, connection: socket.socket) -> None:
        """Serve a connection that another process accepted. OSError when it is gone already."""
        connection.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(
            self._made, connection, ssl=self.tls, **self._patience()
        )

    def _made(self) -> Any:
        return ServerLink(self)

    def _patience(self) -> dict[str, Any]:
        return {} if self.tls is None else {"ssl_handshake_timeout": HANDSHAKE_SECONDS}

    def close(self) -> None:
        """Take no more connections."""
        if self._listener is not None:
            self._listener.close()

    async def stop(self, drain_seconds: float = 0.0) -> None:
        """Take no more connections, wait that long for open answers, unbind and close them all."""
        self.close()
        while links := list(self.links):  # again, for those who were just being let in
            for link in links:
                link.retire(drain_seconds, "the server stops")
            for link in links:
                await link.lost.wait()
        if self._ticker is not None:
            self._ticker.cancel()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self.clock.sleep(self.timers.tick_seconds)
            for link in self.links:
                loop.call_soon(link.tick)  # by itself, so that no link harms another


class ServerLink(Link):
    """One connection of a client to us."""

    def __init__(self, server: Server) -> None:
        now = server.clock.monotonic()
        session = Session[Ticket](Side.SMSC, server.timers, now, window=server.window)
        super().__init__(session, server.clock)
        session.capture = Capture(PDUS_OF_A_CLIENT)
        self.system_id = ""
        """Name of the client, as its bind says."""
        self.mode = BindMode.TRANSCEIVER
        """What its bind asks for."""
        self.bind_fields: dict[str, FieldValue] = {"system_id": server.system_id}
        self.bind_tlvs: list[Tlv] = []
        """What an accepting bind_resp carries; `on_bind` may change both."""
        self.owner: Any = None
        """Whatever the owner of the server wants to know again with its requests."""
        self._server = server
        self._host = ""  # while it counts as not bound
        self._accepted = False
        self._deciding: asyncio.Task[int] | None = None

    @property
    def version(self) -> int:
        """The interface_version that holds: 0x34, 0x50, or below 0x34 for an old client."""
        return self.session.version

    @property
    def host(self) -> str:
        """Address of the other end, without its port."""
        return self.peer.rpartition(":")[0]

    @property
    def tls(self) -> bool:
        """Whether it came to a port that speaks TLS."""
        return self._server.tls is not None

    @property
    def can_receive(self) -> bool:
        """Whether `deliver` sends."""
        return self.usable and self.mode is not BindMode.TRANSMITTER

    def deliver(self, pdu: Pdu, on_answer: Callable[[Answer], None]) -> None:
        """Send a deliver_sm or data_sm as the window allows; see `Link.submit`."""
        self.submit((pdu,), lambda _, answer: on_answer(answer))

    def accept(self, request: Pdu, message_id: str) -> None:
        """Answer a submit_sm or data_sm that is taken: what `respond` does, in less time.

        The id is at most 64 characters of ASCII.
        """
        session = self.session
        if not session.bound:  # it may have unbound, with answers still to come
            self.respond(request, 0, {"message_id": message_id})
            return
        body = message_id.encode("ascii") + b"\0"
        head = _HEADER.pack(16 + len(body), request.command | RESPONSE_BIT, 0, request.sequence)
        session.write_raw(head + body)
        session.forget()
        self._schedule_flush()

    def write_raw(self, data: bytes) -> None:
        """Write octets as they are, behind all answers given so far."""
        self.session.write_raw(data)
        self._schedule_flush()

    def write_octets(self, data: bytes) -> None:
        """Write octets one at a time, behind all that is due; nothing comes between them."""
        self.flush()
        if self._transport is not None:
            for octet in data:
                self._transport.write(bytes((octet,)))

    def forget(self, request: Pdu) -> None:
        """This request will never be answered: stop counting it against the client."""
        self.session.forget()
        self._schedule_flush()

    # -- hooks of Link

    def _on_open(self) -> None:
        server, host = self._server, self.host
        crowded = len(server.links) >= server.connections_most
        server.links.add(self)
        self._count(host)
        if crowded or server.unbound[host] > server.unbound_most:
            self.reason = "too many connections"
            server.on_turned_away(host)
            self.abort()

    def _on_requests(self, pdus: list[Pdu]) -> None:
        self._server.events.on_requests(self, pdus)

    def _on_event(self, event: Event[Ticket]) -> None:
        if isinstance(event, BindRequested):
            request = event.pdu
            self.system_id = request.text("system_id")
            self.mode = BindMode(request.command)
            self.bind_tlvs = [Tlv(Tag.SC_INTERFACE_VERSION, bytes([self.version]))]
            task = asyncio.ensure_future(self._server.events.on_bind(self, request))
            task.add_done_callback(lambda done: self._decided(request, done))
            self._deciding = task
        elif isinstance(event, PeerUnbound):
            self._tell_unbound()

    def _on_refusal(self, pdu: Pdu) -> None:
        """What a refused deliver_sm means is for the caller of `deliver` to know."""

    def _on_room(self) -> None:
        """Deliveries wait in the outbox; nobody has to be told."""

    def _on_lost(self, reason: str) -> None:
        self._server.links.discard(self)
        self._count("")
        self._tell_unbound()

    def _count(self, host: str) -> None:
        """Count it as not bound under this address, or, without one, no longer."""
        unbound, known = self._server.unbound, self._host
        if known:
            unbound[known] -= 1
            if not unbound[known]:
                del unbound[known]
        self._host = host
        if host:
            unbound[host] += 1

    def _decided(self, request: Pdu, done: "asyncio.Task[int]") -> None:
        self._deciding = None
        status: int = Status.RSYSERR
        if not done.cancelled():
            error = done.exception()
            if error is None:
                status = done.result()
            else:
                context = {"message": "on_bind failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        self._accepted = not status
        if self._accepted:
            self._count("")
        self.session.answer_bind(request, status, self.bind_fields, self.bind_tlvs)
        if self.lost.is_set():
            self._tell_unbound()
        self.flush()

    def _tell_unbound(self) -> None:
        if self._accepted:
            self._accepted = False
            self._server.events.on_unbound(self)
