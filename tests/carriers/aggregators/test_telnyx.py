"""Telnyx: messages, error codes, webhooks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from onesixty.carriers.aggregators.telnyx import CLASSES, SPEC, STATES, TelnyxCalls, TelnyxDialect
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    OutcomeKind,
    Price,
    ReceiptState,
)
from onesixty.carriers.http.dialect import (
    Answer,
    content,
    opted_out,
    recipient,
    throttled,
    transient,
    unknown,
)
from onesixty.carriers.http.dialect import config as wrong_config
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.telnyx import TelnyxFarSide
from onesixty.simulator.http.far_side import CallbackRequest, Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms.form import Form

from .wire import BASE, CALLBACK, MESSAGE_ID, Wire, answer_of, call_of, config, submission

SETTINGS = {**TelnyxFarSide.credentials, "base_url": BASE}
STATUS = f"{CALLBACK}/status?message_id={MESSAGE_ID.hex}"


def _wired(settings: dict[str, Any] = SETTINGS, **more: Any) -> tuple[TelnyxDialect, Wire]:
    wire = Wire(TelnyxFarSide(ManualClock()))
    return TelnyxDialect(config(SPEC, settings, **more), wire.ask), wire


async def _sent(one: Any, **more: Any) -> Submitted:
    dialect, wire = _wired(**more)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert (verdict.kind, verdict.carrier_message_id) == (
        OutcomeKind.ACCEPTED, wire.submitted[-1].id,
    )  # fmt: skip
    assert verdict.price == Price(4000, "USD")
    return wire.submitted[-1]


async def test_a_text_goes_out_with_a_webhook_of_its_own() -> None:
    """The webhook URL names our message; without a public URL the profile's is used."""
    arrived = await _sent(submission("Grüße 👋"))
    assert (arrived.text, arrived.recipient) == ("Grüße 👋", "+15551231234")
    assert (arrived.sender, arrived.callback_url) == ("+14155550100", STATUS)
    assert (await _sent(submission(), callback_url=None)).callback_url == ""


async def test_an_mms_has_files() -> None:
    """Several files go with text and subject; none cannot be sent."""
    media = (Media("https://x.example/a.jpg"), Media("https://x.example/b.jpg"))
    content = Content(media=media, subject="cats")
    arrived = await _sent(submission("look", channel="mms", content=content))
    assert (arrived.channel, arrived.extra["subject"]) == ("mms", "cats")
    assert arrived.extra["media_urls"] == ["https://x.example/a.jpg", "https://x.example/b.jpg"]
    with pytest.raises(ValueError, match="needs a file"):
        await _sent(submission(channel="mms"))


async def test_names_and_pools_need_a_profile() -> None:
    """With it they go out; without it, and with a form, the reason is told."""
    assert (await _sent(submission(sender="ACME"))).sender == "ACME"
    assert (await _sent(submission(sender=None))).sender == ""
    bare = {name: value for name, value in SETTINGS.items() if name != "messaging_profile_id"}
    with pytest.raises(ValueError, match="messaging_profile_id"):
        await _sent(submission(sender="ACME"), settings=bare)
    with pytest.raises(ValueError, match="plain text"):
        await _sent(submission(form=Form(message_class=0)))


def test_every_code_has_its_class() -> None:
    """The codes of the reference, class by class."""
    assert {made: " ".join(codes) for made, codes in CLASSES} == {
        recipient: "10002 40001 40004 40008 40012 40310",
        opted_out: "40300",
        content: "40003 40009 40015",
        wrong_config: "10001 10003 10004 10005 10006 10009 10010 10015 40002 40013 40305 40306"
        " 40315 40333",
        throttled: "10011 40011 40014 40318",
        transient: "10007 40006 40007",
        unknown: "10008",
    }
    dialect, _ = _wired()
    for made, codes in CLASSES:
        for code in codes:
            body = orjson.dumps({"errors": [{"code": code, "title": "t", "detail": "d"}]})
            verdict = dialect.read(submission(), Answer(400, {}, body))
            wanted = made(code, "d")
            assert (verdict.kind, verdict.error_class) == (wanted.kind, wanted.error_class)
            assert (verdict.code, verdict.detail) == (code, "d")


@pytest.mark.parametrize(
    ("why", "error_class", "code"),
    [
        (Refusal.RECIPIENT, ErrorClass.RECIPIENT, "40310"),
        (Refusal.OPTED_OUT, ErrorClass.RECIPIENT, "40300"),
        (Refusal.SENDER, ErrorClass.CONFIG, "40305"),
        (Refusal.CREDENTIALS, ErrorClass.CONFIG, "10009"),
        (Refusal.THROTTLED, ErrorClass.THROTTLE, "10011"),
        (Refusal.INTERNAL, ErrorClass.CARRIER, "10007"),
    ],
)
async def test_errors_are_classed(why: Refusal, error_class: str, code: str) -> None:
    """Each refusal says whose fault it is; throttling says how long to wait."""
    dialect, wire = _wired()
    one = await _sent(submission())
    verdict = dialect.read(submission(), answer_of(wire.far_side.refused(one, why, 7)))
    assert (verdict.error_class, verdict.code) == (error_class, code)
    if why is Refusal.THROTTLED:
        assert verdict.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", OutcomeKind.UNKNOWN),
        (200, b'{"data": {"id": null}}', OutcomeKind.UNKNOWN),
        (200, b'{"data": [1]}', OutcomeKind.UNKNOWN),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (500, b"{}", OutcomeKind.UNKNOWN),
        (504, b'{"errors":[{"code":"10007"}]}', OutcomeKind.UNKNOWN),
        (503, b'{"errors":[{"code":"99999"}]}', OutcomeKind.DEFERRED),
        (422, b'{"errors":[{"code":99999}]}', OutcomeKind.REFUSED),
        (400, b'{"errors":"odd"}', OutcomeKind.REFUSED),
    ],
)
def test_any_answer_is_read(status: int, body: bytes, kind: OutcomeKind) -> None:
    """A code that nobody knows is read by its status."""
    assert _wired()[0].read(submission(), Answer(status, {}, body)).kind is kind


