"""Azure Communication Services: signatures, results inside answers, Event Grid."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
import pytest

from carriers.aggregators.scene import answer, call
from carriers.aggregators.wire import (
    BASE,
    CALLBACK,
    MESSAGE_ID,
    Wire,
    answer_of,
    call_of,
    config,
    submission,
)
from onesixty.carriers.clouds.azure import SPEC, AzureDialect, key_of, signature
from onesixty.carriers.clouds.azure_events import STATES, AzureCalls
from onesixty.carriers.contract import (
    CallRefusedError,
    ErrorClass,
    News,
    OutcomeKind,
    ReceiptState,
)
from onesixty.carriers.http.dialect import (
    Verdict,
    opted_out,
    recipient,
    throttled,
    transient,
    unknown,
)
from onesixty.carriers.http.dialect import config as refused_config
from onesixty.kit import ids
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.azure import AzureFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State

SETTINGS = {**AzureFarSide.credentials, "base_url": BASE}
URL = f"{CALLBACK}/events"


def _wired(clock: ManualClock | None = None, **settings: Any) -> tuple[AzureDialect, Wire]:
    clock = clock or ManualClock()
    wire = Wire(AzureFarSide(clock))
    return AzureDialect(config(SPEC, SETTINGS | settings, clock), wire.ask), wire


async def _sent(**fields: Any) -> Submitted:
    """What arrives of a message."""
    dialect, wire = _wired()
    one = submission(**fields)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert verdict == Verdict(OutcomeKind.ACCEPTED, carrier_message_id=wire.submitted[0].id)
    return wire.submitted[0]


def test_the_vector_of_the_signature() -> None:
    """Hash and signature of a known request."""
    body = b'{"from":"+15557654321","smsRecipients":[{"to":"+15551234567"}],"message":"hi"}'
    headers = signature(
        "POST",
        "https://myres.communication.azure.com/sms?api-version=2021-03-07",
        body,
        "Sun, 22 Nov 2026 18:38:44 GMT",
        key_of("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    )
    assert headers == {
        "x-ms-date": "Sun, 22 Nov 2026 18:38:44 GMT",
        "x-ms-content-sha256": "YCM0Hi9y8BR1Mp1M4Z2K45VK4T9LZImGzB+IHe7l4Eg=",
        "Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256"
        "&Signature=MvEbCW9esDXqYUod04OTjPFvBjglIXXub0fzgpY9Tpg=",
    }


def test_a_key_that_is_none_is_faulty() -> None:
    """As when the whole connection string is given."""
    with pytest.raises(ValueError, match="connection string"):
        _wired(access_key="endpoint=https://x/;accesskey=abc")


async def test_the_endpoint_counts_however_it_is_written() -> None:
    """Capitals and a slash at its end change neither the address nor the signature."""
    dialect, wire = _wired(base_url="HTTPS://Acme.Communication.Azure.com/")
    await wire.ask(await dialect.request(submission()))
    address = "https://acme.communication.azure.com/sms?api-version=2021-03-07"
    assert (wire.requests[0].url, len(wire.submitted)) == (address, 1)


async def test_a_text_names_us_and_wants_a_report() -> None:
    """Our id as its tag."""
    arrived = await _sent(body="Grüße 👋")
    assert (arrived.text, arrived.sender) == ("Grüße 👋", "+14155550100")
    assert (arrived.recipient, arrived.reference) == ("+15551231234", MESSAGE_ID.hex)
    assert arrived.extra["smsSendOptions"]["enableDeliveryReport"] is True
    assert (await _sent(sender=None)).sender == SETTINGS["sender"]


@pytest.mark.parametrize("fields", [{"sender": None}, {"body": "x" * 2049}, {"encoding": "binary"}])
async def test_what_azure_cannot_send_is_told(fields: dict[str, Any]) -> None:
    """Before anything is sent; without a sender nothing can be."""
    dialect, wire = _wired(sender=None)
    with pytest.raises(ValueError, match=r"sender|characters|plain text"):
        await dialect.request(submission(**fields))
    assert wire.requests == []


async def test_a_repeat_is_known_to_azure_and_sends_nothing() -> None:
    """Another try of a message, even from another process, has the same id and date."""
    clock = ManualClock(datetime(2026, 11, 22, 18, 0, tzinfo=UTC))
    dialect, wire = _wired(clock)
    at = clock.now() - timedelta(seconds=5)
    one = submission(message_id=ids.uuid7(int(at.timestamp() * 1000)))
    first = dialect.read(one, await wire.ask(await dialect.request(one)))
    await clock.advance(600)
    again = _wired(clock)[0]
    one.attempt = 2
    second = again.read(one, await wire.ask(await again.request(one)))
    assert (second, len(wire.submitted)) == (first, 1)
    other = submission(message_id=ids.uuid7(int(at.timestamp() * 1000)))
    await wire.ask(await dialect.request(other))
    assert len(wire.submitted) == 2


async def test_a_message_that_waited_is_not_dated_back() -> None:
    """Its first try is now; later tries by the same carrier have the same date."""
    clock = ManualClock(datetime(2026, 11, 22, 18, 30, tzinfo=UTC))
    dialect, _ = _wired(clock)
    at = clock.now() - timedelta(minutes=6)
    one = submission(message_id=ids.uuid7(int(at.timestamp() * 1000)))

    async def date() -> datetime:
        fields = orjson.loads((await dialect.request(one)).body)["smsRecipients"][0]
        return parsedate_to_datetime(fields["repeatabilityFirstSent"])

    first = await date()
    assert first == clock.now()
    await clock.advance(7200)
    one.attempt = 2
    assert await date() == first
    one.message_id = ids.uuid7(int((clock.now() - timedelta(hours=2)).timestamp() * 1000))
    assert await date() == clock.now()
    ahead = clock.now() + timedelta(seconds=30)  # of a process whose clock is wrong
    one.message_id = ids.uuid7(int(ahead.timestamp() * 1000))
    assert await date() == clock.now()


def _result(**item: Any) -> bytes:
    return orjson.dumps({"value": [{"to": "+15551231234", **item}]})


def _failed(status: int, words: str = "because") -> bytes:
    return _result(httpStatusCode=status, successful=False, errorMessage=words)


def _error(code: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": "because"}})


Maker = Callable[[str, str], Verdict]


@pytest.mark.parametrize(
    ("status", "body", "maker", "code"),
    [
        (202, _failed(400, "Invalid To phone number format."), recipient, "400"),
        (202, _failed(400, "The recipient is blocked from receiving."), recipient, "400"),
        (202, _failed(400, "Invalid From phone number."), refused_config, "400"),
        (202, _failed(400, "Recipient has opted out."), opted_out, "400"),
        (202, _failed(401), refused_config, "401"),
        (202, _failed(404), refused_config, "404"),
        (202, _failed(429), throttled, "429"),
        (202, _failed(500), transient, "500"),
        (202, _failed(503), transient, "503"),
        (202, _failed(504), unknown, "504"),
        (202, _result(httpStatusCode=202, successful=True), unknown, "202"),
        (202, _result(httpStatusCode=202, successful=False), unknown, "202"),
        (202, _result(httpStatusCode="400", successful=False), unknown, "202"),
        (202, b'{"value":[]}', unknown, "202"),
        (202, b'{"value":[7]}', unknown, "202"),
        (202, b'{"value":[{"to', unknown, "202"),
        (202, b"[]", unknown, "202"),
        (400, _error("BadRequest"), refused_config, "BadRequest"),
        (401, _error("Denied"), refused_config, "Denied"),
        (403, _error("Forbidden"), refused_config, "Forbidden"),
        (404, _error("NotFound"), refused_config, "NotFound"),
        (422, _error("Unprocessable"), refused_config, "Unprocessable"),
        (408, _error("Timeout"), unknown, "Timeout"),
        (429, _error("TooManyRequests"), throttled, "TooManyRequests"),
        (500, _error("InternalServerError"), transient, "InternalServerError"),
        (503, _error("ServiceUnavailable"), transient, "ServiceUnavailable"),
        (500, b"<html></html>", unknown, "500"),
        (502, b"<html>Bad Gateway</html>", unknown, "502"),
        (401, b"", refused_config, "401"),
        (500, b'{"error":7}', unknown, "500"),
    ],
)
def test_answers_are_classed(status: int, body: bytes, maker: Maker, code: str) -> None:
    """The recipient's own result inside a 202; errors of the call by their status."""
    verdict = _wired()[0].read(submission(), answer(status, body))
    wanted = maker("", "")
    assert (verdict.error_code, verdict.error_class) == (wanted.error_code, wanted.error_class)
    assert verdict.code == code


