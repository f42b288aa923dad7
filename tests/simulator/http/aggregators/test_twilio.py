"""The official client of Twilio and our carrier say the same to the simulated Twilio."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client as TwilioClient

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, NOW, call_of, config, submission
from onesixty.carriers.aggregators.twilio import SPEC, TwilioDialect
from onesixty.carriers.aggregators.twilio_calls import TwilioCalls
from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import (
    AskableCarrier,
    Inbound,
    Price,
    Question,
    Receipt,
    ReceiptState,
)
from onesixty.carriers.http.client import Client
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.twilio import TwilioFarSide
from onesixty.simulator.http.far_side import Incoming, Refusal, Response, Submitted
from onesixty.simulator.numbers import State
from simulator.http.desk import Desk, listening
from simulator.http.rerouted import reroute

SETTINGS = TwilioFarSide.credentials
SERVICE = "MG" + "1" * 32
TEMPLATE = "HX" + "2" * 32
STATUS = f"{CALLBACK}/status?message={MESSAGE_ID.hex}"


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Twilio on a socket."""
    with listening(TwilioFarSide(ManualClock())) as made:
        yield made


def _official(desk: Desk, token: str = SETTINGS["auth_token"]) -> TwilioClient:
    http = TwilioHttpClient()
    assert http.session is not None
    reroute(http.session, desk)
    return TwilioClient(SETTINGS["account_sid"], token, http_client=http)


async def _ours(desk: Desk, settings: dict[str, Any], **fields: Any) -> Submitted:
    client = Client(10)
    try:
        there = {**SETTINGS, "base_url": desk.url, **settings}
        dialect = TwilioDialect(config(SPEC, there), client.ask)
        assert await dialect.check() is None
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return replace(desk.submitted[-1], id="")


@pytest.mark.parametrize(
    ("settings", "fields", "theirs"),
    [
        (
            {},
            {"body": "Grüße & = 😀"},
            {"from_": "+14155550100", "body": "Grüße & = 😀", "validity_period": 3600},
        ),
        (
            {"messaging_service_sid": SERVICE},
            {"sender": None},
            {"messaging_service_sid": SERVICE, "body": "hello", "validity_period": 3600},
        ),
        (
            {},
            {
                "channel": "mms",
                "content": Content(media=(Media("https://x/1.png"), Media("https://x/2.png"))),
            },
            {
                "from_": "+14155550100",
                "body": "hello",
                "media_url": ["https://x/1.png", "https://x/2.png"],
                "validity_period": 3600,
            },
        ),
        (
            {},
            {"channel": "mms"},
            {
                "from_": "+14155550100",
                "body": "hello",
                "send_as_mms": True,
                "validity_period": 3600,
            },
        ),
        (
            {},
            {
                "channel": "whatsapp",
                "content": Content(template=Template(TEMPLATE, parameters=("Ana",))),
            },
            {
                "from_": "whatsapp:+14155550100",
                "content_sid": TEMPLATE,
                "content_variables": '{"1":"Ana"}',
            },
        ),
    ],
)
async def test_both_arrive_equal(
    desk: Desk, settings: dict[str, Any], fields: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """Text, messaging service, media and template: not one field differs."""
    ours = await _ours(desk, settings, **fields)
    prefix = "whatsapp:" if fields.get("channel") == "whatsapp" else ""
    made = _official(desk).messages.create(
        to=f"{prefix}+15551231234", status_callback=STATUS, **theirs
    )
    assert replace(desk.submitted[-1], id="") == ours
    assert made.sid == desk.submitted[-1].id
    assert made.status == ("accepted" if settings else "queued")
    assert made.to == f"{prefix}+15551231234"
    assert made.date_created == NOW


@pytest.mark.parametrize(
    ("why", "status", "code"),
    [
        (Refusal.RECIPIENT, 400, 21211),
        (Refusal.OPTED_OUT, 400, 21610),
        (Refusal.SENDER, 400, 21606),
        (Refusal.CREDENTIALS, 401, 20003),
        (Refusal.THROTTLED, 429, 20429),
        (Refusal.INTERNAL, 500, 20500),
    ],
)
def test_the_official_client_reads_refusals(
    desk: Desk, why: Refusal, status: int, code: int
) -> None:
    """Status, number and words are where it looks for them."""
    desk.refusal = why
    with pytest.raises(TwilioRestException) as raised:
        _official(desk).messages.create(to="+15551231234", from_="+14155550100", body="hello")
    assert (raised.value.status, raised.value.code) == (status, code)
    assert raised.value.msg


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "", "from_": "+1", "body": "x"}, 21604),
        ({"to": "123", "from_": "+1", "body": "x"}, 21211),
        ({"to": "+15551231234", "body": "x"}, 21603),
        ({"to": "+15551231234", "from_": "+1"}, 21602),
        ({"to": "+15551231234", "from_": "+1", "body": "x" * 1601}, 21617),
        ({"to": "+15551231234", "from_": "+1", "media_url": ["https://x/1"] * 11}, 21623),
        ({"to": "+15551231234", "from_": "+1", "body": "x", "validity_period": 0}, 21624),
    ],
)
def test_bad_fields_are_refused_as_twilio_does(
    desk: Desk, fields: dict[str, Any], code: int
) -> None:
    """The first thing that is wrong, by its number; nothing is sent."""
    with pytest.raises(TwilioRestException) as raised:
        _official(desk).messages.create(**fields)
    assert raised.value.code == code
    assert desk.submitted == []


