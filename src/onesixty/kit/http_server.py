"""uvicorn's HTTP protocol, with one write for a whole answer: head and body together.

At thousands of small answers a second the second system call is the largest single cost of the HTTP
server.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _Corked:
    """Keeps what is written during one turn of the event loop and then writes it at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep it for the end of this turn."""
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Close after all that was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            if not self._transport.is_closing():
                self._transport.write(data)


class Protocol(HttpToolsProtocol):
    """Give this class to uvicorn as `http`."""

    def connection_made(self, transport: Any) -> None:
        """A connection; its transport is corked from here on."""
        super().connection_made(_Corked(transport))  # type: ignore[arg-type]
