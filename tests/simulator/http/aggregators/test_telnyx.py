"""The official client of Telnyx and our carrier say the same to the simulated Telnyx."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, config, submission
from onesixty.carriers.aggregators.telnyx import SPEC, TelnyxDialect
from onesixty.carriers.content import Content, Media
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aggregators.telnyx import TelnyxFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from simulator.http.desk import Desk, listening

SETTINGS = TelnyxFarSide.credentials
SHARED: dict[str, Any] = {
    "to": "+15551231234",
    "from_": "+14155550100",
    "messaging_profile_id": SETTINGS["messaging_profile_id"],
    "webhook_url": f"{CALLBACK}/status?message_id={MESSAGE_ID.hex}",
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Telnyx on a socket."""
    with listening(TelnyxFarSide(SystemClock())) as made:
        yield made


def _official(desk: Desk, key: str = SETTINGS["api_key"]) -> Any:
    from telnyx import Telnyx  # it takes 3 s, which only who runs these tests shall wait

    return Telnyx(
        api_key=key,
        public_key=SETTINGS["public_key"],
        base_url=f"{desk.url}/v2",
        max_retries=0,
    )


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    client = Client(10)
    try:
        dialect = TelnyxDialect(config(SPEC, {**SETTINGS, "base_url": desk.url}), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return replace(desk.submitted[-1], id="")


async def test_messages_arrive_equal(desk: Desk) -> None:
    """The same text, and the same files, by both; and the client reads our answer."""
    data = _official(desk).messages.send(text="Grüße 👋", type="SMS", **SHARED).data
    theirs = desk.submitted[-1]
    assert data is not None
    assert (data.id, data.text, data.cost and data.cost.amount) == (theirs.id, "Grüße 👋", "0.0040")
    assert replace(theirs, id="") == await _ours(desk, body="Grüße 👋")
    urls = ["https://x.example/a.jpg"]
    _official(desk).messages.send(text="look", type="MMS", media_urls=urls, subject="cat", **SHARED)
    theirs = replace(desk.submitted[-1], id="")
    content = Content(media=(Media(urls[0]),), subject="cat")
    assert theirs == await _ours(desk, body="look", channel="mms", content=content)


def test_the_client_reads_our_errors(desk: Desk) -> None:
    """Refusals of the simulated Telnyx are the errors that the client knows."""
    from telnyx import AuthenticationError, UnprocessableEntityError

    desk.refusal = Refusal.RECIPIENT
    with pytest.raises(UnprocessableEntityError, match="40310"):
        _official(desk).messages.send(text="hello", **SHARED)
    with pytest.raises(AuthenticationError, match="10009"):
        _official(desk, "KEYother").messages.send(text="hello", **SHARED)


def test_the_client_reads_our_webhooks(desk: Desk) -> None:
    """Reports and inbound texts have the shape that it knows (signatures: see the vector)."""
    client = _official(desk)
    client.messages.send(text="hello", **SHARED)
    report = desk.far_side.receipt(desk.submitted[-1], State.DELIVERED, "000", CALLBACK)
    assert report is not None
    (text,) = desk.far_side.inbound("+16051234567", "+13035550100", "hi", CALLBACK)
    for made, kind in ((report, "message.finalized"), (text, "message.received")):
        event: Any = client.webhooks.unsafe_unwrap(made.body.decode())
        assert event.data.event_type == kind
