"""What the tests of sessions, links, client and server are built from."""

import asyncio
import contextlib
import random
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from onesixty.kit.clock import Clock, SystemClock
from onesixty.smpp.client import Bind, Client
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.framing import Framer
from onesixty.smpp.link import Answer, AnswerKind, Link
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.server import Server, ServerLink
from onesixty.smpp.session import Session
from onesixty.smpp.states import BindMode, Side, State, Timers

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


class Watch:
    """Waiting for something to become true, woken by everything that happens."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ping(self) -> None:
        """Something happened."""
        self._event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; TimeoutError when that takes 5 s."""
        async with asyncio.timeout(5):
            while not condition():
                self._event.clear()
                await self._event.wait()


class Smsc:
    """A message centre that writes down what it is asked, and answers unless told not to."""

    def __init__(self, watch: Watch) -> None:
        self.binds: list[Pdu] = []
        self.bind_statuses: list[int] = []
        """Answers to the next binds, 0 when there are none left."""
        self.requests: list[Pdu] = []
        self.open: list[tuple[ServerLink, Pdu]] = []
        """Requests that were not answered yet."""
        self.most_open = 0
        self.answering = True
        self.unbound: list[ServerLink] = []
        self._watch = watch

    async def on_bind(self, link: ServerLink, pdu: Pdu) -> int:
        """Accept, or refuse as told."""
        self.binds.append(pdu)
        self._watch.ping()
        return self.bind_statuses.pop(0) if self.bind_statuses else 0

    def on_requests(self, link: ServerLink, pdus: list[Pdu]) -> None:
        """Write down and answer."""
        self.requests += pdus
        self.open += [(link, pdu) for pdu in pdus]
        self.most_open = max(self.most_open, link.session.owed)
        if self.answering:
            self.answer_all()
        self._watch.ping()

    def on_unbound(self, link: ServerLink) -> None:
        """Write down."""
        self.unbound.append(link)
        self._watch.ping()

    async def asked(self, number: int) -> None:
        """Return once that many requests came."""
        await self._watch.until(lambda: len(self.requests) == number)

    def answer_all(self, status: int = 0) -> None:
        """Answer all that is open; the id of a message is its text with "id-" before it."""
        for link, pdu in self.open:
            message_id = f"id-{pdu.octets('short_message').decode()}"
            link.respond(pdu, status, None if status else {"message_id": message_id})
        self.open.clear()


class Esme:
    """The owner of a client: writes down what it is told, accepts every delivery."""

    def __init__(self, watch: Watch) -> None:
        self.delivered: list[list[Pdu]] = []
        self.links: list[Link] = []
        self.rooms = 0
        self.when_delivered: Callable[[Link], None] = lambda _: None
        self._watch = watch

    def on_deliver(self, link: Link, pdus: list[Pdu]) -> None:
        """Write down and accept."""
        self.delivered.append(pdus)
        self.links.append(link)
        for pdu in pdus:
            link.respond(pdu)
        self.when_delivered(link)
        self._watch.ping()

    def on_change(self) -> None:
        """Wake the test."""
        self._watch.ping()

    def on_room(self) -> None:
        """Count."""
        self.rooms += 1
        self._watch.ping()


class Fates:
    """What became of the PDUs of one submit, by their place in it."""

    def __init__(self, watch: Watch) -> None:
        self.answers: dict[int, list[Answer]] = {}
        self._watch = watch

    def __call__(self, index: int, answer: Answer) -> None:
        """The `on_answer` of the submit."""
        self.answers.setdefault(index, []).append(answer)
        self._watch.ping()

    def kinds(self) -> dict[int, list[AnswerKind]]:
        """Only the kinds."""
        return {index: [a.kind for a in answers] for index, answers in self.answers.items()}


class Raw:
    """A peer that writes whatever octets it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int, mode: int | None = None) -> "Raw":
        """A connection to a server of ours, bound if a mode is given."""
        raw = cls(*await asyncio.open_connection("127.0.0.1", port))
        if mode is not None:
            raw.write(bind_pdu(mode))
            assert (await raw.read()).status == 0
        return raw

    def write(self, *pdus: Pdu | bytes) -> None:
        """Write PDUs, or octets as they are."""
        self.writer.write(b"".join(p if isinstance(p, bytes) else encode(p) for p in pdus))

    async def read(self) -> Pdu:
        """The next PDU of the peer; IncompleteReadError when it closed."""
        async with asyncio.timeout(5):
            head = await self._reader.readexactly(4)
            rest = await self._reader.readexactly(int.from_bytes(head, "big") - 4)
        return decode(head + rest, lenient=True)

    async def ended(self) -> bytes:
        """What the peer still sent until it closed."""
        async with asyncio.timeout(5):
            return await self._reader.read()

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def serving(
    smsc: Smsc,
    *,
    timers: Timers = TIMERS,
    window: int = 10,
    clock: Clock | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[Server, int]]:
    """A server on a free port, and that port."""
    server = Server(
        clock=clock or SystemClock(), events=smsc, timers=timers, window=window, tls=tls
    )
    port = await server.start("127.0.0.1", 0)
    try:
        yield server, port
    finally:
        for link in list(server.links):
            link.abort()
        await server.stop()


@asynccontextmanager
async def connected(
    esme: Esme, *binds: Bind, window: int = 10, timers: Timers = TIMERS, clock: Clock | None = None
) -> AsyncIterator[Client]:
    """A client that was started, whether or not it is bound yet."""
    client = Client(
        binds,
        window=window,
        timers=timers,
        clock=clock or SystemClock(),
        chance=random.Random(1),
        events=esme,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop(0)


def bind_to(
    port: int,
    mode: BindMode = BindMode.TRANSCEIVER,
    tls: ssl.SSLContext | None = None,
    tls_server_name: str = "",
) -> Bind:
    """A bind to a server on this machine."""
    return Bind(
        host="127.0.0.1",
        port=port,
        system_id="esme",
        password="secret",
        mode=mode,
        tls=tls,
        tls_server_name=tls_server_name,
    )


def texts(*words: str) -> list[Pdu]:
    """A submit_sm for each text."""
    pdus = []
    for word in words:
        pdu = submit()
        pdu.fields["short_message"] = word.encode()
        pdus.append(pdu)
    return pdus
