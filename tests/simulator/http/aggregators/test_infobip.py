"""The official client of Infobip and our carrier say the same to the simulated Infobip."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

import pytest

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

NAME = "infobip_api_client"
MODELS = (
    "SmsBinaryContent", "SmsDeliveryResult", "SmsDestination", "SmsInboundMessageResult",
    "SmsMessage", "SmsMessageContent", "SmsMessageDeliveryReporting", "SmsMessageOptions",
    "SmsRequest", "SmsResponse", "SmsTextContent", "SmsWebhooks", "ValidityPeriod",
)  # fmt: skip


def _bare(name: str) -> Any:
    """A package of the client without what its `__init__` imports.

    That is eight hundred models, and four seconds of CPU.
    """
    parent = sys.modules.get(name.rpartition(".")[0])
    spec = PathFinder.find_spec(name, parent.__path__ if parent else None)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    made: Any = ModuleType(name)
    made.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = made
    return made


package, models, _ = _bare(NAME), _bare(f"{NAME}.models"), _bare(f"{NAME}.api")
package.models = models
for _name in MODELS:
    _file = re.sub(r"(?<!^)([A-Z])", r"_\1", _name).lower()
    setattr(models, _name, getattr(import_module(f"{NAME}.models.{_file}"), _name))
sms_api: Any = import_module(f"{NAME}.api.sms_api")
client: Any = import_module(f"{NAME}.api_client")
errors: Any = import_module(f"{NAME}.exceptions")
KEY = InfobipFarSide.credentials["api_key"]
OPEN = {"api_key": KEY}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Infobip on a socket, without security of its webhooks."""
    with listening(InfobipFarSide(SystemClock(), OPEN)) as made:
        yield made


def _official(desk: Desk, content: Any, key: str = KEY) -> Any:
    settings = client.Configuration(host=desk.url, api_key=key)
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
    return sms_api.SmsApi(client.ApiClient(settings)).send_sms_messages(
        models.SmsRequest(messages=[message])
    )


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    ours = Client(10)
    try:
        dialect = InfobipDialect(config(SPEC, {**OPEN, "base_url": desk.url}), ours.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await ours.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await ours.close()
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
    with pytest.raises(errors.UnauthorizedException, match="E401"):
        _official(desk, text, "other")
    desk.refusal = Refusal.THROTTLED
    desk.far_side = InfobipFarSide(SystemClock(), OPEN)
    with pytest.raises(errors.ApiException, match="E429"):
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
