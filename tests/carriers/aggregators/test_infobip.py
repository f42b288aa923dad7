"""Infobip: messages with our own ids, statuses, reports."""

import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from onesixty.carriers.aggregators.infobip import (
    CLASSES,
    SPEC,
    InfobipCalls,
    InfobipDialect,
    elsewhere,
)
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    OutcomeKind,
    Price,
    ReceiptState,
)
from onesixty.carriers.http.dialect import Answer, content, recipient, throttled
from onesixty.carriers.http.dialect import config as wrong_config
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.infobip import InfobipFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms import udh
from onesixty.sms.form import FLASH, Form

from .wire import BASE, CALLBACK, MESSAGE_ID, NOW, Wire, answer_of, call_of, config, submission

SETTINGS = {**InfobipFarSide.credentials, "base_url": BASE}
OPEN = {name: value for name, value in SETTINGS.items() if name != "webhook_secret"}


def _wired(settings: dict[str, Any] = OPEN, **more: Any) -> tuple[InfobipDialect, Wire]:
    wire = Wire(InfobipFarSide(ManualClock()))
    return InfobipDialect(config(SPEC, settings, **more), wire.ask), wire


async def _sent(one: Any, **more: Any) -> Submitted:
    dialect, wire = _wired(**more)
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert (verdict.kind, verdict.carrier_message_id) == (
        OutcomeKind.ACCEPTED, wire.submitted[-1].id,
    )  # fmt: skip
    return wire.submitted[-1]


async def test_a_text_goes_out_under_our_own_id() -> None:
    """Its id is ours, and so is what reports echo; validity is told in seconds."""
    arrived = await _sent(submission("Grüße 👋"))
    assert (arrived.text, arrived.recipient) == ("Grüße 👋", "+15551231234")
    assert (arrived.id, arrived.reference) == (MESSAGE_ID.hex, MESSAGE_ID.hex)
    assert (arrived.sender, arrived.callback_url) == ("14155550100", f"{CALLBACK}/status")
    assert arrived.extra["options"] == {"validityPeriod": {"amount": 3600, "timeUnit": "SECONDS"}}
    longer = await _sent(submission(expires_at=NOW + timedelta(days=9)))
    assert longer.extra["options"]["validityPeriod"]["amount"] == 48 * 3600


async def test_reports_of_a_secured_subscription_come_by_it() -> None:
    """With a secret or a user for webhooks no URL goes out, nor without a public URL."""
    basic = OPEN | {"webhook_user": "u", "webhook_password": "p"}
    for settings in (SETTINGS, basic):
        assert (await _sent(submission(), settings=settings)).callback_url == ""
    assert (await _sent(submission(), callback_url=None)).callback_url == ""
    with pytest.raises(ValueError, match="webhook_password"):
        SPEC.build(config(SPEC, OPEN | {"webhook_user": "u"}))


async def test_a_repeat_is_not_sent_twice() -> None:
    """The second request of a message is answered as a duplicate: the first one was taken."""
    dialect, wire = _wired()
    kinds = []
    for attempt in (1, 2):
        one = submission(attempt=attempt)
        kinds.append(dialect.read(one, await wire.ask(await dialect.request(one))))
    assert [verdict.kind for verdict in kinds] == [OutcomeKind.ACCEPTED] * 2
    assert [verdict.carrier_message_id for verdict in kinds] == [MESSAGE_ID.hex] * 2
    assert len(wire.submitted) == 1


async def test_a_throttled_message_gets_a_new_id() -> None:
    """Its old id may be used up by the refusal."""
    arrived = await _sent(submission(throttled=2))
    assert (arrived.id, arrived.reference) == (f"{MESSAGE_ID.hex}-2", MESSAGE_ID.hex)


async def test_binary_data_and_flash_go_out() -> None:
    """Octets as hex digits with their header and coding, class 0 as flash."""
    header = udh.build(udh.ports(2948, 0))
    sent = await _sent(submission("", form=Form(udh=header, data=b"\x01\xff")))
    assert sent.extra["content"] == {
        "hex": (header + b"\x01\xff").hex(" "), "dataCoding": 4, "esmClass": 64,
    }  # fmt: skip
    coded = await _sent(submission("", form=Form(data=b"\x01", message_class=1)))
    assert coded.extra["content"] == {"hex": "01", "dataCoding": 0xF5, "esmClass": 0}
    flash = await _sent(submission(form=Form(message_class=FLASH)))
    assert flash.extra["options"]["flash"] is True