def test_the_log_can_be_listed_with_the_right_token_only(desk: Desk) -> None:
    """Another token and another path are answered as errors."""
    assert _official(desk).messages.list(limit=5) == []
    with pytest.raises(TwilioException, match="20003"):
        _official(desk, "wrong").messages.list(limit=5)
    with pytest.raises(TwilioException, match="20404"):
        _official(desk).calls.list(limit=1)


async def test_a_message_can_be_asked_for(desk: Desk) -> None:
    """Both clients read how it stands, and what it took; our carrier tells it as a receipt."""
    await _ours(desk, {})
    [one] = desk.submitted
    desk.far_side.receipt(one, State.UNDELIVERED, "003", "")
    theirs = _official(desk).messages(one.id).fetch()
    assert (theirs.status, theirs.error_code, theirs.price) == ("undelivered", 30003, "-0.00790")

    told = Heard()
    carrier = SPEC.build(config(SPEC, {**SETTINGS, "base_url": desk.url}))
    assert isinstance(carrier, AskableCarrier)
    await carrier.start(told)
    other = "SM" + "f" * 32
    carrier.ask([Question(name, name, "+14155550100", "+15551231234") for name in (other, one.id)])
    async with asyncio.timeout(10):
        await told.something.wait()
    await carrier.stop(0)
    [receipt] = told.receipts
    assert (receipt.state, receipt.error) == (ReceiptState.UNDELIVERABLE, "30003")
    assert (receipt.match_keys, receipt.price) == ((one.id,), Price(7900, "USD"))


class Heard:
    """What a carrier tells."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.something = asyncio.Event()

    def on_receipts(self, receipts: list[Receipt]) -> None:
        """Keep them."""
        self.receipts += receipts
        self.something.set()

    def on_inbound(self, inbounds: list[Inbound]) -> None:
        """None comes so."""

    def on_room(self) -> None:
        """Nobody waits for it."""


SENT = Submitted("SM" + "3" * 32, "+14155550100", "+15551231234", "hello", callback_url=STATUS)


@pytest.mark.parametrize(
    ("state", "error", "told", "code"),
    [
        (State.ENROUTE, "000", ReceiptState.ENROUTE, ""),
        (State.ACCEPTED, "000", ReceiptState.ACCEPTED, ""),
        (State.DELIVERED, "000", ReceiptState.DELIVERED, ""),
        (State.UNDELIVERED, "003", ReceiptState.UNDELIVERABLE, "30003"),
        (State.UNDELIVERED, "034", ReceiptState.UNDELIVERABLE, "30034"),
        (State.READ, "000", ReceiptState.READ, ""),
    ],
)
@pytest.mark.parametrize("secret", ["", "a-shared-secret"])
async def test_what_it_tells_is_read(
    secret: str, state: State, error: str, told: ReceiptState, code: str
) -> None:
    """Every state, signed in both ways, comes back to our message."""
    given = {**SETTINGS, "webhook_secret": secret}
    far_side = TwilioFarSide(ManualClock(), given)
    one = replace(SENT, channel="whatsapp") if state is State.READ else SENT
    made = far_side.receipt(one, state, error, "")
    assert made is not None
    news = await TwilioCalls(config(SPEC, given)).read(call_of(made))
    [receipt] = news.receipts
    assert (receipt.state, receipt.error, receipt.message_id) == (told, code, MESSAGE_ID)
    assert receipt.carrier_message_id == SENT.id


async def test_the_official_validator_takes_its_signature() -> None:
    """What comes from a handset is signed as the vendor's library checks it, and read by us."""
    far_side = TwilioFarSide(ManualClock())
    [made] = far_side.inbound("+15551231234", "+14155550100", "Grüße 😀", f"{CALLBACK}/inbound")
    fields = parse_qs(made.body.decode(), keep_blank_values=True)
    assert RequestValidator(SETTINGS["auth_token"]).validate(
        made.url,
        {name: values[0] for name, values in fields.items()},
        made.headers["X-Twilio-Signature"],
    )
    [inbound] = (await TwilioCalls(config(SPEC, SETTINGS)).read(call_of(made))).inbounds
    assert inbound.fragment.octets.decode("utf-16-be") == "Grüße 😀"
    assert (inbound.sender, inbound.recipient) == ("+15551231234", "+14155550100")


def test_sms_is_never_read() -> None:
    """Only chat channels tell that a message was read; without a URL nothing is told."""
    far_side = TwilioFarSide(ManualClock())
    assert far_side.receipt(SENT, State.READ, "000", "") is None
    assert far_side.receipt(replace(SENT, callback_url=""), State.DELIVERED, "000", "") is None


def test_requests_that_make_no_sense_are_answered() -> None:
    """Whatever is asked, there is an answer."""
    request = Incoming("POST", "/x", "", {"authorization": "Basic %"}, b"\xff")
    given = TwilioFarSide(ManualClock()).take(request)
    assert isinstance(given, Response)
    assert given.status == 401
