"""Vonage's SMS API without a network: what is sent, how answers are read, what calls tell."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
import pytest

from onesixty.carriers.aggregators.vonage_sms import SPEC, VonageSmsDialect
from onesixty.carriers.aggregators.vonage_sms_calls import METHODS, VonageSmsCalls, signature
from onesixty.carriers.content import Content
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    Inbound,
    OutcomeKind,
    Price,
    Receipt,
    ReceiptState,
    Submission,
)
from onesixty.carriers.http.dialect import Answer, Verdict
from onesixty.kit.manual_clock import ManualClock
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import Form
from onesixty.sms.reassembly import assemble

from .scene import Asked, answer, call
from .wire import MESSAGE_ID, NOW, config, submission

KEY = {"api_key": "abcd1234", "api_secret": "secret"}
FORM = "application/x-www-form-urlencoded"
SHORT = "https://s.example/c"
# The vector: HMACs as the vendor's library computes them, md5hash after the documented rule.
SIGNED_AT = datetime.fromtimestamp(1_578_787_200, UTC)
SECRET = "my_sig_secret"
VECTOR = {
    "api-key": "abcd1234",
    "msisdn": "447700900001",
    "to": "447700900000",
    "messageId": "0A0000000123ABCD1",
    "text": "Fish & chips = 5",
    "type": "text",
    "keyword": "FISH",
    "message-timestamp": "2020-01-01 12:00:00",
    "timestamp": "1578787200",
    "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
}
SIGNATURES = {
    "md5hash": "68c3fa4c202f62e5434a7e0709038ff8",
    "md5": "848f6bd4006a7e7cd7086681b63d3298",
    "sha1": "a8687de56726df243b878fee09e23a2e441251b8",
    "sha256": "fef8cc514bfd88263d8a02e8de596d821677b1e88fffb4cfae46568199713ac6",
    "sha512": "d4ba08924cdc22fddc6ec682606c251dc4c09400af77b11a32e81830d0dab202a8570bd7a2287a1f9cfb"
    "851a5b9f600bc0010efe0988bfe9bf550553a48296b5",
}


async def _sent(one: Submission, url: str | None = SHORT, **more: str) -> dict[str, str]:
    given = config(SPEC, {**KEY, **more}, callback_url=url)
    request = await VonageSmsDialect(given, Asked()).request(one)
    assert (request.method, request.url) == ("POST", "https://rest.nexmo.com/sms/json")
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def _read(*parts: dict[str, str], status: int = 200) -> Verdict:
    return _raw(orjson.dumps({"message-count": str(len(parts)), "messages": parts}), status)


def _raw(body: bytes, status: int = 200, **headers: str) -> Verdict:
    dialect = VonageSmsDialect(config(SPEC, KEY), Asked())
    return dialect.read(submission(), answer(status, body, **headers))


def _taken(name: str, **more: str) -> dict[str, str]:
    return {"status": "0", "message-id": name, **more}


def _failed(code: str, text: str = "why") -> dict[str, str]:
    return {"status": code, "error-text": text}


async def test_a_text_is_one_form() -> None:
    """Numbers without +, validity in milliseconds, our id."""
    assert await _sent(submission("hello")) == {
        "from": "14155550100",
        "to": "15551231234",
        "text": "hello",
        "type": "text",
        "ttl": "3600000",
        "client-ref": MESSAGE_ID.hex,
        "callback": f"{SHORT}/status",
    }


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        ("hello €", "gsm7", "text"),
        ("hello", "ucs2", "unicode"),
        ("Привет", "ucs2", "unicode"),
        ("çĞ", "gsm7", "unicode"),
        ("Þ", "latin1", "unicode"),
    ],
)
async def test_we_say_what_is_not_gsm_7(body: str, encoding: str, kind: str) -> None:
    """Vonage would send a question mark for each letter that it lacks."""
    assert (await _sent(submission(body, encoding=encoding)))["type"] == kind


async def test_a_long_callback_url_is_left_to_the_account() -> None:
    """Vonage takes 100 characters."""
    longest = "https://s.example/".ljust(93, "x")
    assert (await _sent(submission(), longest))["callback"] == f"{longest}/status"
    assert "callback" not in await _sent(submission(), longest + "x")
    assert "callback" not in await _sent(submission(), None)


@pytest.mark.parametrize(("left", "millis"), [(-5, 20_000), (1e7, 604_800_000)])
async def test_the_validity_stays_within_what_vonage_takes(left: float, millis: int) -> None:
    """20 seconds to a week."""
    one = submission(expires_at=NOW + timedelta(seconds=left))
    assert (await _sent(one))["ttl"] == str(millis)


async def test_binary_data_and_flash() -> None:
    """Data of one part with its header; a class beside a text."""
    form = Form(udh=b"\x06\x05\x04\x0b\x84\x23\xf0", data=b"\x01\x02", protocol_id=5)
    told = await _sent(submission("", encoding="binary", form=form))
    assert (told["type"], told["udh"]) == ("binary", "0605040b8423f0")
    assert (told["body"], told["protocol-id"]) == ("0102", "5")
    flash = await _sent(submission("hi", form=Form(message_class=0)))
    assert (flash["text"], flash["message-class"]) == ("hi", "0")


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": None},
        {"content": Content(subject="x")},
        {"form": Form(data=b"x"), "encoding": "binary", "segments": 2},
        {"form": Form(data=b"x"), "encoding": "gsm7"},
        {"form": Form(udh=b"\x03\x24\x01\x01")},
        {"form": Form(protocol_id=64)},
    ],
)
async def test_what_vonage_cannot_send_is_said_before(changes: dict[str, Any]) -> None:
    """No request is made for what would arrive otherwise than it was meant."""
    with pytest.raises(ValueError, match="Vonage"):
        await _sent(submission(**changes))


async def test_a_secret_goes_as_basic_and_never_in_the_form() -> None:
    """Forms are logged more often than headers."""
    request = await VonageSmsDialect(config(SPEC, KEY), Asked()).request(submission())
    assert request.headers["Authorization"] == "Basic YWJjZDEyMzQ6c2VjcmV0"
    assert b"api_" not in request.body


@pytest.mark.parametrize("method", METHODS)
async def test_without_a_secret_requests_are_signed(method: str) -> None:
    """In the way of the account, over all that is sent."""
    given = {"api_secret": "", "signature_secret": SECRET, "signature_method": method}
    told = await _sent(submission("a&b=c"), **given)
    assert told["timestamp"] == str(int(NOW.timestamp()))
    assert told.pop("sig") == signature(told, SECRET, method)
    assert told["api_key"] == "abcd1234"


def test_some_secret_is_needed() -> None:
    """The API's or the one that signs."""
    with pytest.raises(ValueError, match="api_secret"):
        SPEC.build(config(SPEC, {"api_key": "a"}))


