"""A client made of a socket and the codec, so that what the simulator writes is seen as it is."""

import asyncio
import socket
import struct
from dataclasses import replace
from typing import Any

from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.framing import CAP_BOUND, Framer
from onesixty.smpp.pdus import RESPONSE_BIT, Command, FieldValue, Pdu
from onesixty.smpp.receipts import Receipt, is_receipt, parse_receipt

BOUND_SECONDS = 5.0
RECIPIENT = "491700000001"
_DATA_SEGMENTS_IN = 152  # offset of tcpi_data_segs_in in struct tcp_info of Linux


class Esme:
    """One connection. `answers` is the status of every deliver_sm_resp, None for no answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._framer = Framer(CAP_BOUND)
        self._ready: list[Pdu] = []
        self._sequence = 0
        self.answers: int | None = 0

    @classmethod
    async def connect(cls, port: int) -> "Esme":
        """Connect to a simulator on this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def bind(
        self,
        command: Command = Command.BIND_TRANSCEIVER,
        *,
        name: str = "esme",
        version: int = 0x34,
    ) -> Pdu:
        """Ask to be bound; the answer."""
        fields: dict[str, FieldValue] = {
            "system_id": name,
            "password": "secret",
            "interface_version": version,
        }
        return await self.ask(Pdu(command, fields=fields))

    def send(self, pdu: Pdu) -> int:
        """Write a request; its sequence number."""
        self._sequence += 1
        self._writer.write(encode(replace(pdu, sequence=self._sequence)))
        return self._sequence

    def submit(self, destination: str = RECIPIENT, text: bytes = b"hello", **more: Any) -> int:
        """Write a submit_sm that wants a receipt; its sequence number."""
        return self.send(submit_sm(destination, text, **more))

    async def ask(self, pdu: Pdu) -> Pdu:
        """Write a request and read on until its answer; what came before it is lost."""
        sequence = self.send(pdu)
        while True:
            answer = await self.read()
            if answer.is_response and answer.sequence == sequence:
                return answer

    async def read(self) -> Pdu:
        """The next PDU. EOFError at the end; messages are answered with `answers`."""
        async with asyncio.timeout(BOUND_SECONDS):
            while not self._ready:
                await self._read_more()
        return self._ready.pop(0)

    async def receipt(self) -> Receipt:
        """The next PDU, which must be a receipt."""
        pdu = await self.read()
        assert is_receipt(pdu), pdu
        return parse_receipt(pdu)

    async def quiet(self) -> list[Pdu]:
        """All that the simulator has written by now, in answer to what was sent before.

        The answer to the first enquiry may overtake others of its read, that to the second not.
        """
        before: list[Pdu] = []
        for _ in range(2):
            sequence = self.send(Pdu(Command.ENQUIRE_LINK))
            while (pdu := await self.read()).sequence != sequence or not _is_enquiry_answer(pdu):
                before.append(pdu)
        return before

    def segments(self) -> int:
        """TCP segments with data that arrived so far."""
        info = self._writer.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, 256
        )
        return int(struct.unpack_from("I", info, _DATA_SEGMENTS_IN)[0])

    async def pass_time(self, clock: ManualClock, seconds: float) -> list[Pdu]:
        """Let time pass on the simulator's clock, staying alive; what came meanwhile."""
        came = await self.quiet()
        while seconds > 0:
            await clock.advance(min(seconds, 10.0))
            seconds -= 10.0
            came += await self.quiet()
        return came

    async def ended(self) -> bytes:
        """Read until the simulator closes; the octets that made no whole PDU."""
        try:
            while True:
                await self.read()
        except EOFError:
            return bytes(self._framer._pending)

    def respond(self, request: Pdu, status: int = 0) -> None:
        """Answer a request of the simulator."""
        self._writer.write(encode(Pdu(request.command | RESPONSE_BIT, status, request.sequence)))

    async def close(self) -> None:
        """Close without unbind."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    async def _read_more(self) -> None:
        try:
            data = await self._reader.read(65536)
        except ConnectionError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        for frame in self._framer.feed(data):
            pdu = decode(frame, lenient=True)
            if pdu.command == Command.ENQUIRE_LINK:
                self.respond(pdu)
                continue
            if pdu.command in (Command.DELIVER_SM, Command.DATA_SM) and self.answers is not None:
                self.respond(pdu, self.answers)
            self._ready.append(pdu)


def _is_enquiry_answer(pdu: Pdu) -> bool:
    return pdu.command == Command.ENQUIRE_LINK_RESP


def submit_sm(destination: str = RECIPIENT, text: bytes = b"hello", **more: Any) -> Pdu:
    """A submit_sm from 4915100000001 that wants a receipt; `tlvs` and fields may be given."""
    tlvs = more.pop("tlvs", [])
    fields: dict[str, FieldValue] = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": "4915100000001",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": destination,
        "registered_delivery": 1,
        "short_message": text,
    }
    return Pdu(Command.SUBMIT_SM, fields=fields | more, tlvs=tlvs)
