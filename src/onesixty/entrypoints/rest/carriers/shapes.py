"""What goes in and out at `/v1/carriers`."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

KINDS_OF_SETTINGS: Final = (
    "text", "secret", "integer", "number", "boolean", "choice", "map", "json",
)  # fmt: skip

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
        description="Unique in the account: 1 to 64 of `a-z 0-9 _ . -`",
        examples=["acme-smpp"],
    ),
]
Settings = Annotated[
    dict[str, Any],
    Field(
        description="The fields of the kind, see `/v1/carriers/kinds`",
        examples=[{"host": "smpp.example.com", "port": 2775, "system_id": "me", "password": "..."}],
    ),
]
Rate = Annotated[
    int | None,
    Field(ge=1, le=100_000, description="Segments a second at most; null leaves it to the carrier"),
]
Burst = Annotated[
    int | None,
    Field(
        ge=1,
        le=100_000,
        description="Segments that may go at once after a pause, where the rate is limited; null"
        " for a tenth of the rate, since carriers measure in slices of a second",
    ),
]


class NewCarrier(BaseModel):
    """A carrier to add."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Annotated[str, Field(description="One of `/v1/carriers/kinds`", examples=["smpp"])]
    settings: Settings = Field(default_factory=dict)
    enabled: bool = True
    rate_per_second: Rate = None
    burst: Burst = None


class CarrierChange(BaseModel):
    """What to change of a carrier; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    settings: Annotated[
        Settings,
        Field(
            description="Those to change. A secret given as `****` stays as it is; null takes"
            " a setting back to its default"
        ),
    ] = Field(default_factory=dict)
    enabled: bool = Field(default_factory=bool, description="A disabled carrier disconnects")
    rate_per_second: Rate = Field(default_factory=lambda: None)
    burst: Burst = Field(default_factory=lambda: None)


class Callback(BaseModel):
    """A URL at which the far side reaches us. It has a secret in it: show it to nobody else."""

    url: str | None = Field(description="Null without a public URL of this server, see `hint`")
    purpose: str = Field(description="What to paste it for")
    hint: str | None = Field(description="What to do so that there is a URL")


class RefusedCall(BaseModel):
    """A call of the far side that was refused."""

    at: datetime
    path: str = Field(description="Behind the callback URL", examples=["status"])
    status: int = Field(description="That it was answered", examples=[401])
    reason: str = Field(examples=["the signature does not fit"])


class Carrier(BaseModel):
    """A way out."""

    id: str = Field(examples=["car_01k0000000e008000000000000"])
    object: str = Field(examples=["carrier"])
    name: Name
    kind: str = Field(examples=["smpp"])
    settings: dict[str, Any] = Field(description="Secrets are shown as `****`")
    enabled: bool
    paused: bool = Field(description="Connected, but nothing is submitted: messages wait")
    rate_per_second: int | None
    burst: int | None
    callbacks: dict[str, Callback] = Field(
        description="Where the far side tells of receipts and inbound messages by HTTP"
    )
    state: dict[str, Any] = Field(
        description="Live, over all processes; `status` is `up` when it can send. `queue` tells how"
        " many messages are due and wait, for how long the oldest, and in how many seconds they"
        " will be gone at the `observed_rate_per_second`; `breaker` whether the carrier failed too"
        " often; `ceiling_per_second` what is left of the rate while the carrier throttles",
        examples=[{"status": "up"}],
    )
    created_at: datetime
    updated_at: datetime


class CarrierPage(BaseModel):
    """A page of carriers, newest first."""

    data: list[Carrier]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class CarrierKindField(BaseModel):
    """A setting of a kind."""

    name: str
    kind: str = Field(json_schema_extra={"enum": [*KINDS_OF_SETTINGS]})
    title: str
    default: Any
    required: bool
    at_least: float | None
    at_most: float | None
    choices: list[str]


class CarrierKind(BaseModel):
    """A kind of carrier and the settings it takes."""

    kind: str
    title: str
    receives: list[str] = Field(description="What comes back: `receipts`, `inbound`")
    channels: list[str] = Field(description="What it carries", examples=[["sms", "mms"]])
    fields: list[CarrierKindField]


class CarrierKinds(BaseModel):
    """Every kind of carrier that this version speaks to."""

    data: list[CarrierKind]
    next: None


class CarrierTest(BaseModel):
    """Whether a carrier is connected, and if not, why."""

    ok: bool
    detail: str
    state: dict[str, Any]


class LearnedDates(BaseModel):
    """How receipts write their dates."""

    form: str = Field(description="Of most of them", examples=["YYMMDDhhmm"])
    utc_offset_minutes: int | None = Field(
        description="How far the clock of the SMSC is ahead of UTC, by the dates of receipts that"
        " came at once; null while that is not known"
    )


class LearnedReceipts(BaseModel):
    """Receipts of the last hour."""

    total: int
    unmatched: int = Field(description="That belong to no message that is known")


class Learned(BaseModel):
    """What the receipts of a carrier have taught."""

    id_form: str | None = Field(
        description="How the ids of receipts are read first, learnt from 20 in a row; null: as the"
        " settings say",
        examples=["hex_to_decimal"],
    )
    id_forms: dict[str, int] = Field(description="How often each reading of an id was right")
    dates: LearnedDates | None
    words: dict[str, int] = Field(description="What stood behind `stat:`, and how often")
    codes: dict[str, int] = Field(description="Error codes, and how often")
    last_hour: LearnedReceipts


class CarrierInFull(Carrier):
    """A way out, and what is known of it."""

    learned: Learned | None = Field(description="What its receipts have taught; null: none came")
    last_refused_call: RefusedCall | None = Field(
        description="The last call of the far side that was refused; null: none ever was"
    )


class Reparse(BaseModel):
    """How to read receipts again; what is left out is as the carrier's settings say."""

    model_config = ConfigDict(extra="forbid")

    receipt_id_form: Annotated[str | None, Field(examples=["hex"])] = None
    status_words: Annotated[
        dict[str, str] | None,
        Field(
            description="Added to those of the settings",
            examples=[{"DELIVRD": "delivered", "FOO": "undelivered"}],
        ),
    ] = None
    since: Annotated[
        datetime | None, Field(description="The first to read; 72 hours ago by default")
    ] = None
    after: Annotated[str | None, Field(description="Where to go on: `next` of the last answer")] = (
        None
    )


class Reparsed(BaseModel):
    """What came of reading receipts again."""

    read: int
    matched: int = Field(description="That belonged to no message before")
    changed: int = Field(description="That say something else than before")
    unmatched: int = Field(description="That belong to no message still")
    next: str | None = Field(description="Give it as `after` to go on; null at the end")
