"""Cutting the octet stream of a connection into whole PDUs by command_length, and nothing else.

A length that cannot be true ends the stream: after it there is no way to find the next PDU.
"""

from onesixty.smpp.statuses import Status

HEADER_SIZE = 16
CAP_BEFORE_BIND = 1024
CAP_BOUND = 70_000  # a message_payload alone may carry 65 535 octets

# What port scanners and lost clients send first: seen as command_length, all of them are absurd.
_PROBES = (
    (b"GET ", "an HTTP GET request"),
    (b"POST", "an HTTP POST request"),
    (b"HEAD", "an HTTP HEAD request"),
    (b"PUT ", "an HTTP PUT request"),
    (b"OPTI", "an HTTP OPTIONS request"),
    (b"CONN", "an HTTP CONNECT request"),
    (b"PRI ", "an HTTP/2 preface"),
    (b"HTTP", "an HTTP response"),
    (b"SSH-", "an SSH greeting"),
    (b"\x16\x03", "a TLS ClientHello"),
)


class FramingError(Exception):
    """The stream cannot be read any further: answer generic_nack `status`, `sequence`, and close.

    `frames` are the whole PDUs that came before the bad one in the same `feed`. `not_smpp` is True
    when the peer visibly speaks another protocol, so that an answer is of no use. `head` are the
    first octets of what is no PDU.
    """

    def __init__(self, sequence: int, detail: str, frames: list[bytes], *, not_smpp: bool) -> None:
        super().__init__(detail)
        self.status = Status.RINVCMDLEN
        self.sequence = sequence
        self.detail = detail
        self.frames = frames
        self.not_smpp = not_smpp
        self.head = b""


class Framer:
    """The octets of one direction of one connection; `cap` is the longest PDU taken, in octets."""

    def __init__(self, cap: int = CAP_BEFORE_BIND) -> None:
        self.cap = cap
        self._pending = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The PDUs that these octets complete, in order; FramingError at an impossible length.

        After a FramingError the framer is of no more use: every further `feed` raises again.
        """
        if self._pending:
            self._pending += data
            if len(self._pending) < self._wanted():
                return []
            data = bytes(self._pending)
            self._pending.clear()
        elif type(data) is not bytes:
            data = bytes(data)
        frames: list[bytes] = []
        at, size, cap = 0, len(data), self.cap
        while size - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if not HEADER_SIZE <= length <= cap:
                self._pending += data[at : at + HEADER_SIZE]
                error = _error(data[at : at + HEADER_SIZE], cap, frames)
                error.head = data[at : at + HEADER_SIZE]
                raise error
            if size - at < length:
                break
            frames.append(data[at : at + length])
            at += length
        if at < size:
            self._pending += data[at:]
        return frames

    def _wanted(self) -> int:
        """How many octets must be there before it is worth looking again."""
        if len(self._pending) < 4:
            return 4
        length = int.from_bytes(self._pending[:4], "big")
        return length if HEADER_SIZE <= length <= self.cap else 4


def _error(head: bytes, cap: int, frames: list[bytes]) -> FramingError:
    for prefix, what in _PROBES:
        if head.startswith(prefix):
            return FramingError(0, f"not SMPP: {what}", frames, not_smpp=True)
    length = int.from_bytes(head[:4], "big")
    sequence = int.from_bytes(head[12:16], "big") if len(head) == HEADER_SIZE else 0
    limit = f"below {HEADER_SIZE}" if length < HEADER_SIZE else f"above the cap of {cap}"
    detail = f"command_length {length} is {limit} octets"
    return FramingError(sequence, detail, frames, not_smpp=False)
