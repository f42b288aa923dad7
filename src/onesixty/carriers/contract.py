"""What every carrier takes and gives: `Submission` in, exactly one `Outcome` each.

Receipts and inbound messages are told as they come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from onesixty.carriers.content import SMS, TemplateState
from onesixty.carriers.traffic import (
    ErrorClass,
    Inbound,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Price,
    Receipt,
    ReceiptState,
    Report,
    StoredReceipt,
    Submission,
    ignored,
)
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.smpp.trace.capture import Wiretap

__all__ = [
    "AskableCarrier",
    "Call",
    "CallReader",
    "CallRefusedError",
    "Carrier",
    "CarrierConfig",
    "CarrierEvents",
    "CarrierSpec",
    "CheckedCarrier",
    "ErrorClass",
    "Inbound",
    "MediaCarrier",
    "News",
    "Outcome",
    "OutcomeKind",
    "PartAnswer",
    "Price",
    "ProbedCarrier",
    "Question",
    "Receipt",
    "ReceiptState",
    "Reply",
    "Report",
    "SessionCarrier",
    "SettingField",
    "StoredReceipt",
    "Submission",
    "TemplatedCarrier",
    "TracedCarrier",
    "ignored",
    "probe",
]


class CarrierEvents(Protocol):
    """Where a carrier brings its news."""

    def on_receipts(self, receipts: list[Receipt]) -> None:
        """Receipts of one read."""
        ...

    def on_inbound(self, inbounds: list[Inbound]) -> None:
        """Inbound messages or parts of one read."""
        ...

    def on_room(self) -> None:
        """It can take more, or it came up or went down."""
        ...


class Carrier(Protocol):
    """A way out, already configured."""

    async def start(self, events: CarrierEvents) -> None:
        """Begin to connect; returns before it is connected."""
        ...

    async def stop(self, drain_seconds: float) -> None:
        """Finish what is in flight within that time, then disconnect.

        Whatever is left is reported as unknown.
        """
        ...

    def is_up(self) -> bool:
        """Whether it is connected."""
        ...

    def room(self) -> int:
        """Segments that it takes right now without making them wait; 0 while it is down."""
        ...

    def submit(self, batch: Sequence[Submission], report: Report) -> None:
        """Send them; call `report` exactly once for each.

        At most once more with `late=True`, when the answer to an UNKNOWN comes after all.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Live state for display: `{"status": "up"|"down"|..., ...}`."""
        ...


class SessionCarrier(Carrier, Protocol):
    """A carrier of a kind that names `sessions`: these are spread over the processes."""

    async def resize(self, sessions: int, drain_seconds: float) -> None:
        """Have so many sessions from now on, at least one; returns when those that go have gone."""
        ...


@runtime_checkable
class ProbedCarrier(Protocol):
    """A carrier that can ask its far side for a sign of life."""

    async def probe(self) -> bool:
        """Whether the far side answers; costs no message."""
        ...


async def probe(carrier: Carrier) -> bool:
    """Whether a carrier is alive, without sending a message.

    One that cannot ask is taken for alive while it is up: then only messages show that it is not.
    """
    return await carrier.probe() if isinstance(carrier, ProbedCarrier) else carrier.is_up()


@dataclass(frozen=True, slots=True)
class Question:
    """A part that the carrier has: what became of it?"""

    carrier_message_id: str
    match_key: str
    sender: str | None
    recipient: str


@runtime_checkable
class AskableCarrier(Carrier, Protocol):
    """A carrier that can be asked; its setting `query` says whether it may."""

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask. Each answer comes as a receipt; no answer is none."""
        ...


@runtime_checkable
class TracedCarrier(Protocol):
    """A carrier over SMPP sessions, whose PDUs can be seen."""

    def wiretaps(self) -> Sequence[Wiretap]:
        """What went over each session lately."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request that a far side makes to a callback URL of ours."""

    method: str  # in capitals
    url: str  # as the far side called it: scheme, host, path and query behind any proxy of ours
    path: str  # behind the callback URL of the carrier, without its slash: "", "status", "inbound"
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    received_at: datetime

    @property
    def query(self) -> str:
        """The part of the URL behind the question mark, as it came."""
        return self.url.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a far side is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class News:
    """What one call tells. Its `reply` is given once everything in it is stored."""

    receipts: list[Receipt] = field(default_factory=list)
    inbounds: list[Inbound] = field(default_factory=list)
    # Other things that operators should know: {"type": "template_status", ...}; kept as events.
    notices: list[dict[str, Any]] = field(default_factory=list)
    reply: Reply = field(default_factory=Reply)


