"""One connection to a message centre, driven by hand: any PDU, one question at a time or many.

What a command needs that tries things out: the client of the library does only what is right, binds
again by itself, and has its window.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from onesixty.cli.terminal import reason
from onesixty.kit.clock import Clock
from onesixty.smpp.codec import DecodeError, decode, encode
from onesixty.smpp.framing import Framer, FramingError
from onesixty.smpp.pdus import RESPONSE_BIT, Command, Pdu
from onesixty.smpp.receipts import is_receipt
from onesixty.smpp.statuses import Status

OCTETS_MOST: Final = 70_000
_READ_OCTETS: Final = 65_536
_DELIVERED: Final = frozenset({Command.DELIVER_SM, Command.DATA_SM})
_ALIKE: Final = 7  # last digits of a number that stay the same however it is written

Watch = Callable[[bool, bytes], None]
"""Called with every PDU: whether it is ours, and its octets."""


class TalkError(Exception):
    """The connection cannot be made, is gone, or is silent; says why."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where to connect; `seconds`: how long to wait for a connection, and for an answer."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and how long it took."""

    pdu: Pdu
    seconds: float


class Talk:
    """An open connection.

    What the message centre brings is turned back for now, so that whoever it is meant for gets it
    on another bind: an account may be in use. Only receipts of the number in `awaited` are taken.
    """

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        where: Where,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self._reader, self._writer = streams
        self._seconds, self._clock, self._watch = where.seconds, clock, watch
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._asked_at: dict[int, float] = {}
        self._news = asyncio.Event()
        self.awaited = ""
        """The recipient whose receipts are taken, as digits."""
        self.came: list[Pdu] = []
        """Receipts that were taken, in their order."""
        self.turned_back = 0
        self.ended = ""
        """Why the connection is gone."""
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, where: Where, clock: Clock, watch: Watch = lambda *_: None) -> "Talk":
        """Connect. TalkError when that fails."""
        name = (where.server_name or where.host) if where.tls is not None else None
        try:
            async with asyncio.timeout(where.seconds):
                streams = await asyncio.open_connection(
                    where.host, where.port, ssl=where.tls, server_hostname=name
                )
        except TimeoutError:
            raise TalkError(f"no connection within {where.seconds:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise TalkError(f"the certificate is not good: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise TalkError(f"no TLS: {error.reason or error}") from None
        except OSError as error:
            raise TalkError(reason(error)) from None
        return cls(streams, where, clock, watch)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What was agreed, where there is TLS."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    async def ask(self, pdu: Pdu, *, lenient: bool = False) -> Reply:
        """Send a request and wait for its answer, or a generic_nack. TalkError, EncodeError."""
        return await self.answer_of(self.send(pdu, lenient=lenient))

    def send(self, pdu: Pdu, *, lenient: bool = False) -> int:
        """Send a request; its sequence number, for `answer_of`. EncodeError."""
        self._sequence += 1
        pdu.sequence = self._sequence
        self._waiting[pdu.sequence] = asyncio.get_running_loop().create_future()
        self._write(encode(pdu, lenient=lenient))
        self._asked_at[pdu.sequence] = self._clock.monotonic()
        if self.ended:
            self._give_up()
        return pdu.sequence

    async def answer_of(self, sequence: int) -> Reply:
        """The answer to a request that was sent. TalkError."""
        waiting = self._waiting[sequence]
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise TalkError(f"no answer within {self._seconds:g} s") from None

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds that a PDU can bring; False when it does not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not holds() and not self.ended:
                    self._news.clear()
                    await self._news.wait()
        return holds()

    async def close(self) -> None:
        """Unbind, where anybody still listens, and close."""
        if not self.ended:
            with contextlib.suppress(TalkError):
                await self.ask(Pdu(Command.UNBIND))
        self._reading.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    def _write(self, octets: bytes) -> None:
        self._watch(True, octets)
        self._writer.write(octets)

    async def _read(self) -> None:
        framer = Framer(OCTETS_MOST)
        try:
            while data := await self._reader.read(_READ_OCTETS):
                for frame in framer.feed(data):
                    self._take(frame)
                self._news.set()
            self.ended = self.ended or "the message centre closed the connection"
        except FramingError as error:
            self._watch(False, error.head)
            self.ended = error.detail
        except OSError as error:
            self.ended = reason(error)
        finally:
            self._give_up()
            self._news.set()

    def _take(self, frame: bytes) -> None:
        self._watch(False, frame)
        try:
            pdu = decode(frame, lenient=True)
        except DecodeError as error:
            pdu = Pdu(error.command, 0, error.sequence)
            if (reply := error.reply()) is not None:
                self._write(encode(reply))
        else:
            if not pdu.is_response:
                self._respond(pdu)
        if pdu.is_response and (waiting := self._waiting.get(pdu.sequence)):
            seconds = self._clock.monotonic() - self._asked_at[pdu.sequence]
            if not waiting.done():
                waiting.set_result(Reply(pdu, seconds))

    def _respond(self, pdu: Pdu) -> None:
        status = 0
        if pdu.command in _DELIVERED:
            if self._is_awaited(pdu):
                self.came.append(pdu)
            else:
                self.turned_back += 1
                status = Status.RX_T_APPN
        elif pdu.command not in (Command.ENQUIRE_LINK, Command.UNBIND):
            return
        self._write(encode(Pdu(pdu.command | RESPONSE_BIT, status, pdu.sequence)))

    def _is_awaited(self, pdu: Pdu) -> bool:
        ends = (pdu.text("source_addr"), pdu.text("destination_addr"))  # some swap them
        return (
            bool(self.awaited)
            and is_receipt(pdu)
            and any(one.endswith(self.awaited[-_ALIKE:]) for one in ends)
        )

    def _give_up(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(TalkError(self.ended))
                waiting.exception()  # nobody has to ask
