"""What a message carries beside its text: media, a template, what a chat channel knows besides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SMS: Final = "sms"
MMS: Final = "mms"
WHATSAPP: Final = "whatsapp"
CHANNELS: Final = (SMS, MMS, WHATSAPP)  # the place of each is its number in `messages.channel`


@dataclass(frozen=True, slots=True)
class Media:
    """A file by its URL. Inbound media may need the carrier's credentials to be fetched."""

    url: str  # or the carrier's own name of it, where there is no URL
    content_type: str | None = None
    filename: str | None = None
    octets: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown; what says nothing is left out."""
        shown = {
            "url": self.url,
            "content_type": self.content_type,
            "filename": self.filename,
            "octets": self.octets,
        }
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Template:
    """A message that the provider of the channel approved beforehand, such as Meta or Twilio.

    `parameters` fill the places of its body, in their order or by name; `components` are the
    channel's own JSON for headers and buttons and go as they are.
    """

    name: str
    language: str = "en"
    parameters: tuple[str, ...] | Mapping[str, str] = ()
    components: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateState:
    """A template as its provider has it."""

    name: str
    language: str
    status: str  # in the provider's words, capitals: APPROVED, PENDING, REJECTED, PAUSED, DISABLED
    category: str = ""  # MARKETING, UTILITY, AUTHENTICATION
    reason: str = ""  # why it is not approved
    components: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """Everything beside the text; a plain text message has none of it."""

    media: tuple[Media, ...] = ()
    template: Template | None = None
    subject: str | None = None  # of an MMS
    reply_to: str | None = None  # the carrier's id of the message that this one answers
    interactive: Mapping[str, Any] | None = None  # the channel's own JSON: buttons, lists, places
    profile: str | None = None  # inbound: the name that the person has given
    payload: str | None = None  # inbound: what the button that was pressed stands for

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown; what says nothing is left out."""
        shown: dict[str, Any] = {
            "media": [one.to_json() for one in self.media] or None,
            "template": self.template and _template_json(self.template),
            "subject": self.subject,
            "reply_to": self.reply_to,
            "interactive": self.interactive,
            "profile": self.profile,
            "payload": self.payload,
        }
        return {name: value for name, value in shown.items() if value is not None}


def from_json(given: Mapping[str, Any]) -> Content:
    """What `to_json` gave."""
    template = given.get("template")
    return Content(
        media=tuple(Media(**one) for one in given.get("media", ())),
        template=template and _template(template),
        subject=given.get("subject"),
        reply_to=given.get("reply_to"),
        interactive=given.get("interactive"),
        profile=given.get("profile"),
        payload=given.get("payload"),
    )


def _template_json(template: Template) -> dict[str, Any]:
    given = template.parameters
    return {
        "name": template.name,
        "language": template.language,
        "parameters": dict(given) if isinstance(given, Mapping) else list(given),
        "components": [dict(one) for one in template.components],
    }


def _template(given: Mapping[str, Any]) -> Template:
    parameters = given["parameters"]
    return Template(
        given["name"],
        given["language"],
        parameters if isinstance(parameters, Mapping) else tuple(parameters),
        tuple(given["components"]),
    )
