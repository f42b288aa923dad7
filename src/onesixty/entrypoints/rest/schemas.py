"""How answers about messages look, for the OpenAPI document. What is sent is made by `messages/render.py`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.problem_pages import ProblemDocument
from onesixty.messages.render import CATEGORY_NAMES, DIRECTION_NAMES, ENCODING_NAMES, STATUS_NAMES


def _one_of(names: dict[int, str]) -> dict[str, Any]:
    return {"enum": list(names.values())}


class MessageError(BaseModel):
    """Why a message did not arrive."""

    code: str
    error_class: str | None = Field(
        None, alias="class", description="recipient, content, carrier, config, throttle, expired"
    )
    detail: str | None
    carrier_code: str | None = Field(description="In the carrier's own words")


class Message(BaseModel):
    """A message, outbound or inbound."""

    model_config = ConfigDict(title="Message")

    id: str = Field(examples=["msg_01m82gwh2jf9drp011k58n54cr"])
    object: str = Field(examples=["message"])
    status: str = Field(json_schema_extra=_one_of(STATUS_NAMES))
    direction: str = Field(json_schema_extra=_one_of(DIRECTION_NAMES))
    channel: str = Field(examples=["sms"])
    category: str = Field(json_schema_extra=_one_of(CATEGORY_NAMES))
    to: str
    sender: str | None = Field(alias="from")
    body: str
    encoding: str = Field(json_schema_extra=_one_of(ENCODING_NAMES))
    segments: int
    parts_sent: int = Field(description="Parts that the carrier took")
    carrier: str | None
    route: str | None
    price: None = Field(None, description="Always null for now")
    error: MessageError | None
    tags: list[str]
    metadata: dict[str, Any] | None
    reference: str | None
    batch: str | None
    campaign: None = Field(None, description="Always null for now")
    attempts: int
    test: bool
    send_at: str | None
    created_at: str
    sent_at: str | None
    delivered_at: str | None
    final_at: str | None


class MessagePage(BaseModel):
    """A page of messages, newest first."""

    data: list[Message]
    next: str | None


class Preview(BaseModel):
    """What a send would do."""

    object: str = Field(examples=["preview"])
    to: str
    sender: str | None = Field(alias="from")
    body: str = Field(description="As it would be sent")
    body_changed: bool = Field(description="Whether smart encoding replaced characters")
    encoding: str = Field(json_schema_extra=_one_of(ENCODING_NAMES))
    segments: int
    carrier: str | None
    route: str | None
    send_at: str | None
    expires_at: str


class TimelineEvent(BaseModel):
    """One event of a message."""

    id: str
    type: str
    sequence: int
    at: str


class TimelinePart(BaseModel):
    """One part of one attempt."""

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


class TimelineReceipt(BaseModel):
    """One receipt as it came."""

    part: int | None
    state: str
    error: str | None
    carrier_message_id: str
    raw: str
    received_at: str


class Timeline(BaseModel):
    """All that happened to a message."""

    object: str = Field(examples=["timeline"])
    message: str
    events: list[TimelineEvent]
    parts: list[TimelinePart]
    receipts: list[TimelineReceipt]


class BatchEntry(BaseModel):
    """What became of one entry of a batch: its id, or a problem."""

    index: int
    id: str | None = None
    problem: ProblemDocument | None = None


class BatchResult(BaseModel):
    """The answer to a batch."""

    id: str
    object: str = Field(examples=["batch"])
    accepted: int
    refused: int
    results: list[BatchEntry]


class Batch(BaseModel):
    """A batch as it stands now."""

    id: str
    object: str = Field(examples=["batch"])
    accepted: int
    refused: int
    created_at: str
    statuses: dict[str, int] = Field(description="How many messages stand at each status")
