"""Networks of numbers in the whole platform: asked about after a message, gone by for the next."""

from onesixty.simulator.http.lookups import SimulatedLookups

from .platform import Walk, until

PORTED = "+447700900127"  # from 234-10 to 234-15


async def test_a_ported_number_is_followed_within_the_cap(walk: Walk) -> None:
    """The second message to a ported number goes by its network; at the cap a webhook is called."""
    far_side = SimulatedLookups()
    await far_side.start()
    await walk.post("/v1/carriers", {"name": "second", "kind": "loopback"})
    await walk.route("ported", "second", match={"network": "234-15"}, position=1)
    source = {"settings": far_side.settings(), "follow": True, "price": "1", "day_cap": "1.5"}
    assert (await walk.ask("PUT", "/v1/lookup-sources/main", source)).status == 200
    first = await walk.ended(await walk.send(PORTED))
    networks = walk.app.lookups.networks
    await until(lambda: networks.of(PORTED) == "23415")
    second = await walk.message(await walk.send(PORTED))
    assert (first["carrier"], second["carrier"]) == ("acme", "second")
    await walk.send("+447700900137")
    await walk.hooks.until(lambda: "lookup.cap_reached" in {e["type"] for e in walk.hooks.events})
    assert far_side.asked == [PORTED]
    await far_side.stop()
