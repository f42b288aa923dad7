"""Ports for programs that must be told theirs before they listen."""

import errno
import socket

from onesixty.kit.chance import chance

# Below those that systems give to outgoing connections: one of them could take it meanwhile, and
# who connects to such a port before anybody listens may reach itself.
_PORTS = range(20_000, 30_000)
_chance = chance()


def free_port() -> int:
    """A port of this machine that nobody listens on now, another at each call. Raises OSError."""
    while True:
        port = _chance.choice(_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port