@pytest.mark.parametrize(
    "form",
    [Form(protocol_id=64), Form(udh=udh.build(udh.ports(1, 2))), Form(data=b"x" * 141)],
)
async def test_other_forms_are_refused_in_words(form: Form) -> None:
    """What Infobip has no field for is not sent as something else."""
    with pytest.raises(ValueError, match="Infobip takes"):
        await _sent(submission(form=form))


def _status(number: int, group: int) -> bytes:
    status = {"id": number, "groupId": group, "name": "NAME", "description": "words"}
    return orjson.dumps({"messages": [{"messageId": "m", "status": status}]})


def test_every_status_has_its_class() -> None:
    """The statuses of the reference, class by class; unknown rejections are of our settings."""
    assert dict(CLASSES) == {
        recipient: (4, 9, 31, 6, 8, 10, 14, 52),
        content: (25,),
        wrong_config: (11, 12, 13, 17, 18, 19, 24, 51, 87),
        throttled: (20,),
        elsewhere: (21, 100),
    }
    dialect, _ = _wired()
    known = [(number, made("", "")) for made, numbers in CLASSES for number in numbers]
    for number, wanted in (*known, (9999, wrong_config("", ""))):
        verdict = dialect.read(submission(), Answer(200, {}, _status(number, 5)))
        assert (verdict.kind, verdict.error_class) == (wanted.kind, wanted.error_class), number
        assert (verdict.code, verdict.detail) == (str(number), "words")
    for number, group in ((26, 1), (7, 1), (3, 1), (5, 3), (23, 5)):
        verdict = dialect.read(submission(), Answer(200, {}, _status(number, group)))
        assert (verdict.kind, verdict.carrier_message_id) == (OutcomeKind.ACCEPTED, "m")


@pytest.mark.parametrize(
    ("why", "error_class", "code"),
    [
        (Refusal.RECIPIENT, ErrorClass.RECIPIENT, "52"),
        (Refusal.OPTED_OUT, ErrorClass.RECIPIENT, "14"),
        (Refusal.SENDER, ErrorClass.CONFIG, "11"),
        (Refusal.CREDENTIALS, ErrorClass.CONFIG, "E401"),
        (Refusal.THROTTLED, ErrorClass.THROTTLE, "E429"),
        (Refusal.INTERNAL, ErrorClass.CARRIER, "E500"),
    ],
)
async def test_errors_are_classed(why: Refusal, error_class: str, code: str) -> None:
    """A refused message comes with 200, a refused call with an error; both say whose fault."""
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
        (200, b'{"messages": []}', OutcomeKind.UNKNOWN),
        (200, b'{"messages": [{"status": {"groupId": "1"}}]}', OutcomeKind.UNKNOWN),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (500, b"{}", OutcomeKind.UNKNOWN),
        (503, b'{"errorCode": "E503", "description": "later"}', OutcomeKind.DEFERRED),
        (400, b'{"requestError": {"serviceException": {"text": "no"}}}', OutcomeKind.REFUSED),
        (404, b"[]", OutcomeKind.REFUSED),
    ],
)
def test_any_answer_is_read(status: int, body: bytes, kind: OutcomeKind) -> None:
    """Only an error that Infobip itself wrote is certain not to have sent anything."""
    assert _wired()[0].read(submission(), Answer(status, {}, body)).kind is kind


async def test_a_number_that_is_none_is_the_recipients_fault() -> None:
    """The violation names the field of the recipient."""
    dialect, wire = _wired()
    one = submission(recipient="+odd")
    verdict = dialect.read(one, await wire.ask(await dialect.request(one)))
    assert (verdict.error_class, verdict.code) == (ErrorClass.RECIPIENT, "E400")


async def test_credentials_are_checked() -> None:
    """A good key is taken, a wrong one told; one that may not read the log may still send."""
    good, _ = _wired()
    assert await good.check() is None
    bad, _ = _wired(OPEN | {"api_key": "other"})
    assert "api_key" in str(await bad.check())


def _calls(settings: dict[str, Any] = SETTINGS) -> InfobipCalls:
    return InfobipCalls(config(SPEC, settings))


