"""Twilio without a network: what is sent, how answers are read, what callbacks tell."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
import pytest

from onesixty.carriers.aggregators.twilio import SPEC, TwilioDialect
from onesixty.carriers.aggregators.twilio_calls import TwilioCalls, signature
from onesixty.carriers.aggregators.twilio_codes import CODES
from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    OutcomeKind,
    Price,
    ReceiptState,
    Submission,
)
from onesixty.carriers.http.dialect import Answer, Verdict
from onesixty.sms.form import Form

from .scene import Asked, answer, call
from .wire import CALLBACK, MESSAGE_ID, NOW, config, submission

SID = "AC" + "0" * 32
SERVICE = "MG" + "1" * 32
TEMPLATE = "HX" + "2" * 32
ONE = "SM" + "a" * 32
CREDENTIALS = {"account_sid": SID, "auth_token": "12345"}
TAKEN = b'{"sid": "SM1", "status": "queued", "price": null, "price_unit": "USD"}'
FORM = "application/x-www-form-urlencoded; charset=UTF-8"

# The vector that the vendor's own library computed.
VECTOR_URL = "https://example.com/hooks/twilio/sms?tenant=7"
VECTOR = [
    ("AccountSid", SID),
    ("MessageSid", ONE),
    ("SmsSid", ONE),
    ("MessageStatus", "delivered"),
    ("SmsStatus", "delivered"),
    ("To", "+15551234567"),
    ("From", "+15557654321"),
    ("ApiVersion", "2010-04-01"),
]


async def _sent(one: Submission, /, url: str | None = CALLBACK, **more: Any) -> dict[str, Any]:
    """The fields of the form that sends it; a field that comes twice as a list."""
    configured = config(SPEC, CREDENTIALS | more, callback_url=url)
    request = await TwilioDialect(configured, Asked()).request(one)
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(request.body.decode(), keep_blank_values=True):
        fields[name] = value if name not in fields else [fields[name], value]
    return fields


def _read(status: int, body: bytes, **headers: str) -> Verdict:
    dialect = TwilioDialect(config(SPEC, CREDENTIALS), Asked())
    return dialect.read(submission(), answer(status, body, **headers))


def _error(code: int, status: int = 400, **headers: str) -> Verdict:
    told = {"code": code, "message": "why", "more_info": "", "status": status}
    return _read(status, orjson.dumps(told), **headers)


async def test_a_text_is_one_form() -> None:
    """Addresses, text, validity, and a status callback that names our message."""
    assert await _sent(submission()) == {
        "To": "+15551231234",
        "From": "+14155550100",
        "Body": "hello",
        "ValidityPeriod": "3600",
        "StatusCallback": f"{CALLBACK}/status?message={MESSAGE_ID.hex}",
    }


async def test_without_a_public_url_no_callback_is_asked_for() -> None:
    """There is nowhere to call."""
    assert "StatusCallback" not in await _sent(submission(), None)


@pytest.mark.parametrize(("left", "seconds"), [(-5, "1"), (0.5, "1"), (99.9, "99"), (1e6, "36000")])
async def test_the_validity_stays_within_what_twilio_takes(left: float, seconds: str) -> None:
    """1 to 36000 seconds, whatever is left."""
    fields = await _sent(submission(expires_at=NOW + timedelta(seconds=left)))
    assert fields["ValidityPeriod"] == seconds


async def test_the_request_carries_the_account_and_basic_credentials() -> None:
    """The path has the account even when an API key is used, in a region too."""
    region = "https://api.dublin.ie1.twilio.com/"
    key = {"api_key_sid": "SK1", "api_key_secret": "s", "base_url": region}
    dialect = TwilioDialect(config(SPEC, CREDENTIALS | key), Asked())
    request = await dialect.request(submission())
    assert request.url == f"{region}2010-04-01/Accounts/{SID}/Messages.json"
    assert request.headers["Authorization"] == "Basic U0sxOnM="  # SK1:s


@pytest.mark.parametrize(
    ("sender", "given"), [(None, {}), ("+14155550100", {"From": "+14155550100"})]
)
async def test_a_messaging_service_chooses_the_sender_or_keeps_ours(
    sender: str | None, given: dict[str, str]
) -> None:
    """With a service the sender may be left out; given, both go."""
    fields = await _sent(submission(sender=sender), messaging_service_sid=SERVICE)
    assert fields["MessagingServiceSid"] == SERVICE
    assert {name: fields[name] for name in fields if name == "From"} == given


async def test_whatsapp_may_have_a_number_of_its_own() -> None:
    """For messages that name no sender; others keep theirs, and SMS need one."""
    own = {"whatsapp_sender": "+14155550199"}
    for sender, told in ((None, "whatsapp:+14155550199"), ("+1415", "whatsapp:+1415")):
        assert (await _sent(submission(sender=sender, channel="whatsapp"), **own))["From"] == told
    with pytest.raises(ValueError, match="sender"):
        await _sent(submission(sender=None), **own)


async def test_media_are_repeated_keys() -> None:
    """Each file by its URL; no empty text beside them."""
    files = Content(media=(Media("https://x.example/1.png"), Media("https://x.example/2.png")))
    fields = await _sent(submission(channel="mms", body="", content=files))
    assert fields["MediaUrl"] == ["https://x.example/1.png", "https://x.example/2.png"]
    assert "Body" not in fields
    assert "SendAsMms" not in fields


async def test_an_mms_without_media_is_asked_for() -> None:
    """Twilio would make an SMS of it."""
    assert (await _sent(submission(channel="mms")))["SendAsMms"] == "true"


@pytest.mark.parametrize("parameters", [("Ana", "5"), {"1": "Ana", "2": "5"}])
async def test_a_template_is_a_content_sid_with_variables(
    parameters: tuple[str, ...] | dict[str, str],
) -> None:
    """Variables are JSON inside the form; WhatsApp addresses have a prefix, and no validity."""
    content = Content(template=Template(TEMPLATE, parameters=parameters))
    fields = await _sent(submission(channel="whatsapp", content=content), None)
    assert fields == {
        "To": "whatsapp:+15551231234",
        "From": "whatsapp:+14155550100",
        "ContentSid": TEMPLATE,
        "ContentVariables": '{"1":"Ana","2":"5"}',
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": None},
        {"form": Form(data=b"\x01\x02")},
        {"form": Form(message_class=0)},
        {"content": Content(interactive={"type": "button"})},
        {"content": Content(template=Template("hello"))},
        {"content": Content(template=Template(TEMPLATE, components=({"type": "header"},)))},
    ],
)
async def test_what_twilio_cannot_send_is_said_before(changes: dict[str, Any]) -> None:
    """No request is made for what would arrive otherwise than it was meant."""
    with pytest.raises(ValueError, match=r"Twilio|templates"):
        await _sent(submission(**changes))


@pytest.mark.parametrize(
    "settings",
    [
        {"account_sid": "AC12", "auth_token": "t"},
        {"account_sid": SID},
        {**CREDENTIALS, "api_key_sid": "SK1"},
        {**CREDENTIALS, "messaging_service_sid": "MG1"},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str]) -> None:
    """The account, a secret, a whole API key and a whole service."""
    with pytest.raises(ValueError, match=r"_sid|auth_token"):
        SPEC.build(config(SPEC, settings))


def test_acceptance_is_201_with_a_sid() -> None:
    """The sid is what receipts will name; a price is read when it is there already."""
    assert _read(201, TAKEN) == Verdict(OutcomeKind.ACCEPTED, carrier_message_id="SM1")
    priced = TAKEN.replace(b'"price": null', b'"price": "-0.0079"')
    assert _read(201, priced).price == Price(7900, "USD")


@pytest.mark.parametrize(
    ("code", "kind", "error_class"),
    [
        (21211, OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        (21610, OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        (63024, OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        (21617, OutcomeKind.REFUSED, ErrorClass.CONTENT),
        (63016, OutcomeKind.REFUSED, ErrorClass.CONTENT),
        (20003, OutcomeKind.REFUSED, ErrorClass.CONFIG),
        (21606, OutcomeKind.REFUSED, ErrorClass.CONFIG),
        (63040, OutcomeKind.REFUSED, ErrorClass.CONFIG),
        (20429, OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        (21611, OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        (63018, OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        (20500, OutcomeKind.DEFERRED, ErrorClass.CARRIER),
        (20503, OutcomeKind.DEFERRED, ErrorClass.CARRIER),
        (30450, OutcomeKind.DEFERRED, ErrorClass.CARRIER),
    ],
)
def test_numbers_have_classes(code: int, kind: OutcomeKind, error_class: str) -> None:
    """Each class by some of its numbers; the number and the words are kept."""
    verdict = _error(code)
    assert (verdict.kind, verdict.error_class) == (kind, error_class)
    assert (verdict.code, verdict.detail) == (str(code), "why")


def test_no_number_has_two_classes() -> None:
    """The table holds as many as its rows, so none was overwritten by another row."""
    makers = {maker.__name__ for maker in CODES.values()}
    assert makers == {
        "recipient", "opted_out", "content", "config", "throttled", "transient",
    }  # fmt: skip
    assert len(CODES) == 91


def test_throttling_says_how_long() -> None:
    """Retry-After counts; without it our own back-off does."""
    assert _error(20429, 429, retry_after="7").retry_after_seconds == 7
    assert _error(20429, 429).retry_after_seconds is None
    assert _error(99999, 429, retry_after="7").error_class == ErrorClass.THROTTLE


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (201, b"", OutcomeKind.UNKNOWN),
        (201, b'{"sid": "SM', OutcomeKind.UNKNOWN),
        (201, b'{"sid": null}', OutcomeKind.UNKNOWN),
        (201, b'["sid"]', OutcomeKind.UNKNOWN),
        (302, b"", OutcomeKind.UNKNOWN),
        (500, b"<html>", OutcomeKind.UNKNOWN),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (504, b'{"code": 20500, "message": "x", "status": 504}', OutcomeKind.UNKNOWN),
        (500, b'{"code": 77777, "message": "x", "status": 500}', OutcomeKind.DEFERRED),
        (503, b'{"code": "77777"}', OutcomeKind.UNKNOWN),
        (400, b'{"code": 77777, "message": "x", "status": 400}', OutcomeKind.REFUSED),
        (403, b"<html>", OutcomeKind.REFUSED),
    ],
)
def test_other_answers_are_read_by_what_is_certain(
    status: int, body: bytes, kind: OutcomeKind
) -> None:
    """Only Twilio's own words say that nothing was sent."""
    assert _read(status, body).kind is kind


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (answer(200, b'{"messages": []}'), None),
        (answer(401, b'{"code": 20003, "message": "Authenticate"}'), "Authenticate"),
        (answer(502, b"<html>"), "HTTP 502"),
    ],
)
async def test_credentials_are_checked_without_a_message(given: Answer, told: str | None) -> None:
    """By reading the log, which API keys may do as well."""
    ask = Asked(given)
    assert await TwilioDialect(config(SPEC, CREDENTIALS), ask).check() == told
    assert [one.method for one in ask.requests] == ["GET"]


