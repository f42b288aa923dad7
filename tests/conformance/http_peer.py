"""The far side of a carrier over HTTP: a provider on its stage, and a door for its callbacks."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from aiohttp import web

from onesixty.carriers import registry
from onesixty.carriers.contract import (
    Call,
    CallReader,
    CallRefusedError,
    CarrierConfig,
    CarrierEvents,
    CarrierSpec,
    News,
)
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.simulator.fault_words import Share
from onesixty.simulator.http.far_side import CallbackRequest, Refusal
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.cast import far_sides
from onesixty.simulator.http.stage.faults import HttpFaults

from .behaviours import RESPONSE_SECONDS, SOMEBODY, Behaviour

OUR_NUMBER: Final = "+447700900111"
# Where a customer cannot choose: the number belongs to the account.
_THEIR_NUMBERS: Final = {"whatsapp": "+15550783881"}
ALWAYS: Final = Share(every=1)
_BASE: Final = "/callbacks"


class HttpPeer:
    """One provider."""

    behaviours: ClassVar = frozenset(
        {
            Behaviour.GOOD,
            Behaviour.SILENT,
            Behaviour.FORGETFUL,
            Behaviour.THROTTLING,
            Behaviour.SOMETIMES_THROTTLING,
            Behaviour.REFUSING,
        }
    )
    is_whole: ClassVar = True
    recipient = SOMEBODY
    callback_url: str | None = None
    _THROTTLED: ClassVar = Refusal.THROTTLED
    _FAULTS: ClassVar = {
        Behaviour.GOOD: HttpFaults(),
        # The connection closes: as good as silence, and nobody has to wait for it.
        Behaviour.SILENT: HttpFaults(drop_answers=ALWAYS),
        Behaviour.FORGETFUL: HttpFaults(drop_answers=Share(every=3)),
        Behaviour.THROTTLING: HttpFaults(refuse=ALWAYS, refuse_why=_THROTTLED),
        Behaviour.SOMETIMES_THROTTLING: HttpFaults(refuse=Share(every=2), refuse_why=_THROTTLED),
        Behaviour.REFUSING: HttpFaults(refuse=ALWAYS),
    }

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.spec: CarrierSpec = registry.SPECS[kind]
        self.channel = self.spec.channels[0]
        self.our_number = _THEIR_NUMBERS.get(kind, OUR_NUMBER)
        self.reader: CallReader | None = None
        self.calls: list[Call] = []
        self.refused: list[CallRefusedError] = []
        self._events: CarrierEvents | None = None

    async def start(self, clock: Clock, chance: Chance) -> None:
        """Listen, both ways."""
        self._clock = clock
        self.stage = Stage(far_sides()[self.kind](clock), clock=clock, chance=chance)
        await self.stage.start()
        self._web = web.Server(self._called, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._web, "127.0.0.1", 0)
        host = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        self._host, self._url = host, host + _BASE
        self.callback_url = self._url
        self.stage.status_url = self._place("status")
        self.stage.inbound_url = self._place("inbound")

    async def stop(self) -> None:
        """Close all."""
        await self.stage.stop()
        self._listener.close()
        await self._web.shutdown(0.01)

    def attend(self, config: CarrierConfig, events: CarrierEvents) -> None:
        """What it calls is read by the kind, and told there."""
        self.config, self._events = config, events
        self.reader = self.spec.calls(config) if self.spec.calls else None

    def behave(self, behaviour: Behaviour) -> None:
        """Set the faults."""
        self.stage.faults = self._FAULTS[behaviour]

    def settings(self) -> Mapping[str, Any]:
        """Where it is. Longer than it takes on any machine: only what is cut has no answer."""
        return {**self.stage.settings(), "window": 10, "response_seconds": 50 * RESPONSE_SECONDS}

    def say(self, text: str) -> None:
        """Somebody sends us a text."""
        self.stage.say(SOMEBODY, self.our_number, text)

    def call(self, told: CallbackRequest) -> Call:
        """A callback as it arrives here."""
        path = told.url.removeprefix(self._url).partition("?")[0].strip("/")
        headers = {name.lower(): value for name, value in told.headers.items()}
        return Call(told.method, told.url, path, headers, told.body, self._clock.now())

    def _place(self, wanted: str) -> str:
        """The callback URL for something: one of that name, or the only one that there is."""
        places = self.spec.callbacks
        name = wanted if wanted in places else next(iter(places), "")
        return f"{self._url}/{name}".rstrip("/")

    async def _called(self, request: web.BaseRequest) -> web.Response:
        url = self._host + request.raw_path
        headers = dict(request.headers)
        call = self.call(CallbackRequest(request.method, url, headers, await request.read()))
        self.calls.append(call)
        assert self.reader is not None
        assert self._events is not None
        try:
            news = await self.reader.read(call)
        except CallRefusedError as error:
            self.refused.append(error)
            self._events.on_room()
            return web.Response(status=error.status)
        self._tell(self._events, news)
        reply = news.reply
        headers = {"Content-Type": reply.content_type, **reply.headers}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    @staticmethod
    def _tell(events: CarrierEvents, news: News) -> None:
        if news.receipts:
            events.on_receipts(news.receipts)
        if news.inbounds:
            events.on_inbound(news.inbounds)
