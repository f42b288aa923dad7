"""The log of deliveries, and events sent again."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, Moment, json, once
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
from onesixty.kit.problems import Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import events, webhooks
from onesixty.records.webhooks import CALLBACKS, DeliveryQuery, ReplayQuery
from onesixty.storage.database import Connection

# Stands for the `callback_url` of messages, where a path takes the id of an endpoint.
CALLBACKS_NAME: Final = "callbacks"

router = APIRouter(prefix="/v1/webhooks", tags=["Webhooks"], route_class=JsonRoute)


class Delivery(BaseModel):
    """One attempt to deliver one event."""

    id: str = Field(examples=["dlv_01k0000000e008000000000000"])
    object: str = Field(examples=["delivery"])
    event: str
    type: str | None = Field(
        description="Of the event; null when it is no longer kept", examples=["message.delivered"]
    )
    webhook: str = Field(examples=["whk_01k0000000e008000000000000"])
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
    created_after: Annotated[Moment | None, Field(description="At or after this time")] = None
    created_before: Moment | None = None
    failed: Annotated[
        bool, Field(description="Only those that the endpoint never took, given up or not")
    ] = False
    after: Annotated[str | None, Field(description="`next` of the replay before")] = None


class Replayed(BaseModel):
    """How many events were put into the outbox again."""

    object: str = Field(examples=["replay"])
    replayed: int
    next: str | None = Field(description="There may be more: repeat with it as `after`")


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
        number = await _number(connection, caller, webhook_id)
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
    if event_id is not None and len(body.model_fields_set) > 1:
        raise invalid("/event", "not_alone", "give one event, or what chooses among all")

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        number = await _number(tx, caller, webhook_id, enabled=True)
        now = context.clock.now()
        if event_id is not None:
            if not await webhooks.replay_one(tx, caller.account_id, number, event_id, now):
                raise Problem("not_found", f"there is no event {body.event}")
            return 202, _replayed([event_id])
        return 202, _replayed(await webhooks.replay(tx, caller.account_id, number, query, now))

    answer = await once(request, context, caller, work)
    context.wake_webhooks()
    return answer


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


async def _number(tx: Connection, caller: Caller, text: str, *, enabled: bool = False) -> int:
    if text == CALLBACKS_NAME:
        return CALLBACKS
    row = await webhooks.get(tx, caller.account_id, endpoint_id(text))
    if enabled:
        must_be_enabled(row)
    number: int = row["id"]
    return number


def _event_id(text: str) -> UUID:
    identifier = ids.from_text("evt", text)
    if identifier is None:
        raise invalid("/event", "not_an_id", "an event id looks like evt_...")
    return identifier


def _numbers(names: list[str]) -> tuple[int, ...]:
    bits = event_mask(names)
    return tuple(number for number in events.TYPES if bits >> number & 1)