def _calls(**more: str) -> TwilioCalls:
    return TwilioCalls(config(SPEC, CREDENTIALS | more))


def _signed(
    path: str, fields: Sequence[tuple[str, str]], query: str = "", *, secret: str = "12345"
) -> Call:
    bare = call(path, query=query)
    sign = signature(bare.url, list(fields), secret, "sha1")
    body = urlencode(fields).encode()
    return call(path, body, query=query, content_type=FORM, x_twilio_signature=sign)


def test_signatures_are_those_of_the_vendors_library() -> None:
    """The vectors for both digests, and for a body that is no form."""
    assert signature(VECTOR_URL, VECTOR, "12345", "sha1") == "peZt/hcJGicm+XrzKl9e3ugt7Kg="
    sha256 = "Xv6GqgfSLkyH90kuTDUo54oskUpTjyn/V1AiEQlvsmY="
    assert signature(VECTOR_URL, VECTOR, "12345", "sha256") == sha256


@pytest.mark.parametrize(
    ("headers", "secrets"),
    [
        ({"x-twilio-signature": "peZt/hcJGicm+XrzKl9e3ugt7Kg="}, {}),
        (
            {
                "x-twilio-signature": "Xv6GqgfSLkyH90kuTDUo54oskUpTjyn/V1AiEQlvsmY=",
                "x-twilio-webhooks-signature-settings": "key=k1, algorithm=HMAC_SHA256",
            },
            {"auth_token": "another", "webhook_secret": "12345"},
        ),
    ],
)
@pytest.mark.parametrize("port", ["", ":443"])
async def test_a_signed_call_is_taken(
    headers: dict[str, str], secrets: dict[str, str], port: str
) -> None:
    """Under the token or the shared secret, with the default port in the URL or without."""
    url = VECTOR_URL.replace("example.com", f"example.com{port}")
    given = headers | {"content-type": FORM}
    one = Call("POST", url, "status", given, urlencode(VECTOR).encode(), NOW)
    assert len((await _calls(**secrets).read(one)).receipts) == 1


