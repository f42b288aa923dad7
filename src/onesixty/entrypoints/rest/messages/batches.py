"""`/v1/messages/batch` and `/v1/batches`: up to 10,000 messages in one durable request."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest import answers
from onesixty.entrypoints.rest.context import Context, context_of
from onesixty.entrypoints.rest.messages import reading, send_body
from onesixty.entrypoints.rest.messages.endpoints import (
    SEND_PROBLEMS,
    Here,
    Reader,
    Writer,
    refusal_document,
)
from onesixty.entrypoints.rest.problem_pages import ProblemDocument, problem_responses
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem, document
from onesixty.messages import render, store
from onesixty.messages.dispatch import ends
from onesixty.messages.types import Caller, Message, Refusal, SendRequest
from onesixty.records import idempotency


class BatchEntry(BaseModel):
    """What became of one entry of a batch: its id, or a problem."""

    index: int
    id: str | None = None
    problem: ProblemDocument | None = None


class BatchResult(BaseModel):
    """The answer to a batch."""

    id: str
    object: str = Field(examples=["batch"])
    accepted: int
    refused: int
    results: list[BatchEntry]


class Batch(BaseModel):
    """A batch as it stands now."""

    id: str
    object: str = Field(examples=["batch"])
    accepted: int
    refused: int
    created_at: str
    statuses: dict[str, int] = Field(description="How many messages stand at each status")


router = APIRouter(prefix="/v1", tags=["Batches"], route_class=answers.JsonRoute)
PATH: Final = "/v1/messages/batch"
CANCEL_BATCH: Final = 1000  # in one transaction


@router.post(
    "/messages/batch",
    status_code=202,
    summary="Send many messages",
    response_model=BatchResult,
    responses=problem_responses(*SEND_PROBLEMS),
    openapi_extra={
        "requestBody": send_body.request_body(send_body.BatchBody),
        **answers.IDEMPOTENT,
    },
)
async def send_batch(request: Request, caller: Writer) -> Response:
    """The good ones are stored in one transaction; the others come back with what is wrong."""
    context = context_of(request)
    raw = await answers.read_body(request)
    read = reading.read_batch(raw, context.allow_private_urls)
    key = request.headers.get("idempotency-key")
    claim = (
        idempotency.claim(caller.account_id, key, "POST", PATH, raw) if key is not None else None
    )
    batch_id = ids.uuid7()

    def encode(results: Sequence[Message | Refusal]) -> idempotency.Answer:
        return idempotency.Answer(202, _encode(batch_id, read, results))

    wanted = [one for one in read if isinstance(one, SendRequest)]
    results = await context.acceptor.accept_batch(wanted, caller, batch_id, claim, encode)
    if isinstance(results, idempotency.Answer):
        return answers.replayed(results)
    return Response(_encode(batch_id, read, results), 202, None, "application/json")


class Which(BaseModel):
    """Which messages to cancel; all that is given must fit."""

    model_config = ConfigDict(extra="forbid")

    tag: Annotated[str | None, Field(min_length=1, max_length=64, examples=["spring"])] = None
    batch: Annotated[str | None, Field(max_length=64, examples=["bat_01k..."])] = None
    after: Annotated[str | None, Field(max_length=64, description="`next` of the call before")] = (
        None
    )


class Canceled(BaseModel):
    """How many were cancelled by this call."""

    canceled: int
    next: str | None = Field(
        description="There may be more: call again with it as `after`; null when all were looked at"
    )


@router.post(
    "/messages/cancel",
    summary="Cancel many messages",
    response_model=Canceled,
    responses=problem_responses("invalid_request", "malformed_json"),
)
async def cancel_messages(body: Which, caller: Writer, context: Here) -> Response:
    """Cancels those with a tag, or of a batch, that no carrier has in hand.

    A call looks at 10,000 waiting messages at most.
    """
    batch_id = None if body.batch is None else _given("bat", body.batch, "batch")
    if body.tag is None and batch_id is None:
        detail = "say which: give a tag, a batch, or both"
        raise Problem("invalid_request", detail, (FieldError("/tag", "missing", detail),))
    after = UUID(int=0) if body.after is None else _given("msg", body.after, "after")
    async with context.database.read() as connection:
        found, last = await ends.waiting_like(
            connection, caller.account_id, after, body.tag, batch_id
        )
    count = hooked = 0
    for start in range(0, len(found), CANCEL_BATCH):
        some = found[start : start + CANCEL_BATCH]
        async with context.database.write() as tx:
            canceled, more = await ends.cancel(tx, caller.account_id, some, context.clock.now())
        count, hooked = count + len(canceled), hooked + more
    if hooked:
        context.wake_webhooks()
    return answers.json({"canceled": count, "next": last and ids.to_text("msg", last)})


@router.get(
    "/batches/{batch_id}",
    summary="Read a batch",
    response_model=Batch,
    responses=problem_responses("not_found"),
)
async def get_batch(batch_id: str, caller: Reader, context: Here) -> Response:
    """How many of its messages stand where."""
    return answers.json(await _shown(context, caller, batch_id))


@router.post(
    "/batches/{batch_id}/cancel",
    summary="Cancel what is left of a batch",
    response_model=Batch,
    responses=problem_responses("not_found"),
)
async def cancel_batch(batch_id: str, caller: Writer, context: Here) -> Response:
    """Cancels those that no carrier has in hand."""
    await _shown(context, caller, batch_id)
    identifier = ids.from_text("bat", batch_id)
    assert identifier is not None
    hooked = 0
    while True:
        async with context.database.write() as tx:
            some = await ends.cancellable_of_batch(tx, caller.account_id, identifier, CANCEL_BATCH)
            canceled, more = await ends.cancel(tx, caller.account_id, some, context.clock.now())
            hooked += more
        if not canceled:
            break
    if hooked:
        context.wake_webhooks()
    return answers.json(await _shown(context, caller, batch_id))


def _given(prefix: str, text: str, name: str) -> UUID:
    identifier = ids.from_text(prefix, text)
    if identifier is None:
        detail = f"{name} looks like {prefix}_..."
        raise Problem("invalid_request", detail, (FieldError(f"/{name}", "not_an_id", detail),))
    return identifier


async def _shown(context: Context, caller: Caller, text: str) -> dict[str, Any]:
    identifier = ids.from_text("bat", text)
    found = None
    if identifier is not None:
        async with context.database.read() as connection:
            found = await store.batch(connection, caller.account_id, identifier)
    if found is None:
        raise Problem("not_found", f"there is no batch {text}")
    row, counts = found
    return {
        "id": text,
        "object": "batch",
        "accepted": row["accepted"],
        "refused": row["refused"],
        "created_at": render.timestamp(row["created_at"]),
        "statuses": _by_name(counts),
    }


def _by_name(counts: dict[int, int]) -> dict[str, int]:
    named: dict[str, int] = {}
    for status, count in sorted(counts.items()):
        name = render.STATUS_NAMES[status]
        named[name] = named.get(name, 0) + count
    return named


def _encode(
    batch_id: Any, read: Sequence[SendRequest | Problem], results: Sequence[Message | Refusal]
) -> bytes:
    shown: list[dict[str, Any]] = []
    decided = iter(results)
    for index, one in enumerate(read):
        if isinstance(one, Problem):
            shown.append({"index": index, "problem": document(one)})
            continue
        result = next(decided)
        if isinstance(result, Message):
            shown.append({"index": index, "id": ids.to_text("msg", result.id)})
        else:
            shown.append({"index": index, "problem": refusal_document(result)})
    accepted = sum("id" in one for one in shown)
    return orjson.dumps(
        {
            "id": ids.to_text("bat", batch_id),
            "object": "batch",
            "accepted": accepted,
            "refused": len(shown) - accepted,
            "results": shown,
        }
    )
