"""Several processes on one database: with a role each, and with the work shared between equals."""

import asyncio
from http import HTTPStatus

import aiohttp

from onesixty.kit.clock import SystemClock

from .platform import KEY, serving, until, walking

SOON_SECONDS = 0.7  # less than any loop looks by itself: it was woken


async def test_one_process_for_each_role(url: str) -> None:
    """A message goes from one process to the next without waiting for anybody's next look."""
    async with walking(url, "api", "dispatch", "notify") as walk:
        assert walk.app.dispatcher.lanes == {}
        began, clock = [], SystemClock()
        for _ in range(5):
            began.append(clock.monotonic())
            message = await walk.ended(await walk.send("+447700900123"))
            assert message["status"] == "delivered"
            began[-1] = clock.monotonic() - began[-1]
        assert sorted(began)[2] < SOON_SECONDS, began
        (carrier,) = [
            one for one in (await walk.get("/v1/carriers"))["data"] if one["name"] == "acme"
        ]
        assert [bind["phase"] for bind in carrier["state"]["binds"]] == ["bound"]


async def test_others_have_no_doors(url: str) -> None:
    """A process that does not answer the API tells of its health all the same."""
    async with (
        walking(url, "all", "dispatch") as walk,
        serving(walk.others[0]) as other,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
    ):
        found = {}
        for path in ("/healthz", "/readyz", "/v1/messages"):
            async with session.get(other + path) as response:
                found[path] = response.status
        assert found == {"/healthz": 200, "/readyz": 200, "/v1/messages": 404}
        walk.others[0].stopping()
        async with session.get(other + "/readyz") as response:
            assert response.status == HTTPStatus.SERVICE_UNAVAILABLE
            assert (await response.json())["reasons"] == ["the process is stopping"]


async def test_equals_share_the_binds(url: str) -> None:
    """Two processes hold a bind each; long messages are delivered whichever bind brings what."""
    async with walking(url, "all", "all") as walk:
        answer = await walk.ask("PATCH", "/v1/carriers/acme", {"settings": {"binds": 2}})
        assert answer.status == HTTPStatus.OK
        apps = [walk.app, *walk.others]

        def each_has_one() -> bool:
            number = next(
                n for n, one in walk.app.keeper.book.carriers.items() if one.name == "acme"
            )
            lanes = [app.dispatcher.lanes.get(number) for app in apps]
            binds = [lane.carrier.state()["binds"] for lane in lanes if lane]
            return [[one["phase"] for one in some] for some in binds] == [["bound"], ["bound"]]

        await until(each_has_one)
        messages = await asyncio.gather(
            *(walk.send(f"+4477009001{number:02}", "x" * 400) for number in range(20))
        )
        ends = await asyncio.gather(*map(walk.ended, messages))
        assert {message["status"] for message in ends} == {"delivered"}
        await walk.app.lanes.run_once()
        state = (await walk.get("/v1/carriers/acme"))["state"]
        assert [bind["phase"] for bind in state["binds"]] == ["bound", "bound"]