async def test_credentials_are_checked() -> None:
    """A good key is taken, a wrong one told; a public key that is none is refused at once."""
    good, _ = _wired()
    assert await good.check() is None
    bad, _ = _wired(SETTINGS | {"api_key": "other"})
    assert "api_key" in str(await bad.check())
    for key in ("!", "AAAA"):
        with pytest.raises(ValueError, match="public_key"):
            SPEC.build(config(SPEC, SETTINGS | {"public_key": key}))


async def _read(made: CallbackRequest) -> Any:
    return await TelnyxCalls(config(SPEC, SETTINGS)).read(call_of(made))


async def test_the_signature_of_the_reference_holds() -> None:
    """The published vector is accepted; a changed octet, no signature, and age are refused."""
    at = datetime.fromtimestamp(1700000000, UTC)
    headers = {
        "telnyx-timestamp": "1700000000",
        "telnyx-signature-ed25519": "LhN3MIGk9cmb3dnYnff5iMTHrW35qZFb7JZ12PHvgI0YnPxwMnMdtxhq"
        "Dg6tu14XL6YM3QpsXZORwlzAJqAxCA==",
    }
    body = b'{"data":{"event_type":"message.finalized"}}'
    settings = {**SETTINGS, "public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="}
    call = Call("POST", STATUS, "status", headers, body, at)
    reader = TelnyxCalls(config(SPEC, settings, ManualClock(at)))
    assert len((await reader.read(call)).receipts) == 1
    old = TelnyxCalls(config(SPEC, settings, ManualClock(at + timedelta(seconds=301))))
    for reading, wrong in (
        (reader, replace(call, body=body + b" ")),
        (reader, replace(call, headers={})),
        (reader, replace(call, headers=headers | {"telnyx-timestamp": "1700000001"})),
        (reader, replace(call, headers=headers | {"telnyx-signature-ed25519": "é"})),
        (old, call),
    ):
        with pytest.raises(CallRefusedError) as refused:
            await reading.read(wrong)
        assert refused.value.status == 401


async def test_a_webhook_becomes_a_receipt() -> None:
    """With the message's id, our own from the URL, the error and the price."""
    one = await _sent(submission())
    made = TelnyxFarSide(ManualClock()).receipt(one, State.UNDELIVERED, "005", CALLBACK)
    assert made is not None
    (receipt,) = (await _read(made)).receipts
    assert (receipt.carrier_message_id, receipt.match_keys) == (one.id, (one.id,))
    assert (receipt.state, receipt.word, receipt.error) == (
        ReceiptState.UNDELIVERABLE, "delivery_failed", "40012",
    )  # fmt: skip
    assert (receipt.message_id, receipt.price) == (MESSAGE_ID, Price(4000, "USD"))
    assert (receipt.sender, receipt.recipient) == (one.recipient, one.sender)


def _event(kind: str, payload: dict[str, Any]) -> CallbackRequest:
    return TelnyxFarSide(ManualClock())._call(CALLBACK, kind, payload)


async def test_every_status_word_is_known() -> None:
    """One that nobody knows changes nothing; an expiry may hide behind a failure."""
    for word, state in (*STATES.items(), ("odd", ReceiptState.NONE)):
        (receipt,) = (await _read(_event("message.sent", {"to": [{"status": word}]}))).receipts
        assert (receipt.state, receipt.word) == (state, word)
    told = {"to": [{"status": "sending_failed"}], "errors": [{"code": "40005"}]}
    (expired,) = (await _read(_event("message.finalized", told))).receipts
    assert expired.state is ReceiptState.EXPIRED


async def test_messages_come_in() -> None:
    """Texts with their id, media with their URLs; other events tell nothing."""
    (made,) = TelnyxFarSide(ManualClock()).inbound(
        "+16051234567", "+13035550100", "héllo", CALLBACK
    )
    (inbound,) = (await _read(made)).inbounds
    assert (inbound.sender, inbound.recipient) == ("+16051234567", "+13035550100")
    assert inbound.fragment.octets.decode("utf-16-be") == "héllo"
    assert inbound.carrier_message_id == orjson.loads(made.body)["data"]["payload"]["id"]
    file = {"url": "https://x.example/i.png", "content_type": "image/png", "size": 12}
    told = {"id": "i", "type": "MMS", "media": [file, {"url": None}], "text": None}
    (mms,) = (await _read(_event("message.received", told))).inbounds
    media = Media("https://x.example/i.png", "image/png", octets=12)
    assert (mms.channel, mms.content) == ("mms", Content(media=(media,)))
    news = await _read(_event("10dlc.campaign.update", {}))
    assert (news.receipts, news.inbounds) == ([], [])
