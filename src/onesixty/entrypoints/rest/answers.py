"""Reading of bodies, encoding of answers: JSON, problems, answers kept for an Idempotency-Key."""

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from onesixty.entrypoints.rest.context import BODY_MOST, Context
from onesixty.kit import paging
from onesixty.kit.http_direct import Answer
from onesixty.kit.problems import FieldError, Problem, document
from onesixty.messages.types import Caller
from onesixty.records import idempotency
from onesixty.storage.database import OUTAGES, Connection

_log = structlog.get_logger()
RECORD_MOST: Final = 1024 * 1024  # a body that is about one record


def _storable(moment: datetime) -> datetime:
    if not _FIRST <= moment < _LAST:
        raise ValueError("give a time from 1970 to 9998")
    return moment


_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# A time with its offset from UTC, in the range of ids and of the database's times.
Moment = Annotated[AwareDatetime, AfterValidator(_storable)]


class JsonRoute(APIRoute):
    """Reads bodies by orjson, which is strict about what no database takes: lone surrogates, NaN.

    A body is JSON whatever its Content-Type says, and bounded. Every router that takes bodies has
    this as its `route_class`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI's, with another request class."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def read(request: Request) -> Response:
            body = await read_body(request, RECORD_MOST)
            headers = [one for one in request.scope["headers"] if one[0] != b"content-type"]
            headers.append((b"content-type", b"application/json"))
            return await answer(_JsonRequest({**request.scope, "headers": headers}, body))

        return read


class _JsonRequest(Request):
    def __init__(self, scope: MutableMapping[str, Any], body: bytes) -> None:
        super().__init__(scope)
        self._body = body

    async def json(self) -> Any:
        return orjson.loads(self._body)


class Listing(BaseModel):
    """The query of every list: newest first, a page at a time."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=paging.LIMIT_MOST)] = paging.LIMIT_DEFAULT
    after: Annotated[str | None, Field(description="`next` of the page before")] = None


async def read_body(request: Request, most: int = BODY_MOST) -> bytes:
    """The body; raises Problem `body_too_large` as soon as it is known to be over `most` octets."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise too_large(most)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large(most)
    return body


def too_large(most: int) -> Problem:
    """The problem of a body over `most` octets."""
    return Problem("body_too_large", f"bodies have at most {most:,} bytes here")


def json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def problem(error: Problem, path: str | None = None) -> Response:
    """The RFC 9457 answer of a problem."""
    headers = dict(error.headers)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return Response(
        orjson.dumps(document(error, path)),
        error.kind.http_status,
        headers,
        "application/problem+json",
    )


# For `openapi_extra` of every path whose work is done by `once`.
IDEMPOTENT: Final = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.LONGEST_KEY},
            "description": "Repeat a request with its key and nothing is done twice: for 24 hours"
            " the same body gets the same answer, marked `Idempotency-Replayed: true`.",
        }
    ]
}


async def once(
    request: Request,
    context: Context,
    caller: Caller,
    work: Callable[[Connection], Awaitable[tuple[int, dict[str, Any]]]],
) -> Response:
    """Do the work in one transaction and answer `(status, body)`.

    With an Idempotency-Key it is done once. Every POST that creates something small goes through
    here. The answer is kept, sealed, in the same transaction.
    """
    header = request.headers.get("idempotency-key")
    async with context.database.write() as tx:
        if header is None:
            status, body = await work(tx)
            raw = orjson.dumps(body)
        else:
            claim = idempotency.claim(
                caller.account_id, header, request.method, request.url.path, await request.body()
            )
            (kept,) = await idempotency.take(tx, context.sealer, [claim], context.clock.now())
            if isinstance(kept, Problem):
                raise kept
            if kept is not None:
                return replayed(kept)
            status, body = await work(tx)
            raw = orjson.dumps(body)
            await idempotency.keep(tx, context.sealer, [(claim, idempotency.Answer(status, raw))])
    await context.keeper.refresh()
    return Response(raw, status, None, "application/json")


def direct(response: Response) -> Answer:
    """The same answer for the direct way (kit/http_direct.py)."""
    headers = dict(response.raw_headers)
    del headers[b"content-length"]
    kind = headers.pop(b"content-type")
    return Answer(response.status_code, bytes(response.body), kind, tuple(headers.items()))


def replayed(kept: idempotency.Answer) -> Response:
    """The answer of the first request, marked as such."""
    return Response(
        kept.body, kept.status_code, {"Idempotency-Replayed": "true"}, "application/json"
    )


def field_errors(
    errors: list[Any], prefix: tuple[str | int, ...] = ("body",)
) -> tuple[FieldError, ...]:
    """pydantic's errors as field errors with JSON pointers.

    The first `prefix` of the location is left out.
    """
    found = []
    for error in errors:
        location = [
            part for part in error["loc"] if part not in ("function-after", "function-before")
        ]
        if location[: len(prefix)] == list(prefix):
            location = location[len(prefix) :]
        pointer = "".join(
            f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location
        )
        detail = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            detail = "there is no such field: take it out, or look its name up in /docs"
        found.append(FieldError(pointer, error["type"], detail))
    return tuple(found)


def install(api: FastAPI) -> None:
    """Make every error of the API a problem document."""

    @api.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return problem(error, request.url.path)

    @api.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        errors = list(error.errors())
        if any(one["type"] == "json_invalid" for one in errors):
            return problem(
                Problem("malformed_json", "the body is not valid JSON"), request.url.path
            )
        found: list[FieldError] = []
        for one in errors:
            found.extend(field_errors([one], (one["loc"][0],)))
        detail = "; ".join(f"{one.pointer or 'body'}: {one.detail}" for one in found[:3])
        return problem(Problem("invalid_request", detail, tuple(found)), request.url.path)

    @api.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(
            error.status_code, "invalid_request"
        )
        text = f"{request.method} {request.url.path}: {error.detail}"
        return problem(Problem(code, text, headers=dict(error.headers or {})), request.url.path)

    async def _unexpected(request: Request, error: Exception) -> Response:
        return unexpected(request.url.path, error)

    for outage in (*OUTAGES, Exception):
        api.add_exception_handler(outage, _unexpected)


def unexpected(path: str, error: Exception) -> Response:
    """The answer to an exception: an outage of the database, or a bug, which is logged."""
    if isinstance(error, OUTAGES):
        _log.warning("rest.database_unavailable", path=path, error=repr(error))
        return problem(
            Problem("unavailable", "the database does not answer", retry_after_seconds=2), path
        )
    _log.error("rest.failed", path=path, exc_info=error)
    return problem(Problem("internal_error", "unexpected error; it was logged"), path)
