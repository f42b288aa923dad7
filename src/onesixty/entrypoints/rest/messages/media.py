"""`/v1/messages/{id}/media/{n}`: files of received messages, fetched from the carrier."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import StreamingResponse

from onesixty.carriers import registry
from onesixty.carriers.content import Media, from_json
from onesixty.carriers.contract import MediaCarrier
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import http, ids
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import SealError
from onesixty.messages import store
from onesixty.messages.types import Caller, Direction

SECONDS: Final = 60.0  # for a whole file
OCTETS_MOST: Final = 110_000_000  # documents of WhatsApp have 100 MB
_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_UNTYPED: Final = "application/octet-stream"
# What somebody has sent must not act in the name of this server.
_HEADERS: Final = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}
router = APIRouter(prefix="/v1/messages", tags=["Messages"])


@router.get(
    "/{message_id}/media/{number}",
    summary="Fetch a file of a received message",
    response_class=StreamingResponse,
    responses=problem_responses("not_found", "invalid_request", "media_unavailable")
    | {200: {"description": "The file, with its type", "content": {"*/*": _FILE}}},
)
async def get_media(
    message_id: str,
    number: Annotated[int, Path(ge=1, le=100, description="Its place in `media`, from 1")],
    caller: Annotated[Caller, needs("messages:read")],
    context: Annotated[Context, Depends(context_of)],
) -> Response:
    """It is asked of the carrier each time, with its credentials where it wants them."""
    row = await _received(context, caller, message_id)
    media = from_json(row["content"] or {}).media
    if number > len(media):
        raise Problem("not_found", f"the message has {len(media)} files")
    one = media[number - 1]
    try:
        return await _by_carrier(context, row, one) or await _by_url(context, one)
    except (OSError, SealError, ValueError) as error:  # TimeoutError is an OSError
        raise Problem("media_unavailable", str(error) or "no answer in time") from error


async def _received(context: Context, caller: Caller, text: str) -> Any:
    identifier, row = ids.from_text("msg", text), None
    if identifier is not None:
        async with context.database.read() as connection:
            row = await store.get(connection, caller.account_id, identifier)
    if row is None:
        raise Problem("not_found", f"there is no message {text}")
    if row["direction"] != Direction.INBOUND:
        raise Problem("not_found", "its files are where you have them: it was not received")
    return row


async def _by_carrier(context: Context, row: Any, one: Media) -> Response | None:
    """From a carrier that has to be asked by its credentials; None when its kind need not be."""
    record = context.keeper.book.carriers.get(row["carrier_id"])
    spec = registry.SPECS.get(record.kind) if record else None
    if record is None or spec is None:
        return None
    carrier = spec.build(context.configs.of(record))
    try:
        if not isinstance(carrier, MediaCarrier):
            return None
        kind, octets = await carrier.fetch(one.url)
    finally:
        await carrier.stop(0.0)
    return Response(octets, headers=_HEADERS, media_type=one.content_type or kind)


async def _by_url(context: Context, one: Media) -> Response:
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(
            http.got(one.url, allow_private=context.allow_private_urls, seconds=SECONDS)
        )
        if answer.status != 200:
            raise OSError(f"its server answers {answer.status} {answer.reason}")
        kind = one.content_type or answer.headers.get("Content-Type", _UNTYPED)
        kept = stack.pop_all()

    async def stream() -> AsyncIterator[bytes]:
        async with kept:
            left = OCTETS_MOST
            async for chunk in answer.content.iter_any():
                left -= len(chunk)
                if left < 0:  # the reader sees that the end is missing
                    raise OSError("the file is too long")
                yield chunk

    return StreamingResponse(stream(), headers=_HEADERS, media_type=kind)
