"""Vonage's Messages API without a network: what is sent, and how answers are read."""

from datetime import timedelta
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from onesixty.carriers.aggregators import vonage_codes
from onesixty.carriers.aggregators.vonage_messages import SPEC, VonageMessagesDialect
from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import (
    ErrorClass,
    OutcomeKind,
    Submission,
)
from onesixty.carriers.http.dialect import Answer, Verdict
from onesixty.kit.manual_clock import ManualClock
from onesixty.sms.form import Form

from .scene import Asked, answer
from .wire import CALLBACK, MESSAGE_ID, NOW, config, submission

KEY = {"api_key": "abcd1234", "api_secret": "secret"}
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
MEDIA = Media("https://x.example/a.png")


@pytest.fixture(scope="module")
def pem() -> str:
    """A private key as the dashboard hands it out."""
    made = rsa.generate_private_key(65537, 2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


async def _sent(one: Submission, url: str | None = None) -> dict[str, Any]:
    request = await VonageMessagesDialect(config(SPEC, KEY, callback_url=url), Asked()).request(one)
    assert (request.method, request.url) == ("POST", "https://api.nexmo.com/v1/messages")
    told: dict[str, Any] = orjson.loads(request.body)
    return told


async def _told(**changes: Any) -> dict[str, Any]:
    """What is said beside the addresses."""
    told = await _sent(submission(**changes))
    return {name: told[name] for name in told.keys() - {"to", "from", "client_ref", "ttl"}}


def _read(status: int, body: bytes, **headers: str) -> Verdict:
    dialect = VonageMessagesDialect(config(SPEC, KEY), Asked())
    return dialect.read(submission(), answer(status, body, **headers))


def _problem(code: str, status: int = 422, **headers: str) -> Verdict:
    kind = f"https://developer.vonage.com/api-errors/messages#{code}"
    return _read(status, orjson.dumps({"type": kind, "title": "T", "detail": "why"}), **headers)


async def test_a_text_is_one_object() -> None:
    """Numbers without +, our id, the validity, where statuses shall go."""
    assert await _sent(submission("hello"), CALLBACK) == {
        "channel": "sms",
        "message_type": "text",
        "to": "15551231234",
        "from": "14155550100",
        "text": "hello",
        "client_ref": MESSAGE_ID.hex,
        "ttl": 3600,
        "sms": {"encoding_type": "text"},
        "webhook_url": f"{CALLBACK}/status",
        "webhook_version": "v1",
    }


@pytest.mark.parametrize(
    ("encoding", "kind"), [("gsm7", "text"), ("ucs2", "unicode"), ("latin1", "auto")]
)
async def test_the_encoding_is_the_one_that_was_counted(encoding: str, kind: str) -> None:
    """What the message was accepted in; Vonage knows no Latin-1."""
    assert (await _told(encoding=encoding))["sms"] == {"encoding_type": kind}


@pytest.mark.parametrize(
    ("channel", "left", "seconds"),
    [("sms", 1, 20), ("sms", 9e6, 604_800), ("mms", 1, 300), ("mms", 9e6, 259_200)],
)
async def test_the_validity_stays_within_what_vonage_takes(
    channel: str, left: float, seconds: int
) -> None:
    """Each channel has its own limits; WhatsApp has none."""
    told = await _sent(submission(channel=channel, expires_at=NOW + timedelta(seconds=left)))
    assert told["ttl"] == seconds
    assert "ttl" not in await _sent(submission(channel="whatsapp"))


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (MEDIA, "image"),
        (Media("https://x.example/a", "audio/mpeg"), "audio"),
        (Media("https://x.example/a", "video/mp4"), "video"),
        (Media("https://x.example/a", "text/vcard"), "vcard"),
        (Media("https://x.example/a", "application/pdf"), "file"),
        (Media("https://x.example/a"), "file"),
    ],
)
async def test_a_file_by_mms_is_named_by_its_type(file: Media, kind: str) -> None:
    """By the type that is given, or by the ending of the URL; the text goes beside it."""
    told = await _told(channel="mms", body="look", content=Content(media=(file,)))
    inner = {"url": file.url, "caption": "look"}
    assert told == {"channel": "mms", "message_type": kind, kind: inner}