def test_throttling_may_say_how_long() -> None:
    """Of the call or of the recipient."""
    for status, body in ((429, _error("TooManyRequests")), (202, _failed(429))):
        verdict = _wired()[0].read(submission(), answer(status, body, retry_after="7"))
        assert verdict.retry_after_seconds == 7.0


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
    """As the simulated Azure says them."""
    refused = AzureFarSide(ManualClock()).refused(await _sent(), why, 7)
    verdict = _wired()[0].read(submission(), answer_of(refused))
    assert (verdict.kind, verdict.error_class) == (kind, error_class)


async def test_the_key_is_checked() -> None:
    """By a request that can send nothing."""
    dialect, wire = _wired()
    assert await dialect.check() is None
    assert (wire.submitted, len(wire.requests)) == ([], 1)
    wrong = _wired(access_key="AAAA")[0]
    assert await wrong.check() == "Denied by the resource provider."

    async def broken(request: Any) -> Any:
        return answer(502, b"<html></html>")

    assert await AzureDialect(config(SPEC, SETTINGS), broken).check() == "HTTP 502"


async def _read(given: object, **more: Any) -> News:
    body = given if isinstance(given, bytes) else orjson.dumps(given)
    reader = AzureCalls(config(SPEC, SETTINGS | more.pop("settings", {})))
    return await reader.read(call("events", body, **more))


