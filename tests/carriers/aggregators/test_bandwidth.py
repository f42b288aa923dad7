"""Bandwidth: messages, errors of fields, arrays of events."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest

from onesixty.carriers.aggregators.bandwidth import (
    CLASSES,
    DOUBTFUL,
    SPEC,
    STATES,
    BandwidthCalls,
    BandwidthDialect,
)
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    MediaCarrier,
    OutcomeKind,
    ReceiptState,
)
from onesixty.carriers.http.dialect import Answer
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.bandwidth import BandwidthFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms.form import Form

from .wire import BASE, CALLBACK, MESSAGE_ID, NOW, Wire, answer_of, call_of, config, submission

SETTINGS = {**BandwidthFarSide.credentials, "base_url": BASE}
CLIENT = {
    "account_id": SETTINGS["account_id"],
    "application_id": SETTINGS["application_id"],
    "client_id": "client",
    "client_secret": "secret",
    "base_url": BASE,
    "auth_url": BASE,
}


def _wired(settings: dict[str, Any] = SETTINGS) -> tuple[BandwidthDialect, Wire]:
    wire = Wire(BandwidthFarSide(ManualClock(), {**SETTINGS, **settings}))
    return BandwidthDialect(config(SPEC, settings), wire.ask), wire


async def _sent(one: Any, settings: dict[str, Any] = SETTINGS) -> Submitted:
    dialect, wire = _wired(settings)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert (verdict.kind, verdict.carrier_message_id) == (
        OutcomeKind.ACCEPTED, wire.submitted[-1].id,
    )  # fmt: skip
    return wire.submitted[-1]


async def test_a_text_goes_out_with_our_id_as_its_tag() -> None:
    """Its validity is a moment; emergencies and one-time passwords are urgent."""
    arrived = await _sent(submission("Grüße 👋"))
    assert (arrived.text, arrived.recipient) == ("Grüße 👋", "+15551231234")
    assert (arrived.sender, arrived.reference) == ("+14155550100", MESSAGE_ID.hex)
    assert arrived.extra["expiration"] == "2026-01-01T01:00:00Z"
    assert "priority" not in arrived.extra
    assert (await _sent(submission(priority=1))).extra["priority"] == "high"


async def test_an_mms_has_files() -> None:
    """They go with text, or without."""
    content = Content(media=(Media("https://x.example/a.jpg"), Media("https://x.example/b.jpg")))
    arrived = await _sent(submission("", channel="mms", content=content))
    assert arrived.channel == "mms"
    assert arrived.extra["media"] == ["https://x.example/a.jpg", "https://x.example/b.jpg"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channel": "mms"}, "needs a file"),
        ({"sender": None}, "wants a sender"),
        ({"form": Form(message_class=0)}, "plain text"),
        ({"body": "x" * 2049}, "2048"),
    ],
)
async def test_what_bandwidth_cannot_send_is_refused(fields: dict[str, Any], words: str) -> None:
    """With the reason, and before anything leaves us."""
    with pytest.raises(ValueError, match=words):
        await _sent(submission(**fields))


async def test_clients_use_tokens() -> None:
    """One token is shared; one that is refused is fetched anew, once for a message."""
    dialect, wire = _wired(CLIENT)
    one = submission()
    for _ in range(2):
        assert dialect.read(one, await wire.ask(await dialect.request(one))).kind is (
            OutcomeKind.ACCEPTED
        )
    assert len(wire.requests) == 3
    first = dialect.read(one, Answer(401, {}, b""))
    assert (first.kind, first.error_class) == (OutcomeKind.DEFERRED, ErrorClass.CARRIER)
    await dialect.request(one)
    assert len(wire.requests) == 4
    second = dialect.read(submission(attempt=2), Answer(401, {}, b""))
    assert second.error_class == ErrorClass.CONFIG


@pytest.mark.parametrize(
    ("why", "error_class", "code"),
    [
        (Refusal.RECIPIENT, ErrorClass.RECIPIENT, "request-validation"),
        (Refusal.OPTED_OUT, ErrorClass.RECIPIENT, "request-validation"),
        (Refusal.SENDER, ErrorClass.CONFIG, "request-validation"),
        (Refusal.CREDENTIALS, ErrorClass.CONFIG, "access-denied"),
        (Refusal.THROTTLED, ErrorClass.THROTTLE, "request-rate-limit"),
        (Refusal.INTERNAL, ErrorClass.CARRIER, "internal-server-error"),
    ],
)
async def test_errors_are_classed(why: Refusal, error_class: str, code: str) -> None:
    """The field at fault says whose fault it is, else the status."""
    dialect, wire = _wired()
    one = await _sent(submission())
    verdict = dialect.read(submission(), answer_of(wire.far_side.refused(one, why, 7)))
    assert (verdict.error_class, verdict.code) == (error_class, code)
    if why is Refusal.THROTTLED:
        assert verdict.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "body", "kind", "error_class"),
    [
        (202, b"", OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
        (202, b'{"id": 7}', OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
        (502, b"<html>", OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
        (500, b"{}", OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
        (503, b'{"type": "unavailable"}', OutcomeKind.DEFERRED, ErrorClass.CARRIER),
        (
            400, b'{"type": "x", "fieldErrors": [{"fieldName": "to[0]"}]}',
            OutcomeKind.REFUSED, ErrorClass.RECIPIENT,
        ),
        (
            400, b'{"type": "x", "fieldErrors": [{"fieldName": "text"}]}',
            OutcomeKind.REFUSED, ErrorClass.CONTENT,
        ),
        (
            400, b'{"type": "x", "fieldErrors": [{"fieldName": "to"}, {"fieldName": "from"}]}',
            OutcomeKind.REFUSED, ErrorClass.CONFIG,
        ),
        (415, b"[]", OutcomeKind.REFUSED, ErrorClass.CONFIG),
    ],
)  # fmt: skip
def test_any_answer_is_read(status: int, body: bytes, kind: OutcomeKind, error_class: str) -> None:
    """Only an error that Bandwidth itself wrote is certain not to have sent anything."""
    verdict = _wired()[0].read(submission(), Answer(status, {}, body))
    assert (verdict.kind, verdict.error_class) == (kind, error_class)


async def test_credentials_are_checked() -> None:
    """Wrong ones are told, and half of them refused at once."""
    good, _ = _wired()
    assert await good.check() is None
    bad = BandwidthDialect(config(SPEC, SETTINGS | {"api_password": "other"}), _wired()[1].ask)
    assert "api_password" in str(await bad.check())
    for wrong in ({"api_user": None}, {"webhook_password": ""}, {"client_id": "x"}):
        with pytest.raises(ValueError, match="belong together"):
            SPEC.build(config(SPEC, SETTINGS | wrong))
    with pytest.raises(ValueError, match="wants api_user"):
        SPEC.build(config(SPEC, SETTINGS | {"api_user": None, "api_password": None}))


async def test_only_bandwidth_sees_its_credentials() -> None:
    """Files of inbound messages are fetched with them from the API's own host alone."""
    assert isinstance(SPEC.build(config(SPEC, SETTINGS)), MediaCarrier)
    dialect, wire = _wired()
    place = f"{BASE}/api/v2/users/5500123/media/a.png"
    headers = dialect.file_headers(place)
    assert headers is not None
    assert headers["authorization"].startswith("Basic ")
    assert dialect.file_headers("https://evil.example/a.png") is None
    by_token, wire = _wired(CLIENT)
    await by_token.authorize()
    headers = by_token.file_headers(place)
    assert headers is not None
    assert headers["authorization"].startswith("Bearer ")
    assert wire.requests[-1].url == f"{BASE}/api/v1/oauth2/token"


