"""Amazon SNS: what is published, what its errors say, and its delivery logs."""

import gzip
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from carriers.aggregators.scene import answer, call
from carriers.aggregators.wire import BASE, CALLBACK, Wire, answer_of, call_of, config, submission
from onesixty.carriers.clouds.aws_sns import CODES, SPEC, AwsSnsDialect
from onesixty.carriers.clouds.aws_sns_logs import AwsSnsCalls, network
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    CallRefusedError,
    ErrorClass,
    News,
    OutcomeKind,
    Price,
    ReceiptState,
)
from onesixty.carriers.http.dialect import Verdict, throttled, transient
from onesixty.carriers.http.dialect import config as refused_config
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aws_sns import AwsSnsFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms.form import FLASH, Form

SETTINGS = {**AwsSnsFarSide.credentials, "base_url": BASE}


def _wired(**settings: Any) -> tuple[AwsSnsDialect, Wire]:
    wire = Wire(AwsSnsFarSide(ManualClock()))
    return AwsSnsDialect(config(SPEC, SETTINGS | settings), wire.ask), wire


async def _sent(**fields: Any) -> tuple[Submitted, dict[str, list[str]]]:
    """What arrives of a message, and the form that carried it."""
    dialect, wire = _wired()
    one = submission(**fields)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert verdict == Verdict(OutcomeKind.ACCEPTED, carrier_message_id=wire.submitted[0].id)
    return wire.submitted[0], parse_qs(wire.requests[0].body.decode())


async def test_a_text_is_published_to_its_number() -> None:
    """Unicode as it is, from our number."""
    arrived, form = await _sent(body="Grüße & 👋=1")
    assert (arrived.text, arrived.recipient) == ("Grüße & 👋=1", "+15551231234")
    assert arrived.sender == "+14155550100"
    assert form["Action"] == ["Publish"]
    assert form["MessageAttributes.entry.1.Value.DataType"] == ["String"]


@pytest.mark.parametrize(
    ("fields", "attributes"),
    [
        ({"sender": None}, {"AWS.SNS.SMS.SMSType": "Transactional"}),
        (
            {"sender": "60160", "priority": 3},
            {"AWS.SNS.SMS.SMSType": "Promotional", "AWS.MM.SMS.OriginationNumber": "60160"},
        ),
        (
            {"sender": "ACME", "priority": 0},
            {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": "ACME"},
        ),
    ],
)
async def test_sender_and_category_are_attributes(
    fields: dict[str, Any], attributes: dict[str, str]
) -> None:
    """Marketing is promotional; names and numbers have an attribute each."""
    assert (await _sent(**fields))[0].extra == attributes


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding": "binary", "form": Form(data=b"\x00")},
        {"form": Form(message_class=FLASH)},
        {"content": Content(media=(Media("https://example.com/a.png"),))},
        {"body": "x" * 1601},
    ],
)
async def test_what_is_not_plain_text_is_not_sent(fields: dict[str, Any]) -> None:
    """The reason is for people."""
    dialect, wire = _wired()
    with pytest.raises(ValueError, match="this carrier"):
        await dialect.request(submission(**fields))
    assert wire.requests == []


def _error(code: str, words: str = "because") -> bytes:
    inner = f"<Type>Sender</Type><Code>{code}</Code><Message>{words}</Message>"
    return f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>".encode()


MAKERS: dict[str, Callable[[str, str], Verdict]] = {
    **dict.fromkeys(
        ["AuthorizationError", "InvalidSecurity", "SignatureDoesNotMatch", "InvalidClientTokenId",
         "ExpiredToken", "KMSDisabled", "KMSThrottling", "NotFound", "EndpointDisabled",
         "InvalidParameter", "ParameterValueInvalid", "SomethingNew"], refused_config),
    **dict.fromkeys(["Throttling", "ThrottlingException", "Throttled"], throttled),
    **dict.fromkeys(["InternalError", "ServiceUnavailable"], transient),
}  # fmt: skip


@pytest.mark.parametrize("code", [*MAKERS, *sorted(CODES.keys() - MAKERS.keys())])
def test_codes_are_classed(code: str) -> None:
    """Every row of the table, and a code that it lacks by its status."""
    verdict = _wired()[0].read(submission(), answer(400, _error(code)))
    wanted = MAKERS.get(code, CODES.get(code, refused_config))(code, "")
    assert (verdict.kind, verdict.error_class) == (wanted.kind, wanted.error_class)
    assert verdict.code == code
    assert "because" in (verdict.detail or "")


