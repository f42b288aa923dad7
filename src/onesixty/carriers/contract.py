"""What every carrier takes and gives: `Submission` in, exactly one `Outcome` each.

Receipts and inbound messages are told as they come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from onesixty.carriers.content import SMS, Content, TemplateState
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.smpp.trace.capture import Wiretap
from onesixty.sms.form import Form
from onesixty.sms.reassembly import Fragment


@dataclass(slots=True)
class Submission:
    """One message on its way out, with all that a carrier needs to send it."""

    account_id: int
    message_id: UUID
    carrier_id: int
    attempt: int  # from 1
    priority: int  # 0 first; the number of the category
    # as given: E.164 with +, short code or alphanumeric; None leaves it to the carrier
    sender: str | None
    recipient: str  # E.164 with +
    body: str
    encoding: str  # "gsm7", "ucs2", "latin1" or "binary", as decided when it was accepted
    segments: int
    expires_at: datetime
    lease_id: UUID
    # numbers of the parts that the carrier has from earlier tries; they are not sent again
    accepted: Sequence[int] = ()
    fallbacks: Sequence[int] = ()  # carriers to try after this one
    test: bool = False
    throttled: int = 0  # how often its carrier answered that it comes too fast
    form: Form | None = None  # None: plain text
    channel: str = SMS
    content: Content | None = None  # None: text alone
    earlier: int = 0  # attempts at other channels

    @property
    def tries(self) -> int:
        """The number of this attempt among those at its channel, from 1."""
        return self.attempt - self.earlier

    @property
    def parts_accepted(self) -> int:
        """How many parts the carrier has already."""
        return len(self.accepted)


class OutcomeKind(IntEnum):
    """How a submission, or one part of it, ended."""

    ACCEPTED = 1  # the carrier has it
    DEFERRED = 2  # the carrier does not have it; worth another try
    REFUSED = 3  # the carrier does not want it; another try changes nothing
    UNKNOWN = 4  # handed over, no answer: it may have been sent


class ErrorClass:
    """Whose fault a failure is; recipient and content errors never count against a carrier."""

    RECIPIENT = "recipient"
    CONTENT = "content"
    CARRIER = "carrier"
    CONFIG = "config"
    THROTTLE = "throttle"
    EXPIRED = "expired"


@dataclass(slots=True)
class PartAnswer:
    """What became of one part (from 1), in the carrier's own words."""

    part: int
    kind: OutcomeKind
    carrier_message_id: str = ""
    # normal form by which receipts are matched; empty when there is nothing to match
    match_key: str = ""
    code: str = ""  # the carrier's own code, such as "0x0B"


@dataclass(frozen=True, slots=True)
class Price:
    """What a carrier says that it takes, in millionths of the unit of an ISO 4217 currency."""

    micros: int
    currency: str

    @classmethod
    def of(cls, amount: object, currency: object) -> "Price | None":
        """An amount as providers write it: "0.0333", "-0.0075", 0.03; None where there is none."""
        try:
            micros = round(abs(Decimal(str(amount))) * 1_000_000)
        except (ArithmeticError, ValueError):
            return None
        named = isinstance(currency, str) and len(currency) == 3
        return cls(micros, str(currency).upper()) if named and micros < 1 << 63 else None


@dataclass(slots=True)
class Outcome:
    """The end of one submission. `parts` tells every part that was tried in this attempt."""

    submission: Submission
    kind: OutcomeKind
    submitted_at: datetime
    answered_at: datetime
    parts: Sequence[PartAnswer] = ()
    # of the whole message as this carrier sends it; 0: as many as it has segments
    parts_total: int = 0
    error_code: str | None = None
    error_class: str | None = None
    detail: str | None = None
    code: str | None = None
    retry_after_seconds: float | None = None
    counts_as_attempt: bool = True  # throttling does not: the message keeps its place
    late: bool = False  # an answer after this submission had been reported as unknown
    lost: bool = False  # unknown because the connection ended, not because the carrier kept silent
    lease_closed: bool = False  # settle has counted it off its lease
    price: Price | None = None  # of the whole message, where the answer tells it


class ReceiptState(IntEnum):
    """State of a part as a receipt tells it; the numbers are SMPP's message_state (3.4, 5.2.28)."""

    NONE = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    READ = 10  # not in SMPP: chat channels tell it


@dataclass(slots=True)
class Receipt:
    """A delivery receipt.

    `acknowledge(True)` is called once it is stored; False asks the carrier to bring it again.
    """

    carrier_id: int
    carrier_message_id: str
    match_keys: tuple[str, ...]  # in the order to try; may be empty
    state: ReceiptState
    error: str  # the carrier's own error code, may be empty
    sender: str  # of the receipt: usually the recipient of the message
    recipient: str
    text: str  # start of the message's text as the receipt quotes it, may be empty
    raw: str
    received_at: datetime
    acknowledge: Callable[[bool], None]
    # Other match keys that its id may stand for, each with how it was read. They are guesses: one
    # counts only when the addresses agree.
    guesses: Callable[[], Sequence[tuple[str, str]]] = tuple
    word: str = ""  # the state in the carrier's words
    done_date: str = ""  # in the carrier's words, in a zone that it does not tell
    # Our id of the message, where the carrier gives back what the submit named: it finds a message
    # whose answer was lost.
    message_id: UUID | None = None
    price: Price | None = None  # of the part that it is about, where it tells it
    network: str = ""  # MCC and MNC of the recipient, such as 23410, where it tells them
    error_class: str = ""  # whose fault a failure is, where `error` tells; else the recipient's


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt as it is kept: what is needed to read it again."""

    carrier_id: int
    carrier_message_id: str
    state: int
    error: str
    sender: str
    recipient: str
    raw: str
    received_at: datetime


@dataclass(slots=True)
class Inbound:
    """A message from a handset, or one part of it. `acknowledge` as for receipts."""

    carrier_id: int
    sender: str  # E.164 with + where it is a number
    recipient: str
    fragment: Fragment
    received_at: datetime
    acknowledge: Callable[[bool], None]
    form: Form | None = None  # what came beside the text; None: nothing
    # The carrier's id of it. A message that comes once more with the same id is a repeat.
    carrier_message_id: str = ""
    channel: str = SMS
    content: Content | None = None
    opt_out: str = ""  # "stop", "start" or "help" where the carrier says that it is one


def ignored(stored: bool) -> None:
    """The `acknowledge` of news whose bringer is told in another way."""


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


Report = Callable[[Outcome], None]


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
