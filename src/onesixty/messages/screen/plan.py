"""Channel fallback: the steps of a message, each a whole message of its own once it begins.

All are composed and screened at acceptance. The first one is stored as the message; the others
wait as JSON beside it (`messages.steps`), and `dispatch/fallback.py` writes them over it in turn.
"""

from dataclasses import replace
from typing import Any, Final

from onesixty.carriers.content import Content
from onesixty.messages.screen.channels import CARRIES
from onesixty.messages.types import Channel, Message, Refusal, SendRequest, Step

STEPS_MOST: Final = 5


def waits(request: SendRequest) -> Refusal | None:
    """Whether the last step can begin while the message is wanted, and has nothing behind it."""
    *before, last = request.steps
    if last.after_seconds is not None:
        pointer = f"/fallback/{len(before)}/after"
        return Refusal("invalid_request", f"{pointer}: no step comes after the last one", pointer)
    if sum(step.after_seconds or 0.0 for step in before) >= request.validity_seconds:
        why = f"the last step would begin after the validity of {request.validity_seconds} s"
        return Refusal("invalid_request", f"/fallback: {why}", "/fallback")
    return None


def of_step(request: SendRequest, step: Step) -> SendRequest:
    """What is asked for by one step alone.

    What it leaves out is the message's, as far as its channel carries that. A step with words of
    its own, be they text, a template or an interactive message, takes none over.
    """
    own, shared = step.content or Content(), request.content or Content()
    carries = CARRIES[step.channel]
    if step.body is not None or own.template or own.interactive:
        body, template, interactive = step.body or "", own.template, own.interactive
    else:
        template = shared.template if "template" in carries else None
        interactive = shared.interactive if "interactive" in carries else None
        body = "" if template or interactive else request.body
    media = own.media
    if not (media or template or interactive) and "media" in carries:
        media = shared.media
    # Who sends by SMS is seldom somebody on WhatsApp: there it is the carrier's number.
    sender = step.sender or (None if step.channel is Channel.WHATSAPP else request.sender)
    content = Content(
        media=media,
        template=template,
        interactive=interactive,
        subject=own.subject or (shared.subject if "subject" in carries else None),
        reply_to=own.reply_to or (shared.reply_to if "reply_to" in carries else None),
    )
    return replace(
        request,
        channel=step.channel,
        body=body,
        sender=sender,
        content=content if content != Content() else None,
        steps=(),
    )


def to_json(step: Message, wait_seconds: float | None) -> dict[str, Any]:
    """A step that is still to come, as it is kept; the names are columns of `messages`.

    `wait_seconds`: from the begin of the step before it; None: only when that one fails.
    """
    kept: dict[str, Any] = {
        "wait": wait_seconds,
        "channel": int(step.channel),
        "sender": step.sender,
        "body": step.body,
        "encoding": int(step.encoding),
        "segments": step.segments,
        "content": step.content.to_json() if step.content else None,
        "carrier_id": step.carrier_id,
        "route_id": step.route_id,
        "fallbacks": step.fallbacks or None,
        "flow": step.flow,
        "explanation": step.explanation,
        "price_micros": step.price_micros,
    }
    return {name: value for name, value in kept.items() if value is not None}