@pytest.mark.parametrize(
    ("words", "error_class"),
    [
        ("Invalid parameter: PhoneNumber Reason: +1 is not valid to publish to", "recipient"),
        ("Phone number does not meet the E164 format", "recipient"),
        ("Invalid parameter: This phone number is opted out", "recipient"),
        ("Invalid parameter: Message too long", "content"),
        ("Invalid parameter: Empty message", "content"),
        ("Invalid parameter: AWS.SNS.SMS.SenderID Reason: &lt;bad&gt;", "config"),
    ],
)
def test_the_words_tell_whose_fault_a_parameter_is(words: str, error_class: str) -> None:
    """The code is the same for all of them."""
    dialect = _wired()[0]
    for code in ("InvalidParameter", "ParameterValueInvalid"):
        verdict = dialect.read(submission(), answer(400, _error(code, words)))
        assert (verdict.error_code == "opted_out") == ("opted out" in words)
        assert (verdict.kind, verdict.error_class) == (OutcomeKind.REFUSED, error_class)
        assert verdict.detail == words.replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", OutcomeKind.UNKNOWN),
        (200, b"<PublishResponse><PublishResult><MessageId>34d9", OutcomeKind.UNKNOWN),
        (200, b"<MessageId></MessageId>", OutcomeKind.UNKNOWN),
        (502, b"<html>Bad Gateway</html>", OutcomeKind.UNKNOWN),
        (504, _error("InternalError"), OutcomeKind.UNKNOWN),
        (500, b"<html></html>", OutcomeKind.UNKNOWN),
        (503, b"\xff\xfe", OutcomeKind.UNKNOWN),
        (403, b"", OutcomeKind.REFUSED),
        (429, b"", OutcomeKind.DEFERRED),
    ],
)
def test_any_answer_is_read(status: int, body: bytes, kind: OutcomeKind) -> None:
    """What is not of SNS's shape is judged by its status; doubt stays doubt."""
    assert _wired()[0].read(submission(), answer(status, body)).kind is kind


def test_throttling_may_say_how_long() -> None:
    """By Retry-After."""
    given = answer(429, _error("Throttled"), retry_after="7")
    verdict = _wired()[0].read(submission(), given)
    assert (verdict.error_class, verdict.retry_after_seconds) == (ErrorClass.THROTTLE, 7.0)


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
    """As the simulated SNS says them."""
    arrived, _ = await _sent()
    verdict = _wired()[0].read(
        submission(), answer_of(AwsSnsFarSide(ManualClock()).refused(arrived, why))
    )
    assert (verdict.kind, verdict.error_class) == (kind, error_class)


async def test_credentials_are_checked() -> None:
    """Wrong ones are told; so is a permission that only the check needs."""
    dialect, wire = _wired()
    assert await dialect.check() is None
    assert wire.submitted == []
    wrong = _wired(secret_access_key="wrong")[0]
    assert "SignatureDoesNotMatch" in (await wrong.check() or "")
    unknown = _wired(access_key_id="AKIAOTHER")[0]
    assert "InvalidClientTokenId" in (await unknown.check() or "")

    async def refusing(request: Any) -> Any:
        return answer(403, _error("AuthorizationError"))

    limited = AwsSnsDialect(config(SPEC, SETTINGS), refusing)
    assert "may not sns:GetSMSAttributes" in (await limited.check() or "")


ENTRY: dict[str, Any] = {
    "notification": {"messageId": "34d9b400-c6dd", "timestamp": "2016-06-28 00:40:34.558"},
    "delivery": {
        "phoneCarrier": "My Phone Carrier",
        "mnc": 27,
        "mcc": 310,
        "destination": "+15551230100",
        "priceInUSD": 0.00645,
        "smsType": "Transactional",
        "providerResponse": "Message has been accepted by phone carrier",
        "dwellTimeMs": 599,
    },
    "status": "SUCCESS",
}


def _entry(status: str, response: str) -> dict[str, Any]:
    delivery = {**ENTRY["delivery"], "providerResponse": response}
    return {**ENTRY, "delivery": delivery, "status": status}


async def _read(body: bytes, **headers: str) -> News:
    return await AwsSnsCalls(config(SPEC, SETTINGS)).read(call("status", body, **headers))


async def test_an_entry_is_a_receipt() -> None:
    """With its price, the network with its zeros, and all of it as it came."""
    (receipt,) = (await _read(orjson.dumps(ENTRY))).receipts
    assert (receipt.carrier_message_id, receipt.match_keys) == ("34d9b400-c6dd", ("34d9b400-c6dd",))
    assert (receipt.state, receipt.word, receipt.error) == (ReceiptState.ENROUTE, "SUCCESS", "")
    assert (receipt.price, receipt.network) == (Price(6450, "USD"), "310027")
    assert receipt.sender == "+15551230100"
    assert orjson.loads(receipt.raw) == ENTRY


@pytest.mark.parametrize(
    ("status", "response", "state"),
    [
        ("SUCCESS", "Message has been accepted by phone", ReceiptState.DELIVERED),
        ("SUCCESS", "Message delivered to handset", ReceiptState.DELIVERED),
        ("SUCCESS", "Message has been accepted by phone carrier", ReceiptState.ENROUTE),
        ("SUCCESS", "", ReceiptState.ENROUTE),
        ("FAILURE", "Blocked as spam by phone carrier", ReceiptState.UNDELIVERABLE),
        ("FAILURE", "Unknown error attempting to reach phone", ReceiptState.UNDELIVERABLE),
        ("SOMETHING", "else", ReceiptState.NONE),
    ],
)
async def test_states_of_entries(status: str, response: str, state: ReceiptState) -> None:
    """SUCCESS is a delivery only where the words say so; the reason of a failure is its error."""
    (receipt,) = (await _read(orjson.dumps(_entry(status, response)))).receipts
    assert (receipt.state, receipt.word) == (state, status)
    assert receipt.error == (response if status == "FAILURE" else "")


