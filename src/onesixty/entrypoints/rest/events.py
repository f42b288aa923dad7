"""`/v1/events`: what happened, to be listed, pulled by a cursor, or streamed as it happens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import Listing, Moment, json
from onesixty.entrypoints.rest.context import Context, authenticate, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.features.webhooks import feed
from onesixty.features.webhooks.tail import BATCH, SETTLED_AFTER, Tail, resume_at
from onesixty.kit import ids, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Caller
from onesixty.records import events
from onesixty.storage.database import OUTAGES

STREAMS_MOST: Final = 64  # of one process: each asks the database twice a second
POLL_SECONDS: Final = 0.5
HEARTBEAT_SECONDS: Final = 15.0
RECONNECT_MILLISECONDS: Final = 2000

router = APIRouter(prefix="/v1/events", tags=["Events"])

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("messages:read")]
TypeNames = Annotated[
    str | None,
    Field(
        description="Only these types, with commas; `message.*` for all of messages",
        examples=["message.delivered,message.received"],
    ),
]
MessageId = Annotated[str | None, Field(description="Only those of this message")]


class Event(BaseModel):
    """Something that happened."""

    id: str = Field(
        description="The same in webhooks, lists and streams: tell repeats by it",
        examples=["evt_01k0000000e008000000000000"],
    )
    type: str = Field(json_schema_extra={"enum": list(events.NUMBERS)})
    account: str = Field(examples=["acc_01k0000000e008000000000000"])
    created_at: datetime
    sequence: int = Field(description="Orders the events of one message, from 1")
    data: dict[str, Any] | None = Field(
        description="For `message.*` the message, with the status that it had then"
    )


class EventPage(BaseModel):
    """A page of events."""

    data: list[Event]
    next: str | None = Field(
        description="Give it as `after` to read on. Ascending it is there on the last page too:"
        " ask again with it later"
    )


class EventListing(Listing):
    """Which events to list, and in which order."""

    order: Annotated[
        Literal["desc", "asc"], Field(description="`asc` to pull: oldest first, none skipped")
    ] = "desc"
    type: TypeNames = None
    message: MessageId = None
    created_after: Moment | None = None


class StreamQuery(BaseModel):
    """Which events to stream."""

    model_config = ConfigDict(extra="forbid")

    type: TypeNames = None
    message: MessageId = None


@dataclass(slots=True)
class Streams:
    """How many streams this process serves; kept in `app.state.streams`."""

    most: int = STREAMS_MOST
    open: int = 0
    is_ending: bool = False


@router.get(
    "",
    response_model=EventPage,
    summary="List or pull events",
    responses=problem_responses("invalid_request", "search_too_long"),
)
async def list_events(
    query: Annotated[EventListing, Query()], caller: Reader, context: Here
) -> Response:
    """Newest first, or with `order=asc` oldest first: then events of the last 2 seconds are held
    back, so that a cursor never passes one that is still being written."""
    cursor, ascending = paging.after(query.after), query.order == "asc"
    since = ids.first_at(query.created_after) if query.created_after else None
    wanted = feed.Query(
        above=max((one for one in (since, cursor if ascending else None) if one), default=None),
        below=ids.first_at(context.clock.now() - SETTLED_AFTER) if ascending else cursor,
        types=_types(query.type),
        message_id=_message_id(query.message),
        ascending=ascending,
        limit=query.limit + 1,
    )
    async with context.database.search() as connection:
        rows = await feed.read(connection, caller.account_id, wanted)
    shown = [_shown(row, context) for row in rows]
    page = paging.page(shown, [row["event_id"] for row in rows], query.limit)
    if ascending and page["next"] is None:
        page["next"] = paging.cursor(rows[-1]["event_id"]) if rows else query.after
    return json(page)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    summary="Stream events",
    responses={
        200: {
            "description": "Server-sent events: `id` and `event` lines, and the event as `data`",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "id: evt_01k0000000e008000000000000\nevent: message.delivered\n"
                    'data: {"id":"evt_01k0000000e008000000000000","type":"message.delivered"}\n\n',
                }
            },
        },
        **problem_responses("invalid_request", "overloaded"),
    },
)
async def stream_events(
    request: Request,
    query: Annotated[StreamQuery, Query()],
    caller: Reader,
    context: Here,
    last_event_id: Annotated[
        str | None, Header(description="Go on after this event; a few may come again")
    ] = None,
) -> Response:
    """Events of the account as they happen, from now on or after `Last-Event-ID`; a comment comes
    every 15 seconds."""
    streams = streams_of(request.app)
    if streams.open >= streams.most:
        raise Problem(
            "overloaded", f"{streams.most} streams are open already", retry_after_seconds=5
        )
    since = context.clock.now()
    if last_event_id:
        since = resume_at(_identifier("evt", last_event_id, "Last-Event-ID"))
    tail = Tail(caller.account_id, since, _types(query.type), _message_id(query.message))
    return StreamingResponse(
        _stream(request, context, tail, streams),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    request: Request, context: Context, tail: Tail, streams: Streams
) -> AsyncIterator[bytes]:
    streams.open += 1
    try:
        yield b"retry: %d\n\n" % RECONNECT_MILLISECONDS
        told_at = context.clock.monotonic()
        while not streams.is_ending:
            async with context.database.read() as connection:
                rows = await tail.read(connection, context.clock.now())
            if rows:
                yield b"".join(_frame(_shown(row, context)) for row in rows)
            if context.clock.monotonic() - told_at >= HEARTBEAT_SECONDS:
                authenticate(context, request.headers.get("authorization"))
                yield b": still here\n\n"
                told_at = context.clock.monotonic()
            if len(rows) < BATCH:
                await context.clock.sleep(POLL_SECONDS)
    except (Problem, *OUTAGES):
        return  # the key was revoked, or the database is away: the client comes again
    finally:
        streams.open -= 1


def _frame(event: dict[str, Any]) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        event["id"].encode(),
        event["type"].encode(),
        orjson.dumps(event),
    )


def _shown(row: Any, context: Context) -> dict[str, Any]:
    shown = feed.shown(row, context.keeper.book)
    assert shown is not None  # the caller's account is in the book: its key was
    return shown


def streams_of(api: FastAPI) -> Streams:
    """The streams of an application; once `is_ending`, each ends at its next look."""
    state = api.state
    if not hasattr(state, "streams"):
        state.streams = Streams()
    streams: Streams = state.streams
    return streams


def _types(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        bits = events.mask(text.split(","))
    except KeyError as error:
        detail = f"there is no event type {error.args[0]!r}; there are: {', '.join(events.NUMBERS)}"
        problem = FieldError("/type", "unknown_type", detail)
        raise Problem("invalid_request", detail, (problem,)) from None
    return [number for number in events.TYPES if bits >> number & 1]


def _message_id(text: str | None) -> UUID | None:
    return None if text is None else _identifier("msg", text, "message")


def _identifier(prefix: str, text: str, name: str) -> UUID:
    identifier = ids.from_text(prefix, text)
    if identifier is None:
        detail = f"{name} looks like {prefix}_..."
        raise Problem("invalid_request", detail, (FieldError(f"/{name}", "not_an_id", detail),))
    return identifier
