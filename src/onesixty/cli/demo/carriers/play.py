"""The play: carriers and routes by the API, messages by every one, refusals, lost answers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from onesixty.cli.client import Api
from onesixty.cli.demo.carriers import plan
from onesixty.cli.demo.carriers.plan import Company, Planned
from onesixty.cli.simulate.adding import add
from onesixty.cli.terminal import Failure
from onesixty.kit.chance import chance
from onesixty.kit.clock import Clock
from onesixty.simulator.fault_words import Share
from onesixty.simulator.http.far_side import Refusal
from onesixty.simulator.http.stage import PERFECT, Stage
from onesixty.simulator.http.stage.cast import far_sides
from onesixty.simulator.http.stage.faults import HttpFaults

UP_SECONDS: Final = 15.0
STEP_SECONDS: Final = 10.0  # for one message to be refused, or throttled
END_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.1
RESPONSE_SECONDS: Final = 5
_ALWAYS: Final = Share(every=1)
_FINAL: Final = frozenset({"delivered", "read", "undelivered", "failed", "expired", "canceled"})


@dataclass(slots=True)
class Played:
    """All that was seen, to be shown and checked."""

    companies: list[Company] = field(default_factory=list)
    stages: dict[str, Stage] = field(default_factory=dict)  # by name
    plan: dict[str, Planned] = field(default_factory=dict)  # by id
    messages: list[dict[str, Any]] = field(default_factory=list)  # as the API shows them at the end
    timelines: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id
    explanations: dict[str, dict[str, Any]] = field(default_factory=dict)  # of some, by id


class Play:
    """One run against a server. `on_step` is told what happens now."""

    def __init__(self, api: Api, clock: Clock, on_step: Callable[[str], None]) -> None:
        self._api, self._clock, self._step = api, clock, on_step
        self.played = Played()

    async def set_up(self, stack: AsyncExitStack) -> None:
        """Start the providers, add a carrier for each, and a route by which it is tried first."""
        played = self.played
        for name, far_side in far_sides().items():
            stage = Stage(far_side(self._clock), clock=self._clock, chance=chance(160))
            await stage.start()
            stack.push_async_callback(stage.stop)
            played.stages[name] = stage
        adding = [
            add(self._api, stage, response_seconds=RESPONSE_SECONDS)
            for stage in played.stages.values()
        ]
        await asyncio.gather(*adding)
        self._step(f"added {len(played.stages)} carriers: {', '.join(played.stages)}")
        kinds = (await self._api.get("/v1/carriers/kinds"))["data"]
        played.companies = plan.companies([one for one in kinds if one["kind"] in played.stages])
        await asyncio.gather(*map(self._route, played.companies))
        await self._until(self._are_up, UP_SECONDS, "the carriers do not come up")

    async def send_all(self) -> None:
        """Everything: what is refused first, then what is throttled, then the rest in a batch."""
        played = self.played
        self._step("every carrier refuses one message, which goes to the next carrier")
        for company in played.companies:
            await self._refused(company)
        self._step("every carrier throttles one message, which it takes a second later")
        await self._throttled()
        batch = [one for company in played.companies for one in plan.of_each(company)]
        self._step(f"sending {len(batch)} messages more; the answers to some of them are lost")
        await self._send(batch)

    async def see_the_end(self) -> None:
        """Wait for receipts and replies, or for the limit; then read what is on file."""
        self._step("waiting for receipts and replies")
        try:
            await self._until(self._is_over, END_SECONDS, "")
        except Failure:
            self._step(f"gave up after {END_SECONDS:g} s")
        played = self.played
        paths = [f"/v1/messages/{name}/timeline" for name in played.plan]
        found = await asyncio.gather(*map(self._api.get, paths))
        played.timelines = dict(zip(played.plan, found, strict=True))
        first, last = played.companies[0], played.companies[-1]
        for name, one in played.plan.items():
            if (one.title, one.company) in (("text", first), ("failover", last)):
                path = f"/v1/messages/{name}/explanation"
                played.explanations[name] = await self._api.get(path)

    async def _route(self, company: Company) -> None:
        lanes = [{"carrier": name} for name in dict.fromkeys((company.name, company.next))]
        body = {"name": company.name, "match": {"tag": [company.name]}, "carriers": lanes}
        await self._api.post("/v1/routes", body)

    async def _refused(self, company: Company) -> None:
        stage = self.played.stages[company.name]
        stage.faults = HttpFaults(refuse=_ALWAYS, refuse_why=Refusal.SENDER)
        message = plan.refused(company)
        await self._send([message])

        other = self.played.stages[message.by]

        async def is_elsewhere() -> bool:
            return any(one.text == message.text for one in other.submitted)

        failed = f"what {company.name} refused did not go to {message.by}"
        await self._until(is_elsewhere, STEP_SECONDS, failed)
        stage.faults = PERFECT

    async def _throttled(self) -> None:
        stages = self.played.stages.values()
        before = {stage.far_side.name: stage.statistics.throttled for stage in stages}
        for stage in stages:
            stage.faults = HttpFaults(refuse=_ALWAYS, refuse_why=Refusal.THROTTLED)
        await self._send([plan.throttled(company) for company in self.played.companies])

        async def have_throttled() -> bool:
            return all(one.statistics.throttled > before[one.far_side.name] for one in stages)

        await self._until(have_throttled, STEP_SECONDS, "somebody throttled nothing")
        for stage in stages:
            stage.faults = PERFECT

    async def _send(self, messages: Sequence[Planned]) -> None:
        body = {"messages": [one.request() for one in messages]}
        made = await self._api.post("/v1/messages/batch", body)
        for one, result in zip(messages, made["results"], strict=True):
            if "id" not in result:
                raise Failure(f"{one.company.name}, {one.title}: not accepted: {result}")
            self.played.plan[result["id"]] = one

    async def _are_up(self) -> bool:
        carriers = (await self._api.get("/v1/carriers", limit=1000))["data"]
        states = {one["name"]: one["state"]["status"] for one in carriers}
        return all(states[one.name] == "up" for one in self.played.companies)

    async def _is_over(self) -> bool:
        played = self.played
        played.messages = (await self._api.get("/v1/messages", limit=1000))["data"]
        outbound = [one for one in played.messages if one["direction"] == "outbound"]
        replies = len(played.messages) - len(outbound)
        wanted = sum(one.is_echoed for one in played.plan.values())
        return replies >= wanted and all(one["status"] in _FINAL for one in outbound)

    async def _until(self, condition: Callable[[], Any], seconds: float, otherwise: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not await condition():
                    await self._clock.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise Failure(otherwise) from None