async def test_signatures_are_checked_as_the_subscription_makes_them() -> None:
    """Hex digits or base64, with or without the name of the digest, in the header that is set."""
    body = b'{"results":[]}'
    settings = OPEN | {
        "webhook_secret": "s", "webhook_digest": "sha512", "webhook_header": "X-Sig",
    }  # fmt: skip
    made = hmac.digest(b"s", body, "sha512")
    for given in (made.hex(), b64encode(made).decode(), f"sha512={made.hex()}"):
        await _calls(settings).read(Call("POST", CALLBACK, "", {"x-sig": given}, body, NOW))
    for wrong in ({}, {"x-sig": "é"}, {"x-sig": made.hex()[:-1]}, {"x-hub-signature": made.hex()}):
        with pytest.raises(CallRefusedError) as refused:
            await _calls(settings).read(Call("POST", CALLBACK, "", wrong, body, NOW))
        assert refused.value.status == 401


async def test_users_and_passwords_are_checked() -> None:
    """HTTP Basic where the subscription has it."""
    reader = _calls(OPEN | {"webhook_user": "u", "webhook_password": "p"})
    call = Call("POST", CALLBACK, "", {}, b'{"results":[]}', NOW)
    good = {"authorization": "Basic " + b64encode(b"u:p").decode()}
    assert (await reader.read(replace(call, headers=good))).receipts == []
    for wrong in ({}, {"authorization": "Basic é"}, {"authorization": good["authorization"][6:]}):
        with pytest.raises(CallRefusedError):
            await reader.read(replace(call, headers=wrong))


async def test_a_report_becomes_a_receipt() -> None:
    """With our id, the error, the network, and the price of all parts."""
    one = await _sent(submission("x" * 200, segments=2))
    made = InfobipFarSide(ManualClock()).receipt(one, State.UNDELIVERED, "005", CALLBACK)
    assert made is not None
    (receipt,) = (await _calls().read(call_of(made))).receipts
    assert (receipt.carrier_message_id, receipt.match_keys) == (one.id, (one.id,))
    assert (receipt.state, receipt.error) == (ReceiptState.UNDELIVERABLE, "1")
    assert receipt.word == "UNDELIVERABLE_REJECTED_OPERATOR"
    assert (receipt.message_id, receipt.network) == (MESSAGE_ID, "310260")
    assert receipt.price == Price(13_000, "EUR")
    assert (receipt.sender, receipt.recipient) == ("+15551231234", "+14155550100")


@pytest.mark.parametrize(
    ("number", "group", "state"),
    [
        (26, 1, ReceiptState.ENROUTE),
        (3, 1, ReceiptState.ENROUTE),
        (7, 1, ReceiptState.ENROUTE),
        (4, 2, ReceiptState.UNDELIVERABLE),
        (9, 2, ReceiptState.UNDELIVERABLE),
        (31, 2, ReceiptState.UNDELIVERABLE),
        (2, 3, ReceiptState.ENROUTE),
        (5, 3, ReceiptState.DELIVERED),
        (15, 4, ReceiptState.EXPIRED),
        (29, 4, ReceiptState.UNKNOWN),
        (12, 5, ReceiptState.REJECTED),
        (23, 5, ReceiptState.NONE),
        (77, 9, ReceiptState.NONE),
        ("1", None, ReceiptState.NONE),
    ],
)
async def test_every_group_is_known(number: Any, group: Any, state: ReceiptState) -> None:
    """Some statuses say other than their group; what nobody knows changes nothing."""
    status = {"id": number, "groupId": group, "name": "NAME"}
    body = orjson.dumps({"results": [{"messageId": "m", "status": status}]})
    news = await _calls(OPEN).read(Call("POST", CALLBACK, "", {}, body, NOW))
    (receipt,) = news.receipts
    assert (receipt.state, receipt.word, receipt.price) == (state, "NAME", None)
    assert receipt.error == ("NAME" if state is ReceiptState.REJECTED else "")


async def test_messages_come_in() -> None:
    """Several at once, each with its id."""
    (made,) = InfobipFarSide(ManualClock()).inbound("+16051234567", "12345", "héllo", CALLBACK)
    (inbound,) = (await _calls().read(call_of(made))).inbounds
    assert (inbound.sender, inbound.recipient) == ("+16051234567", "12345")
    assert inbound.fragment.octets.decode("utf-16-be") == "héllo"
    (told,) = orjson.loads(made.body)["results"]
    assert inbound.carrier_message_id == told["messageId"]
    body = orjson.dumps({"results": [told, told, 7]})
    news = await _calls(OPEN).read(Call("POST", CALLBACK, "", {}, body, NOW))
    assert len(news.inbounds) == 2
