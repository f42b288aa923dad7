"""PDUs to octets and back: one encoder and one decoder, both driven by the tables of `pdus`."""

from onesixty.smpp.framing import Framer, FramingError
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.statuses import Status

__all__ = ["DecodeError", "EncodeError", "Framer", "FramingError", "decode", "encode"]


class EncodeError(ValueError):
    """A PDU that has no encoding; `field` is the name of the offending field."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


class DecodeError(Exception):
    """A whole frame whose body cannot be read; the session survives and `reply` is the answer to send."""

    def __init__(
        self, status: Status, command: int, sequence: int, field: str, detail: str
    ) -> None:
        super().__init__(f"{field}: {detail}")
        self.status = status
        self.command = command
        self.sequence = sequence
        self.field = field
        self.detail = detail

    def reply(self) -> Pdu | None:
        """The response or generic_nack to send; None for what must not be answered."""
        raise NotImplementedError


def encode(pdu: Pdu, *, lenient: bool = False) -> bytes:
    """The octets of a PDU."""
    raise NotImplementedError


def decode(frame: bytes | memoryview, *, lenient: bool = False) -> Pdu:
    """The PDU in one whole frame; lenient on the ESME side, strict on the SMSC side."""
    raise NotImplementedError
