"""An SMSC that misbehaves, breaks off or throttles: nothing is lost, nothing is sent twice."""

from collections import Counter

import pytest

from onesixty.kit import ids
from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults
from onesixty.storage import database

from .platform import Walk, until
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


async def test_throttled(walk: Walk) -> None:
    """What a carrier throttles comes again later and costs no attempt."""
    walk.smsc.faults = parse_faults(["throttle_above_per_second=40"])
    messages = await send_all(walk, 60)
    assert await all_ended(walk, messages) == {"delivered": 60}
    assert walk.smsc.statistics.throttled > 0
    assert taken(walk.smsc) == dict.fromkeys(handsets(60), 1)
    assert {(await walk.message(one))["attempts"] for one in messages} == {1}


async def test_claim_whose_answer_was_lost(walk: Walk) -> None:
    """What was claimed by a statement whose answer never came is found again, and sent once."""
    await walk.post("/v1/carriers/acme/pause")
    await until(lambda: walk.lane("acme").paused)
    messages = await send_all(walk, 10)
    await walk.rows(
        "WITH taken AS (DELETE FROM queue RETURNING account_id, message_id), leased AS ("
        " INSERT INTO leases"
        " SELECT $1, $2, array_agg(account_id), array_agg(message_id) FROM taken)"
        " UPDATE messages m SET status = 3 FROM taken WHERE m.id = taken.message_id",
        ids.uuid7(int((SystemClock().now().timestamp() - 10) * 1000)),
        walk.app.node.number,
    )
    await walk.post("/v1/carriers/acme/resume")
    assert await all_ended(walk, messages) == {"delivered": 10}
    assert taken(walk.smsc) == dict.fromkeys(handsets(10), 1)


async def test_lists_that_take_too_long(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that the database does not answer in time is a problem, not a wait."""
    monkeypatch.setattr(database, "SEARCH_SECONDS", 0.05)
    async with walk.app.database.write() as tx:
        await tx.execute("LOCK TABLE messages, events")
        for path in ("/v1/messages?status=failed", "/v1/events?type=message.expired"):
            answer = await walk.ask("GET", path)
            assert (answer.status, answer.body["code"]) == (422, "search_too_long")
    assert (await walk.get("/v1/messages?status=failed"))["data"] == []