async def test_mms_without_files_and_with_several() -> None:
    """Text alone is text; several files are a list, the text beside the first."""
    assert await _told(channel="mms", body="x") == {
        "channel": "mms", "message_type": "text", "text": "x",
    }  # fmt: skip
    told = await _told(channel="mms", body="x", content=Content(media=(MEDIA, MEDIA)))
    assert told["content"] == [
        {"type": "image", "url": MEDIA.url, "caption": "x"},
        {"type": "image", "url": MEDIA.url},
    ]


async def test_a_template_is_told_in_vonages_way() -> None:
    """Name, language and values in their order."""
    template = Template("ns:hello", "de", ("Ana", "5"))
    assert await _told(channel="whatsapp", content=Content(template=template)) == {
        "channel": "whatsapp",
        "message_type": "template",
        "template": {"name": "ns:hello", "parameters": ["Ana", "5"]},
        "whatsapp": {"policy": "deterministic", "locale": "de"},
    }


async def test_a_template_with_names_or_components_is_told_in_metas_way() -> None:
    """Vonage's own form has no room for them."""
    header = {"type": "header", "parameters": []}
    template = Template("ns:hello", "de", {"name": "Ana"}, (header,))
    told = await _told(channel="whatsapp", content=Content(template=template))
    assert told["custom"] == {
        "type": "template",
        "template": {
            "name": "hello",
            "language": {"policy": "deterministic", "code": "de"},
            "components": [
                header,
                {
                    "type": "body",
                    "parameters": [{"type": "text", "parameter_name": "name", "text": "Ana"}],
                },
            ],
        },
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Content(), {"message_type": "text", "text": "hi"}),
        (
            Content(reply_to="u1"),
            {"message_type": "text", "text": "hi", "context": {"message_uuid": "u1"}},
        ),
        (
            Content(media=(MEDIA,)),
            {"message_type": "image", "image": {"url": MEDIA.url, "caption": "hi"}},
        ),
        (
            Content(interactive={"type": "button", "body": {"text": "?"}}),
            {
                "message_type": "custom",
                "custom": {
                    "type": "interactive",
                    "interactive": {"type": "button", "body": {"text": "?"}},
                },
            },
        ),
        (
            Content(interactive={"type": "location", "location": {"latitude": 1}}),
            {
                "message_type": "custom",
                "custom": {"type": "location", "location": {"latitude": 1}},
            },
        ),
    ],
)
async def test_what_whatsapp_knows(content: Content, said: dict[str, Any]) -> None:
    """Text, answers, files, and Meta's own JSON for the rest."""
    told = await _told(channel="whatsapp", body="hi", content=content)
    assert told == {"channel": "whatsapp", **said}


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": None},
        {"form": Form(data=b"\x01")},
        {"form": Form(message_class=0)},
        {"content": Content(media=(MEDIA,))},
        {"channel": "whatsapp", "content": Content(media=(MEDIA, MEDIA))},
        {"channel": "whatsapp", "content": Content(media=(Media("https://x.example/a.mp3"),))},
    ],
)
async def test_what_vonage_cannot_send_is_said_before(changes: dict[str, Any]) -> None:
    """No request is made for what would arrive otherwise than it was meant."""
    with pytest.raises(ValueError, match=r"Vonage|SMS API|WhatsApp"):
        await _sent(submission("hi", **changes))


async def test_whatsapp_may_have_a_number_of_its_own() -> None:
    """For messages that name no sender; SMS need one."""
    given = config(SPEC, {**KEY, "whatsapp_sender": "+14155550199"})
    dialect = VonageMessagesDialect(given, Asked())
    request = await dialect.request(submission(sender=None, channel="whatsapp"))
    assert orjson.loads(request.body)["from"] == "14155550199"
    with pytest.raises(ValueError, match="sender"):
        await dialect.request(submission(sender=None))


async def test_a_token_is_signed_by_the_key_and_kept_for_a_while(pem: str) -> None:
    """One token for ten minutes, valid for fifteen; a key that lost its line breaks will do."""
    clock = ManualClock()
    given = {"application_id": "app-1", "private_key": pem.replace("\n", "\\n")}
    dialect = VonageMessagesDialect(config(SPEC, given, clock), Asked())
    first = (await dialect.request(submission())).headers["Authorization"]
    await clock.advance(599)
    assert (await dialect.request(submission())).headers["Authorization"] == first
    await clock.advance(1)
    later = (await dialect.request(submission())).headers["Authorization"]
    assert later != first
    unchecked: Any = {"verify_signature": False}
    claims = jwt.decode(later.removeprefix("Bearer "), options=unchecked)
    now = int(clock.now().timestamp())
    assert claims.pop("jti")
    assert claims == {"application_id": "app-1", "iat": now, "exp": now + 900}
    assert jwt.get_unverified_header(first.removeprefix("Bearer "))["alg"] == "RS256"


