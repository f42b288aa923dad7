"""Carriers that fail, return, pause or share the traffic: nothing is lost, nothing sent twice."""

from collections import Counter

import pytest

from onesixty.simulator.faults import parse_faults

from .platform import Walk, simulator, until
from .traffic import all_ended, handsets, send_all, taken


@pytest.mark.parametrize(
    "faults",
    [
        ["receipt_early=1"],
        ["receipt_duplicates=1", "receipt_order=final_enroute"],
        ["answer_delay_seconds=0..0.3", "receipt_delay_seconds=0..0.3"],
        ["duplicate_answers=1", "split_writes", "unknown_tlvs"],
        ["receipt_form=payload", "receipt_lower_case", "receipt_esm_class_zero"],
    ],
    ids=["early", "repeated and reordered", "slow", "odd answers", "odd receipts"],
)
async def test_faults_that_lose_nothing(walk: Walk, faults: list[str]) -> None:
    """However oddly it is told, each message is sent once and its delivery told once."""
    walk.smsc.faults = parse_faults(faults)
    messages = await send_all(walk, 50)
    assert await all_ended(walk, messages) == {"delivered": 50}
    assert set(taken(walk.smsc).values()) == {1}
    for message in messages:
        assert walk.hooks.types(message) == ["queued", "sent", "delivered"]


async def test_answers_lost(walk: Walk) -> None:
    """Messages whose answers are lost are uncertain, never repeated, and then found delivered."""
    await walk.change("acme", response_seconds=1)
    walk.smsc.faults = parse_faults(["drop_answers=every:4", "receipt_delay_seconds=0.2"])
    messages = await send_all(walk, 40)
    assert await all_ended(walk, messages) == {"delivered": 40}
    assert taken(walk.smsc) == dict.fromkeys(handsets(40), 1)
    uncertain = [one for one in messages if "uncertain" in walk.hooks.types(one)]
    assert len(uncertain) == 10


async def test_refused_parts(walk: Walk) -> None:
    """When a carrier throttles some parts of a long message, those and only those go again."""
    walk.smsc.faults = parse_faults(["refuse=every:7", "refuse_status=ESME_RTHROTTLED"])
    text = "".join(f"{number} green bottles hanging on the wall; " for number in range(18, 0, -1))
    messages = [await walk.send(to, text) for to in handsets(3)]
    walk.smsc.faults = parse_faults([])
    assert await all_ended(walk, messages) == {"delivered": 3}
    assert walk.smsc.record is not None
    got = {f"+{one.destination}": one.text for one in walk.smsc.record.messages()}
    assert got == dict.fromkeys(handsets(3), text)
    assert walk.smsc.record.duplicates() == {}


async def test_broken_links(walk: Walk) -> None:
    """Links that break amid 300 messages lose none: each arrives once, or is told as uncertain.

    What the SMSC took is found delivered, answered or not; what was written to a broken link and
    never reached it stays uncertain, because nobody can know.
    """
    walk.smsc.faults = parse_faults(["drop_link_after=60", "receipt_delay_seconds=0.1"])
    numbers = dict(zip(await send_all(walk, 300), handsets(300), strict=True))

    def settled() -> bool:
        at_smsc = taken(walk.smsc)
        return all(
            walk.hooks.ended(message)
            if at_smsc[handset]
            else walk.hooks.types(message)[-1:] == ["uncertain"]
            for message, handset in numbers.items()
        )

    await walk.hooks.until(settled)
    ends = {handset: walk.hooks.types(message)[-1] for message, handset in numbers.items()}
    assert Counter(ends.values()).keys() == {"delivered", "uncertain"}
    assert {handset for handset, end in ends.items() if end == "delivered"} == set(taken(walk.smsc))
    assert walk.smsc.statistics.links_broken >= 2
    assert walk.smsc.record is not None
    assert walk.smsc.record.duplicates() == {}


async def test_restart(walk: Walk) -> None:
    """Messages for an SMSC that is restarted wait, and all arrive once when it is back."""
    port = walk.smsc.port
    first = await send_all(walk, 100)
    await walk.smsc.stop()
    second = [await walk.send(to, "second") for to in handsets(100)]
    await walk.smsc.start(port=port)
    assert await all_ended(walk, second) == {"delivered": 100}
    stands = Counter([(await walk.message(message))["status"] for message in first])
    assert stands.keys() <= {"delivered", "sent", "uncertain"}
    assert walk.smsc.record is not None
    assert walk.smsc.record.duplicates() == {}


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


async def test_throttled(walk: Walk) -> None:
    """What a carrier throttles comes again later and costs no attempt."""
    walk.smsc.faults = parse_faults(["throttle_above_per_second=40"])
    messages = await send_all(walk, 60)
    assert await all_ended(walk, messages) == {"delivered": 60}
    assert walk.smsc.statistics.throttled > 0
    assert taken(walk.smsc) == dict.fromkeys(handsets(60), 1)
    assert {(await walk.message(one))["attempts"] for one in messages} == {1}


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
