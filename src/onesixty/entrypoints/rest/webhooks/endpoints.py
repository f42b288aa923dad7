"""Endpoints: made, shown, changed, removed, tested; their secrets."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.entrypoints.rest.webhooks.parsing import (
    Here,
    Reader,
    Types,
    Writer,
    endpoint_id,
    event_mask,
    invalid,
    must_be_enabled,
)
from onesixty.kit import ids, paging
from onesixty.kit.http import check_url
from onesixty.messages.render import timestamp
from onesixty.records import events, webhooks
from onesixty.records.webhooks import Change, NewEndpoint
from onesixty.storage.database import Connection

_SECRET: Final = "whsec_"  # noqa: S105 - a prefix

router = APIRouter(prefix="/v1/webhooks", tags=["Webhooks"], route_class=JsonRoute)

Url = Annotated[
    str,
    Field(
        max_length=2048,
        description="http or https, not a private address; redirects are not followed",
        examples=["https://example.com/hooks/sms"],
    ),
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

    id: str = Field(examples=["whk_01k0000000e008000000000000"])
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

    id: str = Field(examples=["callbacks"])
    object: str = Field(examples=["callback_secret"])
    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class WebhookTest(BaseModel):
    """The event that a test sends."""

    object: str = Field(examples=["webhook_test"])
    event: str = Field(
        description="Look for it in the deliveries", examples=["evt_01k0000000e008000000000000"]
    )


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
    new = NewEndpoint(body.url, event_mask(body.events), body.description, secret)

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
    return json({"id": "callbacks", "object": "callback_secret", "secret": secret})


@router.get(
    "/{webhook_id}",
    response_model=Webhook,
    summary="Show a webhook",
    responses=problem_responses("not_found"),
)
async def show_webhook(webhook_id: str, caller: Reader, context: Here) -> Response:
    """Without its secret."""
    async with context.database.read() as connection:
        row = await webhooks.get(connection, caller.account_id, endpoint_id(webhook_id))
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
        event_mask=event_mask(body.events) if "events" in given else None,
        description=given.get("description"),
        enabled=given.get("enabled"),
    )
    async with context.database.write() as tx:
        row = await webhooks.update(
            tx, caller.account_id, endpoint_id(webhook_id), change, context.clock.now()
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
        await webhooks.remove(tx, caller.account_id, endpoint_id(webhook_id), context.clock.now())
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
            tx, context.sealer, caller.account_id, endpoint_id(webhook_id), context.clock.now()
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
        row = await webhooks.get(tx, caller.account_id, endpoint_id(webhook_id))
        must_be_enabled(row)
        event_id = await webhooks.test(tx, caller.account_id, row, context.clock.now())
        return 202, {"object": "webhook_test", "event": ids.to_text("evt", event_id)}

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


def _check_url(url: str, context: Context) -> None:
    check_url(url, allow_private=context.allow_private_urls, pointer="/url")


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(_SECRET), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(_SECRET) or not 24 <= len(secret) <= 64:
        raise invalid("/secret", "invalid", "give whsec_ and 24 to 64 octets in base64")
    return secret


def _text(secret: bytes) -> str:
    return _SECRET + base64.b64encode(secret).decode()
