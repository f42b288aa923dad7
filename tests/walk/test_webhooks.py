"""What happens is told: in order, signed, again until it is taken, and to whoever pulls it."""

from collections import Counter
from typing import Any

from .platform import Walk, until

HANDSET = "+447700900123"


async def test_sequences(walk: Walk) -> None:
    """Over webhooks and in the list the events of each message are numbered from 1 without gaps."""
    messages = [await walk.send(HANDSET, f"number {n}") for n in range(30)]
    await walk.hooks.end(*messages)
    await walk.hooks.until(lambda: all(len(walk.hooks.of(one)) == 3 for one in messages))
    for message in messages:
        listed = (await walk.get(f"/v1/events?message={message}"))["data"]
        for events in (walk.hooks.of(message), sorted(listed, key=lambda one: one["sequence"])):
            assert [one["sequence"] for one in events] == [1, 2, 3]
            told = [(one["type"], one["data"]["status"]) for one in events]
            assert told == [(f"message.{it}", it) for it in ("queued", "sent", "delivered")]
        assert {one["id"] for one in listed} == {one["id"] for one in walk.hooks.of(message)}
    assert len(set(walk.hooks.ids)) == len(walk.hooks.ids)


async def test_down_then_up(walk: Walk) -> None:
    """Every event that an endpoint refused comes again under its id, and each is taken once."""
    walk.hooks.status = 503
    messages = [await walk.send(HANDSET, f"number {n}") for n in range(10)]

    async def all_delivered() -> bool:
        shown = (await walk.get("/v1/messages?status=delivered"))["data"]
        return len(shown) == len(messages)

    await until(all_delivered)
    await walk.hooks.until(lambda: bool(walk.hooks.refused))
    assert not any(map(walk.hooks.ended, messages))
    walk.hooks.status = 200
    await walk.hooks.end(*messages)
    await walk.hooks.until(lambda: all(len(walk.hooks.of(one)) == 3 for one in messages))
    assert set(walk.hooks.refused) <= set(walk.hooks.ids)
    assert set(Counter(walk.hooks.ids).values()) == {1}
    path = f"/v1/webhooks/{walk.webhook['id']}/deliveries?limit=1000"
    log: list[Any] = []

    async def all_written() -> bool:  # the log comes a little after the calls
        log[:] = (await walk.get(path))["data"]
        taken = {one["event"] for one in log if one["result"] == "delivered"}
        return taken >= set(walk.hooks.refused)

    await until(all_written)
    for event in set(walk.hooks.refused):
        tries = sorted(
            (one["attempt"], one["result"], one["status_code"])
            for one in log
            if one["event"] == event
        )
        assert tries[0] == (1, "retrying", 503)
        assert tries[-1] == (len(tries), "delivered", 200)


async def test_only_what_was_asked_for(walk: Walk) -> None:
    """An endpoint is told of the types that it named and of no others."""
    change = {"events": ["message.delivered", "message.received"]}
    await walk.ask("PATCH", f"/v1/webhooks/{walk.webhook['id']}", change)
    messages = [await walk.send(HANDSET, f"number {n}") for n in range(5)]
    walk.smsc.receive_from(HANDSET, "+14155550100", "hi")
    for message in messages:
        await walk.hooks.told(message, "delivered")
    await walk.hooks.inbound(1)
    told = {one["type"] for one in walk.hooks.events if one["data"].get("id") in messages}
    assert told == {"message.delivered"}


async def test_test_event(walk: Walk) -> None:
    """A test goes the way of every event."""
    made = await walk.post(f"/v1/webhooks/{walk.webhook['id']}/test")
    await walk.hooks.until(lambda: made["event"] in walk.hooks.ids)


async def test_carriers(walk: Walk) -> None:
    """A carrier that goes down and comes up again is told of."""

    def told() -> list[str]:
        return [str(one["type"]) for one in walk.hooks.events if one["type"].startswith("carrier.")]

    await walk.hooks.until(lambda: "carrier.up" in told())
    walk.smsc.break_links()
    await walk.hooks.until(lambda: told().count("carrier.up") == 2)
    assert told().count("carrier.down") == 1
