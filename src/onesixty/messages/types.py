"""The values that flow through the walk: `SendRequest -> Message | Refusal`."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

from onesixty.carriers.content import Content
from onesixty.messages.states import Status
from onesixty.records.billing.book import Hold
from onesixty.sms.form import Form


class Category(IntEnum):
    """What a message is for; also its priority, 0 first."""

    EMERGENCY = 0
    OTP = 1
    TRANSACTIONAL = 2
    MARKETING = 3


class Encoding(IntEnum):
    """How the text goes out."""

    GSM7 = 0
    UCS2 = 1
    LATIN1 = 2
    BINARY = 3


class Direction(IntEnum):
    """Which way."""

    OUTBOUND = 0
    INBOUND = 1


class Channel(IntEnum):
    """What carries it; the numbers are the places in `carriers/content.CHANNELS`."""

    SMS = 0
    MMS = 1
    WHATSAPP = 2


class Caller(NamedTuple):
    """Who asks, as the door found out."""

    account_id: int
    test: bool
    scopes: frozenset[str]
    key_id: UUID


@dataclass(frozen=True, slots=True)
class Step:
    """One channel of a plan that is tried in order; what is None is as in the message."""

    channel: Channel
    after_seconds: float | None = None  # when the next one begins; None: only if this one fails
    body: str | None = None
    sender: str | None = None
    content: Content | None = None


@dataclass(slots=True)
class SendRequest:
    """One message that somebody wants sent; a door checked only its types and ranges."""

    to: str
    body: str
    sender: str | None = None
    category: Category = Category.TRANSACTIONAL
    send_at: datetime | None = None
    validity_seconds: int = 86_400
    encoding: str = "auto"
    smart_encoding: bool = False
    max_segments: int = 10
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None
    reference: str | None = None
    callback_url: str | None = None
    form: Form | None = None  # None: plain text
    origin: dict[str, Any] | None = None  # of a message that came over SMPP, see Message
    channel: Channel = Channel.SMS
    content: Content | None = None  # None: text alone
    steps: tuple[Step, ...] = ()  # the whole plan, see `screen/plan.py`; (): its channel alone


@dataclass(slots=True)
class Refusal:
    """Why a message is not taken: a problem code, a sentence, the field that it is about.

    The field is a JSON pointer.
    """

    code: str
    detail: str
    pointer: str | None = None


@dataclass(slots=True)
class Message:
    """A message as it is stored and shown.

    The steps of accept fill it in; later it is read from rows.
    """

    account_id: int
    id: UUID
    status: Status
    direction: Direction
    category: Category
    recipient: str
    body: str
    created_at: datetime
    sender: str | None = None
    test: bool = False
    encoding: Encoding = Encoding.GSM7
    segments: int = 0
    parts_sent: int = 0
    attempts: int = 0
    sequence: int = 1
    carrier_id: int | None = None
    route_id: int | None = None
    fallbacks: list[int] = field(default_factory=list)
    flow: str | None = None  # the limits that it falls under, see records/limits.py
    reference: str | None = None
    callback_url: str | None = None
    batch_id: UUID | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None
    error_code: str | None = None
    error_class: str | None = None
    error_detail: str | None = None
    carrier_code: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    final_at: datetime | None = None
    possible_duplicate: bool = False  # sent once more while it was in doubt
    form: Form | None = None  # None: plain text
    # Of a message that came over SMPP: {"esme": its number, "registered": registered_delivery,
    # "source" and "destination": [ton, npi, address as given], "reference": the client's own};
    # where they say something also "id" (that it has over SMPP), "service", "data_coding", and
    # "peer" (the session that it came over)
    origin: dict[str, Any] | None = None
    channel: Channel = Channel.SMS
    content: Content | None = None  # None: text alone
    steps: list[dict[str, Any]] | None = None  # still to come, as `screen/plan.py` makes them
    past_steps: list[dict[str, Any]] | None = None  # that ended, see `dispatch/fallback.py`
    explanation: int | None = None  # why this carrier: a row of `explanations`
    price_micros: int | None = None  # what the account is charged, in its currency; None: nothing
    hold: Hold | None = None  # of the price; only while it is accepted