async def test_a_body_that_is_no_form_is_signed_by_its_hash() -> None:
    """The hash in the URL must be that of the body; nothing else of such a call is read."""
    body = b'{"type":"x","n":1}'
    digest = "f9928d8157b181bb05b883c952d7aa91aec432eec172673f5636a7562884257e"
    url = f"https://example.com/hooks/twilio/events?bodySHA256={digest}"
    headers = {
        "content-type": "application/json",
        "x-twilio-signature": "FRhze1OcTrEKEqOIbZtliAciwlM=",
    }
    with pytest.raises(CallRefusedError, match="no such path") as signed:
        await _calls().read(Call("POST", url, "events", headers, body, NOW))
    assert signed.value.status == 404
    with pytest.raises(CallRefusedError, match="bodySHA256") as changed:
        await _calls().read(Call("POST", url, "events", headers, body + b" ", NOW))
    assert changed.value.status == 401


@pytest.mark.parametrize(
    ("changes", "secrets"),
    [
        ({"x-twilio-signature": ""}, {}),
        ({"x-twilio-signature": "peZt/hcJGicm+XrzKl9e3ugt7Kh="}, {}),
        ({"x-twilio-signature": "\u00e9"}, {}),
        ({}, {"auth_token": "other"}),
        ({}, {"auth_token": "", "api_key_sid": "SK1", "api_key_secret": "s"}),
        ({"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_MD5"}, {}),
        ({"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256"}, {}),
        ({"content-type": "text/plain"}, {}),
    ],
)
async def test_a_call_that_twilio_did_not_sign_is_refused(
    changes: dict[str, str], secrets: dict[str, str]
) -> None:
    """No signature, a wrong one, another secret, none of ours, or a way that is not known."""
    headers = {"content-type": FORM, "x-twilio-signature": "peZt/hcJGicm+XrzKl9e3ugt7Kg="}
    body = urlencode(VECTOR).encode()
    with pytest.raises(CallRefusedError) as refused:
        await _calls(**secrets).read(
            Call("POST", VECTOR_URL, "status", headers | changes, body, NOW)
        )
    assert refused.value.status == 401


