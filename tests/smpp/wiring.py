"""What the tests of sessions, links, client and server are built from."""

import struct
from typing import Any

from onesixty.smpp.codec import decode, encode
from onesixty.smpp.framing import Framer
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.session import Session
from onesixty.smpp.states import Side, State, Timers

TIMERS = Timers()
MODES = {
    Command.BIND_TRANSMITTER: State.BOUND_TX,
    Command.BIND_RECEIVER: State.BOUND_RX,
    Command.BIND_TRANSCEIVER: State.BOUND_TRX,
}


def new(side: Side, window: int = 10) -> Session[Any]:
    """A session that was just connected at time 0."""
    return Session(side, TIMERS, 0.0, window=window)


def bind_pdu(command: int = Command.BIND_TRANSCEIVER, version: int = 0x34) -> Pdu:
    """A bind that nobody minds."""
    return Pdu(
        command,
        sequence=1,
        fields={"system_id": "esme", "password": "secret", "interface_version": version},
    )


def bound(
    side: Side, command: int = Command.BIND_TRANSCEIVER, *, window: int = 10, version: int = 0x34
) -> Session[Any]:
    """A session that is bound, with nothing left to write."""
    session = new(side, window)
    if side is Side.SMSC:
        session.receive(encode(bind_pdu(command, version)), 0.0)
        tlv = Tlv(Tag.SC_INTERFACE_VERSION, bytes([session.version]))
        session.answer_bind(bind_pdu(command, version), 0, {"system_id": "smsc"}, [tlv])
    else:
        session.bind(bind_pdu(command, version), 0.0)
        session.receive(encode(Pdu(command | 0x80000000, 0, 1)), 0.0)
    session.take_outgoing()
    return session


def written(session: Session[Any]) -> list[Pdu]:
    """What the session wants written, decoded."""
    return [decode(frame, lenient=True) for frame in Framer(70_000).feed(session.take_outgoing())]


def heads(session: Session[Any]) -> list[tuple[int, int, int]]:
    """Command, status and sequence number of all that the session wants written."""
    return [(pdu.command, pdu.status, pdu.sequence) for pdu in written(session)]


def submit(sequence: int = 0) -> Pdu:
    """A submit_sm."""
    return Pdu(
        Command.SUBMIT_SM,
        sequence=sequence,
        fields={"source_addr": "S", "destination_addr": "491700000001", "short_message": b"hi"},
    )


def deliver(sequence: int = 0) -> Pdu:
    """A deliver_sm."""
    return Pdu(Command.DELIVER_SM, sequence=sequence, fields={"short_message": b"hi"})


def bare(command: int, status: int = 0, sequence: int = 0) -> bytes:
    """A PDU without a body, known to the codec or not."""
    return struct.pack(">IIII", 16, command, status, sequence)
