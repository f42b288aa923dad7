"""`/v1/messages`: send, list, read, timeline, cancel, preview."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from onesixty.carriers.content import CHANNELS
from onesixty.carriers.contract import OutcomeKind, ReceiptState
from onesixty.entrypoints.rest import answers
from onesixty.entrypoints.rest.context import (
    Context,
    context_of,
    needs,
)
from onesixty.entrypoints.rest.messages import reading, send_body
from onesixty.entrypoints.rest.messages.door import preview, refused, take
from onesixty.entrypoints.rest.messages.shapes import (
    Filters,
    MessagePage,
    MessageShown,
    Preview,
    Timeline,
)
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, money, paging
from onesixty.kit.problems import FieldError, Problem, document
from onesixty.messages import render, store
from onesixty.messages.dispatch import ends
from onesixty.messages.states import Status
from onesixty.messages.types import Caller, Refusal
from onesixty.records import events

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("messages:read")]
Writer = Annotated[Caller, needs("messages:write")]

router = APIRouter(prefix="/v1/messages", tags=["Messages"])
# What may be wrong with a message, and with a send of one or of many.
_MESSAGE_PROBLEMS: Final = (
    "malformed_json",
    "invalid_request",
    "invalid_number",
    "invalid_sender",
    "sender_required",
    "empty_body",
    "body_too_long",
    "not_encodable",
    "invalid_udh",
    "send_at_out_of_range",
    "not_on_channel",
    "url_not_allowed",
    "no_route",
    "no_price",
)
SEND_PROBLEMS: Final = (
    *_MESSAGE_PROBLEMS,
    "insufficient_balance",
    "spend_cap_reached",
    "idempotency_conflict",
    "body_too_large",
    "overloaded",
)


@router.post(
    "",
    status_code=202,
    summary="Send a message",
    response_model=MessageShown,
    responses={
        200: {"model": Preview, "description": "Dry run"},
        **problem_responses(*SEND_PROBLEMS),
    },
    openapi_extra={
        "requestBody": send_body.request_body(send_body.SendBody),
        **answers.IDEMPOTENT,
    },
)
async def send_message(request: Request) -> Response:
    """The message is stored durably before the answer is given."""
    answer = await take(
        context_of(request),
        request.headers.get("authorization"),
        request.headers.get("idempotency-key"),
        await answers.read_body(request),
    )
    response = Response(answer.body, answer.status, None, "application/json")
    response.raw_headers.extend(answer.headers)
    return response


@router.post(
    "/preview",
    summary="See what a send would do",
    response_model=Preview,
    responses=problem_responses(*_MESSAGE_PROBLEMS),
    openapi_extra={"requestBody": send_body.request_body(send_body.PreviewBody)},
)
async def preview_message(request: Request, caller: Reader) -> Response:
    """Encoding, segments, replaced characters, route and carrier; sends nothing."""
    context = context_of(request)
    raw = await answers.read_body(request)
    wanted = reading.read_preview(raw, context.allow_private_urls)
    return answers.json(preview(context, caller, wanted))


@router.get(
    "",
    summary="List messages",
    response_model=MessagePage,
    responses=problem_responses("invalid_request", "search_too_long"),
)
async def list_messages(
    filters: Annotated[Filters, Query()], caller: Reader, context: Here
) -> Response:
    """Newest first."""
    wanted: dict[str, Any] = filters.model_dump(exclude={"limit", "after"}, exclude_none=True)
    wanted["from"] = wanted.pop("sender", None)
    wanted["status"] = _statuses(filters.status)
    wanted["channel"] = CHANNELS.index(filters.channel) if filters.channel else None
    wanted["direction"] = {"outbound": 0, "inbound": 1}.get(filters.direction or "")
    wanted["carrier"] = _carrier(context, caller, filters.carrier)
    wanted["batch"] = _identifier("bat", filters.batch, "batch") if filters.batch else None
    given = {name: value for name, value in wanted.items() if value is not None}
    before = paging.after(filters.after)
    async with context.database.search() as connection:
        rows = await store.listing(connection, caller.account_id, given, before, filters.limit + 1)
    shown = [render.message(row, context.keeper.book) for row in rows]
    return answers.json(paging.page(shown, [row["id"] for row in rows], filters.limit))


@router.get(
    "/{message_id}",
    summary="Read a message",
    response_model=MessageShown,
    responses=problem_responses("not_found"),
)
async def get_message(message_id: str, caller: Reader, context: Here) -> Response:
    """As it stands now."""
    row = await _row(context, caller, message_id)
    return answers.json(render.message(row, context.keeper.book))


@router.get(
    "/{message_id}/timeline",
    summary="All that happened to a message",
    response_model=Timeline,
    responses=problem_responses("not_found"),
)
async def get_timeline(message_id: str, caller: Reader, context: Here) -> Response:
    """Every event, part of an attempt and receipt, with times and the carrier's own codes."""
    row = await _row(context, caller, message_id)
    async with context.database.read() as connection:
        parts = await store.submissions(connection, row["id"])
        receipts = await store.receipts(connection, row["id"])
        told = await store.events_of(connection, caller.account_id, row["id"])
    return answers.json(
        {
            "object": "timeline",
            "message": ids.to_text("msg", row["id"]),
            "possible_duplicate": row["possible_duplicate"],
            "events": [
                {
                    "id": ids.to_text("evt", one["id"]),
                    "type": events.TYPES[one["type"]],
                    "sequence": one["sequence"],
                    "at": render.timestamp(one["at"]),
                }
                for one in told
            ],
            "parts": [
                {"channel": _channel(row, one["attempt"]), **_part(context, caller, one)}
                for one in parts
            ],
            "receipts": [_receipt(context, caller, one) for one in receipts],
        }
    )


