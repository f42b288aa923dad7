"""An SMPP client (ESME): any number of binds to one SMSC, kept up, used as one.

Each configured bind has a line: a task that connects, binds, waits for the loss and comes back
after a back-off. What is submitted goes over the line with the least to do.
"""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from onesixty.kit.clock import Clock
from onesixty.smpp.codec import encode
from onesixty.smpp.link import Answer, AnswerKind, Link, OnAnswer, Ticket
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.session import Session
from onesixty.smpp.states import BindMode, BindRefused, Bound, Event, Side, State, Timers
from onesixty.smpp.statuses import (
    Occasion,
    Status,
    StatusClass,
    StatusRule,
    class_of,
    name_of,
)
from onesixty.smpp.trace.capture import Capture, Wiretap

__all__ = [
    "Answer",
    "AnswerKind",
    "Backoff",
    "Bind",
    "BindMode",
    "Client",
    "ClientEvents",
    "ClientLink",
    "Line",
    "LineState",
    "Timers",
]

# Wrong name, password or system type does not mend itself, and quick retries get an address banned.
_REFUSED_FOR_GOOD = frozenset(
    {Status.RBINDFAIL, Status.RINVPASWD, Status.RINVSYSID, Status.RINVSYSTYP}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Where to connect and as whom (SMPP 3.4, section 4.1)."""

    host: str
    port: int
    system_id: str
    password: str
    fallbacks: tuple[tuple[str, int], ...] = ()
    """Hosts and ports to try next, in turn, when a connection or a bind fails."""
    system_type: str = ""
    mode: BindMode = BindMode.TRANSCEIVER
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    long_credentials: bool = False
    """Send a name or password beyond 15 and 8 characters, as a few SMSCs hand out."""
    tls: ssl.SSLContext | None = None
    tls_server_name: str = ""
    """Name to ask for and to verify; the host when empty."""
    permits: Callable[[str], bool] | None = None
    """Whether an IP address that a host leads to may be connected to; None: any may."""

    def pdu(self) -> Pdu:
        """The bind request."""
        return Pdu(
            self.mode.value,
            fields={
                "system_id": self.system_id,
                "password": self.password,
                "system_type": self.system_type,
                "interface_version": self.interface_version,
                "addr_ton": self.addr_ton,
                "addr_npi": self.addr_npi,
                "address_range": self.address_range,
            },
        )


@dataclass(frozen=True, slots=True)
class LineState:
    """How one configured bind stands, for people to look at."""

    host: str
    port: int
    system_id: str
    mode: BindMode
    phase: str
    """connecting, binding, bound, unbinding, waiting (for the next attempt) or stopped."""
    detail: str
    """Why the last connection ended or the last attempt failed."""
    refusal: int
    """command_status of the last bind, 0 unless it was refused."""
    smsc_id: str
    """system_id that the SMSC gave itself."""
    in_flight: int
    waiting: int
    version: str
    """SMPP version that holds, such as 3.4; "" while it is not bound."""


class ClientEvents(Protocol):
    """What a client tells its owner. These are called on the event loop and must not raise."""

    def on_deliver(self, link: Link, pdus: list[Pdu]) -> None:
        """deliver_sm and data_sm of one read; answer each with `link.respond`."""
        ...

    def on_change(self) -> None:
        """A line was bound, refused or lost; look at `Client.state`."""
        ...

    def on_room(self) -> None:
        """Window slots became free; once per read."""
        ...


class Backoff:
    """Exponential back-off with full jitter, and with patience where a bind was refused."""

    def __init__(self, timers: Timers, chance: random.Random) -> None:
        self._timers = timers
        self._chance = chance
        self._failures = 0

    def delay(self, *, bound_seconds: float = 0.0, refusal: int = 0) -> float:
        """Seconds to wait before the next attempt.

        `bound_seconds`: how long the last bind stood. A bind that is accepted and dropped at once
        must go on backing off. `refusal`: command_status of a refused bind, 0 for any other end.
        """
        if bound_seconds >= self._timers.stable_seconds:
            self._failures = 0
        ceiling = min(
            self._timers.reconnect_max_seconds,
            self._timers.reconnect_min_seconds * 2.0 ** min(self._failures, 30),
        )
        self._failures += 1
        return self._floor(refusal) + self._chance.uniform(0.0, ceiling)

    def _floor(self, refusal: int) -> float:
        if refusal in _REFUSED_FOR_GOOD:
            return self._timers.refused_seconds
        if refusal == Status.RALYBND:
            return self._timers.already_bound_seconds
        return 0.0


class Client:
    """Several binds to one SMSC. `window` is per bind."""

    def __init__(
        self,
        binds: Sequence[Bind],
        *,
        window: int,
        timers: Timers,
        clock: Clock,
        chance: random.Random,
        events: ClientEvents,
    ) -> None:
        """EncodeError when a bind has a field that SMPP cannot carry."""
        for bind in binds:
            encode(bind.pdu(), lenient=bind.long_credentials)
        self.window, self.timers, self.clock, self.events = window, timers, clock, events
        self.chance = chance
        self.statuses: Mapping[int, StatusRule] = {}
        """What command_status values mean here, where it is not the usual."""
        self._lines = [self._line(bind) for bind in binds]
        self.called: list[Line] = []
        """On connections that the SMSC made, see `outbind.py`."""
        self._leaving: list[Line] = []  # they take no more and wait for their last answers
        self._tasks: list[asyncio.Task[None]] = []
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect; does not wait for any bind."""
        self._tasks = [asyncio.create_task(line.run()) for line in self._lines]
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self, drain_seconds: float) -> None:
        """Take nothing more, wait that long for open answers, unbind, close."""
        for line, task in zip(self._lines, self._tasks, strict=True):
            line.stop(task, drain_seconds)
        called = [line.link for line in self.called if line.link is not None]
        for link in called:
            link.retire(drain_seconds, "stopped")
        ends = (link.lost.wait() for link in called)
        await asyncio.gather(*self._tasks, *ends, return_exceptions=True)
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker

    async def resize(self, binds: Sequence[Bind], drain_seconds: float) -> None:
        """Have these binds from now on; returns when those that go have gone.

        As many from the start as are there already stay as they are. Lines that go take no more at
        once and have that long for their open answers.
        """
        going = list(zip(self._lines[len(binds) :], self._tasks[len(binds) :], strict=True))
        del self._lines[len(binds) :], self._tasks[len(binds) :]
        for bind in binds[len(self._lines) :]:
            line = self._line(bind)
            self._lines.append(line)
            self._tasks.append(asyncio.create_task(line.run()))
        for line, task in going:
            self._leaving.append(line)
            line.stop(task, drain_seconds)
        await asyncio.gather(*(task for _, task in going), return_exceptions=True)
        for line, _ in going:
            self._leaving.remove(line)
        self.events.on_change()

    def _line(self, bind: Bind) -> "Line":
        return Line(bind, self, Backoff(self.timers, self.chance))

    @property
    def bound_for_submit(self) -> bool:
        """Whether anything can be submitted now."""
        return any(line.takes_submits for line in self._lines)

    def state(self) -> list[LineState]:
        """Every configured bind, in the order given, then those that the SMSC called for."""
        return [line.state() for line in (*self._lines, *self.called)]

    def wiretaps(self) -> list[Wiretap]:
        """What went over each configured bind lately, connections that ended included."""
        return [
            Wiretap(f"{number} {line.bind.mode.name.lower()}", line.capture)
            for number, line in enumerate(self._lines, 1)
        ]

    def room(self) -> int:
        """Free window slots of all lines that take submits, less what waits for one."""
        return sum(line.link.room for line in self._lines if line.link and line.takes_submits)

    def submit(self, pdus: Sequence[Pdu], on_answer: OnAnswer) -> None:
        """Send all of these over one link, in order; see `Link.submit`.

        Without a link that takes submits all are answered NOT_SENT before this returns.
        """
        best: Link | None = None
        for line in self._lines:
            link = line.link
            if link and line.takes_submits and (best is None or link.room > best.room):
                best = link
        if best is not None:
            best.submit(pdus, on_answer)
            return
        answer = Answer(AnswerKind.NOT_SENT, detail="no bound link")
        for index in range(len(pdus)):
            on_answer(index, answer)

    async def probe(self) -> bool:
        """Whether the link with the least to do answers an enquire_link."""
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def on_answer(index: int, answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer.kind is AnswerKind.ANSWERED)

        self.submit([Pdu(Command.ENQUIRE_LINK)], on_answer)
        return await answered

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self.clock.sleep(self.timers.tick_seconds)
            for line in (*self._lines, *self._leaving, *self.called):
                if line.link is not None:
                    loop.call_soon(line.link.tick)  # by itself, so that no line harms another