DATA: dict[str, Any] = {
    "messageId": "Outgoing_20260101",
    "from": "15555555555",
    "to": "+15551234567",
    "deliveryStatus": "Delivered",
    "deliveryStatusDetails": "No error.",
    "receivedTimestamp": "2026-01-01T00:00:20Z",
    "tag": MESSAGE_ID.hex,
    "somethingNew": [1],
}
REPORT = "Microsoft.Communication.SMSDeliveryReportReceived"
RECEIVED = "Microsoft.Communication.SMSReceived"


def _event(data: dict[str, Any], kind: str = REPORT, **more: Any) -> list[dict[str, Any]]:
    return [{"id": "1", "topic": SETTINGS["topic"], "eventType": kind, "data": data, **more}]


async def test_a_report_is_a_receipt() -> None:
    """With our id; numbers get their plus."""
    (receipt,) = (await _read(_event(DATA))).receipts
    assert receipt.match_keys == (receipt.carrier_message_id,) == ("Outgoing_20260101",)
    assert (receipt.state, receipt.word, receipt.error) == (
        ReceiptState.DELIVERED, "Delivered", "",
    )  # fmt: skip
    assert receipt.message_id == MESSAGE_ID
    assert (receipt.sender, receipt.recipient) == ("+15551234567", "+15555555555")


@pytest.mark.parametrize(
    ("details", "state", "error"),
    [(f"{code} is what happened to 15551234567.", state, code) for code, state in STATES.items()]
    + [
        ("Message is not delivered (4007).", ReceiptState.REJECTED, "4007"),
        ("No idea.", ReceiptState.UNDELIVERABLE, ""),
        ("7777 is new", ReceiptState.UNDELIVERABLE, "7777"),
        (None, ReceiptState.UNDELIVERABLE, ""),
    ],
)
async def test_the_details_have_the_code(
    details: str | None, state: ReceiptState, error: str
) -> None:
    """The first number of four digits."""
    data = {**DATA, "deliveryStatus": "Failed", "deliveryStatusDetails": details}
    (receipt,) = (await _read(_event(data))).receipts
    assert (receipt.state, receipt.error) == (state, error)


async def test_new_statuses_change_nothing() -> None:
    """They are kept."""
    (receipt,) = (await _read(_event({**DATA, "deliveryStatus": "Pondering"}))).receipts
    assert (receipt.state, receipt.word) == (ReceiptState.NONE, "Pondering")


