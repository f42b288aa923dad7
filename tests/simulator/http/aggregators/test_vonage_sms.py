"""The official client of Vonage's SMS API and our carrier say the same to the simulated one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from vonage_account import Account
from vonage_http_client import Auth, HttpClient
from vonage_http_client.errors import AuthenticationError
from vonage_sms import Sms, SmsMessage
from vonage_sms.errors import SmsError

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, Wire, call_of, config, submission
from onesixty.carriers.aggregators.vonage_sms import SPEC, VonageSmsDialect
from onesixty.carriers.aggregators.vonage_sms_calls import METHODS, VonageSmsCalls
from onesixty.carriers.contract import Inbound, OutcomeKind, Price, ReceiptState
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.aggregators.vonage_sms import VonageSmsFarSide
from onesixty.simulator.http.far_side import Incoming, Refusal, Response, Submitted
from onesixty.simulator.numbers import State
from onesixty.sms.form import Form
from onesixty.sms.reassembly import assemble
from simulator.http.desk import Desk, listening
from simulator.http.rerouted import reroute

SETTINGS = VonageSmsFarSide.credentials
SHORT = "https://s.example/c"
SHARED: Any = {
    "to": "15551231234",
    "from_": "14155550100",
    "client_ref": MESSAGE_ID.hex,
    "callback": f"{SHORT}/status",
    "ttl": 3_600_000,
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Vonage on a socket."""
    with listening(VonageSmsFarSide(SystemClock())) as made:
        yield made


def _client(desk: Desk, secret: str = SETTINGS["api_secret"]) -> HttpClient:
    client = HttpClient(Auth(api_key=SETTINGS["api_key"], api_secret=secret))
    reroute(client._session, desk)
    return client


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    client = Client(10)
    try:
        given = config(SPEC, {**SETTINGS, "base_url": desk.url}, callback_url=SHORT)
        dialect = VonageSmsDialect(given, client.ask)
        assert await dialect.check() is None
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.kind is OutcomeKind.ACCEPTED
        assert len(verdict.part_ids) == one.segments
        assert verdict.price == Price(33_300 * one.segments, "EUR")
    finally:
        await client.close()
    return replace(desk.submitted[-1], id="")


@pytest.mark.parametrize(
    ("fields", "theirs"),
    [
        ({"body": "hello"}, {"text": "hello", "type": "text"}),
        (
            {"body": "Grüße & = 😀", "encoding": "ucs2"},
            {"text": "Grüße & = 😀", "type": "unicode"},
        ),
        ({"body": "x" * 161, "segments": 2}, {"text": "x" * 161, "type": "text"}),
        (
            {"body": "hi", "form": Form(message_class=0)},
            {"text": "hi", "type": "text", "message_class": 0},
        ),
    ],
)
async def test_both_arrive_equal(
    desk: Desk, fields: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """Text, Unicode, two parts and flash: not one field differs."""
    ours = await _ours(desk, **fields)
    made = Sms(_client(desk)).send(SmsMessage(**theirs, **SHARED))
    assert replace(desk.submitted[-1], id="") == ours
    assert int(made.message_count) == fields.get("segments", 1)
    assert made.messages[0].client_ref == MESSAGE_ID.hex


async def test_binary_data_arrives_equal(desk: Desk) -> None:
    """Data and header as hex digits."""
    form = Form(udh=b"\x06\x05\x04\x0b\x84\x23\xf0", data=b"\x01\x02")
    ours = await _ours(desk, body="", encoding="binary", form=form)
    made = {"type": "binary", "body": "0102", "udh": "0605040b8423f0", "protocol_id": 0}
    Sms(_client(desk)).send(SmsMessage(text="", **made, **SHARED))
    theirs = desk.submitted[-1]
    # The client always sends a text, an empty one too.
    extra = {name: value for name, value in theirs.extra.items() if name != "text"}
    assert replace(theirs, id="", extra=extra) == ours


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (Refusal.RECIPIENT, "6"),
        (Refusal.OPTED_OUT, "7"),
        (Refusal.SENDER, "15"),
        (Refusal.CREDENTIALS, "4"),
        (Refusal.THROTTLED, "1"),
        (Refusal.INTERNAL, "5"),
    ],
)
def test_the_official_client_reads_refusals(desk: Desk, why: Refusal, code: str) -> None:
    """The answer has status 200; the number is inside."""
    desk.refusal = why
    with pytest.raises(SmsError, match=f"error code {code}: "):
        Sms(_client(desk)).send(SmsMessage(text="hello", **SHARED))


def test_the_balance_tells_whether_the_secret_is_right(desk: Desk) -> None:
    """As the official client reads it."""
    assert Account(_client(desk)).get_balance().value == 10.28
    with pytest.raises(AuthenticationError):
        Account(_client(desk, "wrong")).get_balance()