class ClientLink(Link):
    """One connection of a client."""

    def __init__(self, line: "Line") -> None:
        client, bind = line.client, line.bind
        now = client.clock.monotonic()
        version = bind.interface_version
        session = Session[Ticket](
            Side.ESME, client.timers, now, window=client.window, version=version
        )
        super().__init__(session, client.clock)
        self.smsc_id = ""
        self.refusal = 0
        self.bound_at: float | None = None
        self.session.capture = line.capture
        self._line = line

    def _on_open(self) -> None:
        self._line.link, bind = self, self._line.bind
        now = self._clock.monotonic()
        self.session.bind(bind.pdu(), now, lenient=bind.long_credentials)

    def _on_requests(self, pdus: list[Pdu]) -> None:
        self._line.client.events.on_deliver(self, pdus)

    def _on_event(self, event: Event[Ticket]) -> None:
        if isinstance(event, Bound):
            self.smsc_id = event.pdu.text("system_id")
            self.bound_at = self._clock.monotonic()
        elif isinstance(event, BindRefused):
            self.refusal = event.pdu.status or Status.RBINDFAIL
            self.close(f"bind refused: {name_of(self.refusal)}")
        self._line.client.events.on_change()

    def _on_refusal(self, pdu: Pdu) -> None:
        nack = pdu.command == Command.GENERIC_NACK
        occasion = Occasion.NACK if nack else Occasion.REQUEST
        client = self._line.client
        if class_of(pdu.status, occasion, client.statuses) is StatusClass.SESSION:
            drain_seconds = client.timers.response_seconds
            self.retire(drain_seconds, f"the session is broken: {name_of(pdu.status)}")

    def _on_room(self) -> None:
        self._line.client.events.on_room()

    def _on_lost(self, reason: str) -> None:
        self._line.ended(self)