@router.post(
    "/{message_id}/cancel",
    summary="Cancel a message",
    response_model=MessageShown,
    responses=problem_responses("not_found", "conflict"),
)
async def cancel_message(
    message_id: str,
    caller: Writer,
    context: Here,
) -> Response:
    """Possible as long as no carrier has it in hand; else 409 with its present status."""
    row = await _row(context, caller, message_id)
    async with context.database.write() as tx:
        canceled, hooked = await ends.cancel(
            tx, caller.account_id, [row["id"]], context.clock.now()
        )
    if hooked:
        context.wake_webhooks()
    row = await _row(context, caller, message_id)
    if not canceled and row["status"] != Status.CANCELED:
        raise Problem(
            "conflict",
            f"it is {render.STATUS_NAMES[row['status']]}:"
            " only scheduled and queued messages can be cancelled",
        )
    return answers.json(render.message(row, context.keeper.book))


def refusal_document(refusal: Refusal) -> dict[str, Any]:
    """A refusal inside the results of a batch."""
    return document(refused(refusal))


def _identifier(prefix: str, text: str, name: str) -> UUID:
    identifier = ids.from_text(prefix, text)
    if identifier is None:
        detail = f"{name} looks like {prefix}_..."
        raise Problem("invalid_request", detail, (FieldError(f"/{name}", "not_an_id", detail),))
    return identifier


async def _row(context: Context, caller: Caller, text: str) -> Any:
    identifier = ids.from_text("msg", text)
    row = None
    if identifier is not None:
        async with context.database.read() as connection:
            row = await store.get(connection, caller.account_id, identifier)
    if row is None:
        raise Problem("not_found", f"there is no message {text}")
    return row


def _statuses(text: str | None) -> list[int] | None:
    if text is None:
        return None
    names, wanted = render.STATUS_NAMES, text.split(",")
    if unknown := [name for name in wanted if name not in names.values()]:
        known = ", ".join(dict.fromkeys(names.values()))
        detail = f"unknown status {unknown[0]!r}; there are: {known}"
        raise Problem("invalid_request", detail, (FieldError("/status", "unknown_status", detail),))
    return [number for number, name in names.items() if name in wanted]


def _carrier(context: Context, caller: Caller, name: str | None) -> int | None:
    """The carrier that this name means to the caller: its own, else the nearest one above it."""
    if name is None:
        return None
    book = context.keeper.book
    named = {one.account_id: one.id for one in book.carriers.values() if one.name == name}
    account: int | None = caller.account_id
    while account is not None:
        if account in named:
            return named[account]
        account = book.accounts[account].parent_id
    return 0


def _is_own(context: Context, caller: Caller, carrier_id: int) -> bool:
    book = context.keeper.book
    if book.accounts[caller.account_id].parent_id is None:
        return True  # there is nobody above, and so no other carrier, whether it is removed or not
    carrier = book.carriers.get(carrier_id)
    return carrier is not None and carrier.account_id == caller.account_id


def _channel(message: Any, attempt: int) -> str:
    past = message["past_steps"] or ()
    number = next((one["channel"] for one in past if attempt <= one["attempts"]), None)
    return CHANNELS[message["channel"] if number is None else number]


def _part(context: Context, caller: Caller, row: Any) -> dict[str, Any]:
    carrier = context.keeper.book.carriers.get(row["carrier_id"])
    state, micros = ReceiptState(row["receipt_state"]), row["cost_micros"]
    is_own = _is_own(context, caller, row["carrier_id"])
    return {
        "attempt": row["attempt"],
        "part": row["part"],
        "carrier": carrier.name if carrier else None,
        "outcome": OutcomeKind(row["outcome"]).name.lower(),
        "carrier_message_id": row["carrier_message_id"],
        "carrier_code": row["code"],
        "submitted_at": render.timestamp(row["submitted_at"]),
        "answered_at": render.timestamp(row["answered_at"]),
        "receipt": None if state is ReceiptState.NONE else state.name.lower(),
        "receipt_error": row["receipt_error"],
        "receipt_at": render.timestamp(row["receipt_at"]),
        "cost": money.shown(micros, row["cost_currency"])
        if is_own and micros is not None
        else None,
    }


def _receipt(context: Context, caller: Caller, row: Any) -> dict[str, Any]:
    return {
        "part": row["part"],
        "state": ReceiptState(row["state"]).name.lower(),
        "error": row["error"],
        "carrier_message_id": row["carrier_message_id"],
        "network": row["network"],
        # It tells the price, the credentials' names and our URLs: for whose carrier it is.
        "raw": row["raw"] if _is_own(context, caller, row["carrier_id"]) else None,
        "received_at": render.timestamp(row["received_at"]),
    }
