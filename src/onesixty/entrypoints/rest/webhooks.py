"""`/v1/webhooks`: endpoints that are told of events, the log of their deliveries, replays."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.http import check_url
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import events, webhooks
from onesixty.records.webhooks import CALLBACKS, Change, DeliveryQuery, NewEndpoint, ReplayQuery
from onesixty.storage.database import Connection

# Stands for the `callback_url` of messages, where a path takes the id of an endpoint.
CALLBACKS_NAME: Final = "callbacks"
_SECRET: Final = "whsec_"  # noqa: S105 - a prefix
_ID_EXAMPLE: Final = "whk_01k0000000e008000000000000"

router = APIRouter(prefix="/v1/webhooks", tags=["Webhooks"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("webhooks:read")]
Writer = Annotated[Caller, needs("webhooks:write")]

Url = Annotated[
    str,
    Field(
        max_length=2048,
        description="http or https, not a private address; redirects are not followed",
        examples=["https://example.com/hooks/sms"],
    ),
]
Types = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": ["*", "message.*", *events.NUMBERS]})]],
    Field(min_length=1, max_length=100, examples=[["message.delivered", "message.received"]]),
]
Description = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]


class NewWebhook(BaseModel):
    """An endpoint to add."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Types = Field(default_factory=lambda: ["*"])
    description: Description = ""
    secret: Annotated[
        str | None,
        Field(description="`whsec_` and 24 to 64 octets in base64; one is made when left out"),
    ] = None


class WebhookChange(BaseModel):
    """What to change of an endpoint; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url = Field(default_factory=str)
    events: Types = Field(default_factory=list)
    description: Description = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool, description="true takes a disabled one up again")


class Webhook(BaseModel):
    """An endpoint that is told of events."""

    id: str = Field(examples=[_ID_EXAMPLE])
    object: str = Field(examples=["webhook"])
    url: str
    description: str
    events: list[str] = Field(description="Types that it is told of", examples=[["message.*"]])
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None = Field(examples=["it answered 410 Gone"])
    failing_since: datetime | None = Field(
        description="No delivery succeeded since; 72 hours on it is disabled"
    )
    old_secret_until: datetime | None = Field(
        description="Until then the secret before the last rotation signs too"
    )
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    """An endpoint with its secret, at the only moment that it is shown."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class WebhookPage(BaseModel):
    """A page of endpoints, newest first."""

    data: list[Webhook]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class CallbackSecret(BaseModel):
    """What signs the calls to the `callback_url` of messages."""

    id: str = Field(examples=[CALLBACKS_NAME])
    object: str = Field(examples=["callback_secret"])
    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class WebhookTest(BaseModel):
    """The event that a test sends."""

    object: str = Field(examples=["webhook_test"])
    event: str = Field(
        description="Look for it in the deliveries", examples=["evt_01k0000000e008000000000000"]
    )


class Delivery(BaseModel):
    """One attempt to deliver one event."""

    id: str = Field(examples=["dlv_01k0000000e008000000000000"])
    object: str = Field(examples=["delivery"])
    event: str
    type: str | None = Field(
        description="Of the event; null when it is no longer kept", examples=["message.delivered"]
    )
    webhook: str = Field(examples=[_ID_EXAMPLE])
    result: str = Field(json_schema_extra={"enum": ["delivered", "retrying", "given_up"]})
    attempt: int = Field(description="From 1; 0 when it was given up without any")
    url: str
    status_code: int | None = Field(description="null when no answer came")
    error: str | None = Field(examples=["answered 500"])
    response: str | None = Field(description="The first 1,000 characters of the answer")
    milliseconds: int
    created_at: datetime
    next_attempt_at: datetime | None


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    data: list[Delivery]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class DeliveryListing(Listing):
    """Which deliveries to list."""

    event: Annotated[str | None, Field(description="Only those of this event")] = None
    failed: Annotated[bool, Field(description="Only attempts that failed")] = False


