"""What each channel carries, and how much of it."""

from typing import Final

from onesixty.carriers.content import CHANNELS, Content
from onesixty.messages.types import Channel, Encoding, Message, Refusal, SendRequest

MEDIA_MOST: Final = {Channel.MMS: 10, Channel.WHATSAPP: 1}
# Letters: of MMS what the carriers agree on, of WhatsApp what Meta takes, alone and below a file.
TEXT_MOST: Final = {Channel.MMS: 1600, Channel.WHATSAPP: 4096}
CAPTION_MOST: Final = 1024
# Beside the text; what is not named here the channel has no place for.
CARRIES: Final[dict[Channel, frozenset[str]]] = {
    Channel.SMS: frozenset(),
    Channel.MMS: frozenset({"media", "subject"}),
    Channel.WHATSAPP: frozenset({"media", "template", "reply_to", "interactive"}),
}
_NAMES: Final = ("media", "template", "subject", "reply_to", "interactive")


def check(request: SendRequest) -> Refusal | None:
    """Whether the channel has a place for what is beside the text, and for its form."""
    channel = request.channel
    if request.form is not None and channel is not Channel.SMS:
        words = "data, headers, ports and classes are of SMS: leave them out"
        return Refusal("not_on_channel", f"{CHANNELS[channel]}: {words}", "/channel")
    content = request.content or Content()
    for name in _NAMES:
        if getattr(content, name) and name not in CARRIES[channel]:
            return Refusal("not_on_channel", _why(channel, name), f"/{name}")
    return None


def compose(message: Message, request: SendRequest) -> Refusal | None:
    """Set body, content, encoding and segments of an MMS or a chat message: they count as one."""
    content, body, channel = request.content or Content(), request.body, request.channel
    refusal = _one_of(content, body) or _short_enough(channel, content, body)
    if refusal is not None:
        return refusal
    message.body, message.content = body, request.content
    message.encoding, message.segments = Encoding.UCS2, 1
    return None


def _why(channel: Channel, name: str) -> str:
    others = [CHANNELS[one] for one in Channel if name in CARRIES[one]]
    return f"{CHANNELS[channel]} has no {name}: leave it out, or send by {' or '.join(others)}"


def _one_of(content: Content, body: str) -> Refusal | None:
    """A template and an interactive message have their text, and their files, inside."""
    for name in ("template", "interactive"):
        if getattr(content, name) is None:
            continue
        beside: dict[str, object] = {
            "body": body,
            "media": content.media,
            "template": content.template,
            "interactive": content.interactive,
        }
        if other := next((one for one in beside if one != name and beside[one]), None):
            why = f"give either `{name}` or `{other}`: the {name} has its text and files inside"
            return Refusal("not_on_channel", why, f"/{other}")
        return None
    if not body and not content.media:
        return Refusal("empty_body", "give a body with at least one character, or media", "/body")
    return None


def _short_enough(channel: Channel, content: Content, body: str) -> Refusal | None:
    if len(content.media) > MEDIA_MOST[channel]:
        why = f"{CHANNELS[channel]} takes at most {MEDIA_MOST[channel]} a message"
        return Refusal("not_on_channel", f"{len(content.media)} files: {why}", "/media")
    most = TEXT_MOST[channel]
    if content.media and channel is Channel.WHATSAPP:
        most = CAPTION_MOST
    if len(body) > most:
        where = "below a file " if most == CAPTION_MOST else ""
        why = f"{len(body)} letters: {CHANNELS[channel]} takes {most} {where}at most"
        return Refusal("body_too_long", why, "/body")
    return None