async def test_a_parameter_that_was_added_on_the_way_is_noticed() -> None:
    """All parameters are signed, those that nobody knows too."""
    one = Call(
        "POST", VECTOR_URL, "status",
        {"content-type": FORM, "x-twilio-signature": "peZt/hcJGicm+XrzKl9e3ugt7Kg="},
        urlencode([*VECTOR, ("New", "1")]).encode(), NOW,
    )  # fmt: skip
    with pytest.raises(CallRefusedError):
        await _calls().read(one)


@pytest.mark.parametrize(
    ("word", "error", "state"),
    [
        ("accepted", "", ReceiptState.ENROUTE),
        ("scheduled", "", ReceiptState.ENROUTE),
        ("queued", "", ReceiptState.ENROUTE),
        ("sending", "", ReceiptState.ENROUTE),
        ("sent", "", ReceiptState.ACCEPTED),
        ("delivered", "", ReceiptState.DELIVERED),
        ("partially_delivered", "", ReceiptState.DELIVERED),
        ("read", "", ReceiptState.READ),
        ("undelivered", "30003", ReceiptState.UNDELIVERABLE),
        ("undelivered", "30008", ReceiptState.UNDELIVERABLE),
        ("failed", "30410", ReceiptState.UNDELIVERABLE),
        ("failed", "21610", ReceiptState.REJECTED),
        ("failed", "30034", ReceiptState.REJECTED),
        ("failed", "30036", ReceiptState.EXPIRED),
        ("canceled", "", ReceiptState.DELETED),
        ("teleported", "", ReceiptState.NONE),
    ],
)
async def test_words_of_receipts(word: str, error: str, state: ReceiptState) -> None:
    """Every word has its state, a failure by its number too; a new word changes nothing."""
    fields = [("MessageSid", ONE), ("MessageStatus", word), ("SmsStatus", word)]
    fields += [("ErrorCode", error)] if error else []
    news = await _calls().read(_signed("status", fields))
    [receipt] = news.receipts
    assert (receipt.state, receipt.word, receipt.error) == (state, word, error)


