"""Where a simulated provider plays: it listens, records, keeps time, and plays what goes wrong.

Recipients of the number table play their scenarios; every other message is delivered.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from aiohttp import web

from onesixty.kit.clock import Clock
from onesixty.simulator.agenda import Agenda
from onesixty.simulator.fault_words import Share
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    FarSide,
    Incoming,
    Refusal,
    Response,
    Submitted,
)
from onesixty.simulator.http.stage import spoil
from onesixty.simulator.http.stage.courier import KEPT_MOST, Courier
from onesixty.simulator.http.stage.faults import Drop, HttpFaults, Order
from onesixty.simulator.numbers import (
    DEFAULT,
    Answer,
    FirstAttempts,
    ReceiptStep,
    Scenario,
    State,
    scenario_for,
)

PERFECT: Final = HttpFaults()
CLOSE_SECONDS: Final = 0.01  # for answers that are being written; 0 would mean for ever
GATEWAY_PAGE: Final = b"<html><head><title>Sorry</title></head><body>{}</body></html>"


@runtime_checkable
class PlacedFarSide(Protocol):
    """A far side whose carrier needs more than `base_url` to find it."""

    def settings(self, url: str) -> Mapping[str, Any]:
        """Settings that come from the address of the stage."""
        ...


@runtime_checkable
class PartedFarSide(Protocol):
    """A far side that tells of each part of a long message."""

    def parts(self, one: Submitted) -> Sequence[Submitted]:
        """What `receipt` is given for each part, in their order."""
        ...


@dataclass(slots=True)
class Statistics:
    """Totals since the start."""

    requests: int = 0
    taken: int = 0
    refused: int = 0  # throttled ones included
    throttled: int = 0
    answers_lost: int = 0
    callbacks: int = 0
    callbacks_lost: int = 0  # by a fault
    inbound: int = 0  # messages from handsets


class Stage:
    """One provider on a socket.

    `status_url` and `inbound_url` are what the account has set there; a message may bring its own.
    """

    def __init__(
        self,
        far_side: FarSide,
        *,
        clock: Clock,
        chance: random.Random,
        faults: HttpFaults = PERFECT,
    ) -> None:
        self.far_side = far_side
        self.url = ""
        """Where it listens, once it was started."""
        self.status_url = self.inbound_url = ""
        self.requests: deque[Incoming] = deque(maxlen=KEPT_MOST)
        self.submitted: deque[Submitted] = deque(maxlen=KEPT_MOST)
        """What the provider has taken; what it refused is only in `requests`."""
        self.on_change: Callable[[], None] = lambda: None
        self.courier = Courier(clock)
        self.statistics = Statistics()
        self._clock, self._chance = clock, chance
        self._agenda = Agenda(clock)
        self._attempts = FirstAttempts()
        self._second_began, self._in_second = float("-inf"), 0
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._place = ("127.0.0.1", 0)
        self.faults = faults

    @property
    def faults(self) -> HttpFaults:
        """What goes wrong; new faults hold from the next request on."""
        return self._faults

    @faults.setter
    def faults(self, faults: HttpFaults) -> None:
        """Take new faults; counters such as those of `every:n` begin anew."""
        self._faults = faults
        shares = {one.name: getattr(faults, one.name) for one in fields(faults)}
        self._draws = {
            name: share.draws(self._chance)
            for name, share in shares.items()
            if isinstance(share, Share)
        }

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port, which the system chooses where 0 is given."""
        # A handler ends with its connection: nobody else waits for it.
        self._web = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._place = (host, port)
        await self.resume()
        self.url = f"http://{host}:{self._place[1]}"
        return self._place[1]

    async def stop(self) -> None:
        """Close, and forget what was yet to happen."""
        await self.pause()
        await self._agenda.stop()
        await self.courier.stop()

    async def pause(self) -> None:
        """Close every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._web is not None:
            await self._web.shutdown(CLOSE_SECONDS)

    async def resume(self) -> None:
        """Listen again, on the same port."""
        assert self._web is not None
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._web, *self._place)
        self._place = (self._place[0], self._listener.sockets[0].getsockname()[1])

    def settings(self) -> dict[str, Any]:
        """The settings with which a carrier reaches it."""
        placed = self.far_side
        more = placed.settings(self.url) if isinstance(placed, PlacedFarSide) else {}
        return {**self.far_side.credentials, "base_url": self.url, **more}

    def say(self, sender: str, recipient: str, text: str) -> None:
        """A handset sends a message to one of the customer's numbers."""
        self.statistics.inbound += 1
        for call in self.far_side.inbound(sender, recipient, text, self.inbound_url):
            if call.url:
                self.statistics.callbacks += 1
                self.courier.send(self._signed(call))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        incoming = Incoming(request.method, path, query, headers, await request.read())
        self.requests.append(incoming)
        self.statistics.requests += 1
        one = self.far_side.take(incoming)
        if isinstance(one, Response):
            response = one
        else:
            scenario = scenario_for(one.recipient, one.text, one.channel)
            why = self._refusal(one, scenario)
            if why is None:
                return await self._take(request, one, scenario)
            response = self._refused(one, why)
        self.on_change()
        return _whole(response)

    def _refusal(self, one: Submitted, scenario: Scenario) -> Refusal | None:
        now = self._clock.monotonic()
        if now - self._second_began >= 1.0:
            self._second_began, self._in_second = now, 0
        self._in_second += 1
        limit = self._faults.throttle_above_per_second
        if limit and self._in_second > limit:
            return Refusal.THROTTLED
        if self._attempts.throttles(scenario, one.recipient, one.text, now):
            return Refusal.THROTTLED
        if scenario.answer is Answer.REFUSE:
            return Refusal.RECIPIENT
        return self._faults.refuse_why if self._happens("refuse") else None

    def _refused(self, one: Submitted, why: Refusal) -> Response:
        self.statistics.refused += 1
        self.statistics.throttled += why is Refusal.THROTTLED
        wait = self._faults.retry_after if why is Refusal.THROTTLED else 0
        return self.far_side.refused(one, why, wait or None)

    async def _take(
        self, request: web.BaseRequest, one: Submitted, scenario: Scenario
    ) -> web.StreamResponse:
        self.submitted.append(one)
        self.statistics.taken += 1
        self.on_change()
        drop = self._faults.drop_how if self._lost(scenario) else None
        steps, pending = self._steps(scenario), True
        if self._happens("receipt_early"):
            pending = False
            parts = self._parts(one)
            await asyncio.gather(*(self._tell_now(one, step) for one in parts for step in steps))
        elif drop:
            pending = False
            self._schedule(one, steps, scenario)
        try:
            if delay := self._faults.answer_delay_seconds.draw(self._chance):
                await self._clock.sleep(delay)
            return await self._answer(request, self._spoilt(self.far_side.accepted(one)), drop)
        finally:
            if pending:
                self._schedule(one, steps, scenario)

    def _lost(self, scenario: Scenario) -> bool:
        lost = scenario.answer is Answer.DROP or self._happens("drop_answers")
        self.statistics.answers_lost += lost
        return lost

    def _spoilt(self, response: Response) -> Response:
        if self._happens("bad_gateway"):
            return Response(self._faults.gateway_status, GATEWAY_PAGE, "text/html")
        if self._happens("broken_body"):
            return replace(response, body=response.body[: len(response.body) // 2])
        return response

    async def _answer(
        self, request: web.BaseRequest, response: Response, drop: Drop | None
    ) -> web.StreamResponse:
        if drop is Drop.SILENCE:
            await asyncio.Event().wait()  # until the client has had enough
        answer = _whole(response)
        if drop is Drop.HALF_ANSWER:
            answer = web.StreamResponse(status=answer.status, headers=answer.headers)
            answer.content_length = len(response.body) + 1
            await answer.prepare(request)
            await answer.write(response.body[: len(response.body) // 2])
        if drop and request.transport is not None:
            request.transport.close()
            return answer
        await answer.prepare(request)
        await answer.write_eof()
        return answer

    def _steps(self, scenario: Scenario) -> tuple[ReceiptStep, ...]:
        if scenario is not DEFAULT:
            return scenario.receipts
        after = self._faults.receipt_delay_seconds.draw(self._chance)
        final = ReceiptStep(after, State.DELIVERED)
        if self._happens("undelivered"):
            final = ReceiptStep(after, State.UNDELIVERED, self._faults.undelivered_error)
        match self._faults.receipt_order:
            case Order.ACCEPTED_FINAL:
                return (ReceiptStep(after / 2, State.ACCEPTED), final)
            case Order.FINAL_ACCEPTED:
                return (final, ReceiptStep(after, State.ACCEPTED))
        return (final,)

    def _schedule(self, one: Submitted, steps: tuple[ReceiptStep, ...], scenario: Scenario) -> None:
        for number, part in enumerate(self._parts(one), 1):
            for step in steps if scenario is DEFAULT else scenario.receipts_of(number):
                self._agenda.after(step.after_seconds, partial(self._tell, part, step))
        if scenario.reply is not None:
            say = partial(self.say, one.recipient, one.sender, scenario.reply)
            self._agenda.after(scenario.reply_after_seconds, say)

    def _parts(self, one: Submitted) -> Sequence[Submitted]:
        return self.far_side.parts(one) if isinstance(self.far_side, PartedFarSide) else (one,)

    def _tell(self, one: Submitted, step: ReceiptStep) -> None:
        for call in self._receipts(one, step):
            self.courier.send(call)

    async def _tell_now(self, one: Submitted, step: ReceiptStep) -> None:
        for call in self._receipts(one, step):
            await self.courier.deliver(call)

    def _receipts(self, one: Submitted, step: ReceiptStep) -> list[CallbackRequest]:
        """The callback that tells a state: once, or twice, or not at all."""
        call = self.far_side.receipt(one, step.state, step.error, self.status_url)
        if call is None or not call.url:
            return []  # it tells no such thing, or nobody told it where
        if self._happens("receipt_loss"):
            self.statistics.callbacks_lost += 1
            return []
        copies = 2 if self._happens("receipt_duplicates") else 1
        self.statistics.callbacks += copies
        return [self._signed(call)] * copies

    def _signed(self, call: CallbackRequest) -> CallbackRequest:
        if self._happens("bad_signature"):
            return spoil.badly_signed(call) or call
        if self._happens("unsigned"):
            return spoil.unsigned(call) or call
        return call

    def _happens(self, fault: str) -> bool:
        draw = self._draws[fault]
        return draw is not None and draw()


def _whole(response: Response) -> web.StreamResponse:
    headers = {"Content-Type": response.content_type, **response.headers}
    return web.Response(status=response.status, body=response.body, headers=headers)
