"""What Vonage's Messages API tells: signatures, statuses, messages from people."""

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
import pytest

from onesixty.carriers.aggregators.vonage_messages import SPEC
from onesixty.carriers.aggregators.vonage_messages_calls import VonageMessagesCalls
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    CallRefusedError,
    Inbound,
    Price,
    Receipt,
    ReceiptState,
)
from onesixty.kit.manual_clock import ManualClock

from .scene import call
from .wire import MESSAGE_ID, NOW, config

KEY = {"api_key": "abcd1234", "api_secret": "secret"}
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
# The vector that the vendor's own library computed.
SIGNED_AT = datetime.fromtimestamp(1_700_000_000, UTC)
SECRET = "my_sig_secret_my_sig_secret_my_sig"
BODY = b'{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab","status":"delivered"}'
TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImoxIiwiaXNzIjoiVm9uYW"
    "dlIiwicGF5bG9hZF9oYXNoIjoiZDVlY2JjN2FiNzdiMzc2YjJjZjYzNWE2ODY5ZDRkYmIxNTMyMjE3NWY5NWI1YzE5Mj"
    "YwYTI3ZjYyMTdlNGVmZiIsImFwaV9rZXkiOiJhYmNkMTIzNCIsImFwcGxpY2F0aW9uX2lkIjoiYWFhYWFhYWEtYmJiYi"
    "00Y2NjLThkZGQtMDEyMzQ1Njc4OWFiIn0.Y28fPrOqSi0T_TKduvR6qL71F1mhuDzPwoiJuZeYKao"
)


def _calls(secret: str = "", at: datetime = NOW) -> VonageMessagesCalls:
    given = {**KEY, "signature_secret": secret}
    return VonageMessagesCalls(config(SPEC, given, ManualClock(at)))


async def _status(**told: Any) -> Receipt:
    given = {"message_uuid": UUID, "status": "delivered", **told}
    [one] = (await _calls().read(call("status", orjson.dumps(given)))).receipts
    return one


async def _inbound(**told: Any) -> Inbound:
    given = {"channel": "sms", "message_uuid": UUID, "from": "447700900001", **told}
    [one] = (await _calls().read(call("inbound", orjson.dumps(given)))).inbounds
    return one


async def test_a_signed_call_is_taken() -> None:
    """The vector of the vendor's library, within five minutes of its time."""
    one = call("status", BODY, authorization=f"Bearer {TOKEN}")
    for seconds in (-299, 0, 299):
        reader = _calls(SECRET, SIGNED_AT + timedelta(seconds=seconds))
        [receipt] = (await reader.read(one)).receipts
        assert receipt.state is ReceiptState.DELIVERED


def _token(algorithm: str, **claims: Any) -> str:
    with warnings.catch_warnings(action="ignore"):  # the secret is short for SHA-512
        return "Bearer " + jwt.encode(claims, "" if algorithm == "none" else SECRET, algorithm)


HASH = "d5ecbc7ab77b376b2cf635a6869d4dbb15322175f95b5c19260a27f6217e4eff"


@pytest.mark.parametrize(
    ("token", "body", "secret", "seconds", "status"),
    [
        ("", BODY, SECRET, 0, 503),
        (f"Basic {TOKEN}", BODY, SECRET, 0, 503),
        ("Bearer x.y.z", BODY, SECRET, 0, 401),
        (f"Bearer {TOKEN}", BODY + b" ", SECRET, 0, 401),
        (f"Bearer {TOKEN}", BODY, SECRET[:-1], 0, 401),
        (f"Bearer {TOKEN}", BODY, SECRET, 301, 401),
        (f"Bearer {TOKEN}", BODY, SECRET, -301, 401),
        (_token("none", iat=1_700_000_000, payload_hash=HASH), BODY, SECRET, 0, 401),
        (_token("HS512", iat=1_700_000_000, payload_hash=HASH), BODY, SECRET, 0, 401),
        (_token("HS256", payload_hash=HASH), BODY, SECRET, 0, 401),
        (_token("HS256", iat=1_700_000_000), BODY, SECRET, 0, 401),
    ],
)
async def test_a_call_that_is_not_signed_well_is_refused(
    token: str, body: bytes, secret: str, seconds: int, status: int
) -> None:
    """Unsigned ones shall come again; another body, secret, time or algorithm is an attack."""
    reader = _calls(secret, SIGNED_AT + timedelta(seconds=seconds))
    with pytest.raises(CallRefusedError) as refused:
        await reader.read(call("status", body, authorization=token))
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("word", "code", "state"),
    [
        ("submitted", "", ReceiptState.ACCEPTED),
        ("delivered", "", ReceiptState.DELIVERED),
        ("read", "", ReceiptState.READ),
        ("undeliverable", "1331", ReceiptState.UNDELIVERABLE),
        ("rejected", "1120", ReceiptState.REJECTED),
        ("rejected", "1190", ReceiptState.UNDELIVERABLE),
        ("rejected", "1220", ReceiptState.UNDELIVERABLE),
        ("rejected", "1330", ReceiptState.UNKNOWN),
        ("rejected", "1360", ReceiptState.EXPIRED),
        ("rejected", "", ReceiptState.REJECTED),
        ("levitating", "", ReceiptState.NONE),
    ],
)
async def test_words_of_receipts(word: str, code: str, state: ReceiptState) -> None:
    """A rejection is read by its number too; a new word changes nothing."""
    more = {"error": {"title": code, "detail": "x"}} if code else {}
    receipt = await _status(status=word, **more)
    assert (receipt.state, receipt.word, receipt.error) == (state, word, code)


