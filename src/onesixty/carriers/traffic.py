"""What goes between the platform and its carriers: submissions, outcomes, receipts, inbound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Final
from uuid import UUID

from onesixty.carriers.content import SMS, Content
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

    RECIPIENT: Final = "recipient"
    CONTENT: Final = "content"
    CARRIER: Final = "carrier"
    CONFIG: Final = "config"
    THROTTLE: Final = "throttle"
    EXPIRED: Final = "expired"


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


Report = Callable[[Outcome], None]
