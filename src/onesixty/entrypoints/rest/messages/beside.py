"""What a send has beside its text: media, a template, the channels to fall back to."""

import re
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from onesixty.carriers import content
from onesixty.kit import http
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.screen import STEPS_MOST, VALIDITY_MOST_SECONDS
from onesixty.messages.types import Channel, Step

OBJECT_MOST_BYTES: Final = 16_384
_DURATION: Final = re.compile(r"(\d{1,9})(s|m|h)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_CHANNELS: Final = {name: Channel(number) for number, name in enumerate(content.CHANNELS)}


class Strict(BaseModel):
    """A body with no other fields than it says."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


def at_most(value: Any, most_bytes: int) -> Any:
    """The value, when it can be kept in so many bytes of JSON; raises ValueError."""
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:  # depth, and numbers over 64 bits
        raise ValueError(f"it cannot be kept: {error}") from None
    if size > most_bytes:
        raise ValueError(f"it is over {most_bytes} bytes of JSON")
    return value


def _small(value: Any) -> Any:
    return at_most(value, OBJECT_MOST_BYTES)


def _seconds(value: Any) -> Any:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * _SECONDS[found[2]] if found else value


Parameter = Annotated[str, Field(max_length=4096)]
Parameters = list[Parameter] | dict[Annotated[str, Field(max_length=64)], Parameter]
Object = Annotated[dict[str, Any], AfterValidator(_small)]


class MediaBody(Strict):
    """A file to send, by its URL."""

    url: str = Field(max_length=2048, examples=["https://example.com/ticket.png"])
    content_type: str | None = Field(
        None, max_length=127, pattern=r"^[\w.+-]+/[\w.+-]+$", examples=["image/png"]
    )
    filename: str | None = Field(None, min_length=1, max_length=255, examples=["ticket.png"])


class TemplateBody(Strict):
    """A message that the provider of the channel approved beforehand."""

    name: str = Field(min_length=1, max_length=512, examples=["order_shipped"])
    language: str = Field("en", min_length=2, max_length=15, examples=["en_US"])
    parameters: Annotated[Parameters, Field(max_length=100), AfterValidator(_small)] = Field(
        default_factory=list,
        description="They fill the places of its body: in order, or by name.",
        examples=[["481220"]],
    )
    components: Annotated[list[dict[str, Any]], AfterValidator(_small)] = Field(
        default_factory=list,
        max_length=20,
        description="Headers and buttons in the JSON of the channel; they go as they are.",
    )


class ContentFields(Strict):
    """What a message, or a step of its plan, may have beside its text."""

    media: list[MediaBody] | None = Field(
        None, min_length=1, max_length=10, description="Files by their URLs: MMS, WhatsApp."
    )
    template: TemplateBody | None = Field(
        None, description="Instead of `body`: an approved template of WhatsApp."
    )
    subject: str | None = Field(
        None, min_length=1, max_length=80, description="The subject of an MMS."
    )
    reply_to: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="WhatsApp: the carrier's id of the message that this one answers.",
    )
    interactive: Object | None = Field(
        None,
        min_length=1,
        description="Instead of `body`: buttons, lists or places in the JSON of the channel.",
    )


def _or_text(schema: dict[str, Any]) -> None:
    """Say that a time may be a text with its unit, too."""
    schema["anyOf"].insert(1, {"type": "string", "pattern": "^[0-9.]+[smh]$"})


class StepBody(ContentFields):
    """One channel of a plan; what it leaves out is as in the message."""

    channel: Literal["sms", "mms", "whatsapp"]
    after: Annotated[float | None, BeforeValidator(_seconds)] = Field(
        None,
        ge=1,
        le=VALIDITY_MOST_SECONDS,
        description="Go on to the next step when it was not delivered so long after it began:"
        " seconds, or such as `60s`, `5m`, `2h`. Without it only when the step fails.",
        examples=["60s"],
        json_schema_extra=_or_text,
    )
    body: str | None = Field(None, max_length=40_000)
    sender: str | None = Field(None, alias="from", max_length=64)


class ChannelFields(ContentFields):
    """The channel of a message, or the plan of those that are tried in order."""

    channel: Literal["auto", "sms", "mms", "whatsapp"] = Field(
        "auto", description="`auto` is MMS where there are media, else SMS."
    )
    fallback: list[StepBody] | None = Field(
        None,
        min_length=1,
        max_length=STEPS_MOST,
        description="The whole plan instead of `channel`: the first step is tried first, each"
        " other one when the step before it failed, or was not delivered in time.",
        examples=[[{"channel": "whatsapp", "after": "60s"}, {"channel": "sms"}]],
    )


CHANNELLED: Final = frozenset(ChannelFields.model_fields)


def channel_of(given: ChannelFields) -> Channel:
    """The channel that a message without a plan goes by."""
    if given.channel == "auto":
        return Channel.MMS if given.media else Channel.SMS
    return _CHANNELS[given.channel]


def content_of(
    given: ContentFields, pointer: str, *, allow_private: bool
) -> content.Content | None:
    """What is beside the text, None when nothing is; raises Problem for URLs that are not public.

    `pointer` is that of what was given, "" for the whole body.
    """
    for number, one in enumerate(given.media or ()):
        here = f"{pointer}/media/{number}/url"
        http.check_url(one.url, allow_private=allow_private, pointer=here)
    made = content.Content(
        media=tuple(
            content.Media(one.url, one.content_type, one.filename) for one in given.media or ()
        ),
        template=_template(given.template) if given.template else None,
        subject=given.subject,
        reply_to=given.reply_to,
        interactive=given.interactive,
    )
    return made if made != content.Content() else None


def _template(given: TemplateBody) -> content.Template:
    parameters = given.parameters
    return content.Template(
        given.name,
        given.language,
        parameters if isinstance(parameters, dict) else tuple(parameters),
        tuple(given.components),
    )


def steps_of(given: ChannelFields, *, allow_private: bool) -> tuple[Step, ...]:
    """The plan of a message, () when it has none; raises Problem."""
    if given.fallback is None:
        return ()
    if given.channel != "auto":
        detail = "give either `channel` or `fallback`, which names all channels in their order"
        raise Problem(
            "invalid_request",
            f"/channel: {detail}",
            (FieldError("/channel", "contradiction", detail),),
        )
    return tuple(
        Step(
            channel=_CHANNELS[one.channel],
            after_seconds=one.after,
            body=one.body,
            sender=one.sender,
            content=content_of(one, f"/fallback/{number}", allow_private=allow_private),
        )
        for number, one in enumerate(given.fallback)
    )
