"""Access tokens: one fetch for all who wait, renewed in time, told when they are refused."""

import asyncio

import orjson
import pytest

from onesixty.carriers.contract import ErrorClass
from onesixty.carriers.http.dialect import (
    Answer,
    CannotSendError,
    NoAnswerError,
    NotSentError,
    Request,
)
from onesixty.carriers.http.oauth import Tokens
from onesixty.kit.manual_clock import ManualClock


class Office:
    """Gives out tokens, or what a test sets, once `open` is set."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.open = asyncio.Event()
        self.open.set()
        self.answer: Answer | Exception | None = None
        self.lasts: object = 3600

    async def ask(self, request: Request) -> Answer:
        """A new token with each request."""
        self.requests.append(request)
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        told = {"access_token": f"t{len(self.requests)}", "expires_in": self.lasts}
        return self.answer or Answer(200, {}, orjson.dumps(told))


def _tokens(office: Office, clock: ManualClock) -> Tokens:
    return Tokens(office.ask, clock, "https://auth.example/token", "me", "secret")


async def test_all_who_wait_share_one_fetch(clock: ManualClock) -> None:
    """Ten who need it at once make one request, with the id and the secret."""
    office = Office()
    office.open.clear()
    tokens = _tokens(office, clock)
    waiting = [asyncio.create_task(tokens.get()) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # one that gives up takes nothing from the others
    await asyncio.sleep(0)
    office.open.set()
    assert await asyncio.gather(*waiting[1:]) == ["t1"] * 9
    (request,) = office.requests
    assert (request.method, request.url) == ("POST", "https://auth.example/token")
    assert request.headers["authorization"] == "Basic bWU6c2VjcmV0"
    assert request.body == b"grant_type=client_credentials"


@pytest.mark.parametrize(
    ("lasts", "good", "over"), [(3600, 3539, 3541), (60, 29, 31), ("odd", 3539, 3541)]
)
async def test_a_token_is_renewed_before_its_end(
    clock: ManualClock, lasts: object, good: float, over: float
) -> None:
    """A minute before it, a short one at its half; an hour where the answer does not say."""
    office = Office()
    office.lasts = lasts
    tokens = _tokens(office, clock)
    assert (tokens.current, await tokens.get(), tokens.current) == ("", "t1", "t1")
    await clock.advance(good)
    assert await tokens.get() == "t1"
    await clock.advance(over - good)
    assert await tokens.get() == "t2"


async def test_a_refused_token_is_fetched_anew(clock: ManualClock) -> None:
    """Once it was dropped."""
    tokens = _tokens(Office(), clock)
    assert await tokens.get() == "t1"
    tokens.drop()
    assert await tokens.get() == "t2"


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refused_credentials_are_told(clock: ManualClock, status: int) -> None:
    """As a fault of the settings, without the secret; the next message asks again."""
    office = Office()
    office.answer = Answer(status, {}, b'{"error": "invalid_client"}')
    tokens = _tokens(office, clock)
    for _ in range(2):
        with pytest.raises(CannotSendError) as caught:
            await tokens.get()
        assert caught.value.verdict.error_class == ErrorClass.CONFIG
        assert "secret" not in repr(caught.value.verdict.code)
    assert len(office.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}, b"<html>"),
        Answer(200, {}, b'{"access_token": 7}'),
        Answer(200, {}, b'{"access_token": ""}'),
        Answer(500, {}, b""),
        NoAnswerError("silence"),
        NotSentError("no connection"),
    ],
)
async def test_without_a_token_nothing_was_sent(
    clock: ManualClock, answer: Answer | Exception
) -> None:
    """Whatever else goes wrong may be tried again: the message never left us."""
    office = Office()
    office.answer = answer
    with pytest.raises((NotSentError, NoAnswerError)):
        await _tokens(office, clock).get()
