"""The official client of Vonage's Messages API and our carrier say the same to the simulator."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from vonage_http_client import Auth, HttpClient
from vonage_http_client.errors import (
    AuthenticationError,
    HttpRequestError,
    RateLimitedError,
    ServerError,
)
from vonage_jwt.verify_jwt import verify_signature
from vonage_messages import Messages
from vonage_messages.models import (
    MmsContent,
    MmsContentItemImage,
    MmsImage,
    MmsResource,
    Sms,
    SmsOptions,
    WhatsappContext,
    WhatsappImage,
    WhatsappImageResource,
    WhatsappTemplate,
    WhatsappTemplateResource,
    WhatsappTemplateSettings,
    WhatsappText,
)

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, call_of, config, submission
from onesixty.carriers.aggregators.vonage_messages import SPEC, VonageMessagesDialect
from onesixty.carriers.aggregators.vonage_messages_calls import VonageMessagesCalls
from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import Price, ReceiptState
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.vonage_messages import VonageMessagesFarSide
from onesixty.simulator.http.far_side import Incoming, Refusal, Response, Submitted
from onesixty.simulator.numbers import State
from simulator.http.desk import Desk, listening
from simulator.http.rerouted import reroute

SETTINGS = VonageMessagesFarSide.credentials
PLAIN = {"api_key": SETTINGS["api_key"], "api_secret": SETTINGS["api_secret"]}
SHARED: Any = {
    "to": "15551231234",
    "from_": "14155550100",
    "client_ref": MESSAGE_ID.hex,
    "webhook_url": f"{CALLBACK}/status",
    "webhook_version": "v1",
}
MEDIA = Media("https://x.example/a.png")


@pytest.fixture(scope="module")
def application() -> dict[str, str]:
    """An application with a key of its own."""
    made = rsa.generate_private_key(65537, 2048)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {"application_id": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "private_key": pem}


@pytest.fixture
def desk(application: dict[str, str]) -> Iterator[Desk]:
    """The simulated Vonage on a socket."""
    with listening(VonageMessagesFarSide(SystemClock(), {**SETTINGS, **application})) as made:
        yield made


def _official(desk: Desk, credentials: dict[str, str]) -> Messages:
    client = HttpClient(Auth(**credentials))
    reroute(client._session, desk)
    return Messages(client)


async def _ours(desk: Desk, credentials: dict[str, str], **fields: Any) -> Submitted:
    client = Client(10)
    try:
        # Tokens of the official client have the real time, so ours must.
        clock = ManualClock(SystemClock().now())
        given = config(SPEC, {**credentials, "base_url": desk.url}, clock)
        dialect = VonageMessagesDialect(given, client.ask)
        assert await dialect.check() is None
        one = submission(expires_at=clock.now() + timedelta(hours=1), **fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return replace(desk.submitted[-1], id="")


@pytest.mark.parametrize(
    ("fields", "theirs"),
    [
        (
            {"body": "Grüße & = 😀", "encoding": "ucs2"},
            Sms(text="Grüße & = 😀", ttl=3600, sms=SmsOptions(encoding_type="unicode"), **SHARED),
        ),
        (
            {"channel": "mms", "content": Content(media=(MEDIA,))},
            MmsImage(image=MmsResource(url=MEDIA.url, caption="hello"), ttl=3600, **SHARED),
        ),
        (
            {"channel": "mms", "body": "", "content": Content(media=(MEDIA, MEDIA))},
            MmsContent(content=[MmsContentItemImage(url=MEDIA.url)] * 2, ttl=3600, **SHARED),
        ),
        (
            {"channel": "whatsapp", "content": Content(reply_to="u1")},
            WhatsappText(text="hello", context=WhatsappContext(message_uuid="u1"), **SHARED),
        ),
        (
            {"channel": "whatsapp", "content": Content(media=(MEDIA,))},
            WhatsappImage(image=WhatsappImageResource(url=MEDIA.url, caption="hello"), **SHARED),
        ),
        (
            {
                "channel": "whatsapp",
                "content": Content(template=Template("ns:hello", "de", ("Ana",))),
            },
            WhatsappTemplate(
                template=WhatsappTemplateResource(name="ns:hello", parameters=["Ana"]),
                whatsapp=WhatsappTemplateSettings(locale="de", policy="deterministic"),
                **SHARED,
            ),
        ),
    ],
)
async def test_both_arrive_equal(desk: Desk, fields: dict[str, Any], theirs: Any) -> None:
    """Text, files, answer and template: not one field differs."""
    ours = await _ours(desk, PLAIN, **fields)
    made = _official(desk, PLAIN).send(theirs)
    assert replace(desk.submitted[-1], id="") == ours
    assert made.message_uuid == desk.submitted[-1].id


async def test_tokens_of_both_are_taken(desk: Desk, application: dict[str, str]) -> None:
    """Signed by the application's key; one that another key signed is not."""
    ours = await _ours(desk, application)
    sms = Sms(text="hello", ttl=3600, sms=SmsOptions(encoding_type="text"), **SHARED)
    _official(desk, application).send(sms)
    assert replace(desk.submitted[-1], id="") == ours
    with pytest.raises(AuthenticationError):
        _official(desk, {**application, "application_id": "other"}).send(sms)


