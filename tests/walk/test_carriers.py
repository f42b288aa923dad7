"""Carriers that are paused, down, limited or share the traffic of a route."""

from onesixty.simulator.faults import parse_faults

from .platform import Walk, simulator, until
from .traffic import all_ended, handsets, send_all, taken


async def test_paused(walk: Walk) -> None:
    """A paused carrier stays connected and takes nothing; resumed, it sends all that waited."""
    paused = await walk.post("/v1/carriers/acme/pause")
    assert paused["paused"] is True
    await until(lambda: walk.lane("acme").paused)
    messages = await send_all(walk, 20)
    walk.smsc.receive_from("+447700900123", "+14155550100", "still heard")
    assert (await walk.hooks.inbound(1))[0]["body"] == "still heard"
    assert walk.smsc.statistics.submits == 0
    assert {(await walk.message(one))["status"] for one in messages} == {"queued"}
    canceled = await walk.post(f"/v1/messages/{messages[0]}/cancel")
    assert canceled["status"] == "canceled"
    await walk.post("/v1/carriers/acme/resume")
    assert await all_ended(walk, messages) == {"delivered": 19, "canceled": 1}
    assert taken(walk.smsc) == dict.fromkeys(handsets(20)[1:], 1)


async def test_failover(walk: Walk) -> None:
    """What the first carrier refuses by a fault of its own goes to the second, once."""
    walk.smsc.faults = parse_faults(["refuse=1", "refuse_status=ESME_RINVSYSTYP"])
    async with simulator() as second:
        await walk.carrier("backup", second)
        await walk.route("first", "acme", "backup", position=0)
        messages = await send_all(walk, 20)
        assert await all_ended(walk, messages) == {"delivered": 20}
        assert taken(second) == dict.fromkeys(handsets(20), 1)
        shown = await walk.message(messages[0])
        assert (shown["carrier"], shown["error"]) == ("backup", None)
        timeline = await walk.get(f"/v1/messages/{messages[0]}/timeline")
        tries = [(one["attempt"], one["carrier"], one["outcome"]) for one in timeline["parts"]]
        assert tries == [(1, "acme", "refused"), (2, "backup", "accepted")]


async def test_no_failover_for_the_recipient(walk: Walk) -> None:
    """What a carrier refuses because of the recipient ends there: no other carrier is tried."""
    async with simulator() as second:
        await walk.carrier("backup", second)
        await walk.route("first", "acme", "backup", position=0)
        shown = await walk.ended(await walk.send("+15005550117"))
        assert (shown["status"], shown["carrier"]) == ("failed", "acme")
        assert second.statistics.submits == 0


async def test_carrier_down(walk: Walk) -> None:
    """A carrier that is down is passed over at once while another of its route is up."""
    await walk.smsc.stop()
    await until(lambda: not walk.lane("acme").carrier.is_up())
    async with simulator() as second:
        await walk.carrier("backup", second)
        await walk.route("first", "acme", "backup", position=0)
        messages = await send_all(walk, 10)
        assert await all_ended(walk, messages) == {"delivered": 10}
        assert taken(second) == dict.fromkeys(handsets(10), 1)


async def test_weights(walk: Walk) -> None:
    """A weighted route splits the traffic in about the proportion of the weights."""
    async with simulator() as second:
        await walk.carrier("other", second)
        await walk.route("split", "acme:3", "other:1", strategy="weighted", position=0)
        messages = await send_all(walk, 200)
        assert await all_ended(walk, messages) == {"delivered": 200}
        assert taken(walk.smsc) + taken(second) == dict.fromkeys(handsets(200), 1)
        assert 110 <= walk.smsc.statistics.accepted <= 185  # 150 is meant; six deviations around it


async def test_rate(walk: Walk) -> None:
    """A carrier's rate holds back what is above it, and all of it arrives."""
    async with simulator("throttle_above_per_second=75") as strict:
        await walk.carrier("strict", strict, rate=50)
        await walk.route("first", "strict", position=0)
        messages = await send_all(walk, 100)
        assert await all_ended(walk, messages) == {"delivered": 100}
        assert (strict.statistics.accepted, strict.statistics.throttled) == (100, 0)


async def test_line_of_a_lost_carrier(walk: Walk) -> None:
    """What waited in memory for a carrier that went down can be cancelled."""
    await walk.change("acme", window=1, response_seconds=60)
    walk.slow(60.0)
    await walk.send("+447700900001", "holds the window")
    waiting = await walk.send("+447700900002", "waits behind it")
    await walk.smsc.stop()
    await until(lambda: not walk.lane("acme").carrier.is_up())

    async def is_canceled() -> bool:
        return (await walk.ask("POST", f"/v1/messages/{waiting}/cancel")).status == 200

    await until(is_canceled, 5)
