"""boto3 and our carrier say the same to the simulated End User Messaging of AWS."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from carriers.aggregators.wire import MESSAGE_ID, config, submission
from onesixty.carriers.clouds.aws_sms import SPEC, AwsSmsDialect
from onesixty.carriers.content import MMS, Content, Media
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aws_sms import AwsSmsFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted

from .desk import Desk, listening

SETTINGS = AwsSmsFarSide.credentials
SHARED: dict[str, Any] = {
    "DestinationPhoneNumber": "+15551231234",
    "OriginationIdentity": "+14155550100",
    "ConfigurationSetName": "onesixty",
    "TimeToLive": 5,
    "Context": {"onesixty_message": MESSAGE_ID.hex},
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated service on a socket."""
    with listening(AwsSmsFarSide(SystemClock())) as made:
        yield made


def _official(desk: Desk, secret: str = SETTINGS["secret_access_key"]) -> Any:
    return boto3.client(
        "pinpoint-sms-voice-v2",
        region_name=SETTINGS["region"],
        endpoint_url=desk.url,
        aws_access_key_id=SETTINGS["access_key_id"],
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    """What arrives of a message of ours whose time is over, so that it lives as short as it may."""
    client, clock = Client(10), SystemClock()
    try:
        given = config(SPEC, {**SETTINGS, "base_url": desk.url})
        dialect = AwsSmsDialect(replace(given, clock=clock), client.ask)
        one = submission(expires_at=clock.now() - timedelta(seconds=1), **fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
    finally:
        await client.close()
    assert verdict.carrier_message_id == desk.submitted[-1].id
    return replace(desk.submitted[-1], id="")


async def test_texts_arrive_equal(desk: Desk) -> None:
    """Signed by both; boto3 reads the answer."""
    given = _official(desk).send_text_message(
        MessageBody="Grüße 👋", MessageType="TRANSACTIONAL", **SHARED
    )
    assert given["MessageId"] == desk.submitted[-1].id
    sent = replace(desk.submitted[-1], id="")
    assert sent == await _ours(desk, body="Grüße 👋")


async def test_media_arrive_equal(desk: Desk) -> None:
    """A file out of S3 with a text."""
    url = "s3://bucket/cat.png"
    _official(desk).send_media_message(MessageBody="hello", MediaUrls=[url], **SHARED)
    sent = replace(desk.submitted[-1], id="")
    assert sent == await _ours(desk, channel=MMS, content=Content(media=(Media(url),)))


@pytest.mark.parametrize(
    ("why", "code", "reason", "status"),
    [
        (Refusal.RECIPIENT, "ValidationException", "INVALID_PARAMETER", 400),
        (Refusal.OPTED_OUT, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", 400),
        (Refusal.SENDER, "ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", 400),
        (Refusal.CREDENTIALS, "UnrecognizedClientException", None, 400),
        (Refusal.THROTTLED, "ThrottlingException", None, 400),
        (Refusal.INTERNAL, "InternalServerException", None, 500),
    ],
)
def test_boto3_reads_the_exceptions(
    desk: Desk, why: Refusal, code: str, reason: str | None, status: int
) -> None:
    """As it reads those of AWS."""
    desk.refusal = why
    with pytest.raises(ClientError) as error:
        _official(desk).send_text_message(MessageBody="hello", **SHARED)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response.get("Reason") == reason
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_wrong_signatures_are_refused(desk: Desk) -> None:
    """The simulated service checks them as AWS does, and the fields too."""
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        _official(desk, "wrong").send_text_message(MessageBody="hello", **SHARED)
    client = _official(desk)
    assert client.describe_account_attributes()["AccountAttributes"]
    with pytest.raises(ClientError, match="UnknownOperation"):
        client.describe_pools()
    for fields in ({"MessageBody": " "}, {"MessageBody": "x" * 1601}):
        with pytest.raises(ClientError) as error:
            client.send_text_message(**SHARED | fields)
        assert error.value.response["Fields"][0]["Name"] == "MessageBody"
    assert desk.submitted == []
