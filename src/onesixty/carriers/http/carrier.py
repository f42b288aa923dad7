"""Any carrier over HTTP: requests within a window, each sent once, exactly one outcome for each.

What a provider's API is, its dialect says (`dialect.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from onesixty.carriers.contract import (
    CarrierConfig,
    CarrierEvents,
    ErrorClass,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Report,
    Submission,
)
from onesixty.carriers.http.client import Client
from onesixty.carriers.http.dialect import (
    THROTTLE_SECONDS_MOST,
    Ask,
    CannotSendError,
    Dialect,
    NoAnswerError,
    NotSentError,
    Verdict,
    config,
    transient,
    unknown,
)
from onesixty.kit.http import is_literal_internal

THROTTLED_SECONDS: Final = 1.0  # where the provider does not say how long
# A provider that wants nothing for longer than this counts as down: its messages go elsewhere.
PATIENCE_SECONDS: Final = 10.0
NOT_STARTED_SECONDS: Final = 1.0
# Characters of an answer that are kept.
ID_MOST, CODE_MOST, DETAIL_MOST = 500, 100, 1000
_log = structlog.get_logger()


class HttpCarrier:
    """Up from its start on: there is no connection to lose. The lane's breaker counts failures."""

    def __init__(self, config: CarrierConfig, make: Callable[[Ask], Dialect]) -> None:
        """`make` builds the dialect; it raises ValueError for settings that do not fit."""
        _check_url(config.settings.get("base_url"), config.public_only)
        self._name, self._clock = config.name, config.clock
        self._window: int = config.settings["window"]
        self._client = Client(config.settings["response_seconds"], public_only=config.public_only)
        self._dialect = make(self._client.ask)
        self._events: CarrierEvents | None = None
        self._waiting: deque[_Flight] = deque()  # beyond the window
        self._flights: dict[asyncio.Task[Verdict], _Flight] = {}
        self._held_until = 0.0  # monotonic: the provider asked for nothing before
        self._hold: asyncio.Task[None] | None = None
        self._last_error: dict[str, Any] | None = None

    async def start(self, events: CarrierEvents) -> None:
        """Up at once."""
        self._events = events
        events.on_room()

    async def stop(self, drain_seconds: float) -> None:
        """Wait for answers that long; what has none by then is reported as unknown."""
        self._events = None
        for flight in self._waiting:
            flight.report(_not_started(flight.submission, self._clock.now()))
        self._waiting.clear()
        if self._flights and drain_seconds > 0:
            await asyncio.wait(list(self._flights), timeout=drain_seconds)
        left = list(self._flights)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        if self._hold is not None:
            self._hold.cancel()
        await self._client.close()

    def is_up(self) -> bool:
        """Whether it was started, and the provider did not ask to be left alone for long."""
        return self._events is not None and self._held_seconds() <= PATIENCE_SECONDS

    def room(self) -> int:
        """Its window, less what is in flight; 0 while the provider wants nothing.

        A request takes a whole message, however many segments it has.
        """
        if self._events is None or self._held_seconds():
            return 0
        return max(0, self._window - len(self._flights) - len(self._waiting))

    def submit(self, batch: Sequence[Submission], report: Report) -> None:
        """A request for each, as many at once as the window allows."""
        for one in batch:
            if self._events is None:
                report(_not_started(one, self._clock.now()))
            else:
                self._waiting.append(_Flight(one, report))
        self._launch()

    def state(self) -> dict[str, Any]:
        """`last_error` stands until the next message is accepted."""
        held = self._held_seconds()
        return {
            "status": "up" if self.is_up() else "down",
            "window": self._window,
            "in_flight": len(self._flights),
            "detail": f"it asked to wait for {held:.0f} s" if held else None,
            "last_error": self._last_error,
        }

    async def probe(self) -> bool:
        """Whether the provider answers, and takes the credentials."""
        return await self.check() is None

    async def check(self) -> str | None:
        """Whether the credentials are good: None, or what is wrong and where to look."""
        try:
            wrong = await self._dialect.check()
        except NotSentError as error:
            return f"{error}; look at its URL, and whether this machine may call it"
        except NoAnswerError as error:
            return f"{error}; try again later"
        except (CannotSendError, ValueError) as error:
            wrong = str(error)
        return wrong and f"{wrong}; look at the credentials in its settings"

    def _launch(self) -> None:
        while self._waiting and len(self._flights) < self._window:
            flight = self._waiting.popleft()
            flight.at = self._clock.now()
            task = asyncio.create_task(self._send(flight))
            self._flights[task] = flight
            task.add_done_callback(self._landed)

    async def _send(self, flight: "_Flight") -> Verdict:
        one = flight.submission
        try:
            request = await self._dialect.request(one)
        except CannotSendError as error:
            return error.verdict
        except ValueError as error:
            flight.tried = False
            return config("", str(error))
        except (NotSentError, NoAnswerError) as error:  # asking for a token: no message left
            return transient("not_sent", str(error))
        flight.left = True
        try:
            answer = await self._client.ask(request)
        except NotSentError as error:
            return transient("not_sent", str(error))
        except NoAnswerError as error:
            return unknown("", f"{error}; it may have been sent")
        except ValueError as error:
            return config("", str(error))
        return _storable(self._dialect.read(one, answer))

    def _landed(self, task: asyncio.Task[Verdict]) -> None:
        flight = self._flights.pop(task)
        if task.cancelled() and not flight.left:
            flight.report(_not_started(flight.submission, self._clock.now()))
        else:
            outcome = self._outcome(flight, self._verdict(task, flight))
            outcome.lost = task.cancelled()
            flight.report(outcome)
        self._launch()
        if self._events:
            self._events.on_room()

    def _verdict(self, task: asyncio.Task[Verdict], flight: "_Flight") -> Verdict:
        if task.cancelled():
            return unknown("", "it was broken off; it may have been sent")
        error = task.exception()
        if error is None:
            return task.result()
        # A fault of ours or of the dialect. Not its words: they may quote the message.
        _log.error("carrier.fault", carrier=self._name, error=type(error).__name__,
                   at=_where(error))  # fmt: skip
        if flight.left:
            return unknown("", "its answer could not be read; it may have been sent")
        return transient("not_sent", "its request could not be made")

    def _outcome(self, flight: "_Flight", verdict: Verdict) -> Outcome:
        throttled = verdict.error_class == ErrorClass.THROTTLE
        parts = _parts(verdict)
        outcome = Outcome(
            flight.submission, verdict.kind, flight.at, self._clock.now(), parts, len(parts),
            verdict.error_code, verdict.error_class, verdict.detail, verdict.code or None,
            verdict.retry_after_seconds,
            counts_as_attempt=flight.tried and not throttled,
            price=verdict.price,
        )  # fmt: skip
        if throttled:
            if verdict.retry_after_seconds and verdict.holds:
                self._hold_for(verdict.retry_after_seconds)
            elif not verdict.retry_after_seconds:
                outcome.retry_after_seconds = THROTTLED_SECONDS
        self._remember(outcome)
        return outcome

    def _remember(self, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._last_error = None
        elif outcome.error_class not in (ErrorClass.RECIPIENT, ErrorClass.CONTENT):
            self._last_error = {
                "at": outcome.answered_at.isoformat(),
                "error_class": outcome.error_class,
                "code": outcome.code,
                "detail": outcome.detail,
            }

    def _held_seconds(self) -> float:
        return max(0.0, self._held_until - self._clock.monotonic())

    def _hold_for(self, seconds: float) -> None:
        """Give it nothing for so long, as it asked."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)
        if self._events and (self._hold is None or self._hold.done()):
            self._hold = asyncio.create_task(self._let_go())

    async def _let_go(self) -> None:
        while seconds := self._held_seconds():
            await self._clock.sleep(seconds)
        if self._events:
            self._events.on_room()


class _Flight:
    """One message on its way."""

    __slots__ = ("at", "left", "report", "submission", "tried")
    at: datetime

    def __init__(self, submission: Submission, report: Report) -> None:
        self.submission, self.report = submission, report
        self.left = False  # the request that sends it may have left us
        self.tried = True  # False: this provider has no way to send it


def _check_url(url: str | None, public_only: bool) -> None:
    """Raises ValueError for a `base_url` below which no request can be sent."""
    parts = urlsplit(url or "https://none")
    is_whole = parts.scheme in ("http", "https") and parts.hostname
    if not is_whole or parts.query or parts.fragment or parts.username:
        raise ValueError("base_url is a URL such as https://api.example.com, and no more")
    if public_only and is_literal_internal(url or ""):
        raise ValueError("base_url leads to a private or loopback address")


def _storable(verdict: Verdict) -> Verdict:
    """As the database can keep it: no U+0000, words, ids and waits within bounds.

    An id without end could not be found again: whoever gives it may have sent the message.
    """
    ids = (verdict.carrier_message_id, verdict.match_key, *verdict.part_ids)
    if any(len(name) > ID_MOST or "\0" in name for name in ids):
        return unknown("", "its answer names an id that cannot be kept; it may have been sent")
    detail, code, wait = verdict.detail, verdict.code, verdict.retry_after_seconds
    if wait is not None and not 0 <= wait <= THROTTLE_SECONDS_MOST:  # nor is NaN
        verdict = replace(verdict, retry_after_seconds=None)
    if detail and ("\0" in detail or len(detail) > DETAIL_MOST):
        verdict = replace(verdict, detail=detail.replace("\0", "")[:DETAIL_MOST])
    if "\0" in code or len(code) > CODE_MOST:
        verdict = replace(verdict, code=code.replace("\0", "")[:CODE_MOST])
    if verdict.price and verdict.price.micros >= 1 << 63:  # a sum may be, though no addend is
        verdict = replace(verdict, price=None)
    return verdict


def _parts(verdict: Verdict) -> list[PartAnswer]:
    """One part for each id that the provider tells: usually one for the whole message."""
    if verdict.part_ids:  # one without an id was not taken, or nobody knows
        kinds = [OutcomeKind.ACCEPTED if name else verdict.kind for name in verdict.part_ids]
        return [
            PartAnswer(number, kind, name, name, verdict.code)
            for number, (kind, name) in enumerate(zip(kinds, verdict.part_ids, strict=True), 1)
        ]
    name = verdict.carrier_message_id
    return [PartAnswer(1, verdict.kind, name, verdict.match_key or name, verdict.code)]


def _not_started(one: Submission, now: datetime) -> Outcome:
    return Outcome(
        one,
        OutcomeKind.DEFERRED,
        now,
        now,
        error_code="not_connected",
        error_class=ErrorClass.CARRIER,
        detail="the carrier is not connected",
        retry_after_seconds=NOT_STARTED_SECONDS,
        counts_as_attempt=False,
    )


def _where(error: BaseException) -> str:
    """File and line of the innermost frame."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