def test_every_part_has_its_id_and_its_price() -> None:
    """The price of the message is that of its parts, where all tell one."""
    parts = _taken("A1", **{"message-price": "0.0333"}), _taken("A2", **{"message-price": "0.04"})
    verdict = _read(*parts)
    assert (verdict.kind, verdict.part_ids) == (OutcomeKind.ACCEPTED, ("A1", "A2"))
    assert (verdict.carrier_message_id, verdict.price) == ("A1", Price(73_300, "EUR"))
    assert _read(parts[0], _taken("A2")).price is None


def test_a_text_that_was_taken_in_part_is_uncertain() -> None:
    """Sending it again would send the first part twice; the ids of what was taken are kept."""
    verdict = _read(_taken("A1"), _failed("1"), _taken("A3"))
    assert (verdict.kind, verdict.code) == (OutcomeKind.UNKNOWN, "1")
    assert verdict.part_ids == ("A1", "", "A3")


@pytest.mark.parametrize(
    ("codes", "kind", "error_class"),
    [
        ("6 7 33", OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        ("12", OutcomeKind.REFUSED, ErrorClass.CONTENT),
        ("2 3 4 8 9 11 14 15 22 23 29 32", OutcomeKind.REFUSED, ErrorClass.CONFIG),
        ("1 10", OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        ("5", OutcomeKind.DEFERRED, ErrorClass.CARRIER),
        ("99", OutcomeKind.REFUSED, ErrorClass.CONFIG),
    ],
)
def test_statuses_have_classes(codes: str, kind: OutcomeKind, error_class: str) -> None:
    """All of them, one part or two; what is not known was not sent either."""
    for code in codes.split():
        for parts in (1, 2):
            verdict = _read(*[_failed(code)] * parts)
            assert (verdict.kind, verdict.error_class) == (kind, error_class)
            assert (verdict.code, verdict.detail) == (code, "why")


def test_throttling_says_how_long() -> None:
    """In milliseconds, inside its words."""
    words = "Throughput Rate Exceeded - please wait [ 250 ] and retry"
    assert _read(_failed("1", words)).retry_after_seconds == 0.25
    assert _read(_failed("1")).retry_after_seconds is None
    assert _raw(b"", 429, retry_after="7").retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", OutcomeKind.UNKNOWN),
        (200, b"{}", OutcomeKind.UNKNOWN),
        (200, b'{"messages": [{"sta', OutcomeKind.UNKNOWN),
        (200, b'{"messages": []}', OutcomeKind.UNKNOWN),
        (200, b'{"messages": "?"}', OutcomeKind.UNKNOWN),
        (200, b'{"messages": [{"status": "0"}]}', OutcomeKind.UNKNOWN),
        (500, b'{"messages": [{"status": "5"}]}', OutcomeKind.UNKNOWN),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (401, b'{"error-code": "401"}', OutcomeKind.REFUSED),
    ],
)
def test_other_answers_are_read_by_what_is_certain(
    status: int, body: bytes, kind: OutcomeKind
) -> None:
    """Only Vonage's own items say that nothing was sent."""
    assert _raw(body, status).kind is kind


