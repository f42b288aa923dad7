"""A running server as commands see it: its HTTP API and its events, with failures in words."""

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import aiohttp
import orjson
import typer

from onesixty.cli.terminal import USAGE, Failure, err, reason
from onesixty.kit.clock import Clock, SystemClock

Url = Annotated[
    str,
    typer.Option("--url", envvar="ONESIXTY_URL", metavar="URL", help="The server."),
]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="ONESIXTY_KEY", metavar="KEY", help="An API key of it."),
]
URL: Final = "http://127.0.0.1:8160"
ANSWER_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 60.0  # a stream that says nothing for so long, not even a comment, is dead
RETRY_SECONDS: Final = 1.0
RECENT: Final = 1000
_GONE: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: the HTTP status and the JSON of the body."""

    status: int
    body: Any


class Api:
    """One server and one key."""

    def __init__(self, url: str, key: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url.rstrip("/"), session
        self._headers = {"Authorization": f"Bearer {key}"}
        self._clock: Clock = SystemClock()

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a resource; query values that are None are left out. Raises Failure."""
        return _good(await self.ask("GET", path, query=query))

    async def post(self, path: str, body: Any = None) -> Any:
        """The JSON that answers a POST. Raises Failure."""
        return _good(await self.ask("POST", path, body=body))

    async def patch(self, path: str, body: Any) -> Any:
        """The JSON that answers a PATCH. Raises Failure."""
        return _good(await self.ask("PATCH", path, body=body))

    async def put(self, path: str, body: Any, **query: Any) -> Any:
        """The JSON that answers a PUT; query values that are None are left out. Raises Failure."""
        return _good(await self.ask("PUT", path, body=body, query=query))

    async def ask(
        self, method: str, path: str, *, body: Any = None, query: dict[str, Any] | None = None
    ) -> Answer:
        """Any answer, problems too; raises Failure when there is none, or none of this API."""
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        try:
            async with self._session.request(
                method,
                self.url + path,
                params=given,
                data=orjson.dumps(body) if body is not None else None,
                headers=headers,
            ) as response:
                raw = await response.read()
                return Answer(response.status, orjson.loads(raw) if raw else None)
        except aiohttp.InvalidURL:
            raise Failure(f"{self.url} is no URL: give one such as {URL}", USAGE) from None
        except _GONE as error:
            raise _unreachable(self.url, error) from None
        except (aiohttp.ClientError, orjson.JSONDecodeError):
            raise Failure(f"what answers at {self.url} is no Onesixty") from None

    async def events(
        self, began: Callable[[], None], **query: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """The account's events as they happen, without end and each once.

        `began` is called once no event is missed any more. A lost connection is taken up again
        where it ended. Raises Failure when the server cannot be reached at first, or refuses.
        """
        last: str | None = None
        recent: deque[str] = deque(maxlen=RECENT)  # a few come again where the stream is taken up
        connected = False
        while True:
            try:
                async with self._stream(last, query) as response:
                    if not connected:
                        began()
                    connected = True
                    async for event in _server_sent(response):
                        last = event["id"]
                        if last not in recent:
                            recent.append(last)
                            yield event
            except _GONE as error:
                if not connected:
                    raise _unreachable(self.url, error) from None
            err.print("the stream ended; connecting again", style="dim")
            await self._clock.sleep(RETRY_SECONDS)

    @contextlib.asynccontextmanager
    async def _stream(
        self, last: str | None, query: dict[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = self._headers | {"Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        given = {name: str(value) for name, value in query.items() if value is not None}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=ANSWER_SECONDS, sock_read=SILENCE_SECONDS
        )
        async with self._session.get(
            f"{self.url}/v1/events/stream", params=given, headers=headers, timeout=timeout
        ) as response:
            if response.status != 200:
                try:
                    body = orjson.loads(await response.read())
                except orjson.JSONDecodeError:
                    body = None
                _good(Answer(response.status, body))
            yield response


@contextlib.asynccontextmanager
async def connect(url: str, key: str | None) -> AsyncIterator[Api]:
    """The API behind a URL; raises Failure when there is no key to use it with."""
    if not key:
        raise Failure(
            "an API key is needed: --key or ONESIXTY_KEY; `onesixty keys create` makes one",
            USAGE,
        )
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    ) as session:
        yield Api(url, key, session)


def _good(answer: Answer) -> Any:
    if answer.status < 400:
        return answer.body
    problem = answer.body if isinstance(answer.body, dict) else {}
    if answer.status == 401:
        raise Failure(f"{problem.get('detail', 'unauthorized')}: check --key or ONESIXTY_KEY")
    told = problem.get("detail", "")
    fields = "".join(
        f"\n  {error['pointer'] or 'body'}: {error['detail']}"
        for error in problem.get("errors", ())
        if error["detail"] not in told
    )
    raise Failure(f"{problem.get('title', f'HTTP status {answer.status}')}: {told}{fields}")


def _unreachable(url: str, error: Exception) -> Failure:
    why = reason(error) if isinstance(error, OSError) else str(error)
    return Failure(
        f"no server at {url} ({why or 'no answer'}): start one with `onesixty serve`,"
        " or name yours with --url or ONESIXTY_URL"
    )


async def _server_sent(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each event of a `text/event-stream` (WHATWG HTML, 9.2)."""
    data = ""
    async for line in _lines(response):
        name, _, value = line.partition(":")
        if not line and data:
            yield orjson.loads(data)
            data = ""
        elif name == "data":
            data += value.removeprefix(" ")


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r").decode()
