"""Carriers without code: templates, rules, calls, and descriptions that do not fit."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    OutcomeKind,
    Price,
    ReceiptState,
)
from onesixty.carriers.declared.calls import DeclaredCalls
from onesixty.carriers.declared.carrier import SPEC
from onesixty.carriers.declared.dialect import DeclaredDialect
from onesixty.carriers.http.dialect import Answer, Request
from onesixty.simulator.http.declared import AcmeFarSide
from onesixty.simulator.http.far_side import Refusal
from onesixty.simulator.numbers import State

from .aggregators.wire import BASE, CALLBACK, NOW, Wire, answer_of, call_of, config, submission

ACME = {**AcmeFarSide.credentials, "base_url": BASE}
OK = [{"when": {"regex": "^0:"}, "then": "accepted", "id": {"regex": "^0: ([0-9a-f-]+)"}}]


def wire() -> Wire:
    """The made-up aggregator."""
    return Wire(AcmeFarSide(config(SPEC, ACME).clock))


async def made(request: dict[str, Any], **of_message: Any) -> Request:
    """The request of a template."""
    settings = {**ACME, "username": "me & you", "password": "p=w", "request": request}
    dialect = DeclaredDialect(config(SPEC, settings), wire().ask)
    return await dialect.request(submission(**of_message))


async def test_a_message_goes_and_is_taken() -> None:
    """The far side gets what the template says; id and price are read from its answer."""
    far = wire()
    dialect, one = (
        DeclaredDialect(config(SPEC, ACME), far.ask),
        submission("Hi 👋", encoding="ucs2"),
    )
    verdict = dialect.read(one, await far.ask(await dialect.request(one)))
    (submitted,) = far.submitted
    assert (submitted.recipient, submitted.text) == (one.recipient, "Hi 👋")
    assert submitted.extra["unicode"] is True
    assert submitted.callback_url == f"{CALLBACK}/status"
    assert verdict.carrier_message_id == submitted.id
    assert verdict.price == Price(12_300, "EUR")


async def test_a_query_is_escaped() -> None:
    """What stands in a URL cannot break out of its place."""
    request = await made(
        {"method": "get", "url": "{base_url}/s?u={username}&t={text}&to={to_digits}"},
        body="a&b=c #ü",
    )
    assert dict(parse_qsl(urlsplit(request.url).query)) == {
        "u": "me & you", "t": "a&b=c #ü", "to": "15551231234",
    }  # fmt: skip
    assert (request.method, request.body) == ("GET", b"")


async def test_a_form_and_basic_authorization() -> None:
    """Fields are written as forms are; the pair goes into the header."""
    request = await made(
        {"url": "{base_url}/", "format": "form", "body": {"text": "{text_ucs2}", "n": "{segments}"},
         "basic": True},
        body="é",
    )  # fmt: skip
    assert request.body == b"text=00E9&n=1"
    assert request.headers["authorization"] == "Basic bWUgJiB5b3U6cD13"


async def test_xml_is_escaped() -> None:
    """A text with angle brackets stays a text."""
    request = await made(
        {"url": "{base_url}/", "format": "xml", "body": "<sms to='{to}'>{text}</sms>"},
        body='<a href="x">\'',
    )
    assert request.body == (
        b"<sms to='+15551231234'>&lt;a href=&quot;x&quot;&gt;&apos;</sms>"
    )  # fmt: skip


async def test_media_go_by_their_url() -> None:
    """The first file, where there is one."""
    content = Content(media=(Media("https://x.example/a.png"),))
    request = await made({"url": "{base_url}/", "body": {"file": "{media}"}}, content=content)
    assert orjson.loads(request.body) == {"file": "https://x.example/a.png"}


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        (Refusal.RECIPIENT, ErrorClass.RECIPIENT),
        (Refusal.OPTED_OUT, ErrorClass.RECIPIENT),
        (Refusal.SENDER, ErrorClass.CONFIG),
        (Refusal.CREDENTIALS, ErrorClass.CONFIG),
        (Refusal.THROTTLED, ErrorClass.THROTTLE),
        (Refusal.INTERNAL, ErrorClass.CARRIER),
    ],
)
async def test_refusals_have_their_class(why: Refusal, kind: str) -> None:
    """By the rules, and by the HTTP status where no rule holds."""
    far = wire()
    dialect, one = DeclaredDialect(config(SPEC, ACME), far.ask), submission()
    await far.ask(await dialect.request(one))
    verdict = dialect.read(one, answer_of(far.far_side.refused(far.submitted[0], why, 7)))
    assert verdict.error_class == kind
    assert (verdict.error_code == "opted_out") is (why is Refusal.OPTED_OUT)
    assert (verdict.retry_after_seconds == 7) is (verdict.kind is OutcomeKind.DEFERRED)


def test_plain_answers_are_read_by_patterns() -> None:
    """As old gateways answer; what fits no rule may have been sent."""
    dialect = DeclaredDialect(config(SPEC, ACME | {"answers": OK}), wire().ask)
    verdict = dialect.read(submission(), Answer(202, {}, b"0: 3f2a-11 Accepted for delivery"))
    assert (verdict.kind, verdict.carrier_message_id) == (OutcomeKind.ACCEPTED, "3f2a-11")
    for body in (b"", b"<html>", b"\xff\xfe", b"3: queued for later"):
        assert dialect.read(submission(), Answer(200, {}, body)).kind is OutcomeKind.UNKNOWN


async def test_the_check_is_described_too() -> None:
    """A balance that can be read is enough; a wrong key is not."""
    assert await DeclaredDialect(config(SPEC, ACME), wire().ask).check() is None
    wrong = DeclaredDialect(config(SPEC, ACME | {"api_key": "x"}), wire().ask)
    assert "HTTP 401" in (await wrong.check() or "")


async def test_receipts_and_inbound() -> None:
    """States by the map of words, texts and numbers by their places; the reply as described."""
    far, calls = wire(), DeclaredCalls(config(SPEC, ACME))
    dialect, one = DeclaredDialect(config(SPEC, ACME), far.ask), submission()
    await far.ask(await dialect.request(one))
    told = far.far_side.receipt(far.submitted[0], State.UNDELIVERED, "005", CALLBACK)
    assert told is not None
    news = await calls.read(call_of(told))
    (receipt,) = news.receipts
    assert (receipt.state, receipt.error) == (ReceiptState.UNDELIVERABLE, "005")
    assert (receipt.message_id, receipt.word) == (one.message_id, "UNDELIV")
    assert news.reply.body == b"OK"
    (came,) = far.far_side.inbound("+447700900123", "+447700900000", "STOP", f"{CALLBACK}/inbound")
    (inbound,) = (await calls.read(call_of(came))).inbounds
    assert inbound.sender == "+447700900123"
    assert inbound.fragment.octets.decode("utf-16-be") == "STOP"


async def test_calls_are_signed() -> None:
    """With a signature described, a call without it, or with another body, is refused."""
    calls = DeclaredCalls(config(SPEC, ACME))
    (good,) = wire().far_side.inbound("+1", "+2", "x", f"{CALLBACK}/inbound")
    spoilt: list[dict[str, Any]] = [{"headers": {}}, {"body": good.body + b" "}]
    for changed in spoilt:
        with pytest.raises(CallRefusedError):
            await calls.read(call_of(good, **changed))


async def test_a_query_and_a_list_are_read() -> None:
    """A receipt may be a GET; one call may tell of many messages; unknown words are kept."""
    by_query = {"id": "/mid", "state": "/st", "states": {"*": "undelivered", "1": "delivered"}}
    calls = DeclaredCalls(config(SPEC, ACME | {"receipt": by_query, "signature": None}))
    call = Call("GET", f"{CALLBACK}/status?mid=9&st=1", "status", {}, b"", NOW)
    (receipt,) = (await calls.read(call)).receipts
    assert (receipt.match_keys, receipt.state) == (("9",), ReceiptState.DELIVERED)
    listed = {"each": "/results", "id": "/id", "state": "/s", "states": {"D": "delivered"}}
    calls = DeclaredCalls(config(SPEC, ACME | {"receipt": listed, "signature": None}))
    body = b'{"results":[{"id":1,"s":"D"},{"id":2,"s":"odd"}]}'
    news = await calls.read(Call("POST", CALLBACK, "status", {}, body, NOW))
    assert [(one.state, one.word) for one in news.receipts] == [
        (ReceiptState.DELIVERED, "D"),
        (ReceiptState.NONE, "odd"),
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"request": {"url": "{base_url}", "body": "{phone}"}}, "there is no {phone}"),
        ({"request": {"body": "x"}}, "url is missing"),
        ({"request": {"url": "x", "format": "form", "body": "a"}}, "object of texts"),
        ({"request": {"url": "x", "verb": "GET"}}, "has no verb"),
        ({"answers": []}, "list of rules"),
        ({"answers": [{"then": "fine"}]}, "one of accepted"),
        ({"answers": [{"then": "config"}]}, "no rule for messages that are accepted"),
        ({"answers": [{"then": "accepted", "id": "id"}]}, "is a place such as"),
        ({"answers": [{"then": "accepted", "when": {"status": "2x"}}]}, "200"),
        ({"answers": [{"then": "accepted", "when": {"regex": "("}}]}, "no regular expression"),
        ({"receipt": {"states": {"D": "arrived"}}}, "one of queued"),
        ({"receipt": {"status": "/s"}}, "has no status"),
        ({"signature": {"header": "x", "algorithm": "md5"}}, "hmac-sha256"),
        ({"callback_secret": ""}, "needs callback_secret"),
    ],
)
def test_what_does_not_fit_is_said(changed: dict[str, Any], words: str) -> None:
    """Each fault of a description names its place and what would fit."""
    with pytest.raises(ValueError, match="(?s)" + words.replace("{", r"\{").replace("}", r"\}")):
        SPEC.build(config(SPEC, ACME | changed))


def test_guests_write_no_patterns() -> None:
    """Accounts below the top describe carriers without regular expressions, wherever they stand."""
    given = config(SPEC, ACME)
    SPEC.build(replace(given, is_guest=True))
    place = {"regex": "(a+)+$"}
    for name, value in (
        ("answers", [{"when": place, "then": "accepted"}]),
        ("answers", [{"when": {"status": 200}, "then": "accepted", "id": place}]),
        ("receipt", {**ACME["receipt"], "id": place}),
        ("inbound", {**ACME["inbound"], "when": place}),
        ("check", {**ACME["check"], "when": place}),
    ):
        changed = replace(given, settings={**given.settings, name: value})
        SPEC.build(changed)
        with pytest.raises(ValueError, match="regex"):
            SPEC.build(replace(changed, is_guest=True))