@pytest.mark.parametrize("method", METHODS)
async def test_signed_requests_are_taken(method: str) -> None:
    """In all five ways; with another secret they are not."""
    signing = {"signature_secret": "one", "signature_method": method}
    wire = Wire(VonageSmsFarSide(ManualClock(), {"api_key": "k", **signing}))
    for secret, kind in (("one", OutcomeKind.ACCEPTED), ("two", OutcomeKind.REFUSED)):
        given = {"api_key": "k", **signing, "signature_secret": secret}
        dialect = VonageSmsDialect(config(SPEC, given), wire.ask)
        one = submission("a&b=c")
        assert dialect.read(one, await wire.ask(await dialect.request(one))).kind is kind
        assert await dialect.check() == (None if secret == "one" else "Invalid Signature")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ("to=15551231234&from=x", "Missing text"),
        ("from=x&text=x", "Missing to"),
        ("to=1&from=x&text=x", "Invalid value for param: to"),
        ("to=15551231234&from=x&text=x&ttl=5", "Invalid value for param: ttl"),
    ],
)
def test_bad_fields_are_refused_as_vonage_does(fields: str, text: str) -> None:
    """The first thing that is wrong; nothing is sent."""
    basic = {"authorization": Auth(**_key()).create_basic_auth_string()}
    given = VonageSmsFarSide(ManualClock()).take(
        Incoming("POST", "/sms/json", "", basic, fields.encode())
    )
    assert isinstance(given, Response)
    assert text.encode() in given.body


def _key() -> dict[str, str]:
    return {"api_key": SETTINGS["api_key"], "api_secret": SETTINGS["api_secret"]}


def test_what_gsm_7_lacks_is_lost_without_unicode() -> None:
    """The reason why our carrier says which it is."""
    basic = {"authorization": Auth(**_key()).create_basic_auth_string()}
    body = "to=15551231234&from=x&text=a%D0%B1&type=text"
    one = VonageSmsFarSide(ManualClock()).take(
        Incoming("POST", "/sms/json", "", basic, body.encode())
    )
    assert isinstance(one, Submitted)
    assert one.text == "a?"


SENT = Submitted(
    "A1", "14155550100", "+15551231234", "x" * 161, "sms", MESSAGE_ID.hex, f"{CALLBACK}/status"
)


@pytest.mark.parametrize(
    ("state", "error", "told", "code"),
    [
        (State.ENROUTE, "000", ReceiptState.ACCEPTED, ""),
        (State.ACCEPTED, "000", ReceiptState.ACCEPTED, ""),
        (State.DELIVERED, "000", ReceiptState.DELIVERED, ""),
        (State.UNDELIVERED, "003", ReceiptState.UNDELIVERABLE, "2"),
        (State.UNDELIVERED, "999", ReceiptState.UNDELIVERABLE, "99"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_what_it_tells_is_read(
    method: str, state: State, error: str, told: ReceiptState, code: str
) -> None:
    """Every part and every state, signed in every way."""
    given = {**SETTINGS, "signature_method": method}
    far_side = VonageSmsFarSide(ManualClock(), given)
    for part in far_side.parts(SENT):
        made = far_side.receipt(part, state, error, "")
        assert made is not None
        [receipt] = (await VonageSmsCalls(config(SPEC, given)).read(call_of(made))).receipts
        assert (receipt.state, receipt.error, receipt.message_id) == (told, code, MESSAGE_ID)
        assert (receipt.carrier_message_id, receipt.network) == (part.id, "23410")
        assert receipt.price == Price(33_300, "EUR")


@pytest.mark.parametrize("text", ["hello", "", "Grüße 😀 " * 20, "x" * 400])
async def test_messages_from_handsets_come_in_parts(text: str) -> None:
    """A call for each part, which together are the text."""
    far_side = VonageSmsFarSide(ManualClock())
    reader = VonageSmsCalls(config(SPEC, SETTINGS))
    parts: list[Inbound] = []
    for made in far_side.inbound("+15551231234", "+14155550100", text, f"{CALLBACK}/inbound"):
        parts += (await reader.read(call_of(made))).inbounds
    assert len({part.carrier_message_id for part in parts}) == len(parts)
    assert {part.fragment.total for part in parts} == {len(parts)}
    assert assemble(part.fragment for part in parts).text == text


def test_the_official_client_takes_its_signature() -> None:
    """The vendor's library knows the HMACs."""
    given = {**_key(), "signature_secret": "one", "signature_method": "sha512"}
    [made] = VonageSmsFarSide(ManualClock(), given).inbound(
        "+15551231234", "+14155550100", "hi", "u"
    )
    fields = dict(parse_qsl(made.body.decode()))
    assert Auth(**given).check_signature(fields)
