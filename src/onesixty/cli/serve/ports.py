"""The ports of a server: HTTP always, SMPP with and without TLS where a port is set for it."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

from onesixty.cli.serve.channel import BACKLOG, HTTP, SMPP, SMPP_TLS
from onesixty.cli.terminal import Failure, reason
from onesixty.settings import Settings

Ports = dict[str, socket.socket]  # listening sockets by the names of channel.KINDS
# Where a server is reached that listens on all addresses of the machine.
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[Ports]:
    """The listening sockets, taken before anything is changed: who connects now waits.

    Raises Failure when a port cannot be had.
    """
    host = settings.smpp_host or settings.host
    wanted = {HTTP: (settings.host, settings.port, "port")}
    if settings.role in ("all", "api"):
        if settings.smpp_port is not None:
            wanted[SMPP] = host, settings.smpp_port, "smpp-port"
        if settings.smpp_tls_port is not None:
            wanted[SMPP_TLS] = host, settings.smpp_tls_port, "smpp-tls-port"
    with contextlib.ExitStack() as stack:
        yield {
            kind: stack.enter_context(_listener(address, port, option))
            for kind, (address, port, option) in wanted.items()
        }


def address_of(listener: socket.socket) -> str:
    """Where to reach a listening socket: host and port."""
    host, port = listener.getsockname()[:2]
    host = _EVERY_ADDRESS.get(host, host)
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _listener(host: str, port: int, option: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        advice = (
            f"is another Onesixty running? Name another --{option}" if port else "name another host"
        )
        raise Failure(f"cannot listen on {host}, port {port}: {reason(error)}; {advice}") from None
