"""The door for calls of carriers: `{public_url}/callbacks/{carrier}/{secret}/{path}`.

The secret lets a call in; the reader of the carrier's kind checks the vendor's own signature. The
answer is given once all that the call tells is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from onesixty.carriers.contract import Call, CallRefusedError, News
from onesixty.entrypoints.callbacks.readers import Called, Readers
from onesixty.kit import metrics
from onesixty.kit.clock import Clock
from onesixty.messages.receive.intake import PATIENCE_SECONDS, Intake
from onesixty.records import carriers
from onesixty.records.carrier_configs import CarrierConfigs
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import OUTAGES, Database

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

METHODS: Final = ("GET", "OPTIONS", "POST", "PUT")
BODY_MOST: Final = 4 * 1024 * 1024  # octets; the largest batch that a vendor sends is 3 MB
AGAIN_SECONDS: Final = 5
NOTED_SECONDS: Final = 1.0  # between two refusals of a carrier that are written down
_log = structlog.get_logger()


class Door:
    """An ASGI application beside the API: without keys, and in no OpenAPI document."""

    def __init__(
        self,
        database: Database,
        keeper: SnapshotKeeper,
        configs: CarrierConfigs,
        clock: Clock,
        intake: Intake,
    ) -> None:
        self._database, self._clock, self._intake = database, clock, intake
        self._public_url = configs.public_url
        self._readers = Readers(keeper, configs)
        self._noted: dict[int, float] = {}  # when the last refusal was written, by carrier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call."""
        called = self._readers.find(_raw_path(scope))
        if called is None:
            response = _plain(404, "not found")
        else:
            response, result = await self._safely(Request(scope, receive), called)
            metrics.callbacks.labels(str(called.record.id), result).inc()
        await response(scope, receive, send)

    async def _safely(self, request: Request, called: Called) -> tuple[Response, str]:
        """The answer, and a word for it, whatever happens."""
        try:
            return await self._answer(request, called)
        except ClientDisconnect:
            return _plain(400, "it broke off"), "failed"
        except OUTAGES as error:
            _log.warning("callback.database_unavailable", error=repr(error))
            return _again(), "unavailable"
        except Exception as error:  # noqa: BLE001 - the outermost handler of this door
            # Not its words: they may quote the call.
            _log.error("callback.failed", carrier=called.record.name, error=type(error).__name__)
            return _plain(500, "it was logged"), "failed"

    async def _answer(self, request: Request, called: Called) -> tuple[Response, str]:
        if request.method not in METHODS:
            return _plain(405, "no such method"), "refused"
        body = await _body(request)
        if body is None:
            return _plain(413, f"at most {BODY_MOST:,} octets"), "refused"
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                news = await self._read(request, called, body)
        except TimeoutError:
            return _again(), "unavailable"
        except CallRefusedError as refused:
            await self._note(called, refused)
            text = "come again" if refused.status >= 500 else "refused"
            return _plain(refused.status, text), "refused"
        if not await self._intake.take(called.record, news):
            return _again(), "unavailable"
        reply = news.reply
        response = Response(reply.body, reply.status, dict(reply.headers), reply.content_type)
        return response, "taken"

    async def _read(self, request: Request, called: Called, body: bytes) -> News:
        reader = self._readers.reader(called.record)
        if reader is None:
            raise CallRefusedError("the carrier cannot be built with its settings", 503)
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        url = f"{self._public_url or ''}{_raw_path(request.scope)}"
        if query := request.scope["query_string"].decode("latin-1"):
            url = f"{url}?{query}"
        return await reader.read(
            Call(request.method, url, called.path, headers, body, self._clock.now())
        )

    async def _note(self, called: Called, refused: CallRefusedError) -> None:
        """Write down why; for people, so not more often than they look."""
        record = called.record
        _log.warning(
            "callback.refused",
            carrier=record.name,
            path=called.path[:100],
            status=refused.status,
            reason=refused.reason,
        )
        now = self._clock.monotonic()
        if now - self._noted.get(record.id, -NOTED_SECONDS) < NOTED_SECONDS:
            return
        self._noted[record.id] = now
        refusal = carriers.Refusal(
            self._clock.now(), called.path[:100], refused.status, refused.reason
        )
        async with self._database.write() as tx:
            await carriers.note_refusal(tx, record.id, refusal)


def _raw_path(scope: Scope) -> str:
    # Not the decoded one: signatures are made over what was called.
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is known to be too long."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_MOST:
        return None
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_MOST:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _plain(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)


def _again() -> Response:
    return PlainTextResponse("come again", 503, {"Retry-After": str(AGAIN_SECONDS)})