def _calls() -> BandwidthCalls:
    return BandwidthCalls(config(SPEC, SETTINGS))


async def _read(event: Any) -> Any:
    made = BandwidthFarSide(ManualClock())._call(CALLBACK, event)
    return await _calls().read(call_of(made))


async def test_an_event_becomes_a_receipt() -> None:
    """With the message's id, our own, and the error of a failure."""
    one = await _sent(submission())
    made = BandwidthFarSide(ManualClock()).receipt(one, State.UNDELIVERED, "005", CALLBACK)
    assert made is not None
    (receipt,) = (await _calls().read(call_of(made))).receipts
    assert (receipt.carrier_message_id, receipt.match_keys) == (one.id, (one.id,))
    assert (receipt.state, receipt.word, receipt.error) == (
        ReceiptState.UNDELIVERABLE, "message-failed", "4720",
    )  # fmt: skip
    assert receipt.message_id == MESSAGE_ID
    assert (receipt.sender, receipt.recipient) == (one.recipient, one.sender)


async def test_calls_need_user_and_password() -> None:
    """Without them, or with others, nothing is read."""
    one = await _sent(submission())
    made = BandwidthFarSide(ManualClock()).receipt(one, State.DELIVERED, "000", CALLBACK)
    assert made is not None
    call = call_of(made)
    for wrong in ({}, {"authorization": "Basic " + b64encode(b"callbacks:x").decode()}):
        with pytest.raises(CallRefusedError) as refused:
            await _calls().read(replace(call, headers=wrong))
        assert refused.value.status == 401
    bare = {name: value for name, value in SETTINGS.items() if not name.startswith("webhook")}
    reader = BandwidthCalls(config(SPEC, bare))
    assert len((await reader.read(replace(call, headers={}))).receipts) == 1