@pytest.mark.parametrize(
    ("why", "error", "number"),
    [
        (Refusal.RECIPIENT, HttpRequestError, "#1170"),
        (Refusal.OPTED_OUT, HttpRequestError, "#1240"),
        (Refusal.SENDER, HttpRequestError, "#1120"),
        (Refusal.CREDENTIALS, AuthenticationError, "#unauthorized"),
        (Refusal.THROTTLED, RateLimitedError, "#1000"),
        (Refusal.INTERNAL, ServerError, "#1030"),
    ],
)
def test_the_official_client_reads_refusals(
    desk: Desk, why: Refusal, error: type[HttpRequestError], number: str
) -> None:
    """The status and the number are where it looks for them."""
    desk.refusal = why
    with pytest.raises(error) as raised:
        _official(desk, PLAIN).send(Sms(text="hello", **SHARED))
    assert number in raised.value.response.json()["type"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"nonsense", []),
        (b"{}", ["channel", "message_type", "to", "from", "None"]),
        (b'{"channel":"sms","message_type":"text","to":"+15551231234","from":"+1","text":"x"}',
         ["to", "from"]),
        (b'{"channel":"sms","message_type":"image","to":"15551231234","from":"1","ttl":1}',
         ["message_type", "ttl", "image"]),
    ],
)  # fmt: skip
def test_bad_fields_are_named(body: bytes, named: list[str]) -> None:
    """All of them, with status 422; nothing is sent."""
    desk = Desk(VonageMessagesFarSide(ManualClock()))
    given = desk.answer(Incoming("POST", "/v1/messages", "", _basic(), body))
    assert (given.status, desk.submitted) == (422, [])
    for name in named:
        assert f'"name":"{name}"'.encode() in given.body


def test_other_requests_are_answered() -> None:
    """Another path, and no credentials."""
    far_side = VonageMessagesFarSide(ManualClock())
    for path, status in (("/v1/other", 404), ("/v1/messages", 401)):
        given = far_side.take(Incoming("POST", path, "", {}, b"{}"))
        assert isinstance(given, Response)
        assert given.status == status


def _basic() -> dict[str, str]:
    return {"authorization": Auth(**PLAIN).create_basic_auth_string()}


SENT = Submitted(
    "u1", "14155550100", "+15551231234", "hello", "whatsapp", MESSAGE_ID.hex, f"{CALLBACK}/status"
)


@pytest.mark.parametrize(
    ("state", "error", "told", "code"),
    [
        (State.ACCEPTED, "000", ReceiptState.ACCEPTED, ""),
        (State.DELIVERED, "000", ReceiptState.DELIVERED, ""),
        (State.UNDELIVERED, "003", ReceiptState.UNDELIVERABLE, "1180"),
        (State.UNDELIVERED, "034", ReceiptState.REJECTED, "1120"),
        (State.UNDELIVERED, "999", ReceiptState.UNDELIVERABLE, "1230"),
        (State.READ, "000", ReceiptState.READ, ""),
    ],
)
async def test_what_it_tells_is_read(
    state: State, error: str, told: ReceiptState, code: str
) -> None:
    """Every state comes back to our message, signed as the vendor's own library checks it."""
    made = VonageMessagesFarSide(ManualClock()).receipt(SENT, state, error, "")
    assert made is not None
    token = made.headers["Authorization"].removeprefix("Bearer ")
    assert verify_signature(token, SETTINGS["signature_secret"])
    [receipt] = (await VonageMessagesCalls(config(SPEC, SETTINGS)).read(call_of(made))).receipts
    assert (receipt.state, receipt.error, receipt.message_id) == (told, code, MESSAGE_ID)
    assert (receipt.carrier_message_id, receipt.price) == ("u1", Price(33_300, "EUR"))


async def test_a_message_from_a_handset_is_read() -> None:
    """However long it is, in one call."""
    far_side = VonageMessagesFarSide(ManualClock())
    [made] = far_side.inbound("+15551231234", "+14155550100", "é" * 200, f"{CALLBACK}/inbound")
    [one] = (await VonageMessagesCalls(config(SPEC, SETTINGS)).read(call_of(made))).inbounds
    assert one.fragment.octets.decode("utf-16-be") == "é" * 200
    assert (one.sender, one.recipient) == ("+15551231234", "+14155550100")


def test_what_it_does_not_tell() -> None:
    """Nothing between submission and end; SMS are never read."""
    far_side = VonageMessagesFarSide(ManualClock())
    assert far_side.receipt(SENT, State.ENROUTE, "000", "") is None
    assert far_side.receipt(replace(SENT, channel="sms"), State.READ, "000", "") is None
