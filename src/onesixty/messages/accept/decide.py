"""Decide: what becomes of a request, from what is in memory. Nothing is decided later.

`address -> compose -> time -> route -> price`. A bad request becomes a Refusal.
"""

from collections.abc import Callable
from datetime import datetime

from onesixty.carriers.content import CHANNELS, Template
from onesixty.kit import ids
from onesixty.messages import screen
from onesixty.messages.states import Status
from onesixty.messages.types import Caller, Direction, Message, Refusal, SendRequest
from onesixty.records import channel_templates, limits, routes
from onesixty.records.snapshot import Snapshot

Pick = Callable[[Snapshot, routes.Traits], routes.Chosen | None]
Network = Callable[[str], str | None]  # MCC and MNC of a number, as far as they are known


def decide(
    book: Snapshot,
    request: SendRequest,
    caller: Caller,
    now: datetime,
    pick: Pick,
    network: Network,
) -> Message | Refusal:
    """Everything that is decided about a message, and about each step of its plan if it has one."""
    if not request.steps:
        return _decide(book, request, caller, now, pick, network)
    if refusal := screen.waits(request):
        return refusal
    decided: list[Message] = []
    for number, step in enumerate(request.steps):
        one = _decide(book, screen.of_step(request, step), caller, now, pick, network)
        if isinstance(one, Refusal):
            where = f"/fallback/{number}"
            return Refusal(one.code, f"{where}: {one.detail}", where + (one.pointer or ""))
        decided.append(one)
    message, *later = decided
    screen.cover(message, later)
    message.steps = [
        screen.to_json(one, before.after_seconds)
        for one, before in zip(later, request.steps, strict=False)
    ] or None
    return message


def _decide(
    book: Snapshot,
    request: SendRequest,
    caller: Caller,
    now: datetime,
    pick: Pick,
    network: Network,
) -> Message | Refusal:
    """What is decided about one message, in the order in which a reader would ask."""
    message = Message(
        account_id=caller.account_id,
        id=ids.uuid7(),
        status=Status.QUEUED,
        direction=Direction.OUTBOUND,
        category=request.category,
        recipient="",
        body="",
        created_at=now,
        test=caller.test,
        reference=request.reference,
        callback_url=request.callback_url,
        tags=request.tags,
        metadata=request.metadata,
        origin=request.origin,
    )
    country = screen.address(message, request, book.accounts[caller.account_id])
    if isinstance(country, Refusal):
        return country
    refusal = screen.compose(message, request) or screen.time(message, request, now)
    if refusal:
        return refusal
    routed = _route(book, message, country, pick)
    if isinstance(routed, Refusal) or not book.billing.payers:
        return routed
    return screen.price(book, routed, caller.key_id, country, network(routed.recipient))


def _route(book: Snapshot, message: Message, country: str | None, pick: Pick) -> Message | Refusal:
    traits = routes.Traits(
        message.account_id,
        message.recipient,
        country,
        screen.CATEGORY_NAMES[message.category],
        message.sender,
        message.tags,
        CHANNELS[message.channel],
        at=message.send_at,
    )
    chosen = pick(book, traits)
    if chosen is None:
        where = f"{message.recipient[:4]}… ({country or 'no country'})"
        what = f"a message to {where} by {CHANNELS[message.channel]}"
        return Refusal("no_route", f"no enabled route and carrier match {what}", "/to")
    message.route_id, message.carrier_id = chosen.route_id or None, chosen.carrier_id
    message.fallbacks = list(chosen.fallbacks)
    message.explanation = chosen.explanation
    if not message.test:
        message.flow = limits.flow_of(book, message.account_id, message.sender, country)
    if message.send_at:
        message.status = Status.SCHEDULED
    if message.content and message.content.template and not message.test:
        return _with_template(book, message, message.content.template)
    return message


def _with_template(book: Snapshot, message: Message, template: Template) -> Message | Refusal:
    """Leave out the carriers whose provider is known not to take this template now."""
    carriers = [message.carrier_id or 0, *message.fallbacks]
    faults = {
        carrier: channel_templates.why_not(
            book.templates.get(carrier), template.name, template.language
        )
        for carrier in carriers
    }
    fitting = [carrier for carrier in carriers if faults[carrier] is None]
    if not fitting:
        return Refusal("template_not_approved", faults[carriers[0]] or "", "/template/name")
    message.carrier_id, *message.fallbacks = fitting
    return message
