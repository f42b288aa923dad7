"""The official client of Plivo and our carrier say the same to the simulated Plivo."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import plivo
import pytest
from plivo.exceptions import AuthenticationError, PlivoServerError, ValidationError
from plivo.utils import signature_v3, validate_signature
from plivo.utils.template import Template as OfficialTemplate

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, config, submission
from onesixty.carriers.aggregators.plivo import SPEC, PlivoDialect
from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aggregators.plivo import PlivoFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from simulator.http.desk import Desk, listening

SETTINGS = PlivoFarSide.credentials
TOKEN = SETTINGS["auth_token"]
SHARED: dict[str, Any] = {
    "src": "+14155550100",
    "dst": "+15551231234",
    "url": f"{CALLBACK}/status?message_id={MESSAGE_ID.hex}",
}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The simulated Plivo on a socket; the client takes its address from a constant."""
    with listening(PlivoFarSide(SystemClock())) as made:
        monkeypatch.setattr(plivo.rest.client, "PLIVO_API_BASE_URI", f"{made.url}/v1/Account")
        yield made


def _official(token: str = TOKEN) -> Any:
    return plivo.RestClient(SETTINGS["auth_id"], token).messages


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    client = Client(10)
    try:
        dialect = PlivoDialect(config(SPEC, {**SETTINGS, "base_url": desk.url}), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return _plain(desk.submitted[-1])


def _plain(one: Submitted) -> Submitted:
    """Without its id; whole seconds of validity pass between the two."""
    extra = {name: value for name, value in one.extra.items() if name != "message_expiry"}
    return replace(one, id="", extra=extra)


async def test_messages_arrive_equal(desk: Desk) -> None:
    """The same text, file and template by both; and the client reads our answer."""
    official = _official()
    told = official.create(text="Grüße 👋", **SHARED)
    assert told.message_uuid == [desk.submitted[-1].id]
    theirs = _plain(desk.submitted[-1])
    assert theirs == await _ours(desk, body="Grüße 👋")
    official.create(text="look", type_="mms", media_urls=["https://x.example/a.jpg"], **SHARED)
    theirs = _plain(desk.submitted[-1])
    content = Content(media=(Media("https://x.example/a.jpg"),))
    assert theirs == await _ours(desk, body="look", channel="mms", content=content)


async def test_templates_arrive_equal(desk: Desk) -> None:
    """What the client makes of a template differs only in names that stand for nothing."""
    made = {
        "name": "hi",
        "language": "en_US",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}],
    }
    _official().create(type_="whatsapp", template=OfficialTemplate(**made), **SHARED)
    theirs = _plain(desk.submitted[-1])
    ours = await _ours(
        desk, body="", channel="whatsapp",
        content=Content(template=Template("hi", "en_US", ("Ana",))),
    )  # fmt: skip
    assert _filled(theirs.extra["template"]) == _filled(ours.extra["template"]) == made


def _filled(given: Any) -> Any:
    """Without null and without empty names."""
    if isinstance(given, dict):
        return {name: _filled(value) for name, value in given.items() if value is not None}
    return [_filled(one) for one in given] if isinstance(given, list) else given


def test_the_client_reads_our_errors(desk: Desk) -> None:
    """Refusals of the simulated Plivo are the errors that the client knows."""
    for why, error in (
        (Refusal.RECIPIENT, ValidationError),
        (Refusal.INTERNAL, PlivoServerError),
    ):
        desk.refusal = why
        with pytest.raises(error):
            _official().create(text="hello", **SHARED)
    with pytest.raises(AuthenticationError):
        _official("other").create(text="hello", **SHARED)


def test_the_client_accepts_our_callbacks(desk: Desk) -> None:
    """Both signatures of reports and inbound texts are those that the client checks."""
    _official().create(text="hello", **SHARED)
    report = desk.far_side.receipt(desk.submitted[-1], State.DELIVERED, "000", CALLBACK)
    assert report is not None
    (text,) = desk.far_side.inbound("+16051234567", "12345", "hi", CALLBACK)
    for made in (report, text):
        nonce = made.headers["x-plivo-signature-v3-nonce"]
        fields = dict(parse_qsl(made.body.decode(), keep_blank_values=True))
        assert validate_signature(made.url, nonce, made.headers["x-plivo-signature-v2"], TOKEN)
        assert signature_v3.validate_v3_signature(
            "POST", made.url, nonce, TOKEN, made.headers["x-plivo-signature-v3"], fields
        )