class Replay(BaseModel):
    """Which events to send again: one, or all that match."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[str | None, Field(description="This one alone, whatever its type")] = None
    events: Annotated[Types | None, Field(description="Of these types")] = None
    created_after: Annotated[AwareDatetime | None, Field(description="At or after this time")] = (
        None
    )
    created_before: AwareDatetime | None = None
    failed: Annotated[
        bool, Field(description="Only those that the endpoint never took, given up or not")
    ] = False
    after: Annotated[str | None, Field(description="`next` of the replay before")] = None


class Replayed(BaseModel):
    """How many events were put into the outbox again."""

    object: str = Field(examples=["replay"])
    replayed: int
    next: str | None = Field(description="There may be more: repeat with it as `after`")


@router.post(
    "",
    status_code=201,
    response_model=WebhookWithSecret,
    summary="Add a webhook",
    responses=problem_responses(
        "invalid_request", "malformed_json", "url_not_allowed", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_webhook(
    request: Request, body: NewWebhook, caller: Writer, context: Here
) -> Response:
    """The secret is shown in this answer only. Deliveries are signed by Standard Webhooks."""
    _check_url(body.url, context)
    secret = _secret(body.secret) if body.secret is not None else None
    new = NewEndpoint(body.url, _mask(body.events), body.description, secret)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        row, made = await webhooks.create(
            tx, context.sealer, caller.account_id, new, context.clock.now()
        )
        return 201, _shown(row) | {"secret": _text(made)}

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=WebhookPage,
    summary="List webhooks",
    responses=problem_responses("invalid_request"),
)
async def list_webhooks(
    query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """Newest first."""
    below = paging.after(query.after)
    async with context.database.read() as connection:
        rows = await webhooks.listing(connection, caller.account_id, below, query.limit + 1)
    shown = [_shown(row) for row in rows]
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/callbacks/secret",
    response_model=CallbackSecret,
    summary="Show the secret of callbacks",
    responses=problem_responses(),
)
async def show_callback_secret(caller: Writer, context: Here) -> Response:
    """Calls to the `callback_url` of messages are signed with this secret of the account."""
    account = context.keeper.book.accounts[caller.account_id]
    secret = _text(context.sealer.open(account.signing_secret))
    return json({"id": CALLBACKS_NAME, "object": "callback_secret", "secret": secret})


@router.get(
    "/{webhook_id}",
    response_model=Webhook,
    summary="Show a webhook",
    responses=problem_responses("not_found"),
)
async def show_webhook(webhook_id: str, caller: Reader, context: Here) -> Response:
    """Without its secret."""
    async with context.database.read() as connection:
        row = await webhooks.get(connection, caller.account_id, _id(webhook_id))
    return json(_shown(row))


@router.patch(
    "/{webhook_id}",
    response_model=Webhook,
    summary="Change a webhook",
    responses=problem_responses(
        "not_found", "invalid_request", "malformed_json", "url_not_allowed"
    ),
)
async def change_webhook(
    webhook_id: str, body: WebhookChange, caller: Writer, context: Here
) -> Response:
    """Changes hold for events from now on; what waits goes to the new URL."""
    given = body.model_dump(exclude_unset=True)
    if "url" in given:
        _check_url(body.url, context)
    change = Change(
        url=given.get("url"),
        event_mask=_mask(body.events) if "events" in given else None,
        description=given.get("description"),
        enabled=given.get("enabled"),
    )
    async with context.database.write() as tx:
        row = await webhooks.update(
            tx, caller.account_id, _id(webhook_id), change, context.clock.now()
        )
    await context.keeper.refresh()
    return json(_shown(row))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    summary="Remove a webhook",
    responses=problem_responses("not_found"),
)
async def remove_webhook(webhook_id: str, caller: Writer, context: Here) -> Response:
    """What still waits for it is dropped."""
    async with context.database.write() as tx:
        await webhooks.remove(tx, caller.account_id, _id(webhook_id), context.clock.now())
    await context.keeper.refresh()
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate-secret",
    response_model=WebhookWithSecret,
    summary="Rotate the secret of a webhook",
    responses=problem_responses("not_found", "idempotency_conflict", "invalid_request"),
    openapi_extra=IDEMPOTENT,
)
async def rotate_webhook_secret(
    request: Request, webhook_id: str, caller: Writer, context: Here
) -> Response:
    """For 24 hours deliveries carry two signatures, one by the new secret and one by the old."""

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        row, secret = await webhooks.rotate_secret(
            tx, context.sealer, caller.account_id, _id(webhook_id), context.clock.now()
        )
        return 200, _shown(row) | {"secret": _text(secret)}

    return await once(request, context, caller, work)


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    response_model=WebhookTest,
    summary="Test a webhook",
    responses=problem_responses("not_found", "conflict", "idempotency_conflict", "invalid_request"),
    openapi_extra=IDEMPOTENT,
)
async def test_webhook(
    request: Request, webhook_id: str, caller: Writer, context: Here
) -> Response:
    """A `webhook.test` event goes the way of every event; the deliveries tell what came of it."""

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        row = await webhooks.get(tx, caller.account_id, _id(webhook_id))
        _must_be_enabled(row)
        event_id = await webhooks.test(tx, caller.account_id, row, context.clock.now())
        return 202, {"object": "webhook_test", "event": ids.to_text("evt", event_id)}

    answer = await once(request, context, caller, work)
    context.wake_webhooks()
    return answer


@router.get(
    "/{webhook_id}/deliveries",
    response_model=DeliveryPage,
    summary="List the deliveries of a webhook",
    responses=problem_responses("not_found", "invalid_request"),
)
async def list_deliveries(
    webhook_id: str, query: Annotated[DeliveryListing, Query()], caller: Reader, context: Here
) -> Response:
    """Every attempt, newest first. The id `callbacks` stands for the `callback_url` of messages."""
    wanted = DeliveryQuery(
        below=paging.after(query.after),
        event_id=_event_id(query.event) if query.event is not None else None,
        failed=query.failed,
        limit=query.limit + 1,
    )
    async with context.database.read() as connection:
        number, _ = await _number(connection, caller, webhook_id)
        rows = await webhooks.deliveries(connection, caller.account_id, number, wanted)
    shown = [_shown_delivery(row, webhook_id) for row in rows]
    return json(paging.page(shown, [row["id"] for row in rows], query.limit))


@router.post(
    "/{webhook_id}/replay",
    status_code=202,
    response_model=Replayed,
    summary="Send events again",
    responses=problem_responses(
        "not_found", "conflict", "invalid_request", "malformed_json", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def replay_webhook(
    request: Request, webhook_id: str, body: Replay, caller: Writer, context: Here
) -> Response:
    """Under the same event id, so that receivers can tell. At most 10,000 events a call, oldest
    first; what waits for its next attempt is sent at once. `callbacks` as in deliveries."""
    query = ReplayQuery(
        types=_numbers(body.events) if body.events is not None else None,
        since=body.created_after,
        until=body.created_before,
        above=paging.after(body.after),
        failed=body.failed,
    )
    event_id = _event_id(body.event) if body.event is not None else None

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        number, row = await _number(tx, caller, webhook_id)
        _must_be_enabled(row)
        now = context.clock.now()
        if event_id is not None:
            if not await webhooks.replay_one(tx, caller.account_id, number, event_id, now):
                raise Problem("not_found", f"there is no event {body.event}")
            return 202, _replayed([event_id])
        return 202, _replayed(await webhooks.replay(tx, caller.account_id, number, query, now))

    answer = await once(request, context, caller, work)
    context.wake_webhooks()
    return answer


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": ids.to_text("whk", row["public_id"]),
        "object": "webhook",
        "url": row["url"],
        "description": row["description"],
        "events": events.names(row["event_mask"]),
        "enabled": row["disabled_at"] is None,
        "disabled_at": timestamp(row["disabled_at"]),
        "disabled_reason": row["disabled_reason"],
        "failing_since": timestamp(row["failing_since"]),
        "old_secret_until": timestamp(row["old_secret_until"]),
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def _shown_delivery(row: Any, webhook_id: str) -> dict[str, Any]:
    success = row["status_code"] is not None and 200 <= row["status_code"] < 300
    waiting = "retrying" if row["next_attempt_at"] else "given_up"
    return {
        "id": ids.to_text("dlv", row["id"]),
        "object": "delivery",
        "event": ids.to_text("evt", row["event_id"]),
        "type": events.TYPES.get(row["type"]),
        "webhook": webhook_id,
        "result": "delivered" if success else waiting,
        "attempt": row["attempt"],
        "url": row["url"],
        "status_code": row["status_code"],
        "error": row["error"],
        "response": row["response"],
        "milliseconds": row["milliseconds"],
        "created_at": timestamp(row["at"]),
        "next_attempt_at": timestamp(row["next_attempt_at"]),
    }


def _replayed(event_ids: list[UUID]) -> dict[str, Any]:
    more = len(event_ids) == webhooks.REPLAY_MOST
    return {
        "object": "replay",
        "replayed": len(event_ids),
        "next": paging.cursor(event_ids[-1]) if more else None,
    }


async def _number(tx: Connection, caller: Caller, text: str) -> tuple[int, Any]:
    """The number and the row of an endpoint, or CALLBACKS and None."""
    if text == CALLBACKS_NAME:
        return CALLBACKS, None
    row = await webhooks.get(tx, caller.account_id, _id(text))
    return row["id"], row


def _must_be_enabled(row: Any) -> None:
    if row is not None and row["disabled_at"] is not None:
        raise Problem("conflict", f"the webhook is disabled: {row['disabled_reason']}")


def _check_url(url: str, context: Context) -> None:
    check_url(url, allow_private=context.allow_private_urls, pointer="/url")


def _id(text: str) -> UUID:
    identifier = ids.from_text("whk", text)
    if identifier is None:
        raise Problem("not_found", "there is no such webhook endpoint")
    return identifier


def _event_id(text: str) -> UUID:
    identifier = ids.from_text("evt", text)
    if identifier is None:
        raise _invalid("/event", "not_an_id", "an event id looks like evt_...")
    return identifier


def _numbers(names: list[str]) -> tuple[int, ...]:
    bits = _mask(names)
    return tuple(number for number in events.TYPES if bits >> number & 1)


def _mask(names: list[str]) -> int:
    try:
        return events.mask(names)
    except KeyError as error:
        known = ", ".join(["*", "message.*", *events.NUMBERS])
        detail = f"there is no event type {error.args[0]!r}; there are: {known}"
        raise _invalid("/events", "unknown_type", detail) from None


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(_SECRET), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(_SECRET) or not 24 <= len(secret) <= 64:
        raise _invalid("/secret", "invalid", "give whsec_ and 24 to 64 octets in base64")
    return secret


def _text(secret: bytes) -> str:
    return _SECRET + base64.b64encode(secret).decode()


def _invalid(pointer: str, code: str, detail: str) -> Problem:
    return Problem("invalid_request", detail, (FieldError(pointer, code, detail),))