@pytest.mark.parametrize(
    ("settings", "given", "told"),
    [
        (KEY, answer(200, b'{"value": 10.28}'), None),
        (KEY, answer(401, b""), "HTTP 401: wrong key or secret"),
        ({}, answer(200, b'{"messages": [{"status": "2"}]}'), None),
        (
            {},
            answer(200, b'{"messages": [{"status": "14", "error-text": "Invalid Signature"}]}'),
            "Invalid Signature",
        ),
        ({}, answer(502, b"<html>"), "HTTP 502"),
    ],
)
async def test_credentials_are_checked_without_a_message(
    settings: dict[str, str], given: Answer, told: str | None
) -> None:
    """By the balance, or with a signature alone by a message that lacks everything."""
    whole = {"api_key": "abcd1234", "signature_secret": SECRET, **settings}
    ask = Asked(given)
    assert await VonageSmsDialect(config(SPEC, whole), ask).check() == told
    assert b"to=" not in ask.requests[0].body


@pytest.mark.parametrize("method", METHODS)
def test_signatures_are_those_of_the_vendors_library(method: str) -> None:
    """All five, whatever `sig` says itself."""
    assert signature(VECTOR, SECRET, method) == SIGNATURES[method]
    assert signature({**VECTOR, "sig": "x"}, SECRET, method) == SIGNATURES[method]


def _calls(method: str | None = None, at: datetime = NOW) -> VonageSmsCalls:
    given = {"signature_secret": SECRET, "signature_method": method} if method else {}
    return VonageSmsCalls(config(SPEC, KEY | given, ManualClock(at)))


def _by(way: str, path: str, given: dict[str, str]) -> Call:
    if way == "GET":
        return call(path, method="GET", query=urlencode(given))
    if way == "JSON":
        return call(path, orjson.dumps(given), content_type="application/json")
    return call(path, urlencode(given).encode(), content_type=FORM)


@pytest.mark.parametrize("way", ["GET", "form", "JSON"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_signed_call_is_taken_however_it_comes(way: str, method: str) -> None:
    """Signatures are written in capitals there."""
    signed = {**VECTOR, "sig": SIGNATURES[method].upper()}
    reader = _calls(method, SIGNED_AT + timedelta(seconds=299))
    [one] = (await reader.read(_by(way, "inbound", signed))).inbounds
    assert one.fragment.octets.decode("utf-16-be") == "Fish & chips = 5"


@pytest.mark.parametrize(
    ("changes", "method", "seconds"),
    [
        ({"sig": ""}, "sha256", 0),
        ({"sig": SIGNATURES["sha256"][:-1] + "7"}, "sha256", 0),
        ({"sig": "\u00e9"}, "sha256", 0),
        ({}, "sha512", 0),
        ({"text": "other"}, "sha256", 0),
        ({"new": "1"}, "sha256", 0),
        ({}, "sha256", 301),
        ({}, "sha256", -301),
    ],
)
async def test_a_call_that_is_not_signed_well_is_refused(
    changes: dict[str, str], method: str, seconds: int
) -> None:
    """Nothing may be missing, changed, added or old."""
    given = {**VECTOR, "sig": SIGNATURES["sha256"], **changes}
    reader = _calls(method, SIGNED_AT + timedelta(seconds=seconds))
    with pytest.raises(CallRefusedError) as refused:
        await reader.read(_by("form", "inbound", given))
    assert refused.value.status == 401


async def test_a_url_can_be_tried_without_anything_in_the_call() -> None:
    """As the dashboard does when it is saved; nothing is told."""
    for path in ("status", "inbound"):
        news = await _calls("sha256").read(call(path, method="GET"))
        assert (news.receipts, news.inbounds, news.reply.status) == ([], [], 200)


async def _status(way: str = "form", **given: str) -> Receipt:
    told = {"messageId": "A1", "status": "delivered", **given}
    [one] = (await _calls().read(_by(way, "status", told))).receipts
    return one


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("accepted", ReceiptState.ACCEPTED),
        ("buffered", ReceiptState.ACCEPTED),
        ("delivered", ReceiptState.DELIVERED),
        ("expired", ReceiptState.EXPIRED),
        ("failed", ReceiptState.UNDELIVERABLE),
        ("rejected", ReceiptState.REJECTED),
        ("unknown", ReceiptState.UNKNOWN),
        ("vanished", ReceiptState.NONE),
    ],
)
async def test_words_of_receipts(word: str, state: ReceiptState) -> None:
    """A new word changes nothing."""
    receipt = await _status(status=word)
    assert (receipt.state, receipt.word) == (state, word)


