"""What messages, previews and timelines look like in answers, and what lists are narrowed to."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from onesixty.carriers.content import CHANNELS
from onesixty.entrypoints.rest import answers
from onesixty.entrypoints.rest.messages import beside, send_body
from onesixty.messages import render


def _one_of(names: dict[int, str]) -> dict[str, Any]:
    return {"enum": list(dict.fromkeys(names.values()))}


class MessageError(BaseModel):
    """Why a message did not arrive."""

    code: str
    error_class: str | None = Field(
        None, alias="class", description="recipient, content, carrier, config, throttle, expired"
    )
    detail: str | None
    carrier_code: str | None = Field(description="In the carrier's own words")


class MediaShown(BaseModel):
    """A file that a message has."""

    url: str
    content_type: str | None = None
    filename: str | None = None
    octets: int | None = None


class StepShown(BaseModel):
    """One channel of the plan of a message."""

    channel: str = Field(json_schema_extra={"enum": list(CHANNELS)})
    state: str = Field(
        description="`failed`, or `timed_out`: it is over; `current`: the message is at it;"
        " `waiting`: it may come; `not_needed`: the message ended before it"
    )
    carrier: str | None = Field(None, description="Of a step that is over")
    error: MessageError | None = Field(None, description="Of a step that is over")
    ended_at: str | None = None


class MessageShown(BaseModel):
    """A message, outbound or inbound."""

    model_config = ConfigDict(title="Message")

    id: str = Field(examples=["msg_01m82gwh2jf9drp011k58n54cr"])
    object: str = Field(examples=["message"])
    status: str = Field(json_schema_extra=_one_of(render.STATUS_NAMES))
    direction: str = Field(json_schema_extra=_one_of(render.DIRECTION_NAMES))
    channel: str = Field(json_schema_extra={"enum": list(CHANNELS)})
    category: str = Field(json_schema_extra=_one_of(render.CATEGORY_NAMES))
    to: str
    sender: str | None = Field(alias="from")
    body: str = Field(description="Empty for binary data")
    encoding: str = Field(json_schema_extra=_one_of(render.ENCODING_NAMES))
    segments: int
    parts_sent: int = Field(description="Parts that the carrier took")
    carrier: str | None
    route: str | None
    price: dict[str, str] | None = Field(
        None,
        description="What the account is charged; null where nothing is",
        examples=[{"amount": "0.0325", "currency": "EUR"}],
    )
    error: MessageError | None
    tags: list[str]
    metadata: dict[str, Any] | None
    reference: str | None
    batch: str | None
    campaign: None = Field(None, description="Always null for now")
    attempts: int
    possible_duplicate: bool = Field(
        description="It was sent once more because its carrier never answered"
    )
    test: bool
    send_at: str | None
    created_at: str
    sent_at: str | None
    delivered_at: str | None
    final_at: str | None
    media: list[MediaShown] | None = Field(
        None, description="This and what follows is only there where a message has it"
    )
    template: beside.TemplateBody | None = Field(None, description="It is the text of the message")
    subject: str | None = Field(None, description="Of an MMS")
    reply_to: str | None = Field(
        None, description="The carrier's id of the message that this one answers"
    )
    interactive: dict[str, Any] | None = Field(None, description="In the JSON of the channel")
    profile: str | None = Field(None, description="Of a received message: the sender's name there")
    payload: str | None = Field(
        None, description="Of a received message: what the button that was pressed stands for"
    )
    opt_out: str | None = Field(
        None,
        description="Of a received message: what the carrier takes it for",
        json_schema_extra={"enum": ["stop", "start", "help"]},
    )
    fallback: list[StepShown] | None = Field(
        None, description="The plan of a message with several channels, in its order"
    )
    data: str | None = Field(
        None,
        description="Base64 of binary data, or of a received text that could not be read whole",
    )
    udh: str | None = Field(None, description="User data header, in hexadecimal digits")
    ports: send_body.Ports | None = Field(None, description="Application ports that it names")
    message_class: int | None = Field(None, description="0 flash, 1 device, 2 SIM, 3 terminal")
    flash: bool | None = Field(None, description="True for message class 0")
    data_coding: int | None = Field(None, description="As it came over SMPP")
    protocol_id: int | None = Field(None, description="TP-PID, when it is not 0")
    silent: bool | None = Field(None, description="True for protocol_id 64")
    missing_parts: list[int] | None = Field(
        None, description="Of a received message: numbers of the parts that did not come in time"
    )


class MessagePage(BaseModel):
    """A page of messages, newest first."""

    data: list[MessageShown]
    next: str | None


class Preview(BaseModel):
    """What a send would do."""

    object: str = Field(examples=["preview"])
    to: str
    sender: str | None = Field(alias="from")
    body: str = Field(description="As it would be sent")
    body_changed: bool = Field(description="Whether smart encoding replaced characters")
    encoding: str = Field(json_schema_extra=_one_of(render.ENCODING_NAMES))
    segments: int
    carrier: str | None
    route: str | None
    price: dict[str, str] | None = Field(None, description="As in a message")
    send_at: str | None
    expires_at: str
    channel: str = Field(json_schema_extra={"enum": list(CHANNELS)})
    fallback: list[StepShown] | None = Field(
        None, description="This and what follows as in a message"
    )
    media: list[MediaShown] | None = None
    template: beside.TemplateBody | None = None
    subject: str | None = None
    reply_to: str | None = None
    interactive: dict[str, Any] | None = None
    data: str | None = None
    udh: str | None = None
    ports: send_body.Ports | None = None
    message_class: int | None = None
    flash: bool | None = None
    protocol_id: int | None = None
    silent: bool | None = None


class TimelineEvent(BaseModel):
    """One event of a message."""

    id: str
    type: str
    sequence: int
    at: str


class TimelinePart(BaseModel):
    """One part of one attempt."""

    channel: str = Field(json_schema_extra={"enum": list(CHANNELS)})
    attempt: int
    part: int
    carrier: str | None
    outcome: str = Field(description="accepted, deferred, refused, unknown")
    carrier_message_id: str | None
    carrier_code: str | None
    submitted_at: str
    answered_at: str
    receipt: str | None = Field(description="The state that stands")
    receipt_error: str | None
    receipt_at: str | None
    cost: dict[str, str] | None = Field(
        description="What the carrier says that it takes for it; null where it says nothing, or the"
        " carrier is another account's",
        examples=[{"amount": "0.0075", "currency": "USD"}],
    )


class TimelineReceipt(BaseModel):
    """One receipt as it came."""

    part: int | None
    state: str
    error: str | None
    carrier_message_id: str
    network: str | None = Field(
        description="MCC and MNC of the recipient, where the carrier tells them", examples=["23410"]
    )
    raw: str | None = Field(
        description="As the carrier wrote it; null where the carrier is another account's"
    )
    received_at: str


class Timeline(BaseModel):
    """All that happened to a message."""

    object: str = Field(examples=["timeline"])
    message: str
    possible_duplicate: bool = Field(description="As in the message")
    events: list[TimelineEvent]
    parts: list[TimelinePart]
    receipts: list[TimelineReceipt]


# No database takes U+0000.
Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Filters(answers.Listing):
    """What a list of messages may be narrowed to."""

    status: str | None = Field(None, description="One status, or several with commas.")
    direction: Literal["outbound", "inbound"] | None = None
    channel: Literal["sms", "mms", "whatsapp"] | None = None
    to: Word | None = None
    sender: Word | None = Field(None, alias="from")
    carrier: str | None = None
    tag: Word | None = None
    reference: Word | None = None
    batch: str | None = None
    created_after: answers.Moment | None = None
    created_before: answers.Moment | None = None
    q: Word | None = Field(None, max_length=200, description="Words in the text.")
