"""The way between a supervisor and a worker: connections go one way, beats the other."""

import contextlib
import signal
import socket
import struct
from typing import Final

HTTP, SMPP, SMPP_TLS = "http", "smpp", "smpp_tls"
KINDS: Final = {b"h": HTTP, b"s": SMPP, b"t": SMPP_TLS}  # what stands for a port on the way
WORDS: Final = {kind: word for word, kind in KINDS.items()}
# How many connections of HTTP and of SMPP a worker has; LEAVING when it takes none.
BEAT: Final = struct.Struct("!ii")
LEAVING: Final = -1
BACKLOG: Final = 2048
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)  # these end a server in order
_TAKE_MOST: Final = 64


class Channel:
    """A worker's end of the way to its supervisor: connections come in, beats go out."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)

    def take(self) -> list[tuple[str, socket.socket]] | None:
        """The connections that came, and to which port; None when the supervisor is gone."""
        taken: list[tuple[str, socket.socket]] = []
        while len(taken) < _TAKE_MOST:
            try:
                word, descriptors, _, _ = socket.recv_fds(self._end, 1, 1)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                return taken or None
            if not word:
                return taken or None
            kind = KINDS[word]
            taken += [(kind, socket.socket(fileno=descriptor)) for descriptor in descriptors]
        return taken

    def beat(self, http: int, smpp: int = 0) -> None:
        """Say that the event loop turns, and how many connections there are."""
        with contextlib.suppress(OSError):  # it is gone, or has not read for long
            self._end.send(BEAT.pack(http, smpp))

    def fileno(self) -> int:
        """For the event loop."""
        return self._end.fileno()
