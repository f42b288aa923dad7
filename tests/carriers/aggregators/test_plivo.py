"""Plivo: messages, errors in words, signed forms."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from onesixty.carriers.aggregators.plivo import SPEC, PlivoDialect
from onesixty.carriers.aggregators.plivo_calls import STATES, PlivoCalls
from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    MediaCarrier,
    OutcomeKind,
    Price,
    ReceiptState,
)
from onesixty.carriers.http.dialect import Answer
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.plivo import PlivoFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms.form import Form

from .wire import BASE, CALLBACK, MESSAGE_ID, NOW, Wire, answer_of, call_of, config, submission

SETTINGS = {**PlivoFarSide.credentials, "base_url": BASE}
STATUS = f"{CALLBACK}/status?message_id={MESSAGE_ID.hex}"
LONG = "x" * 200


def _wired(settings: dict[str, Any] = SETTINGS, **more: Any) -> tuple[PlivoDialect, Wire]:
    wire = Wire(PlivoFarSide(ManualClock()))
    return PlivoDialect(config(SPEC, settings, **more), wire.ask), wire


async def _sent(one: Any, **more: Any) -> Submitted:
    dialect, wire = _wired(**more)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert (verdict.kind, verdict.carrier_message_id) == (
        OutcomeKind.ACCEPTED, wire.submitted[-1].id,
    )  # fmt: skip
    return wire.submitted[-1]


async def test_a_text_goes_out_with_a_callback_of_its_own() -> None:
    """The callback URL names our message; without a public URL there is none."""
    arrived = await _sent(submission("Grüße 👋"))
    assert (arrived.text, arrived.recipient) == ("Grüße 👋", "+15551231234")
    assert (arrived.sender, arrived.callback_url) == ("+14155550100", STATUS)
    assert arrived.extra == {"type": "sms", "method": "POST", "message_expiry": 3600}
    assert (await _sent(submission(), callback_url=None)).callback_url == ""


@pytest.mark.parametrize(
    ("seconds", "expiry"), [(1, 5), (90, 90), (14_400, 14_400), (14_401, None)]
)
async def test_validity_is_passed_on_within_bounds(seconds: int, expiry: int | None) -> None:
    """At least 5 s; one longer than Plivo keeps messages is left to it."""
    arrived = await _sent(submission(expires_at=NOW + timedelta(seconds=seconds)))
    assert arrived.extra.get("message_expiry") == expiry


async def test_without_a_sender_the_powerpack_sends() -> None:
    """One of the two is needed; WhatsApp knows no powerpack."""
    assert (await _sent(submission(sender=None))).sender == ""
    bare = {name: value for name, value in SETTINGS.items() if name != "powerpack_uuid"}
    for one, settings in (
        (submission(sender=None), bare),
        (submission(sender=None, channel="whatsapp"), SETTINGS),
    ):
        with pytest.raises(ValueError, match="sender"):
            await _sent(one, settings=settings)


async def test_media_templates_and_buttons_go_out() -> None:
    """An MMS has files; WhatsApp has templates, filled in order or by name, and buttons."""
    media = (Media("https://x.example/a.jpg"),)
    arrived = await _sent(submission("look", channel="mms", content=Content(media=media)))
    assert (arrived.channel, arrived.extra["media_urls"]) == ("mms", ["https://x.example/a.jpg"])
    header = {"type": "header", "parameters": []}
    for parameters, filled in (
        (("Ana",), {"type": "text", "text": "Ana"}),
        ({"name": "Ana"}, {"type": "text", "parameter_name": "name", "text": "Ana"}),
    ):
        template = Template("hi", "en_US", parameters, (header,))
        content = Content(template=template)
        sent = await _sent(submission("", channel="whatsapp", content=content))
        body = {"type": "body", "parameters": [filled]}
        assert sent.extra["template"] == {
            "name": "hi", "language": "en_US", "components": [header, body],
        }  # fmt: skip
    buttons = {"type": "button", "action": {}}
    content = Content(interactive=buttons)
    sent = await _sent(submission("choose", channel="whatsapp", content=content))
    assert (sent.text, sent.extra["interactive"]) == ("choose", buttons)


async def test_what_plivo_has_no_field_for_is_refused() -> None:
    """Flash, binary data, and an MMS without a file."""
    for one, words in (
        (submission(form=Form(message_class=0)), "plain text"),
        (submission(channel="mms"), "needs a file"),
    ):
        with pytest.raises(ValueError, match=words):
            await _sent(one)


async def test_parts_of_a_long_text_are_told_apart() -> None:
    """The answer names one id for all; each part has its receipt by parent and number."""
    dialect, wire = _wired()
    one = submission(LONG, segments=2)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    arrived = wire.submitted[-1]
    assert verdict.part_ids == (f"{arrived.id}/1", f"{arrived.id}/2")
    far_side = PlivoFarSide(ManualClock())
    keys: list[str] = []
    for part in far_side.parts(arrived):
        made = far_side.receipt(part, State.DELIVERED, "000", CALLBACK)
        assert made is not None
        (receipt,) = (await _calls().read(call_of(made))).receipts
        assert receipt.price == Price(5500, "USD")
        keys += receipt.match_keys
    assert tuple(keys) == verdict.part_ids


@pytest.mark.parametrize(
    ("why", "error_class", "code"),
    [
        (Refusal.RECIPIENT, ErrorClass.RECIPIENT, "400"),
        (Refusal.OPTED_OUT, ErrorClass.RECIPIENT, "400"),
        (Refusal.SENDER, ErrorClass.CONFIG, "400"),
        (Refusal.CREDENTIALS, ErrorClass.CONFIG, "401"),
        (Refusal.THROTTLED, ErrorClass.THROTTLE, "429"),
        (Refusal.INTERNAL, ErrorClass.CARRIER, "500"),
    ],
)
async def test_errors_are_classed(why: Refusal, error_class: str, code: str) -> None:
    """Plivo has no codes: status and words say whose fault it is."""
    dialect, wire = _wired()
    one = await _sent(submission())
    verdict = dialect.read(submission(), answer_of(wire.far_side.refused(one, why, 7)))
    assert (verdict.error_class, verdict.code) == (error_class, code)
    if why is Refusal.THROTTLED:
        assert verdict.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (202, b"", OutcomeKind.UNKNOWN),
        (202, b'{"message_uuid": []}', OutcomeKind.UNKNOWN),
        (202, b'{"message_uuid": [7]}', OutcomeKind.UNKNOWN),
        (202, b'{"message_uuid": "abc"}', OutcomeKind.ACCEPTED),
        (202, b'{"message_uuid": [], "invalid_number": ["1"]}', OutcomeKind.REFUSED),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (500, b"{}", OutcomeKind.UNKNOWN),
        (503, b'{"error": "busy"}', OutcomeKind.DEFERRED),
        (400, b'{"error": {"dst": ["wrong"]}}', OutcomeKind.REFUSED),
        (404, b"[]", OutcomeKind.REFUSED),
    ],
)
def test_any_answer_is_read(status: int, body: bytes, kind: OutcomeKind) -> None:
    """Only an error that Plivo itself wrote is certain not to have sent anything."""
    assert _wired()[0].read(submission(), Answer(status, {}, body)).kind is kind


async def test_credentials_are_checked() -> None:
    """By asking for the account."""
    good, _ = _wired()
    assert await good.check() is None
    bad, _ = _wired(SETTINGS | {"auth_token": "other"})
    assert "auth_token" in str(await bad.check())


async def test_files_are_fetched_with_the_credentials_from_plivo_alone() -> None:
    """Media of the account may be closed to others; no stranger sees the auth token."""
    assert isinstance(SPEC.build(config(SPEC, SETTINGS)), MediaCarrier)
    dialect, _ = _wired()
    for url in (f"{BASE}/v1/Account/x/", "https://media.plivo.com/Account/x/y.png"):
        headers = dialect.file_headers(url)
        assert headers is not None
        assert "authorization" in headers
    for url in ("https://plivo.com.example/y.png", "http://media.plivo.com/y.png"):
        assert dialect.file_headers(url) is None


def _calls(token: str = SETTINGS["auth_token"]) -> PlivoCalls:
    return PlivoCalls(config(SPEC, SETTINGS | {"auth_token": token}))


async def test_both_signatures_of_the_reference_hold() -> None:
    """The published vectors of V2 and V3 are accepted; without one, or changed, none is."""
    fields = {
        "From": "15557654321", "To": "15551234567", "Status": "delivered",
        "MessageUUID": "5b40a428-bfc7-4daf-9d06-726c558bf3b8",
    }  # fmt: skip
    body = urlencode(fields).encode()
    v2 = {
        "x-plivo-signature-v2": "qOShgsGb6HmjKnGLY7gfYa9SLkKUpij5oc28RkHYMdM=",
        "x-plivo-signature-v2-nonce": "12345",
    }
    v3 = {
        "x-plivo-signature-v3": "x,E6imFyBGdhia8debMkLMliV7Hp3dIrNyBhdiuQ4eZvc=",
        "x-plivo-signature-v3-nonce": "12345",
    }
    url = "https://example.com/hooks/plivo"
    reader = _calls("plivotoken")
    by_v2 = Call("POST", url, "", v2, body, NOW)
    by_v3 = Call("POST", f"{url}?tenant=7", "", v3, body, NOW)
    for call in (by_v2, by_v3):
        assert (await reader.read(call)).receipts[0].state is ReceiptState.DELIVERED
    for wrong in (
        replace(by_v2, headers={}),
        replace(by_v2, url=f"{url}/other"),
        replace(by_v2, headers=v2 | {"x-plivo-signature-v3": "é"}),
        replace(by_v3, body=body + b"&Units=2"),
        replace(by_v3, url=f"{url}?tenant=8"),
    ):
        with pytest.raises(CallRefusedError) as refused:
            await reader.read(wrong)
        assert refused.value.status == 401


async def test_a_form_becomes_a_receipt() -> None:
    """With our own id from the URL, error, price, network, and the numbers with their +."""
    one = await _sent(submission())
    made = PlivoFarSide(ManualClock()).receipt(one, State.UNDELIVERED, "005", CALLBACK)
    assert made is not None
    (receipt,) = (await _calls().read(call_of(made))).receipts
    assert (receipt.carrier_message_id, receipt.match_keys) == (one.id, (one.id,))
    assert (receipt.state, receipt.word, receipt.error) == (
        ReceiptState.UNDELIVERABLE, "undelivered", "50",
    )  # fmt: skip
    assert (receipt.message_id, receipt.network) == (MESSAGE_ID, "310260")
    assert receipt.price == Price(5500, "USD")
    assert (receipt.sender, receipt.recipient) == (one.recipient, one.sender)


def _signed(fields: dict[str, str]) -> Call:
    return call_of(PlivoFarSide(ManualClock())._call(CALLBACK, fields))


async def test_every_state_is_known() -> None:
    """One that nobody knows changes nothing; some codes of failures tell of an expiry."""
    for word, state in (*STATES.items(), ("odd", ReceiptState.NONE)):
        told = {"MessageUUID": "u", "Status": word, "TotalAmount": "", "MCC": "N/A", "MNC": "0"}
        (receipt,) = (await _calls().read(_signed(told))).receipts
        assert (receipt.state, receipt.word) == (state, word)
        assert (receipt.price, receipt.network) == (None, "")
    told = {"MessageUUID": "", "Status": "sent"}
    assert (await _calls().read(_signed(told))).receipts[0].match_keys == ()
    told = {"MessageUUID": "u", "Status": "failed", "ErrorCode": "120"}
    assert (await _calls().read(_signed(told))).receipts[0].state is ReceiptState.EXPIRED


async def test_an_amount_for_all_parts_counts_once() -> None:
    """Where every part's form bears the amount of all units, the first part has it."""
    prices = []
    for part in ("1 of 2", "2 of 2"):
        told = {"MessageUUID": "u", "ParentMessageUUID": "p", "PartInfo": part, "Units": "2"}
        told |= {"Status": "delivered", "TotalAmount": "0.011"}
        (receipt,) = (await _calls().read(_signed(told))).receipts
        prices.append(receipt.price)
    assert prices == [Price(11_000, "USD"), None]


