"""How carriers deliver, as people see it; what they know better; a judgement taken back."""

from dataclasses import replace

import pytest

from messages.scripted import name_of
from messages.walk import Walk
from onesixty.carriers.contract import ReceiptState
from onesixty.entrypoints.rest.server import Server
from onesixty.kit import ids
from onesixty.messages.quality import Options, QualityKeeper
from onesixty.messages.types import Message

from .door import Door


@pytest.fixture
def quality(walk: Walk, server: Server, sending: Door) -> QualityKeeper:
    """A keeper behind the doors and the rooms, for which ten messages are enough."""
    keeper = QualityKeeper(walk.database, walk.clock, walk.keeper, Options(sample=10))
    walk.settler.counted = keeper.counter.outcomes
    walk.receiver.counted = keeper.counter.receipts
    server.api.state.context = replace(sending.context, quality=keeper)
    return keeper


async def delivered(walk: Walk, count: int, state: ReceiptState) -> list[Message]:
    """Messages that their carrier took, each with a receipt."""
    before = len(walk.carrier.taken)
    sent = [await walk.send(f"{number}") for number in range(count)]
    taken = (await walk.carrier.took(before + count))[before:]
    for one in taken:
        walk.carrier.accept(one)
    await walk.settled()
    walk.carrier.bring(*(walk.carrier.made_receipt(one, state, name_of(one)) for one in taken))
    await walk.received()
    return sent


async def test_it_is_shown_and_forgotten(sending: Door, walk: Walk, quality: QualityKeeper) -> None:
    """Shares, level and reason of each pair; a judgement ends when somebody takes it back."""
    await delivered(walk, 6, ReceiptState.DELIVERED)
    await delivered(walk, 6, ReceiptState.UNDELIVERABLE)
    await walk.clock.advance(180)
    await quality.run_once()
    (row,) = (await sending.ask("GET", "/v1/quality")).body["data"]
    assert (row["carrier"], row["country"], row["level"]) == ("main", "GB", "good")
    assert (row["delivered_rate"], row["sample"], row["since"]) == (0.5, 12, None)
    for query, found in (("country=FR", 0), ("carrier=main", 1), ("carrier=sandbox", 0)):
        assert len((await sending.ask("GET", f"/v1/quality?{query}")).body["data"]) == found
    assert (await sending.ask("GET", "/v1/quality?carrier=nobody")).status == 404
    async with walk.database.write() as tx:
        await tx.execute("UPDATE carrier_standings SET level = 'suspect', since = now()")
    assert (await sending.ask("DELETE", "/v1/quality/main/GB")).status == 204
    (row,) = (await sending.ask("GET", "/v1/quality")).body["data"]
    assert (row["level"], row["detail"], row["sample"]) == ("good", "set by hand", 0)
    assert (await sending.ask("DELETE", "/v1/quality/main/FR")).status == 404


async def test_feedback_is_evidence(sending: Door, walk: Walk, quality: QualityKeeper) -> None:
    """Messages that never came count against the carrier whose receipts say that they did, once."""
    async with walk.database.write() as tx:
        await tx.execute("UPDATE carriers SET kind = 'smpp' WHERE name = 'main'")
    await walk.keeper.refresh()
    for one in await delivered(walk, 12, ReceiptState.DELIVERED):
        path = f"/v1/messages/{ids.to_text('msg', one.id)}/feedback"
        for _ in range(2):
            answer = await sending.ask("POST", path, {"outcome": "not_received"})
            assert (answer.status, answer.body["outcome"]) == (200, "not_received")
    await walk.clock.advance(180)
    await quality.run_once()
    (row,) = (await sending.ask("GET", "/v1/quality")).body["data"]
    assert row["level"] == "suspect"
    assert row["detail"] == "12 messages with a delivered receipt never came, people say"


async def test_feedback_on_what_nobody_took(
    sending: Door, walk: Walk, quality: QualityKeeper
) -> None:
    """A message that waits has no carrier to tell of; another's is not found; words are few."""
    message = await walk.send()
    path = f"/v1/messages/{ids.to_text('msg', message.id)}/feedback"
    assert (await sending.ask("POST", path, {"outcome": "converted"})).status == 409
    assert (await sending.ask("POST", path, {"outcome": "fine"})).status == 422
    other = f"/v1/messages/{ids.to_text('msg', ids.uuid7())}/feedback"
    assert (await sending.ask("POST", other, {"outcome": "converted"})).status == 404
