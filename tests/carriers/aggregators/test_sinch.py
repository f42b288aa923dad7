"""Sinch: batches, errors, delivery reports, messages from handsets."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from onesixty.carriers.aggregators.sinch import SPEC, SinchDialect
from onesixty.carriers.aggregators.sinch_calls import STATES, SinchCalls
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    OutcomeKind,
    ReceiptState,
)
from onesixty.carriers.http.dialect import Answer, CannotSendError
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.sinch import SinchFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import FLASH, Form

from .wire import BASE, CALLBACK, MESSAGE_ID, NOW, Wire, answer_of, call_of, config, submission

PLAN = {**SinchFarSide.credentials, "base_url": BASE}
PROJECT = {
    "project_id": "11111111-2222-3333-4444-555555555555",
    "key_id": "key",
    "key_secret": "secret",
    "base_url": BASE,
    "auth_url": BASE,
}


def _wired(settings: dict[str, Any], **more: Any) -> tuple[SinchDialect, Wire]:
    clock = more.get("clock") or ManualClock()
    wire = Wire(SinchFarSide(clock, settings))
    return SinchDialect(config(SPEC, settings, **more), wire.ask), wire


async def _sent(one: Any, settings: dict[str, Any] = PLAN, **more: Any) -> Submitted:
    """What arrives at the far side when a message is sent and accepted."""
    dialect, wire = _wired(settings, **more)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert verdict.kind is OutcomeKind.ACCEPTED
    assert verdict.carrier_message_id == wire.submitted[-1].id
    return wire.submitted[-1]


async def test_a_text_is_a_batch_of_one_recipient() -> None:
    """Its body, our id to be echoed, where to report to, and until when it is wanted."""
    arrived = await _sent(submission("Grüße 👋"))
    assert (arrived.text, arrived.recipient) == ("Grüße 👋", "+15551231234")
    assert (arrived.sender, arrived.reference) == ("+14155550100", MESSAGE_ID.hex)
    assert arrived.callback_url == f"{CALLBACK}/status"
    assert arrived.extra["delivery_report"] == "per_recipient"
    assert arrived.extra["expire_at"] == "2026-01-01T01:00:00.000Z"


async def test_what_is_unknown_is_left_out() -> None:
    """No sender leaves it to the plan, no public URL to the plan's callback; 3 days at most."""
    one = submission(sender=None, expires_at=NOW + timedelta(days=9))
    arrived = await _sent(one, callback_url=None)
    assert not {"from", "callback_url"} & arrived.extra.keys()
    assert arrived.extra["expire_at"] == "2026-01-04T00:00:00.000Z"


async def test_an_mms_has_one_file() -> None:
    """It goes with text and subject; more than one file, or none, cannot be sent."""
    content = Content(media=(Media("https://x.example/a.jpg"),), subject="cat")
    arrived = await _sent(submission("look", channel="mms", content=content))
    assert arrived.channel == "mms"
    body = {"url": "https://x.example/a.jpg", "message": "look", "subject": "cat"}
    assert arrived.extra["body"] == body
    for media in ((), content.media * 2):
        one = submission(channel="mms", content=Content(media=media))
        with pytest.raises(ValueError, match="one file"):
            await _sent(one)


async def test_binary_data_and_flash_go_out() -> None:
    """Octets with their header as `mt_binary`, class 0 as a flash message."""
    header = udh.build(udh.ports(2948, 0))
    one = submission("", form=Form(udh=header, data=b"\x01\xff", data_coding=4))
    arrived = await _sent(one)
    assert arrived.extra["body"] == b64encode(b"\x01\xff").decode()
    assert arrived.extra["udh"] == header.hex()
    flash = await _sent(submission(form=Form(message_class=FLASH)))
    assert flash.extra["flash_message"] is True


