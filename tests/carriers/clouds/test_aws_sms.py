"""AWS End User Messaging: what is sent, what its exceptions say, its events and replies."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from carriers.aggregators.scene import answer
from carriers.aggregators.wire import (
    BASE,
    CALLBACK,
    MESSAGE_ID,
    NOW,
    Wire,
    answer_of,
    call_of,
    config,
    submission,
)
from onesixty.carriers.clouds.aws_sms import CODES, SPEC, AwsSmsDialect
from onesixty.carriers.clouds.aws_sms_events import STATES, AwsSmsCalls
from onesixty.carriers.content import MMS, Content, Media
from onesixty.carriers.contract import (
    CallRefusedError,
    ErrorClass,
    Inbound,
    News,
    OutcomeKind,
    Price,
    Receipt,
    ReceiptState,
)
from onesixty.carriers.http.dialect import (
    Verdict,
    content,
    opted_out,
    recipient,
    throttled,
    transient,
)
from onesixty.carriers.http.dialect import config as refused_config
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aws_sms import AwsSmsFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State

SETTINGS = {**AwsSmsFarSide.credentials, "base_url": BASE}
URL = f"{CALLBACK}/status"
PICTURE = Media("s3://bucket/cat.png")


def _wired(**settings: Any) -> tuple[AwsSmsDialect, Wire]:
    wire = Wire(AwsSmsFarSide(ManualClock()))
    return AwsSmsDialect(config(SPEC, SETTINGS | settings), wire.ask), wire


async def _sent(settings: dict[str, Any] | None = None, **fields: Any) -> Submitted:
    """What arrives of a message."""
    dialect, wire = _wired(**(settings or {}))
    one = submission(**fields)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert verdict == Verdict(OutcomeKind.ACCEPTED, carrier_message_id=wire.submitted[0].id)
    return wire.submitted[0]


async def test_a_text_names_us_and_where_to_tell() -> None:
    """Our id in its context, the configuration set, its kind and its time to live."""
    assert (await _sent(body="Grüße 👋")).extra == {
        "DestinationPhoneNumber": "+15551231234",
        "OriginationIdentity": "+14155550100",
        "ConfigurationSetName": "onesixty",
        "TimeToLive": 3600,
        "Context": {"onesixty_message": MESSAGE_ID.hex},
        "MessageBody": "Grüße 👋",
        "MessageType": "TRANSACTIONAL",
    }


async def test_what_is_not_set_is_left_to_aws() -> None:
    """Sender and configuration set; a message's own sender comes before the carrier's."""
    assert (await _sent(sender=None)).sender.startswith("pool-")
    bare = {"origination_identity": None, "configuration_set": None}
    arrived = await _sent(bare, sender=None, priority=3)
    assert not {"OriginationIdentity", "ConfigurationSetName"} & arrived.extra.keys()
    assert arrived.extra["MessageType"] == "PROMOTIONAL"


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(timedelta(seconds=-1), 5), (timedelta(minutes=5), 300), (timedelta(days=9), 259_200)],
)
async def test_the_time_to_live_is_within_what_aws_takes(left: timedelta, seconds: int) -> None:
    """From five seconds to three days."""
    assert (await _sent(expires_at=NOW + left)).extra["TimeToLive"] == seconds


async def test_media_go_by_their_own_call() -> None:
    """One file out of S3, with text or without."""
    arrived = await _sent(channel=MMS, content=Content(media=(PICTURE,)))
    assert (arrived.channel, arrived.text) == ("mms", "hello")
    assert arrived.extra["MediaUrls"] == [PICTURE.url]
    assert "MessageType" not in arrived.extra
    silent = await _sent(channel=MMS, body="", content=Content(media=(PICTURE,)))
    assert "MessageBody" not in silent.extra


@pytest.mark.parametrize(
    "fields",
    [
        {"channel": MMS, "content": Content(media=(PICTURE, PICTURE))},
        {"channel": MMS, "content": Content(media=(Media("https://example.com/cat.png"),))},
        {"channel": MMS, "body": "x" * 1601},
        {"body": "x" * 1601},
        {"encoding": "binary"},
    ],
)
async def test_what_aws_cannot_send_is_told(fields: dict[str, Any]) -> None:
    """Before anything is sent."""
    dialect, wire = _wired()
    with pytest.raises(ValueError, match=r"AWS takes|this carrier"):
        await dialect.request(submission(**fields))
    assert wire.requests == []


def _exception(name: str, reason: str = "", **more: Any) -> bytes:
    told = {"__type": f"com.amazonaws.x#{name}", "Message": "because", **more}
    return orjson.dumps(told | ({"Reason": reason} if reason else {}))


Maker = Callable[[str, str], Verdict]
EXCEPTIONS: list[tuple[str, str, Maker]] = [
    ("ThrottlingException", "", throttled),
    ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", refused_config),
    ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_MEDIA", refused_config),
    ("ServiceQuotaExceededException", "DAILY_DESTINATION_CALL_LIMIT", refused_config),
    ("AccessDeniedException", "INSUFFICIENT_ACCOUNT_REPUTATION", refused_config),
    ("AccessDeniedException", "ACCOUNT_DISABLED", refused_config),
    ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", opted_out),
    ("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", recipient),
    (
        "ConflictException",
        "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
        recipient,
    ),
    ("ConflictException", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", refused_config),
    ("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", refused_config),
    ("ConflictException", "MESSAGE_TYPE_MISMATCH", refused_config),
    ("ValidationException", "CANNOT_PARSE", recipient),
    ("ValidationException", "MAXIMUM_SIZE_EXCEEDED", content),
    ("ValidationException", "INVALID_PARAMETER", refused_config),
    ("ValidationException", "SENDER_ID_REQUIRES_REGISTRATION", refused_config),
    ("ValidationException", "COUNTRY_NOT_ENABLED", refused_config),
    ("ValidationException", "PRICE_OVER_THRESHOLD", refused_config),
    ("ResourceNotFoundException", "", refused_config),
    ("UnrecognizedClientException", "", refused_config),
    ("InternalServerException", "", transient),
    ("SomethingNewException", "SOMETHING_NEW", refused_config),
    *((name, "", maker) for name, maker in CODES.items() if name.endswith("Exception")),
    *(("ValidationException", name, maker) for name, maker in CODES.items() if name.isupper()),
]


@pytest.mark.parametrize(("name", "reason", "maker"), EXCEPTIONS)
def test_exceptions_are_classed(name: str, reason: str, maker: Maker) -> None:
    """By their reason where that is known, else by their name."""
    verdict = _wired()[0].read(submission(), answer(400, _exception(name, reason)))
    wanted = maker("", "")
    assert (verdict.error_code, verdict.error_class) == (wanted.error_code, wanted.error_class)
    assert (verdict.code, verdict.detail) == (reason or name, f"{name}: because")


@pytest.mark.parametrize(
    ("field", "error_class"),
    [
        ("DestinationPhoneNumber", ErrorClass.RECIPIENT),
        ("MessageBody", ErrorClass.CONTENT),
        ("MediaUrls", ErrorClass.CONTENT),
        ("OriginationIdentity", ErrorClass.CONFIG),
    ],
)
def test_the_field_tells_whose_fault_it_is(field: str, error_class: str) -> None:
    """Where a ValidationException names one."""
    fields = [{"Name": field, "Message": "is wrong"}]
    given = answer(400, _exception("ValidationException", "INVALID_PARAMETER", Fields=fields))
    verdict = _wired()[0].read(submission(), given)
    assert (verdict.error_class, verdict.code) == (error_class, "INVALID_PARAMETER")


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (200, b"{}", {}, OutcomeKind.UNKNOWN),
        (200, b'{"MessageId":"86', {}, OutcomeKind.UNKNOWN),
        (200, b'{"MessageId":7}', {}, OutcomeKind.UNKNOWN),
        (502, b"<html>Bad Gateway</html>", {}, OutcomeKind.UNKNOWN),
        (504, _exception("InternalServerException"), {}, OutcomeKind.UNKNOWN),
        (500, b"[]", {}, OutcomeKind.UNKNOWN),
        (500, b"", {"x_amzn_errortype": "InternalServerException:http"}, OutcomeKind.DEFERRED),
        (500, _exception("InternalServerException"), {}, OutcomeKind.DEFERRED),
        (400, b'{"__type":"ThrottlingException"}', {}, OutcomeKind.DEFERRED),
        (400, _exception("ValidationException", Fields=[7, {"Name": 7}]), {}, OutcomeKind.REFUSED),
        (403, b"", {}, OutcomeKind.REFUSED),
    ],
)
def test_any_answer_is_read(
    status: int, body: bytes, headers: dict[str, str], kind: OutcomeKind
) -> None:
    """What is not of AWS's shape is judged by its status; doubt stays doubt."""
    assert _wired()[0].read(submission(), answer(status, body, **headers)).kind is kind