class Line:
    """A bind and its present connection."""

    def __init__(self, bind: Bind, client: Client, backoff: Backoff) -> None:
        self.bind, self.client = bind, client
        self.link: ClientLink | None = None
        self.capture = Capture()
        self._backoff = backoff
        self._transmits = bind.mode is not BindMode.RECEIVER
        self._stopping = False
        self._endpoints: tuple[tuple[str, int], ...] = ((bind.host, bind.port), *bind.fallbacks)
        self._turn = 0  # which of them is tried now
        self._phase, self._detail, self._refusal = "stopped", "", 0

    @property
    def takes_submits(self) -> bool:
        """Whether a submit would be sent now."""
        return self._transmits and self.link is not None and self.link.usable

    def state(self) -> LineState:
        """For display."""
        link, phase, bind = self.link, self._phase, self.bind
        if link is not None:
            opening = link.session.state in (State.OPEN, State.OUTBOUND)
            phase = "bound" if link.usable else "binding" if opening else "unbinding"
        return LineState(
            *self._endpoints[self._turn],
            bind.system_id,
            bind.mode,
            phase,
            self._detail,
            0 if phase == "bound" else self._refusal,
            link.smsc_id if link else "",
            link.session.in_flight if link else 0,
            link.waiting if link else 0,
            _version(link.session.version) if link and phase == "bound" else "",
        )

    def show_at(self, host: str, port: int) -> None:
        """Be shown with this address."""
        self._endpoints = ((host, port),)

    async def run(self) -> None:
        """Connect again and again, until stopped."""
        while not self._stopping:
            self._phase = "connecting"
            seconds = await self._connect_once()
            if not self._stopping:
                await self.client.clock.sleep(seconds)
        self._phase = "stopped"

    def stop(self, task: "asyncio.Task[None]", drain_seconds: float) -> None:
        """Say goodbye where there is a connection, give up where there is none."""
        self._stopping = True
        if self.link is None:
            self._phase = "stopped"
            task.cancel()
        else:
            self.link.retire(drain_seconds, "stopped")

    def ended(self, link: ClientLink) -> None:
        """The connection is gone."""
        self.link = None
        self._note_end(link.reason, link.refusal)

    async def _connect_once(self) -> float:
        """One connection from its attempt to its loss; how long to wait before the next."""
        bind, timers, clock = self.bind, self.client.timers, self.client.clock
        link = ClientLink(self)
        host, port = self._endpoints[self._turn]
        name = (bind.tls_server_name or host) if bind.tls is not None else None
        try:
            async with asyncio.timeout(timers.connect_seconds):
                address = await self._permitted(host, port)
                await asyncio.get_running_loop().create_connection(
                    cast(Any, lambda: link), address, port, ssl=bind.tls, server_hostname=name
                )
        except (OSError, ValueError) as error:  # ValueError: a host name that is none
            link.abort()
            detail = str(error) or type(error).__name__
            late = isinstance(error, TimeoutError)
            detail = "no connection in time" if late else detail
            self.capture.closed(detail, clock.monotonic())
            self._note_end(detail, 0)
            self._go_on()
            return self._backoff.delay()
        await link.lost.wait()
        if link.bound_at is None:
            self._go_on()
            # Patience only once every host has refused: another one may take us at once.
            return self._backoff.delay(refusal=0 if self._turn else link.refusal)
        self._turn = 0  # it was there a moment ago: begin with the first again
        stood = clock.monotonic() - link.bound_at
        return self._backoff.delay(bound_seconds=stood)

    async def _permitted(self, host: str, port: int) -> str:
        """What to connect to: the host, or an address of it where only some are permitted."""
        permits = self.bind.permits
        if permits is None:
            return host
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(map(permits, addresses)):
            raise OSError("the host leads to an address that this account may not use")
        return addresses[0]

    def _go_on(self) -> None:
        self._turn = (self._turn + 1) % len(self._endpoints)

    def _note_end(self, detail: str, refusal: int) -> None:
        self._phase = "stopped" if self._stopping else "waiting"
        self._detail, self._refusal = detail, refusal
        self.client.events.on_change()


def _version(number: int) -> str:
    return f"{number >> 4}.{number & 0xF}"
