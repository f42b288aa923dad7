"""The play: set up through the API, send everything, wait until all of it was told of."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from onesixty.cli.client import Answer, Api
from onesixty.cli.demo import plan
from onesixty.cli.demo.peers import Receiver
from onesixty.cli.demo.plan import Planned
from onesixty.cli.terminal import Failure
from onesixty.kit.clock import Clock

CONNECT_SECONDS: Final = 15.0
EVENTS_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 0.5  # in which what came twice would come
LOOK_SECONDS: Final = 0.05
CARRIER: Final = "simulator"
IMPATIENT: Final = "impatient"


@dataclass(slots=True)
class Played:
    """All that was seen, to be checked."""

    plan: dict[str, Planned] = field(default_factory=dict)  # by number
    ids: dict[str, str] = field(default_factory=dict)  # number to id
    asked_at: dict[str, float] = field(default_factory=dict)  # number to the time of its request
    answered_at: dict[str, float] = field(default_factory=dict)  # of those sent one by one
    refusal: Answer | None = None  # at the door
    messages: list[dict[str, Any]] = field(default_factory=list)  # as the API shows them at the end


class Play:
    """One run against a server. `on_step` is told what happens now."""

    def __init__(self, api: Api, clock: Clock, on_step: Callable[[str], None]) -> None:
        self._api, self._clock, self._step = api, clock, on_step
        self.played = Played()

    async def set_up(self, smsc_port: int, hook: str) -> str:
        """Make carriers, routes and the webhook; the webhook's secret."""
        self._step("adding a carrier, a route and a webhook")
        settings = {
            "host": "127.0.0.1", "port": smsc_port, "system_id": "demo", "password": "secret",
        }  # fmt: skip
        await self._carrier(CARRIER, settings | {"window": 100})
        # A second bind that waits for answers as briefly as possible: its doubt is soon over.
        await self._carrier(IMPATIENT, settings | {"response_seconds": 1})
        await self._route("in-doubt", IMPATIENT, {"prefix": plan.UNCERTAIN_NUMBER})
        await self._route("all", CARRIER, {})
        made = await self._api.post("/v1/webhooks", {"url": hook, "events": ["message.*"]})
        await self._connected(CARRIER)
        await self._connected(IMPATIENT)
        secret = made["secret"]
        assert isinstance(secret, str)
        return secret

    async def send_all(self) -> None:
        """Send every message of the plan."""
        self._step("sending one of each kind")
        self.played.refusal = await self._api.ask(
            "POST", "/v1/messages", body=plan.REFUSED_AT_THE_DOOR
        )
        await self._send_each(plan.cases())
        self._step(f"sending {plan.ONE_BY_ONE} one by one")
        await self._send_each(plan.one_by_one())
        self._step(f"sending a batch of {plan.BATCH:,}")
        await self._send_batch(plan.batch())

    async def see_the_end(self, receiver: Receiver) -> None:
        """Wait until every event has come, or for the limit; then read all messages."""
        self._step("waiting for receipts and webhooks")
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                await receiver.wait_for(expected_events(self.played))
        except TimeoutError:
            self._step(f"gave up after {EVENTS_SECONDS:g} s")
        await self._clock.sleep(QUIET_SECONDS)
        after = None
        while True:
            page = await self._api.get("/v1/messages", limit=1000, after=after)
            self.played.messages += page["data"]
            after = page["next"]
            if after is None:
                return

    async def _carrier(self, name: str, settings: dict[str, Any]) -> None:
        await self._api.post("/v1/carriers", {"name": name, "kind": "smpp", "settings": settings})

    async def _route(self, name: str, carrier: str, match: dict[str, str]) -> None:
        body = {"name": name, "match": match, "carriers": [{"carrier": carrier}]}
        await self._api.post("/v1/routes", body)

    async def _connected(self, name: str) -> None:
        until = self._clock.monotonic() + CONNECT_SECONDS
        while True:
            state = (await self._api.get(f"/v1/carriers/{name}"))["state"]
            if state["status"] == "up":
                return
            if self._clock.monotonic() >= until:
                raise Failure(f"the carrier {name} does not connect: {state}")
            await self._clock.sleep(LOOK_SECONDS)

    async def _send_each(self, messages: list[Planned]) -> None:
        for message in messages:
            self._note(message)
            sent = await self._api.post("/v1/messages", message.body())
            self.played.answered_at[message.to] = self._clock.monotonic()
            self.played.ids[message.to] = sent["id"]

    async def _send_batch(self, messages: list[Planned]) -> None:
        for message in messages:
            self._note(message)
        body = {"messages": [message.body() for message in messages]}
        made = await self._api.post("/v1/messages/batch", body)
        for message, result in zip(messages, made["results"], strict=True):
            if "id" in result:
                self.played.ids[message.to] = result["id"]

    def _note(self, message: Planned) -> None:
        self.played.plan[message.to] = message
        self.played.asked_at[message.to] = self._clock.monotonic()


def expected_events(played: Played) -> int:
    """How many events there must be: of all messages, and of the replies to them."""
    return sum(len(one.events) + one.is_echoed for one in played.plan.values())