def _elliptic() -> str:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"application_id": "a"},
        {"api_key": "a"},
        {"application_id": "a", "private_key": "nonsense"},
        {"application_id": "a", "private_key": _elliptic()},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str]) -> None:
    """One pair or the other, whole, and a key that can sign."""
    with pytest.raises(ValueError, match=r"private_key|api_secret"):
        SPEC.build(config(SPEC, settings))


def test_acceptance_is_202_with_an_id() -> None:
    """It tells no price yet."""
    body = orjson.dumps({"message_uuid": UUID})
    assert _read(202, body) == Verdict(OutcomeKind.ACCEPTED, carrier_message_id=UUID)


@pytest.mark.parametrize(
    ("codes", "kind", "error_class"),
    [
        ("1050 1170 1190 1240 1300 1430", OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        ("1210 1340 1380", OutcomeKind.REFUSED, ErrorClass.CONTENT),
        ("1010 1070 1120 1150 1282 1472 1484", OutcomeKind.REFUSED, ErrorClass.CONFIG),
        ("1000 1241 1461", OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        ("1030 1100 1180 1220 1230 1331", OutcomeKind.DEFERRED, ErrorClass.CARRIER),
        ("1320 1330", OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
    ],
)
def test_numbers_have_classes(codes: str, kind: OutcomeKind, error_class: str) -> None:
    """Each class by some of its numbers; the number and the words are kept."""
    for code in codes.split():
        verdict = _problem(code)
        assert (verdict.kind, verdict.error_class, verdict.code) == (kind, error_class, code)
        assert verdict.detail == "T: why"


def test_no_number_has_two_classes() -> None:
    """The table holds as many as its rows, so none was overwritten by another row."""
    assert len(vonage_codes.MESSAGES) == 63
    assert len(vonage_codes.SMS) == 19


def test_throttling_says_how_long() -> None:
    """Retry-After counts; without it our own back-off does."""
    assert _problem("1000", 429, retry_after="7").retry_after_seconds == 7
    assert _problem("1000", 429).retry_after_seconds is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (202, b"", OutcomeKind.UNKNOWN),
        (202, b'{"message_uuid": "', OutcomeKind.UNKNOWN),
        (202, b'{"message_uuid": null}', OutcomeKind.UNKNOWN),
        (202, b"[]", OutcomeKind.UNKNOWN),
        (502, b"<html>", OutcomeKind.UNKNOWN),
        (500, b"{}", OutcomeKind.UNKNOWN),
        (500, b'{"type": "https://x#9999", "title": "?"}', OutcomeKind.DEFERRED),
        (504, b'{"type": "https://x#1030", "title": "?"}', OutcomeKind.UNKNOWN),
        (401, b'{"type": "https://x#unauthorized", "title": "?"}', OutcomeKind.REFUSED),
        (402, b'{"type": "https://x#1070", "title": "?"}', OutcomeKind.REFUSED),
        (429, b"<html>", OutcomeKind.DEFERRED),
    ],
)
def test_other_answers_are_read_by_what_is_certain(
    status: int, body: bytes, kind: OutcomeKind
) -> None:
    """Only Vonage's own words say that nothing was sent."""
    assert _read(status, body).kind is kind


def test_fields_that_are_wrong_are_named() -> None:
    """For people who look why."""
    wrong = [{"name": "to", "reason": "is required."}, "?"]
    body = {"type": "https://x#1150", "title": "Invalid params", "invalid_parameters": wrong}
    assert _read(422, orjson.dumps(body)).detail == "Invalid params: to is required."


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (answer(422, b"{}"), None),
        (answer(401, b'{"type": "x", "title": "Unauthorized"}'), "Unauthorized"),
        (answer(502, b"<html>"), "HTTP 502"),
    ],
)
async def test_credentials_are_checked_without_a_message(given: Answer, told: str | None) -> None:
    """By a message without anything in it, which cannot be sent."""
    ask = Asked(given)
    assert await VonageMessagesDialect(config(SPEC, KEY), ask).check() == told
    assert [one.body for one in ask.requests] == [b"{}"]
