"""Azure's own client and our carrier say the same to the simulated Communication Services."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from azure.communication.sms import SmsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

from carriers.aggregators.wire import MESSAGE_ID, config, submission
from onesixty.carriers.clouds.azure import SPEC, AzureDialect
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.azure import AzureFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted

from .desk import Desk, listening

SETTINGS = AzureFarSide.credentials


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Azure on a socket."""
    with listening(AzureFarSide(SystemClock())) as made:
        yield made


def _official(desk: Desk, key: str = SETTINGS["access_key"]) -> Any:
    make: Any = SmsClient  # its types name the class where they mean an instance
    return make(desk.url, AzureKeyCredential(key), retry_total=0)


def _send(client: Any, text: str = "hello") -> Any:
    (result,) = client.send(
        "+14155550100",
        "+15551231234",
        text,
        enable_delivery_report=True,
        tag=MESSAGE_ID.hex,
    )
    return result


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    """What arrives of a message of ours."""
    client = Client(10)
    try:
        given = config(SPEC, {**SETTINGS, "base_url": desk.url})
        dialect = AzureDialect(replace(given, clock=SystemClock()), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
    finally:
        await client.close()
    assert verdict.carrier_message_id == desk.submitted[-1].id
    return desk.submitted[-1]


async def test_texts_arrive_equal(desk: Desk) -> None:
    """Signed by both, and equal but for the ids by which each would be known again."""
    result = _send(_official(desk), "Grüße 👋")
    theirs = desk.submitted[-1]
    assert (result.successful, result.message_id) == (True, theirs.id)
    ours = await _ours(desk, body="Grüße 👋")
    (recipient,) = theirs.extra["smsRecipients"]
    (own,) = ours.extra["smsRecipients"]
    assert own.keys() == recipient.keys()
    extra = {**theirs.extra, "smsRecipients": [own]}
    assert replace(theirs, id="", extra=extra) == replace(ours, id="")


@pytest.mark.parametrize(
    ("why", "status"),
    [
        (Refusal.RECIPIENT, 400),
        (Refusal.OPTED_OUT, 400),
        (Refusal.SENDER, 400),
        (Refusal.INTERNAL, 500),
    ],
)
def test_the_client_reads_results_of_recipients(desk: Desk, why: Refusal, status: int) -> None:
    """The call is well, the recipient is not."""
    desk.refusal = why
    result = _send(_official(desk))
    assert (result.successful, result.http_status_code) == (False, status)
    assert result.error_message


@pytest.mark.parametrize(
    ("why", "status", "words"),
    [
        (Refusal.CREDENTIALS, 401, "Denied"),
        (Refusal.THROTTLED, 429, "TooManyRequests"),
    ],
)
def test_the_client_reads_errors_of_calls(
    desk: Desk, why: Refusal, status: int, words: str
) -> None:
    """As it reads those of Azure."""
    desk.refusal = why
    with pytest.raises(HttpResponseError, match=words) as error:
        _send(_official(desk))
    assert error.value.status_code == status


def test_wrong_signatures_are_refused(desk: Desk) -> None:
    """The simulated Azure checks them as Azure does."""
    with pytest.raises(HttpResponseError, match="Denied"):
        _send(_official(desk, "AAAA"))
    assert desk.submitted == []