@pytest.mark.parametrize("write", [str.lower, str.upper, str.title, lambda name: name])
async def test_names_count_however_they_are_written(write: Callable[[str], str]) -> None:
    """Azure's own examples differ."""
    data = {write(name): value for name, value in DATA.items()}
    (receipt,) = (await _read(_event(data))).receipts
    assert receipt.message_id == MESSAGE_ID
    inbound = {"MessageId": "Incoming_1", "From": "15551234567", "To": "12345", "Message": "Hé 👋"}
    data = {write(name): value for name, value in inbound.items()}
    (message,) = (await _read(_event(data, RECEIVED))).inbounds
    assert (message.sender, message.recipient) == ("+15551234567", "12345")
    assert message.fragment.octets.decode("utf-16-be") == "Hé 👋"
    assert message.carrier_message_id == "Incoming_1"


async def test_cloud_events_are_read_too() -> None:
    """One alone, or many."""
    event = {"specversion": "1.0", "type": REPORT, "source": SETTINGS["topic"], "data": DATA}
    assert len((await _read(event)).receipts) == 1
    assert len((await _read([event, event])).receipts) == 2


async def test_event_grids_handshake() -> None:
    """The code comes back as JSON; no other event is answered so."""
    far_side = AzureFarSide(ManualClock())
    made = far_side.validation(URL)
    news = await AzureCalls(config(SPEC, SETTINGS)).read(call_of(made))
    (event,) = orjson.loads(made.body)
    code = event["data"]["validationCode"]
    assert orjson.loads(news.reply.body) == {"validationResponse": code}
    assert (news.reply.status, news.reply.content_type) == (200, "application/json")


async def test_the_handshake_of_cloud_events() -> None:
    """OPTIONS, answered by headers; without an origin it is none."""
    news = await _read(b"", method="OPTIONS", webhook_request_origin="eventgrid.azure.net")
    assert news.reply.headers == {
        "WebHook-Allowed-Origin": "eventgrid.azure.net",
        "WebHook-Allowed-Rate": "*",
    }
    with pytest.raises(CallRefusedError):
        await _read(b"", method="OPTIONS")


async def test_only_our_resource_may_tell() -> None:
    """However its id is written; without the setting any may."""
    written = str(SETTINGS["topic"]).upper() + "/"
    assert len((await _read(_event(DATA, topic=written))).receipts) == 1
    for topic in ("/subscriptions/other", "", None):
        with pytest.raises(CallRefusedError) as refusal:
            await _read(_event(DATA, topic=topic))
        assert refusal.value.status == 401
    free = await _read(_event(DATA, topic="/subscriptions/other"), settings={"topic": None})
    assert len(free.receipts) == 1


@pytest.mark.parametrize(
    "given",
    [[], {}, [7], _event({}), _event(DATA, "Microsoft.Communication.Other"), _event([])],  # type: ignore[arg-type]
)
async def test_other_events_tell_nothing(given: object) -> None:
    """And are answered as taken."""
    news = await _read(given, settings={"topic": None})
    assert (news.receipts, news.inbounds, news.reply.status) == ([], [], 200)


async def test_what_is_no_json_is_refused() -> None:
    """As a mistake of the caller."""
    with pytest.raises(CallRefusedError) as refusal:
        await _read(b"{")
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("state", "error", "told", "code"),
    [
        (State.DELIVERED, "000", ReceiptState.DELIVERED, ""),
        (State.UNDELIVERED, "005", ReceiptState.UNDELIVERABLE, "4004"),
        (State.UNDELIVERED, "007", ReceiptState.REJECTED, "4000"),
        (State.UNDELIVERED, "008", ReceiptState.UNDELIVERABLE, "5000"),
    ],
)
async def test_events_of_the_far_side(
    state: State, error: str, told: ReceiptState, code: str
) -> None:
    """As the simulated Azure tells them of what was sent; it tells nothing on the way."""
    far_side, arrived = AzureFarSide(ManualClock()), await _sent()
    made = far_side.receipt(arrived, state, error, URL)
    assert made is not None
    (receipt,) = (await AzureCalls(config(SPEC, SETTINGS)).read(call_of(made))).receipts
    assert (receipt.carrier_message_id, receipt.message_id) == (arrived.id, MESSAGE_ID)
    assert (receipt.state, receipt.error) == (told, code)
    assert far_side.receipt(arrived, State.ENROUTE, "000", URL) is None