async def test_a_receipt_names_the_message_twice() -> None:
    """By Twilio's sid, and by our id from the URL that we gave; extra fields stay in `raw`."""
    fields = [
        ("MessageSid", ONE),
        ("MessageStatus", "delivered"),
        ("To", "whatsapp:+15551231234"),
        ("From", "whatsapp:+14155550100"),
        ("RawDlrDoneDate", "2601010000"),
        ("New", "later"),
    ]
    news = await _calls().read(_signed("status", fields, f"message={MESSAGE_ID.hex}"))
    [receipt] = news.receipts
    assert (receipt.carrier_id, receipt.carrier_message_id, receipt.match_keys) == (7, ONE, (ONE,))
    assert receipt.message_id == MESSAGE_ID
    assert (receipt.sender, receipt.recipient) == ("+15551231234", "+14155550100")
    assert receipt.done_date == "2601010000"
    assert "New=later" in receipt.raw
    assert (news.reply.status, news.reply.body) == (204, b"")


async def _inbound(*fields: tuple[str, str]) -> Any:
    given = [("MessageSid", ONE), ("SmsStatus", "received"), *fields]
    news = await _calls().read(_signed("inbound", given))
    assert (news.reply.body, news.reply.content_type) == (b"<Response/>", "text/xml")
    [one] = news.inbounds
    return one


async def test_a_text_from_a_handset() -> None:
    """Text in any script, its id, both numbers; an empty field does not spoil the signature."""
    one = await _inbound(
        ("From", "+15551231234"), ("To", "+14155550100"), ("Body", "Grüße 😀"), ("FromCity", "")
    )
    assert (one.sender, one.recipient) == ("+15551231234", "+14155550100")
    assert one.fragment.octets.decode("utf-16-be") == "Grüße 😀"
    assert (one.carrier_message_id, one.channel, one.content) == (ONE, "sms", None)


@pytest.mark.parametrize("word", ["STOP", "START", "HELP"])
async def test_opt_outs_are_told(word: str) -> None:
    """The messaging service says which of its keywords it was."""
    one = await _inbound(("From", "+15551231234"), ("Body", word), ("OptOutType", word))
    assert one.opt_out == word.lower()


async def test_media_from_a_handset() -> None:
    """Each file with its type; the message is an MMS then."""
    one = await _inbound(
        ("From", "+15551231234"), ("NumMedia", "2"),
        ("MediaUrl0", "https://api.twilio.com/ME1"), ("MediaContentType0", "image/jpeg"),
        ("MediaUrl1", "https://api.twilio.com/ME2"),
    )  # fmt: skip
    files = (Media("https://api.twilio.com/ME1", "image/jpeg"), Media("https://api.twilio.com/ME2"))
    assert (one.channel, one.content) == ("mms", Content(media=files))


async def test_a_whatsapp_message_has_more() -> None:
    """Name, pressed button, the message that it answers, a place."""
    one = await _inbound(
        ("From", "whatsapp:+15551231234"), ("To", "whatsapp:+14155550100"), ("Body", "Yes"),
        ("ProfileName", "Ana"), ("ButtonPayload", "yes-1"), ("Latitude", "1.5"),
        ("Longitude", "2.5"), ("OriginalRepliedMessageSid", "SM9"),
    )  # fmt: skip
    assert (one.channel, one.sender) == ("whatsapp", "+15551231234")
    place = {"type": "location", "location": {"latitude": "1.5", "longitude": "2.5"}}
    assert one.content == Content(reply_to="SM9", interactive=place, profile="Ana", payload="yes-1")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("status", [("MessageSid", ONE)]),
        ("status", [("MessageStatus", "sent")]),
        ("inbound", [("MessageSid", ONE)]),
        ("inbound", [("From", "+15551231234")]),
    ],
)
async def test_a_call_without_what_it_is_about_is_refused(
    path: str, fields: list[tuple[str, str]]
) -> None:
    """It cannot be read, which is no question of its signature."""
    with pytest.raises(CallRefusedError) as refused:
        await _calls().read(_signed(path, fields))
    assert refused.value.status == 400


async def test_an_inbound_message_may_come_by_get() -> None:
    """A number can be set so; the URL alone is signed then."""
    query = urlencode([("MessageSid", ONE), ("From", "+15551231234"), ("Body", "hi")])
    sign = signature(call("inbound", query=query).url, [], "12345", "sha1")
    one = call("inbound", method="GET", query=query, x_twilio_signature=sign)
    [inbound] = (await _calls().read(one)).inbounds
    assert inbound.fragment.octets.decode("utf-16-be") == "hi"
