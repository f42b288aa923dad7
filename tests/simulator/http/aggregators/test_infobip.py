"""The official client of Infobip and our carrier say the same to the simulated Infobip."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from infobip_api_client import ApiClient, Configuration
from infobip_api_client import models as official
from infobip_api_client.api.sms_api import SmsApi
from infobip_api_client.exceptions import ApiException, UnauthorizedException

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, config, submission
from onesixty.carriers.aggregators.infobip import SPEC, InfobipDialect
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aggregators.infobip import InfobipFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms import udh
from onesixty.sms.form import Form
from simulator.http.desk import Desk, listening

models: Any = official  # its types are made for another checker
KEY = InfobipFarSide.credentials["api_key"]
OPEN = {"api_key": KEY}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Infobip on a socket, without security of its webhooks."""
    with listening(InfobipFarSide(SystemClock(), OPEN)) as made:
        yield made


def _official(desk: Desk, content: Any, key: str = KEY) -> Any:
    settings = Configuration(host=desk.url, api_key=key)
    settings.retries = False
    message = models.SmsMessage(
        sender="14155550100",
        destinations=[models.SmsDestination(to="15551231234", message_id="theirs")],
        content=models.SmsMessageContent(content),
        options=models.SmsMessageOptions(
            validity_period=models.ValidityPeriod(amount=3600, time_unit="SECONDS")
        ),
        webhooks=models.SmsWebhooks(
            delivery=models.SmsMessageDeliveryReporting(url=f"{CALLBACK}/status"),
            content_type="application/json",
            callback_data=MESSAGE_ID.hex,
        ),
    )
    return SmsApi(ApiClient(settings)).send_sms_messages(models.SmsRequest(messages=[message]))


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    client = Client(10)
    try:
        dialect = InfobipDialect(config(SPEC, {**OPEN, "base_url": desk.url}), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return replace(desk.submitted[-1], id="")


async def test_texts_arrive_equal(desk: Desk) -> None:
    """The same text by both, and the client reads our answer."""
    told = _official(desk, models.SmsTextContent(text="Grüße 👋"))
    assert (told.messages[0].message_id, told.messages[0].status.id) == ("theirs", 26)
    theirs = replace(desk.submitted[-1], id="")
    assert theirs == await _ours(desk, body="Grüße 👋")


async def test_binary_data_arrives_equal(desk: Desk) -> None:
    """The same octets with their header by both."""
    header = udh.build(udh.ports(2948, 0))
    octets = (header + b"\x01\xff").hex(" ")
    _official(desk, models.SmsBinaryContent(data_coding=4, esm_class=64, hex=octets))
    theirs = replace(desk.submitted[-1], id="")
    assert theirs == await _ours(desk, body="", form=Form(udh=header, data=b"\x01\xff"))


def test_the_client_reads_our_errors(desk: Desk) -> None:
    """A rejected message is an answer to it, a refused call an error."""
    desk.refusal = Refusal.OPTED_OUT
    text = models.SmsTextContent(text="hello")
    assert _official(desk, text).messages[0].status.name == "REJECTED_DESTINATION_BLOCKLISTED"
    assert _official(desk, text).messages[0].status.name == "REJECTED_DUPLICATE_MESSAGE_ID"
    with pytest.raises(UnauthorizedException, match="E401"):
        _official(desk, text, "other")
    desk.refusal = Refusal.THROTTLED
    desk.far_side = InfobipFarSide(SystemClock(), OPEN)
    with pytest.raises(ApiException, match="E429"):
        _official(desk, text)


def test_the_client_reads_our_reports(desk: Desk) -> None:
    """Reports and inbound messages have the shape that it knows."""
    _official(desk, models.SmsTextContent(text="hello"))
    report = desk.far_side.receipt(desk.submitted[-1], State.DELIVERED, "000", CALLBACK)
    assert report is not None
    read = models.SmsDeliveryResult.from_json(report.body.decode())
    assert read.results[0].status.name == "DELIVERED_TO_HANDSET"
    assert read.results[0].error.permanent is False
    (text,) = desk.far_side.inbound("+16051234567", "12345", "hi", CALLBACK)
    told = models.SmsInboundMessageResult.from_json(text.body.decode())
    assert told.results[0].text == "hi"