async def test_messages_come_in() -> None:
    """Texts with their id, media with their URLs, by POST or GET; other forms tell nothing."""
    (made,) = PlivoFarSide(ManualClock()).inbound("+16051234567", "12345", "héllo", CALLBACK)
    (inbound,) = (await _calls().read(call_of(made))).inbounds
    assert (inbound.sender, inbound.recipient) == ("+16051234567", "12345")
    assert inbound.fragment.octets.decode("utf-16-be") == "héllo"
    assert inbound.carrier_message_id
    told = {"MessageUUID": "u", "From": "16051234567", "Type": "mms", "MediaCount": "2"}
    told |= {"Media0": "https://x.example/0", "Media1": "https://x.example/1"}
    (mms,) = (await _calls().read(_signed(told))).inbounds
    media = (Media("https://x.example/0"), Media("https://x.example/1"))
    assert (mms.channel, mms.content) == ("mms", Content(media=media))
    news = await _calls().read(_signed({"Odd": "1"}))
    assert (news.receipts, news.inbounds) == ([], [])


async def test_a_form_with_too_many_fields_is_refused() -> None:
    """Before anything of it is looked at."""
    body = b"&".join(b"a=1" for _ in range(300))
    headers = {"x-plivo-signature-v3": "x"}
    with pytest.raises(CallRefusedError) as refused:
        await _calls().read(Call("POST", CALLBACK, "", headers, body, NOW))
    assert refused.value.status == 400