@pytest.mark.parametrize(
    "form",
    [
        Form(protocol_id=64),
        Form(udh=udh.build(udh.ports(1, 2))),
        Form(message_class=2),
        Form(data_coding=8),
        Form(data=b"x" * 141),
        Form(data=b"x", data_coding=8),
    ],
)
async def test_other_forms_are_refused_in_words(form: Form) -> None:
    """What Sinch has no field for is not sent as something else."""
    dialect, _ = _wired(PLAN)
    with pytest.raises(ValueError, match="Sinch takes"):
        await dialect.request(submission(form=form))


@pytest.mark.parametrize(
    ("why", "error_class", "code"),
    [
        (Refusal.RECIPIENT, ErrorClass.RECIPIENT, "syntax_invalid_parameter_format"),
        (Refusal.OPTED_OUT, ErrorClass.RECIPIENT, "syntax_constraint_violation"),
        (Refusal.SENDER, ErrorClass.CONFIG, "forbidden_shortcode"),
        (Refusal.CREDENTIALS, ErrorClass.CONFIG, "401"),
        (Refusal.THROTTLED, ErrorClass.THROTTLE, "too_many_requests"),
        (Refusal.INTERNAL, ErrorClass.CARRIER, "internal_error"),
    ],
)
async def test_errors_are_classed(why: Refusal, error_class: str, code: str) -> None:
    """Each refusal says whose fault it is, and keeps the code of Sinch."""
    dialect, wire = _wired(PLAN)
    one = await _sent(submission())
    verdict = dialect.read(submission(), answer_of(wire.far_side.refused(one, why, 7)))
    assert (verdict.error_class, verdict.code) == (error_class, code)
    if why is Refusal.THROTTLED:
        assert verdict.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (201, b"", OutcomeKind.UNKNOWN),
        (201, b'{"id": ', OutcomeKind.UNKNOWN),
        (201, b"[]", OutcomeKind.UNKNOWN),
        (302, b"", OutcomeKind.UNKNOWN),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (500, b"<html>", OutcomeKind.UNKNOWN),
        (503, b'{"code":"unavailable","text":"later"}', OutcomeKind.DEFERRED),
        (400, b'{"code":"syntax_constraint_violation","text":"body"}', OutcomeKind.REFUSED),
        (400, b"null", OutcomeKind.REFUSED),
        (404, b"", OutcomeKind.REFUSED),
    ],
)
def test_any_answer_is_read(status: int, body: bytes, kind: OutcomeKind) -> None:
    """Only an error that Sinch itself wrote is certain not to have sent anything."""
    dialect, _ = _wired(PLAN)
    assert dialect.read(submission(), Answer(status, {}, body)).kind is kind


async def test_a_project_fetches_one_token_and_renews_it() -> None:
    """Two messages share it; it is renewed before its end, and after Sinch withdrew it."""
    clock = ManualClock()
    dialect, wire = _wired(PROJECT, clock=clock)
    for _ in range(2):
        await dialect.request(submission())
    assert len(wire.requests) == 1
    await clock.advance(3590)
    request = await dialect.request(submission())
    assert len(wire.requests) == 2
    assert isinstance(wire.far_side, SinchFarSide)
    wire.far_side.withdraw_tokens()
    refused = dialect.read(submission(), await wire.ask(request))
    assert (refused.kind, refused.error_class) == (OutcomeKind.DEFERRED, ErrorClass.CARRIER)
    again = dialect.read(submission(), await wire.ask(await dialect.request(submission())))
    assert again.kind is OutcomeKind.ACCEPTED
    second = dialect.read(submission(attempt=2), Answer(401, {}, b""))
    assert second.error_class == ErrorClass.CONFIG


async def test_wrong_credentials_are_told() -> None:
    """A refused key, token or region is told in words, by the check and by the message."""
    dialect, wire = _wired(PROJECT | {"key_secret": "other"})
    wire.far_side = SinchFarSide(ManualClock(), PROJECT)
    with pytest.raises(CannotSendError) as caught:
        await dialect.request(submission())
    assert caught.value.verdict.error_class == ErrorClass.CONFIG
    good, _ = _wired(PLAN)
    assert await good.check() is None
    bad, wire = _wired(PLAN | {"api_token": "other"})
    wire.far_side = SinchFarSide(ManualClock())
    assert "region" in str(await bad.check())


