"""The official client of Sinch and our carrier say the same to the simulated Sinch."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, NOW, config, submission
from onesixty.carriers.aggregators.sinch import SPEC, SinchDialect
from onesixty.carriers.content import Content, Media
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aggregators.sinch import SinchFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms import udh
from onesixty.sms.form import Form
from simulator.http.desk import Desk, listening

SETTINGS = SinchFarSide.credentials


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Sinch on a socket."""
    with listening(SinchFarSide(SystemClock())) as made:
        yield made


def _official(desk: Desk) -> Any:
    from sinch import SinchClient  # it takes 2 s, which only who runs these tests shall wait

    client = SinchClient(
        service_plan_id=SETTINGS["service_plan_id"],
        sms_api_token=SETTINGS["api_token"],
        sms_region="us",
    )
    client.configuration.sms_domain_with_service_plan_id = desk.url
    return client.sms.batches


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    client = Client(10)
    try:
        dialect = SinchDialect(config(SPEC, {**SETTINGS, "base_url": desk.url}), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return replace(desk.submitted[-1], id="")


SHARED: dict[str, Any] = {
    "to": ["15551231234"],
    "from_": "+14155550100",
    "delivery_report": "per_recipient",
    "event_destination_target": f"{CALLBACK}/status",
    "client_reference": MESSAGE_ID.hex,
    "expire_at": NOW + timedelta(hours=1),
}


def _alike(theirs: Submitted, ours: Submitted) -> None:
    """Equal but for the fraction of `expire_at`, which is written in two ways."""
    assert theirs.extra["expire_at"][:19] == ours.extra["expire_at"][:19]
    extra = {**theirs.extra, "expire_at": ours.extra["expire_at"]}
    assert replace(theirs, id="", extra=extra) == ours


async def test_texts_arrive_equal(desk: Desk) -> None:
    """The same text by both is the same batch, and the client reads our answer."""
    batch = _official(desk).send_sms(body="Grüße 👋", **SHARED)
    theirs = desk.submitted[-1]
    assert (batch.id, batch.body) == (theirs.id, "Grüße 👋")
    _alike(theirs, await _ours(desk, body="Grüße 👋"))


async def test_binaries_and_media_arrive_equal(desk: Desk) -> None:
    """So are octets with a header, and a file with its text."""
    header = udh.build(udh.ports(2948, 0))
    _official(desk).send_binary(body=b64encode(b"\x01\xff").decode(), udh=header.hex(), **SHARED)
    _alike(desk.submitted[-1], await _ours(desk, form=Form(udh=header, data=b"\x01\xff")))
    file = {"url": "https://x.example/a.jpg", "message": "look"}
    _official(desk).send_mms(body=file, **SHARED)
    content = Content(media=(Media("https://x.example/a.jpg"),))
    _alike(desk.submitted[-1], await _ours(desk, body="look", channel="mms", content=content))


def test_the_client_reads_our_errors(desk: Desk) -> None:
    """A refusal of the simulated Sinch is the error that the client knows."""
    from sinch.domains.sms.api.v1.exceptions import SmsException

    desk.refusal = Refusal.RECIPIENT
    with pytest.raises(SmsException) as caught:
        _official(desk).send_sms(body="hello", **SHARED)
    assert "to[0]" in caught.value.http_response.body["text"]


def test_the_client_accepts_our_callbacks(desk: Desk) -> None:
    """Signature and shape of reports and inbound texts are those that the client checks."""
    from sinch import SinchClient

    far_side = desk.far_side
    _official(desk).send_sms(body="hello", **SHARED)
    events = SinchClient(service_plan_id="x", sms_api_token="x").sms.sinch_events(
        SETTINGS["webhook_secret"]
    )
    report = far_side.receipt(desk.submitted[-1], State.DELIVERED, "000", CALLBACK)
    assert report is not None
    (text,) = far_side.inbound("+16051234567", "12345", "hi", CALLBACK)
    for made in (report, text):
        assert events.validate_authentication_header(dict(made.headers), made.body)
    assert events.parse_event(report.body).batch_id == desk.submitted[-1].id
    assert events.parse_event(text.body).body == "hi"
