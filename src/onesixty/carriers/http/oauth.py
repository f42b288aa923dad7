"""Access tokens of OAuth 2 client credentials (RFC 6749, 4.4): fetched once for all who wait."""

import asyncio
from base64 import b64encode
from typing import Final

from onesixty.carriers.http.dialect import (
    Ask,
    CannotSendError,
    NotSentError,
    Request,
    config,
)
from onesixty.kit.clock import Clock

EARLY_SECONDS: Final = 60.0  # a token is renewed so long before its end
USUAL_SECONDS: Final = 3600.0  # it lasts where the answer does not say


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Tokens:
    """The token of one carrier."""

    def __init__(self, ask: Ask, clock: Clock, url: str, user: str, password: str) -> None:
        self._ask, self._clock = ask, clock
        self._request = Request(
            "POST",
            url,
            {
                "authorization": basic(user, password),
                "content-type": "application/x-www-form-urlencoded",
                "accept": "application/json",
            },
            b"grant_type=client_credentials",
        )
        self._token, self._until = "", 0.0
        self._fetching: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """A token that is still good.

        Raises CannotSendError when the credentials are refused, NotSentError or NoAnswerError when
        none could be had now: the message itself has not left us.
        """
        if self._token and self._clock.monotonic() < self._until:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.ensure_future(self._fetch())
            self._fetching.add_done_callback(_seen)
        return await asyncio.shield(self._fetching)

    @property
    def current(self) -> str:
        """The last token; "" before `get`."""
        return self._token

    def drop(self) -> None:
        """Forget the token: it was refused."""
        self._token = ""

    async def _fetch(self) -> str:
        answer = await self._ask(self._request)
        told = answer.json()
        if answer.status in (400, 401, 403):
            why = "an access token was refused: check the id and the secret that are used for it"
            raise CannotSendError(config(str(answer.status), why))
        token = told.get("access_token") if isinstance(told, dict) else None
        if answer.status != 200 or not isinstance(token, str) or not token:
            raise NotSentError(f"an access token was not given: HTTP {answer.status}")
        seconds = told.get("expires_in")
        lasts = float(seconds) if isinstance(seconds, (int, float)) else USUAL_SECONDS
        # One that ends within the minute is used up to its half.
        self._until = self._clock.monotonic() + max(lasts - EARLY_SECONDS, lasts / 2)
        self._token = token
        return token


def _seen(fetching: asyncio.Task[str]) -> None:
    """Nobody may be waiting any more when it fails."""
    if not fetching.cancelled():
        fetching.exception()