def test_settings_that_do_not_fit_are_refused() -> None:
    """Half of the credentials, or a region without projects, is told before anything is sent."""
    for settings, word in (
        ({"api_token": "x"}, "service_plan_id"),
        ({"project_id": "x", "key_id": "x"}, "key_secret"),
        (PROJECT | {"region": "br"}, "us or eu"),
    ):
        with pytest.raises(ValueError, match=word):
            _wired(settings)


def test_the_region_names_the_host() -> None:
    """Without `base_url` plans and projects have hosts of their own in each region."""
    plan, _ = _wired({"service_plan_id": "p", "api_token": "t", "region": "eu"})
    assert plan._url == "https://eu.sms.api.sinch.com/xms/v1/p/batches"
    named = {name: value for name, value in PROJECT.items() if name != "base_url"}
    project, _ = _wired(named)
    assert project._url.startswith("https://zt.us.sms.api.sinch.com/xms/v1/1111")


def _calls(settings: dict[str, Any] = PLAN, clock: ManualClock | None = None) -> SinchCalls:
    return SinchCalls(config(SPEC, settings, clock))


async def test_the_signature_of_the_reference_holds() -> None:
    """The published vector is accepted; a changed octet, no signature, and age are refused."""
    body = (
        b'{"type":"recipient_delivery_report_sms","batch_id":"01FC66621VHDBN119Z8PMV1QPQ",'
        b'"code":0,"status":"Delivered"}'
    )
    at = datetime.fromtimestamp(1634579353, UTC)
    reader = _calls({**PLAN, "webhook_secret": "foo_secret1234"}, ManualClock(at))
    headers = {
        "x-sinch-webhook-signature": "E+FWAk7OD3TrFBC3zI5voOL7HNvLon4AlocgVuQDo5k=",
        "x-sinch-webhook-signature-nonce": "01FJA8B4A7BM43YGWSG9GBV067",
        "x-sinch-webhook-signature-timestamp": "1634579353",
    }
    call = Call("POST", f"{CALLBACK}/status", "status", headers, body, at)
    (receipt,) = (await reader.read(call)).receipts
    assert receipt.state is ReceiptState.DELIVERED
    old = _calls(
        {**PLAN, "webhook_secret": "foo_secret1234"}, ManualClock(at + timedelta(seconds=301))
    )
    for reading, wrong in (
        (reader, replace(call, body=body + b" ")),
        (reader, replace(call, headers={})),
        (reader, replace(call, headers=headers | {"x-sinch-webhook-signature-timestamp": "x"})),
        (old, call),
    ):
        with pytest.raises(CallRefusedError) as refused:
            await reading.read(wrong)
        assert refused.value.status == 401


async def test_a_report_becomes_a_receipt() -> None:
    """With the batch as its id, our own id, the operator, and the numbers with their +."""
    one = await _sent(submission())
    made = SinchFarSide(ManualClock()).receipt(one, State.UNDELIVERED, "005", CALLBACK)
    assert made is not None
    (receipt,) = (await _calls().read(call_of(made))).receipts
    assert (receipt.carrier_message_id, receipt.match_keys) == (one.id, (one.id,))
    assert (receipt.state, receipt.word, receipt.error) == (
        ReceiptState.UNDELIVERABLE, "Failed", "402",
    )  # fmt: skip
    assert (receipt.message_id, receipt.network) == (MESSAGE_ID, "35000")
    assert (receipt.sender, receipt.recipient) == (one.recipient, one.sender)
    assert receipt.raw == made.body.decode()


async def _read(told: dict[str, Any]) -> Any:
    settings = {name: value for name, value in PLAN.items() if name != "webhook_secret"}
    call = Call("POST", CALLBACK, "", {}, orjson.dumps(told), NOW)
    return await _calls(settings).read(call)