@pytest.mark.parametrize("way", ["GET", "form", "JSON"])
async def test_a_receipt_tells_price_network_and_error(way: str) -> None:
    """However it comes, with our id of the message, and kept as it came."""
    receipt = await _status(
        way, msisdn="447700900001", to="Acme", price="0.0333", scts="2001011200",
        **{"network-code": "23410", "err-code": "9", "client-ref": MESSAGE_ID.hex},
    )  # fmt: skip
    assert (receipt.carrier_message_id, receipt.match_keys) == ("A1", ("A1",))
    assert (receipt.message_id, receipt.error) == (MESSAGE_ID, "9")
    assert (receipt.price, receipt.network) == (Price(33_300, "EUR"), "23410")
    assert (receipt.sender, receipt.recipient) == ("+447700900001", "Acme")
    assert receipt.done_date == "2001011200"
    assert "23410" in receipt.raw
    assert (await _status(**{"err-code": "0"})).error == ""


async def _inbound(**given: str) -> Inbound:
    told = {"messageId": "B1", "msisdn": "447700900001", "to": "447700900000", **given}
    [one] = (await _calls().read(_by("form", "inbound", told))).inbounds
    return one


async def test_parts_from_a_handset_are_parts() -> None:
    """In any order they give the text again."""
    shared = {"concat": "True", "concat-ref": "70000", "concat-total": "2"}
    second = await _inbound(text="🎉 end", **shared, **{"concat-part": "2"})
    first = await _inbound(text="Grüße ", **shared, **{"concat-part": "1"})
    assert first.fragment.key == second.fragment.key
    assert assemble([second.fragment, first.fragment]).text == "Grüße 🎉 end"
    assert (first.sender, first.recipient) == ("+447700900001", "+447700900000")


@pytest.mark.parametrize(
    "numbers",
    [("1", "2", "3"), ("1", "2", "0"), ("", "2", "1"), ("1", "999", "1"), ("1", "²", "1")],
)
async def test_parts_with_numbers_that_make_no_sense_are_messages(
    numbers: tuple[str, str, str],
) -> None:
    """Nothing would ever join them."""
    told = dict(zip(("concat-ref", "concat-total", "concat-part"), numbers, strict=True))
    one = await _inbound(text="x", concat="true", **told)
    assert (one.fragment.total, one.fragment.octets) == (1, b"\x00x")


async def test_binary_data_from_a_handset() -> None:
    """Its header numbers the part and names ports."""
    one = await _inbound(type="binary", udh="0B0504158100000003070201", data="0102")
    part = one.fragment
    assert (part.encoding, part.octets) == (Encoding.BINARY, b"\x01\x02")
    assert (part.reference, part.total, part.sequence) == (7, 2, 1)
    assert one.form is not None
    assert one.form.ports is not None
    assert one.form.ports.destination == 0x1581


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("status", {"messageId": "A1"}, 400),
        ("inbound", {"messageId": "A1"}, 400),
        ("inbound", {"messageId": "A1", "msisdn": "1", "type": "binary", "data": "xy"}, 400),
        ("other", {"messageId": "A1"}, 404),
    ],
)
async def test_a_call_that_cannot_be_read_is_refused(
    path: str, given: dict[str, str], status: int
) -> None:
    """It is no question of its signature."""
    with pytest.raises(CallRefusedError) as refused:
        await _calls().read(_by("form", path, given))
    assert refused.value.status == status