@pytest.mark.parametrize(
    ("why", "kind", "error_class"),
    [
        (Refusal.RECIPIENT, OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        (Refusal.OPTED_OUT, OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        (Refusal.SENDER, OutcomeKind.REFUSED, ErrorClass.CONFIG),
        (Refusal.CREDENTIALS, OutcomeKind.REFUSED, ErrorClass.CONFIG),
        (Refusal.THROTTLED, OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        (Refusal.INTERNAL, OutcomeKind.DEFERRED, ErrorClass.CARRIER),
    ],
)
async def test_refusals_of_the_far_side(why: Refusal, kind: OutcomeKind, error_class: str) -> None:
    """As the simulated service says them, with the time to wait where it tells one."""
    refused = AwsSmsFarSide(ManualClock()).refused(await _sent(), why, 7)
    verdict = _wired()[0].read(submission(), answer_of(refused))
    assert (verdict.kind, verdict.error_class) == (kind, error_class)
    if kind is OutcomeKind.DEFERRED:
        assert verdict.retry_after_seconds == 7.0


async def test_credentials_are_checked() -> None:
    """Without a message; a permission that only the check needs is told by its name."""
    dialect, wire = _wired()
    assert await dialect.check() is None
    assert wire.submitted == []
    wrong = _wired(secret_access_key="wrong")[0]
    assert "InvalidSignatureException" in (await wrong.check() or "")

    async def refusing(request: Any) -> Any:
        return answer(400, _exception("AccessDeniedException"))

    limited = AwsSmsDialect(config(SPEC, SETTINGS), refusing)
    assert "sms-voice:DescribeAccountAttributes" in (await limited.check() or "")


class Reader:
    """A reader and the topic that calls it."""

    def __init__(self) -> None:
        self.far_side = AwsSmsFarSide(ManualClock())
        self.far_side.settings(BASE)
        self._calls = AwsSmsCalls(config(SPEC, SETTINGS), Wire(self.far_side).ask)

    async def read(self, made: Any) -> News:
        """What a call tells."""
        return await self._calls.read(call_of(made))

    async def told(self, message: object) -> News:
        """What a message of the topic tells."""
        return await self.read(self.far_side.topic.notification(URL, message))

    async def receipt(self, message: object) -> Receipt:
        """The one receipt in it."""
        (receipt,) = (await self.told(message)).receipts
        return receipt

    async def inbound(self, message: object) -> Inbound:
        """The one inbound message in it."""
        (inbound,) = (await self.told(message)).inbounds
        return inbound


EVENT: dict[str, Any] = {
    "eventType": "TEXT_DELIVERED",
    "eventVersion": "1.0",
    "eventTimestamp": 1686975103470,
    "isFinal": True,
    "originationPhoneNumber": "+12065550152",
    "destinationPhoneNumber": "+14255550156",
    "mcc": "310",
    "mnc": "800",
    "messageId": "862a8790-60c1",
    "messageStatus": "DELIVERED",
    "messageStatusDescription": "Message has been accepted by phone",
    "context": {"onesixty_message": MESSAGE_ID.hex, "other": "x"},
    "totalMessageParts": 1,
    "totalMessagePrice": 0.09582,
    "totalCarrierFee": 0.003,
    "somethingNew": {"a": [1]},
}


async def test_an_event_is_a_receipt() -> None:
    """With our id, the price and its fee, the network, and all of it as it came."""
    receipt = await Reader().receipt(EVENT)
    assert receipt.match_keys == (receipt.carrier_message_id,) == ("862a8790-60c1",)
    assert receipt.message_id == MESSAGE_ID
    assert (receipt.state, receipt.word, receipt.error) == (
        ReceiptState.DELIVERED, "DELIVERED", "",
    )  # fmt: skip
    assert (receipt.price, receipt.network) == (Price(98_820, "USD"), "310800")
    assert (receipt.sender, receipt.recipient) == ("+14255550156", "+12065550152")
    assert orjson.loads(receipt.raw) == EVENT


@pytest.mark.parametrize(("word", "state"), [*STATES.items(), ("BRAND_NEW", ReceiptState.NONE)])
async def test_statuses_are_states(word: str, state: ReceiptState) -> None:
    """Of every channel, by the status or, without one, by the event's type; new words change none.

    A status that failed is the error too.
    """
    reader = Reader()
    for channel in ("TEXT", "MEDIA", "RCS"):
        event = {**EVENT, "isFinal": False, "eventType": f"{channel}_{word}", "messageStatus": word}
        receipt = await reader.receipt(event)
        assert (receipt.state, receipt.word) == (state, word)
        good = {ReceiptState.ENROUTE, ReceiptState.DELIVERED, ReceiptState.READ, ReceiptState.NONE}
        assert receipt.error == ("" if state in good else word)
        del event["messageStatus"]
        assert (await reader.receipt(event)).state is state


async def test_successful_is_delivered_only_when_nothing_follows() -> None:
    """Some countries tell no more."""
    event = {**EVENT, "eventType": "TEXT_SUCCESSFUL", "messageStatus": "SUCCESSFUL"}
    reader = Reader()
    assert (await reader.receipt(event)).state is ReceiptState.DELIVERED
    assert (await reader.receipt({**event, "isFinal": False})).state is ReceiptState.ENROUTE


@pytest.mark.parametrize(
    "context", [None, {}, {"onesixty_message": "x"}, {"onesixty_message": 7}, []]
)
async def test_events_of_others_have_no_id_of_ours(context: object) -> None:
    """The receipt is found by AWS's id, or not at all."""
    assert (await Reader().receipt({**EVENT, "context": context})).message_id is None


async def test_a_price_may_lack_its_fee_and_be_missing() -> None:
    """What is there counts."""
    reader = Reader()
    assert (await reader.receipt({**EVENT, "totalCarrierFee": None})).price == Price(95_820, "USD")
    bare = {**EVENT, "totalCarrierFee": None, "totalMessagePrice": None}
    assert (await reader.receipt(bare)).price is None


async def test_a_reply_is_inbound() -> None:
    """With AWS's id of it, by which a repeat is known."""
    message = {
        "originationNumber": "+14255550182",
        "destinationNumber": "+12125550101",
        "messageKeyword": "JOIN",
        "messageBody": "Grüße 👋",
        "inboundMessageId": "cae173d2-66b9",
        "previousPublishedMessageId": "862a8790-60c1",
    }
    inbound = await Reader().inbound(message)
    assert (inbound.sender, inbound.recipient) == ("+14255550182", "+12125550101")
    assert inbound.fragment.octets.decode("utf-16-be") == "Grüße 👋"
    assert inbound.carrier_message_id == "cae173d2-66b9"


@pytest.mark.parametrize(
    "message", [{}, [], 7, "hello", {"eventType": "TEXT_SENT"}, {"messageId": 1}]
)
async def test_other_messages_tell_nothing(message: object) -> None:
    """And are answered as taken, so that they do not come again."""
    news = await Reader().told(message)
    assert (news.receipts, news.inbounds, news.reply.status) == ([], [], 200)


@pytest.mark.parametrize(
    ("state", "error", "told", "code"),
    [
        (State.ACCEPTED, "000", ReceiptState.ENROUTE, ""),
        (State.ENROUTE, "000", ReceiptState.ENROUTE, ""),
        (State.DELIVERED, "000", ReceiptState.DELIVERED, ""),
        (State.UNDELIVERED, "005", ReceiptState.UNDELIVERABLE, "INVALID"),
        (State.UNDELIVERED, "007", ReceiptState.REJECTED, "CARRIER_BLOCKED"),
    ],
)
async def test_events_of_the_far_side(
    state: State, error: str, told: ReceiptState, code: str
) -> None:
    """As the simulated service tells them of what was sent; unsigned ones are refused."""
    reader, arrived = Reader(), await _sent()
    made = reader.far_side.receipt(arrived, state, error, URL)
    assert made is not None
    (receipt,) = (await reader.read(made)).receipts
    assert (receipt.carrier_message_id, receipt.message_id) == (arrived.id, MESSAGE_ID)
    assert (receipt.state, receipt.error) == (told, code)
    envelope = orjson.loads(made.body)
    with pytest.raises(CallRefusedError):
        await reader.read(replace(made, body=envelope["Message"].encode()))


async def test_no_configuration_set_no_events() -> None:
    """AWS has nowhere to tell them."""
    arrived = await _sent({"configuration_set": None})
    assert Reader().far_side.receipt(arrived, State.DELIVERED, "000", URL) is None