async def test_every_status_word_is_known_in_any_case() -> None:
    """The documentation's words and the client's; one that nobody knows changes nothing."""
    for word, state in STATES.items():
        for written in (word, word.upper(), word.title()):
            told = {"type": "recipient_delivery_report_mms", "batch_id": "b", "status": written}
            assert (await _read(told)).receipts[0].state is state
    odd = await _read({"type": "recipient_delivery_report_sms", "batch_id": "b", "status": "Odd"})
    assert (odd.receipts[0].state, odd.receipts[0].word) == (ReceiptState.NONE, "Odd")


async def test_what_is_missing_in_a_report_matches_nothing() -> None:
    """No id, an operator that is none, numbers in place of words: kept, and no more."""
    told = {"type": "recipient_delivery_report_sms", "status": 7, "operator": "x", "recipient": []}
    (receipt,) = (await _read(told)).receipts
    assert (receipt.match_keys, receipt.network, receipt.message_id) == ((), "", None)
    assert receipt.state is ReceiptState.NONE


async def test_a_report_of_a_batch_is_read_too() -> None:
    """Each of its statuses is a receipt; a single recipient is named."""
    status = {"code": 0, "status": "Delivered", "count": 1, "recipients": ["15551231234"]}
    told = {"type": "delivery_report_sms", "batch_id": "b", "total_message_count": 1}
    news = await _read({**told, "statuses": [status]})
    (receipt,) = news.receipts
    assert (receipt.sender, receipt.state) == ("+15551231234", ReceiptState.DELIVERED)
    assert receipt.error == ""


async def test_texts_come_in() -> None:
    """A signed `mo_text` with its id, so that a repeat is known."""
    (made,) = SinchFarSide(ManualClock()).inbound("+16051234567", "12345", "héllo 👋", CALLBACK)
    (inbound,) = (await _calls().read(call_of(made))).inbounds
    assert (inbound.sender, inbound.recipient) == ("+16051234567", "12345")
    assert inbound.fragment.octets.decode("utf-16-be") == "héllo 👋"
    assert inbound.carrier_message_id == orjson.loads(made.body)["id"]


async def test_binary_parts_and_media_come_in() -> None:
    """A numbered part of binary data stays one; media keep their URLs."""
    header = udh.build(udh.concatenation(9, 2, 1) + udh.ports(1, 2))
    told = {"type": "mo_binary", "id": "i", "from": "16051234567", "to": "12345"}
    told |= {"body": b64encode(b"\x01").decode(), "udh": header.hex()}
    (part,) = (await _read(told)).inbounds
    assert part.fragment.encoding is Encoding.BINARY
    assert (part.fragment.total, part.fragment.sequence, part.fragment.octets) == (2, 1, b"\x01")
    assert part.form is not None
    assert part.form.ports == udh.Ports(1, 2)
    file = {"url": "https://x.example/i.png", "content_type": "image/png", "status": "Uploaded"}
    body = {"subject": "s", "message": "m", "media": [file, {"status": "Failed", "code": 1}]}
    (mms,) = (await _read({**told, "type": "mo_media", "body": body})).inbounds
    media = (Media("https://x.example/i.png", "image/png"),)
    assert (mms.channel, mms.content) == ("mms", Content(media=media, subject="s"))
    with pytest.raises(CallRefusedError) as refused:
        await _read({**told, "udh": "xyz"})
    assert refused.value.status == 400


async def test_other_calls_tell_nothing() -> None:
    """A kind that nobody knows is answered 200; what is no JSON is refused."""
    news = await _read({"type": "something_new"})
    assert (news.receipts, news.inbounds, news.reply.status) == ([], [], 200)
    with pytest.raises(CallRefusedError):
        await _calls({"service_plan_id": "p"}).read(Call("POST", CALLBACK, "", {}, b"<", NOW))