class CallRefusedError(Exception):
    """A call that is not taken: the reason, for our log alone, and the status of its answer.

    401: the signature is missing or wrong; 400: it cannot be read; 503: it shall come again.
    """

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class CallReader(Protocol):
    """Reads what a far side tells by HTTP. It runs in any process, whoever has the lane."""

    async def read(self, call: Call) -> News:
        """Check the signature, then read. Raises CallRefusedError.

        The same call may come again, early or late: reading it twice gives equal news.
        """
        ...


@runtime_checkable
class CheckedCarrier(Protocol):
    """A carrier that can tell whether its credentials are good, for `/v1/carriers/{name}/test`."""

    async def check(self) -> str | None:
        """Ask the far side; None when all is well, else what is wrong. Sends no message."""
        ...


@runtime_checkable
class MediaCarrier(Protocol):
    """A carrier whose inbound media need its credentials to be fetched."""

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Content type and octets of an inbound `Media.url`. Raises OSError."""
        ...


@runtime_checkable
class TemplatedCarrier(Protocol):
    """A carrier whose provider approves templates beforehand."""

    async def templates(self) -> Sequence[TemplateState]:
        """Every template of the account. Raises OSError with what the provider says."""
        ...


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting of a carrier kind: checks input, draws forms, masks secrets, fills the manual."""

    name: str
    # "text", "secret", "integer", "number", "boolean", "choice", "map" (of text to text; `choices`
    # are then those of its values), "json" (an object; the kind checks it when it is built)
    kind: str
    title: str
    default: Any = None
    required: bool = False
    at_least: float | None = None
    at_most: float | None = None  # for text: its longest length
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CarrierSpec:
    """A kind of carrier, described by data."""

    kind: str
    title: str
    fields: tuple[SettingField, ...]
    build: Callable[["CarrierConfig"], Carrier]
    receives: tuple[str, ...] = ()  # "receipts", "inbound"
    splits: bool = False  # sends each segment of a long text by itself
    # Settings that name our account at the far side. Two carriers that agree in them are one there,
    # so receipts for what one has sent may come over the other.
    account: tuple[str, ...] = ()
    # The setting that says how many sessions there are in all; without one a single process has it.
    sessions: str | None = None
    # From all settings of a carrier to a function that reads its kept receipts anew.
    rereader: Callable[[Mapping[str, Any]], Callable[[StoredReceipt], Receipt]] | None = None
    channels: tuple[str, ...] = (SMS,)
    # Reads what the far side tells by HTTP; None: it tells nothing so.
    calls: Callable[["CarrierConfig"], CallReader] | None = None
    # Callback URLs to be pasted at the far side: what each is for, by its path behind ours.
    callbacks: Mapping[str, str] = field(default_factory=dict)
    templates: str = ""  # the setting without which its templates cannot be read; "": it has none
    guide: str = ""  # its page in docs/guide/carriers, without the ending; "": none of its own

    def tells(self, settings: Mapping[str, Any]) -> bool:
        """Whether a carrier with these settings gives receipts."""
        return "receipts" in self.receives and bool(settings.get("receipts", True))


@dataclass(frozen=True, slots=True)
class CarrierConfig:
    """One configured carrier: the validated settings with defaults filled in and secrets opened."""

    id: int
    name: str
    settings: Mapping[str, Any]
    clock: Clock
    chance: Chance
    # Where the far side reaches us, without a slash at its end; None without `public_url`.
    callback_url: str | None = None
    # Of an account below the top: credentials and the network of this machine are not for it.
    is_guest: bool = False
    public_only: bool = False  # requests must not reach private addresses
