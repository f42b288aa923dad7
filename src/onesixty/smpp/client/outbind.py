"""Outbind: the SMSC connects to us and asks for a bind, to deliver what it has (SMPP 3.4, 4.1.7).

Each of its connections gets a bind of its own, as a receiver, and ends with it: nobody reconnects.
"""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any, cast

from onesixty.smpp.client.client import Backoff, Bind, BindMode, Client, ClientLink, Line
from onesixty.smpp.link import Ticket
from onesixty.smpp.states import CalledUp, Event

CALLS_MOST = 16  # connections at a time; an SMSC makes one


class Outbinds:
    """A port on which the hosts of one SMSC may call a client.

    `bind` says which hosts these are and with what name and password they are answered. Nobody else
    is told the password: it is sent only to an address that one of the hosts has.
    """

    def __init__(self, client: Client, bind: Bind) -> None:
        self.client = client
        self.bind = replace(bind, mode=BindMode.RECEIVER, tls=None)
        self._hosts = {bind.host, *(host for host, _ in bind.fallbacks)}
        self.is_closed = False
        self._listener: Any = None  # an asyncio.Server; the sockets of uvloop's are a list
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> int:
        """Listen on every address; the port, which the system chooses where 0 is given.

        Raises OSError when the port cannot be had. Processes may share it.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            cast(Any, lambda: _CalledLine(self).answering()), None, port, reuse_port=True
        )
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Take no more calls. The connections that are up end with the client, by its `stop`."""
        self.is_closed = True
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()

    def bind_on(self, link: "_CalledLink") -> None:
        """Bind on the connection of a caller that is who it should be."""
        task = asyncio.create_task(self._bind_on(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bind_on(self, link: "_CalledLink") -> None:
        if link.host in await self._addresses():
            link.bind()
        else:
            link.close("it is none of the SMSC's hosts")

    async def _addresses(self) -> set[str]:
        """Every address that the hosts have now."""
        loop = asyncio.get_running_loop()
        found: set[str] = set()
        for host in self._hosts:
            with contextlib.suppress(OSError):
                found |= {str(info[4][0]) for info in await loop.getaddrinfo(host, None)}
        return found


class _CalledLine(Line):
    """A bind on a connection of the SMSC's; gone with it."""

    def __init__(self, outbinds: Outbinds) -> None:
        client = outbinds.client
        super().__init__(outbinds.bind, client, Backoff(client.timers, client.chance))
        self.outbinds = outbinds

    def answering(self) -> "_CalledLink":
        """The protocol of its connection."""
        return _CalledLink(self)

    def opened(self, link: "_CalledLink", host: str, port: int) -> None:
        """A caller is there; nothing is known of it but its address."""
        if self.outbinds.is_closed or len(self.client.called) >= CALLS_MOST:
            link.close("too many calls, or too late")
            return
        self.link = link
        self.show_at(host, port)
        self.client.called.append(self)

    def ended(self, link: ClientLink) -> None:
        """The connection is gone, and the line with it."""
        with contextlib.suppress(ValueError):  # one call too many was never in it
            self.client.called.remove(self)
        super().ended(link)


class _CalledLink(ClientLink):
    """A connection that the SMSC made."""

    def __init__(self, line: _CalledLine) -> None:
        super().__init__(line)
        self.host = ""
        """Address of the caller."""
        self._called = line

    def bind(self) -> None:
        """Answer the outbind."""
        if self._abort_at is None:
            super()._on_open()
            self.flush()

    def _on_open(self) -> None:
        assert self._transport is not None
        self.host, port = self._transport.get_extra_info("peername")[:2]
        self.host = self.host.removeprefix("::ffff:")  # IPv4 on a socket for both
        self._called.opened(self, self.host, port)

    def _on_event(self, event: Event[Ticket]) -> None:
        if isinstance(event, CalledUp):
            self._called.outbinds.bind_on(self)
        else:
            super()._on_event(event)
