"""boto3 and our carrier say the same to the simulated SNS, and our carrier sends to moto's too."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from carriers.aggregators.wire import config, submission
from onesixty.carriers.clouds.aws_sns import SPEC, AwsSnsDialect
from onesixty.carriers.contract import CheckedCarrier, ErrorClass, Outcome, OutcomeKind
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aws_sns import AwsSnsFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted

from .desk import Desk, listening

SETTINGS = AwsSnsFarSide.credentials


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated SNS on a socket."""
    with listening(AwsSnsFarSide(SystemClock())) as made:
        yield made


def _official(desk: Desk, secret: str = SETTINGS["secret_access_key"]) -> Any:
    return boto3.client(
        "sns",
        region_name=SETTINGS["region"],
        endpoint_url=desk.url,
        aws_access_key_id=SETTINGS["access_key_id"],
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    """What arrives of a message of ours."""
    client = Client(10)
    try:
        given = config(SPEC, {**SETTINGS, "base_url": desk.url})
        dialect = AwsSnsDialect(replace(given, clock=SystemClock()), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
    finally:
        await client.close()
    assert verdict.carrier_message_id == desk.submitted[-1].id
    return replace(desk.submitted[-1], id="")


def _attributes(**named: str) -> dict[str, Any]:
    return {
        name.replace("_", "."): {"DataType": "String", "StringValue": value}
        for name, value in named.items()
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            {},
            {
                "AWS_MM_SMS_OriginationNumber": "+14155550100",
                "AWS_SNS_SMS_SMSType": "Transactional",
            },
        ),
        (
            {"sender": "ACME", "priority": 3},
            {"AWS_SNS_SMS_SenderID": "ACME", "AWS_SNS_SMS_SMSType": "Promotional"},
        ),
    ],
)
async def test_texts_arrive_equal(desk: Desk, ours: dict[str, Any], theirs: dict[str, str]) -> None:
    """Signed by both, with any sender and category; boto3 reads the answer."""
    text = "Grüße 👋 & <more> +1=%20"
    given = _official(desk).publish(
        PhoneNumber="+15551231234", Message=text, MessageAttributes=_attributes(**theirs)
    )
    assert given["MessageId"] == desk.submitted[-1].id
    published = replace(desk.submitted[-1], id="")
    assert published == await _ours(desk, body=text, **ours)


@pytest.mark.parametrize(
    ("why", "code", "status"),
    [
        (Refusal.RECIPIENT, "InvalidParameter", 400),
        (Refusal.OPTED_OUT, "InvalidParameter", 400),
        (Refusal.SENDER, "InvalidParameter", 400),
        (Refusal.CREDENTIALS, "InvalidClientTokenId", 403),
        (Refusal.THROTTLED, "Throttled", 429),
        (Refusal.INTERNAL, "InternalError", 500),
    ],
)
def test_boto3_reads_the_errors(desk: Desk, why: Refusal, code: str, status: int) -> None:
    """As it reads those of AWS."""
    desk.refusal = why
    with pytest.raises(ClientError) as error:
        _official(desk).publish(PhoneNumber="+15551231234", Message="hello")
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_wrong_signatures_are_refused(desk: Desk) -> None:
    """The simulated SNS checks them as AWS does."""
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        _official(desk, "wrong").publish(PhoneNumber="+15551231234", Message="hello")
    assert _official(desk).get_sms_attributes()["attributes"] == {}
    with pytest.raises(ClientError, match="InvalidAction"):
        _official(desk).list_topics()
    with pytest.raises(ClientError, match="E164"):
        _official(desk).publish(PhoneNumber="01234", Message="hello")
    assert desk.submitted == []


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """moto's server, which plays AWS too."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


class _Nobody:
    """Listens to no news of a carrier."""

    def on_receipts(self, receipts: list[Any]) -> None:
        """None come."""

    def on_inbound(self, inbounds: list[Any]) -> None:
        """None come."""

    def on_room(self) -> None:
        """It is no matter."""


async def test_moto_takes_our_messages(moto: str) -> None:
    """Through the whole carrier: a message arrives there, a number that is none is refused."""
    given = config(SPEC, {**SETTINGS, "base_url": moto})
    carrier = SPEC.build(replace(given, clock=SystemClock()))
    await carrier.start(_Nobody())
    try:
        outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        carrier.submit([submission(body="Grüße 👋")], outcomes.put_nowait)
        sent = await asyncio.wait_for(outcomes.get(), 10)
        carrier.submit([submission(recipient="+0")], outcomes.put_nowait)
        refused = await asyncio.wait_for(outcomes.get(), 10)
        assert isinstance(carrier, CheckedCarrier)
        assert await carrier.check() is None
    finally:
        await carrier.stop(0)
    (part,) = sent.parts
    arrived = get_backend("sns")["123456789012"][SETTINGS["region"]].sms_messages
    assert arrived == {part.carrier_message_id: ("+15551231234", "Grüße 👋")}
    assert (sent.kind, refused.kind) == (OutcomeKind.ACCEPTED, OutcomeKind.REFUSED)
    assert (refused.error_class, refused.code) == (ErrorClass.RECIPIENT, "InvalidParameter")