async def test_every_code_of_a_failure_is_known() -> None:
    """Codes of our settings are rejections, some tell of expiry, some that nobody knows."""
    assert {name: len(codes) for name, codes in CLASSES.items()} == {
        ErrorClass.RECIPIENT: 12, ErrorClass.CONFIG: 40, ErrorClass.THROTTLE: 4,
        ErrorClass.CARRIER: 12, ErrorClass.EXPIRED: 1,
    }  # fmt: skip
    wanted = dict.fromkeys(DOUBTFUL, ReceiptState.UNKNOWN)
    for name, codes in CLASSES.items():
        state = ReceiptState.UNDELIVERABLE
        if name == ErrorClass.CONFIG:
            state = ReceiptState.REJECTED
        elif name == ErrorClass.EXPIRED:
            state = ReceiptState.EXPIRED
        wanted |= dict.fromkeys(codes, state)
    events = [{"type": "message-failed", "errorCode": code, "message": {}} for code in wanted]
    body = orjson.dumps([*events, {"type": "message-failed", "errorCode": "odd"}])
    call = call_of(BandwidthFarSide(ManualClock())._call(CALLBACK, {}), body=body)
    receipts = (await _calls().read(call)).receipts
    assert [receipt.state for receipt in receipts] == [
        *wanted.values(), ReceiptState.UNDELIVERABLE,
    ]  # fmt: skip
    assert receipts[-1].error == "odd"


async def test_every_type_is_known() -> None:
    """One that nobody knows changes nothing; an error code of a success is none."""
    for kind, state in (*STATES.items(), ("message-odd", ReceiptState.NONE)):
        (receipt,) = (await _read({"type": kind, "errorCode": 4405, "message": None})).receipts
        assert (receipt.state, receipt.word, receipt.error) == (state, kind, "")


async def test_messages_come_in() -> None:
    """Texts and media, several in one call; other events tell nothing."""
    far_side = BandwidthFarSide(ManualClock())
    (made,) = far_side.inbound("+16051234567", "+13035550100", "héllo", CALLBACK)
    (inbound,) = (await _calls().read(call_of(made))).inbounds
    assert (inbound.sender, inbound.recipient) == ("+16051234567", "+13035550100")
    assert inbound.fragment.octets.decode("utf-16-be") == "héllo"
    (event,) = orjson.loads(made.body)
    assert inbound.carrier_message_id == event["message"]["id"]
    urls = ["https://x.example/0.smil", "https://x.example/1.jpg"]
    mms = {**event, "message": {**event["message"], "media": [*urls, 7]}}
    body = orjson.dumps([mms, {"type": "suggestion-response"}, 7])
    news = await _calls().read(call_of(made, body=body))
    assert news.inbounds[0].content == Content(media=tuple(Media(url) for url in urls))
    assert (len(news.inbounds), news.inbounds[0].channel) == (1, "mms")
    with pytest.raises(CallRefusedError):
        await _calls().read(Call("POST", CALLBACK, "", call_of(made).headers, b"<", NOW))