def _wrapped(*entries: dict[str, Any]) -> bytes:
    """As CloudWatch Logs hands entries on."""
    events = [{"id": "1", "timestamp": 1, "message": orjson.dumps(one).decode()} for one in entries]
    return orjson.dumps({"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": events})


def _fired(*records: bytes) -> bytes:
    """A batch of Data Firehose."""
    data = [{"data": b64encode(one).decode()} for one in records]
    return orjson.dumps({"requestId": "r-1", "timestamp": 1, "records": data})


FIREHOSE = {"x_amz_firehose_request_id": "r-1"}
TWO = [ENTRY, _entry("FAILURE", "Invalid phone number")]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\n".join(map(orjson.dumps, TWO)) + b"\r\n\r\n", {}),
        (orjson.dumps(TWO), {}),
        (orjson.dumps(TWO, option=orjson.OPT_INDENT_2), {}),
        (_wrapped(*TWO), {}),
        (_fired(gzip.compress(_wrapped(TWO[0])), gzip.compress(_wrapped(TWO[1]))), FIREHOSE),
        (_fired(b"\n".join(map(orjson.dumps, TWO))), FIREHOSE),
    ],
    ids=["lines", "list", "list, indented", "CloudWatch", "Firehose", "Firehose, plain"],
)
async def test_entries_come_in_any_wrapping(body: bytes, headers: dict[str, str]) -> None:
    """As they are, as CloudWatch Logs hands them on, through Data Firehose."""
    states = [receipt.state for receipt in (await _read(body, **headers)).receipts]
    assert states == [ReceiptState.ENROUTE, ReceiptState.UNDELIVERABLE]


async def test_firehose_is_answered_as_it_wants() -> None:
    """By the number of its request, else it comes again."""
    news = await _read(_fired(gzip.compress(_wrapped(ENTRY))), **FIREHOSE)
    assert orjson.loads(news.reply.body) == {"requestId": "r-1", "timestamp": 1767225600000}
    assert news.reply.content_type == "application/json"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b"hello\nworld", {}),
        (_fired(b"\x1f\x8bbroken"), FIREHOSE),
        (_fired(gzip.compress(bytes(20_000_000))), FIREHOSE),
        (orjson.dumps({"records": [{"data": "?"}]}), FIREHOSE),
        (b"[", FIREHOSE),
    ],
)
async def test_what_cannot_be_read_is_refused(body: bytes, headers: dict[str, str]) -> None:
    """Broken lines, broken and boundless records."""
    with pytest.raises(CallRefusedError) as refusal:
        await _read(body, **headers)
    assert refusal.value.status == 400


@pytest.mark.parametrize("told", [{}, [], 7, None, {"notification": 3}, [[ENTRY]], "text"])
async def test_other_json_tells_nothing(told: object) -> None:
    """CloudWatch's own test messages among it."""
    assert (await _read(orjson.dumps(told))).receipts == []


@pytest.mark.parametrize(
    ("mcc", "mnc", "text"),
    [(234, 1, "23401"), (310, 4, "310004"), ("310", "800", "310800"), (None, 1, ""), (1, "", "")],
)
def test_networks_get_their_zeros_back(mcc: object, mnc: object, text: str) -> None:
    """Which numbers in JSON do not have."""
    assert network(mcc, mnc) == text


@pytest.mark.parametrize(
    ("state", "error", "told", "word"),
    [
        (State.DELIVERED, "000", ReceiptState.DELIVERED, ""),
        (State.ENROUTE, "000", ReceiptState.ENROUTE, ""),
        (State.UNDELIVERED, "007", ReceiptState.UNDELIVERABLE, "Blocked as spam by phone carrier"),
    ],
)
async def test_entries_through_a_topic(
    state: State, error: str, told: ReceiptState, word: str
) -> None:
    """In signed envelopes; one with a wrong signature is refused."""
    far_side = AwsSnsFarSide(ManualClock())
    far_side.settings(BASE)
    arrived, _ = await _sent()
    made = far_side.receipt(arrived, state, error, f"{CALLBACK}/status")
    assert made is not None
    reader = AwsSnsCalls(config(SPEC, SETTINGS), Wire(far_side).ask)
    (receipt,) = (await reader.read(call_of(made))).receipts
    assert (receipt.carrier_message_id, receipt.state) == (arrived.id, told)
    assert receipt.error == word
    broken = replace(made, body=made.body.replace(b"messageId", b"messageID"))
    with pytest.raises(CallRefusedError):
        await reader.read(call_of(broken))