async def test_a_receipt_tells_price_and_network() -> None:
    """And our id of the message; the number of an error is also found in its type."""
    receipt = await _status(
        to="447700900000", client_ref=MESSAGE_ID.hex, new={"field": 1}, **{"from": "Acme"},
        usage={"currency": "EUR", "price": "0.0333"}, destination={"network_code": "12345"},
        error={"type": "https://developer.vonage.com/api-errors/messages#1000", "title": "1000"},
    )  # fmt: skip
    assert (receipt.carrier_message_id, receipt.match_keys) == (UUID, (UUID,))
    assert receipt.message_id == MESSAGE_ID
    assert receipt.price == Price(33_300, "EUR")
    assert (receipt.network, receipt.error) == ("12345", "1000")
    assert (receipt.sender, receipt.recipient) == ("+447700900000", "Acme")


async def test_a_text_from_a_handset() -> None:
    """Joined by Vonage; numbers get their +, short codes do not."""
    one = await _inbound(to="60001", text="Grüße 😀")
    assert (one.sender, one.recipient) == ("+447700900001", "60001")
    assert one.fragment.octets.decode("utf-16-be") == "Grüße 😀"
    assert (one.carrier_message_id, one.channel, one.content) == (UUID, "sms", None)


@pytest.mark.parametrize(
    ("told", "text", "content"),
    [
        (
            {"message_type": "image", "image": {"url": "https://m/1", "name": "a", "caption": "x"}},
            "x",
            Content(media=(Media("https://m/1", filename="a"),)),
        ),
        (
            {"message_type": "content", "content": [{"type": "image", "url": "https://m/1"}, 5]},
            "",
            Content(media=(Media("https://m/1"),)),
        ),
        (
            {"message_type": "reply", "reply": {"id": "b1", "title": "Yes"}},
            "Yes",
            Content(
                interactive={"type": "reply", "reply": {"id": "b1", "title": "Yes"}}, payload="b1"
            ),
        ),
        (
            {"message_type": "button", "button": {"payload": "p", "text": "Go"}},
            "Go",
            Content(payload="p"),
        ),
        (
            {"message_type": "location", "location": {"lat": 1, "long": 2}},
            "",
            Content(interactive={"type": "location", "location": {"lat": 1, "long": 2}}),
        ),
        (
            {
                "message_type": "text", "text": "hi", "profile": {"name": "Ana"},
                "context": {"message_uuid": "u9"},
            },
            "hi",
            Content(profile="Ana", reply_to="u9"),
        ),
        ({"message_type": "unsupported"}, "", None),
    ],
)  # fmt: skip
async def test_what_people_write_on_whatsapp(
    told: dict[str, Any], text: str, content: Content | None
) -> None:
    """Files, pressed buttons, places, answers; what is not known is kept as an empty text."""
    one = await _inbound(**{"channel": "whatsapp", **told})
    assert one.channel == "whatsapp"
    assert one.fragment.octets.decode("utf-16-be") == text
    assert one.content == content


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("status", b"", 400),
        ("status", b"[]", 400),
        ("status", b'{"message_uuid": "u"}', 400),
        ("inbound", b'{"message_uuid": "u"}', 400),
        ("other", b"{}", 404),
    ],
)
async def test_a_call_that_cannot_be_read_is_refused(path: str, body: bytes, status: int) -> None:
    """It is no question of its signature."""
    with pytest.raises(CallRefusedError) as refused:
        await _calls().read(call(path, body))
    assert refused.value.status == status
