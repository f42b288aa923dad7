"""`POST /v1/messages` behind its decoding: with ASGI before it, or without (kit/http_direct.py)."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import orjson

from onesixty.entrypoints.rest import answers
from onesixty.entrypoints.rest.context import Context, authenticate, require
from onesixty.entrypoints.rest.messages import reading
from onesixty.entrypoints.rest.messages.shapes import Preview
from onesixty.kit.http_direct import Answer, Give, Headers
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages import render
from onesixty.messages.accept import Result
from onesixty.messages.states import Status
from onesixty.messages.types import Caller, Message, Refusal, SendRequest
from onesixty.records import idempotency

PATH: Final = "/v1/messages"
_READ: Final = frozenset({b"authorization", b"idempotency-key"})
_PREVIEWED: Final = frozenset(
    {
        name.alias or field
        for field, name in Preview.model_fields.items()
        if field not in ("object", "body_changed", "expires_at")
    }
)


class Door:
    """A `Direct` of kit/http_direct.py: takes one message without a task."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._taking: set[asyncio.Task[Answer]] = set()

    def take(self, headers: Headers, body: bytes, give: Give) -> None:
        """One request; its answer is given after the commit."""
        sent = {name: value for name, value in reversed(headers) if name in _READ}  # first wins
        authorization, key = sent.get(b"authorization"), sent.get(b"idempotency-key")
        begun: Answer | asyncio.Future[Any]
        try:
            who = authorization.decode("latin-1") if authorization else None
            if key is None:
                begun = _begin(self._context, who, body)
            else:
                taking = take(self._context, who, key.decode("latin-1"), body)
                task = asyncio.create_task(taking)
                self._taking.add(task)  # the loop itself would let go of it
                task.add_done_callback(self._taking.discard)
                begun = task
        except Exception as error:  # noqa: BLE001 - the outermost handler of this door
            begun = _failed(error)
        if isinstance(begun, Answer):
            asyncio.get_running_loop().call_soon(give, begun)
        else:
            begun.add_done_callback(partial(self._give, give))

    def _give(self, give: Give, begun: "asyncio.Future[Any]") -> None:
        try:
            found = begun.result()
            answer = found if isinstance(found, Answer) else _finish(self._context, found)
        except asyncio.CancelledError:
            return  # the server ends, and the connection with it
        except Exception as error:  # noqa: BLE001 - the outermost handler of this door
            answer = _failed(error)
        give(answer)


def _failed(error: Exception) -> Answer:
    if isinstance(error, Problem):
        return answers.direct(answers.problem(error, PATH))
    return answers.direct(answers.unexpected(PATH, error))


async def take(context: Context, authorization: str | None, key: str | None, raw: bytes) -> Answer:
    """Take one message: the whole of `POST /v1/messages` behind its decoding. Raises Problem."""
    if key is None:
        begun = _begin(context, authorization, raw)
        return begun if isinstance(begun, Answer) else _finish(context, await begun)
    caller, wanted, dry_run = _read(context, authorization, raw)
    if dry_run:
        return Answer(200, orjson.dumps(preview(context, caller, wanted)))
    claim = idempotency.claim(caller.account_id, key, "POST", PATH, raw)

    def encode(result: Sequence[Message | Refusal]) -> idempotency.Answer | None:
        one = result[0]
        return idempotency.Answer(202, _encode(context, one)) if isinstance(one, Message) else None

    return _answer(context, await context.acceptor.accept(wanted, caller, claim, encode))


def _begin(
    context: Context, authorization: str | None, raw: bytes
) -> "Answer | asyncio.Future[Result]":
    """The same without a key and without waiting: `_finish` makes the answer of what it gives."""
    caller, wanted, dry_run = _read(context, authorization, raw)
    if dry_run:
        return Answer(200, orjson.dumps(preview(context, caller, wanted)))
    begun = context.acceptor.begin(wanted, caller)
    return _answer(context, context.acceptor.end([begun])) if isinstance(begun, Refusal) else begun


def _finish(context: Context, result: Result) -> Answer:
    """The answer to what was begun; raises Problem."""
    return _answer(context, context.acceptor.end(result))


def _read(
    context: Context, authorization: str | None, raw: bytes
) -> tuple[Caller, SendRequest, bool]:
    caller = authenticate(context, authorization)
    require(caller, "messages:write")
    return (caller, *reading.read_send(raw, context.allow_private_urls))


def _answer(context: Context, result: Message | Refusal | idempotency.Answer) -> Answer:
    if isinstance(result, Refusal):
        raise refused(result)
    if isinstance(result, idempotency.Answer):
        return answers.direct(answers.replayed(result))
    return Answer(202, _encode(context, result))


def refused(refusal: Refusal) -> Problem:
    """A refusal as the problem that the door answers."""
    errors = (FieldError(refusal.pointer, refusal.code, refusal.detail),) if refusal.pointer else ()
    return Problem(refusal.code, refusal.detail, errors)


def _encode(context: Context, message: Message) -> bytes:
    # What a caller is told is the promise, "queued", even where the lane has it in hand already.
    shown = None if message.status is Status.SCHEDULED else int(Status.QUEUED)
    return orjson.dumps(render.message(message, context.keeper.book, shown))


def preview(context: Context, caller: Caller, wanted: Any) -> dict[str, Any]:
    """What a send would do: encoding, segments, route; raises Problem where it would be refused."""
    decided = context.acceptor.preview(wanted, caller)
    if isinstance(decided, Refusal):
        raise refused(decided)
    shown = render.message(decided, context.keeper.book)
    return {
        "object": "preview",
        **{name: value for name, value in shown.items() if name in _PREVIEWED},
        "body_changed": decided.body != wanted.body,
        "expires_at": render.timestamp(decided.expires_at),
    }
