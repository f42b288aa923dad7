"""The bodies of sends: pydantic at the door, `SendRequest` behind it."""

import base64
import binascii
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from onesixty.entrypoints.rest.messages.beside import (
    ChannelFields,
    Strict,
    at_most,
)
from onesixty.messages.screen import VALIDITY_MOST_SECONDS

BATCH_MOST: Final = 10_000
METADATA_MOST_BYTES: Final = 4096
_REFERENCE: Final = "#/components/schemas/{model}"


def _small(metadata: dict[str, Any]) -> Any:
    return at_most(metadata, METADATA_MOST_BYTES)


def _from_base64(text: Any) -> Any:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else text
    except binascii.Error as error:
        raise ValueError(f"it is not base64: {error}") from None


def _from_hexadecimal(text: Any) -> Any:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else text
    except ValueError:
        raise ValueError("it is not hexadecimal digits in pairs") from None


Base64 = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
Hexadecimal = Annotated[
    bytes,
    BeforeValidator(_from_hexadecimal),
    WithJsonSchema({"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"}),
]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Metadata = Annotated[dict[str, Any], AfterValidator(_small)]


class Ports(Strict):
    """Application ports, 16 bits each."""

    source: int = Field(ge=0, le=65_535)
    destination: int = Field(ge=0, le=65_535, examples=[2948])


class SharedFields(ChannelFields):
    """What all messages of a batch may have in common."""

    sender: str | None = Field(
        None,
        alias="from",
        max_length=64,
        description="A number, short code or alphanumeric sender ID;"
        " the account's default when left out, on WhatsApp the carrier's own number.",
        examples=["ACME"],
    )
    category: Literal["emergency", "otp", "transactional", "marketing"] = Field(
        "transactional", description="What it is for; decides its priority."
    )
    send_at: AwareDatetime | None = Field(
        None, description="When to send, with a UTC offset; at once when left out or past."
    )
    validity_seconds: int = Field(
        86_400, ge=1, le=VALIDITY_MOST_SECONDS, description="After it the message is `expired`."
    )
    encoding: Literal["auto", "gsm7", "ucs2"] = Field(
        "auto", description="`auto` takes GSM-7 where the text allows, else UCS-2."
    )
    smart_encoding: bool = Field(
        False, description="Replace look-alike characters where that keeps the text in GSM-7."
    )
    max_segments: int = Field(
        10, ge=1, le=255, description="Refuse a text that needs more segments."
    )
    tags: list[Tag] = Field(
        default_factory=list, max_length=20, description="Up to 20 tags of up to 64 characters."
    )
    metadata: Metadata | None = Field(
        None, description="Up to 4 KB of JSON, given back in every event."
    )
    callback_url: str | None = Field(
        None, max_length=2048, description="Events of this message are also sent there."
    )
    data: Base64 | None = Field(
        None,
        description="Binary data instead of `body`, as base64.",
        examples=["AQIDBA=="],
    )
    udh: Hexadecimal | None = Field(
        None,
        description="A user data header of your own in hexadecimal digits, with its length octet.",
        examples=["060504158a0000"],
    )
    ports: Ports | None = Field(
        None, description="The applications on both handsets that it is from and for."
    )
    flash: bool = Field(False, description="Show it at once and store it nowhere: class 0.")
    message_class: Literal[0, 1, 2, 3] | None = Field(
        None, description="Where it goes: 0 the display, 1 the device, 2 the SIM, 3 the terminal."
    )
    silent: bool = Field(
        False, description="Short message type 0: the handset acknowledges and shows nothing."
    )


class SendBody(SharedFields):
    """One message to send."""

    to: str = Field(max_length=64, description="The recipient in E.164.", examples=["+14155550123"])
    body: str | None = Field(
        None,
        max_length=40_000,
        description="The text; needed unless there is something else to send.",
        examples=["Your code is 481220."],
    )
    reference: str | None = Field(None, max_length=255, description="Your own id for it.")
    dry_run: bool = Field(
        False, description="Check and plan, but store and send nothing: answers 200."
    )


class PreviewBody(SharedFields):
    """A message to look at before it is sent."""

    to: str = Field(max_length=64, examples=["+14155550123"])
    body: str | None = Field(None, max_length=40_000, examples=["Your code is 481220."])


class Recipient(Strict):
    """One recipient of a batch with a shared text."""

    to: str = Field(max_length=64, examples=["+14155550123"])
    reference: str | None = Field(None, max_length=255)


class BatchMessage(SharedFields):
    """One message of a batch."""

    to: str = Field(max_length=64)
    body: str | None = Field(None, max_length=40_000)
    reference: str | None = Field(None, max_length=255)


class BatchBody(SharedFields):
    """Either one `body` or `data` for many `recipients`, or a list of `messages` of their own."""

    body: str | None = Field(None, max_length=40_000, description="The text for all `recipients`.")
    recipients: list[Any] | None = Field(
        None, max_length=BATCH_MOST, description="Objects of `to` and `reference`."
    )
    messages: list[Any] | None = Field(
        None, max_length=BATCH_MOST, description="Whole messages, each as for a single send."
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.recipients is None) == (self.messages is None):
            raise ValueError("give either `recipients` and what all get, or `messages`")
        if not (self.recipients or self.messages):
            raise ValueError("the list is empty")
        return self


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI `requestBody` of a body that is read here, not by FastAPI."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    schema.pop("$defs", None)  # see `schemas`
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def schemas() -> dict[str, Any]:
    """The OpenAPI schemas that the bodies of sends refer to, by name."""
    models: tuple[type[BaseModel], ...] = (SendBody, PreviewBody, BatchBody)
    found: dict[str, Any] = {}
    for model in models:
        found |= model.model_json_schema(ref_template=_REFERENCE).get("$defs", {})
    return found
