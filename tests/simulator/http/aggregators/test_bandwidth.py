"""The official client of Bandwidth and our carrier say the same to the simulated Bandwidth."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from carriers.aggregators.wire import CALLBACK, MESSAGE_ID, NOW, config, submission
from onesixty.carriers.aggregators.bandwidth import SPEC, BandwidthCarrier, BandwidthDialect
from onesixty.carriers.content import Content, Media
from onesixty.carriers.http.client import Client
from onesixty.kit.clock import SystemClock
from onesixty.simulator.http.aggregators.bandwidth import BandwidthFarSide
from onesixty.simulator.http.far_side import Refusal, Submitted
from onesixty.simulator.numbers import State
from simulator.http.desk import Desk, listening


def _module() -> Any:
    """The client. It takes 1.5 s, which only who runs these tests shall wait."""
    import bandwidth

    return bandwidth


SETTINGS = BandwidthFarSide.credentials
HOST = "https://messaging.bandwidth.com"


@pytest.fixture
def desk() -> Iterator[Desk]:
    """The simulated Bandwidth on a socket."""
    with listening(BandwidthFarSide(SystemClock())) as made:
        yield made


def _official(desk: Desk, password: str = SETTINGS["api_password"], **more: Any) -> Any:
    """Send by the client, whose host is fixed: the last step before the socket is changed."""
    official = _module()

    client = official.ApiClient(
        official.Configuration(username=SETTINGS["api_user"], password=password)
    )
    asked = client.rest_client.request

    def request(method: str, url: str, *given: Any, **fields: Any) -> Any:
        return asked(method, url.replace(HOST, desk.url), *given, **fields)

    client.rest_client.request = request
    message = official.MessageRequest(
        application_id=SETTINGS["application_id"],
        to=["+15551231234"],
        var_from="+14155550100",
        tag=MESSAGE_ID.hex,
        expiration=NOW + timedelta(hours=1),
        **more,
    )
    return official.MessagesApi(client).create_message(SETTINGS["account_id"], message)


async def _ours(desk: Desk, **fields: Any) -> Submitted:
    client = Client(10)
    try:
        dialect = BandwidthDialect(config(SPEC, {**SETTINGS, "base_url": desk.url}), client.ask)
        one = submission(**fields)
        verdict = dialect.read(one, await client.ask(await dialect.request(one)))
        assert verdict.carrier_message_id == desk.submitted[-1].id
    finally:
        await client.close()
    return _plain(desk.submitted[-1])


def _plain(one: Submitted) -> Submitted:
    """Without its id, and with the moment of expiration written in one way."""
    at = one.extra["expiration"].replace("+00:00", "Z")
    return replace(one, id="", extra={**one.extra, "expiration": at})


async def test_messages_arrive_equal(desk: Desk) -> None:
    """The same text, and the same file, by both; and the client reads our answer."""
    told = _official(desk, text="Grüße 👋", priority="high")
    assert (told.id, told.segment_count) == (desk.submitted[-1].id, 1)
    assert _plain(desk.submitted[-1]) == await _ours(desk, body="Grüße 👋", priority=1)
    _official(desk, text="look", media=["https://x.example/a.jpg"])
    content = Content(media=(Media("https://x.example/a.jpg"),))
    theirs = _plain(desk.submitted[-1])
    assert theirs == await _ours(desk, body="look", channel="mms", content=content)


def test_the_client_reads_our_errors(desk: Desk) -> None:
    """Refusals of the simulated Bandwidth are the errors that the client knows."""
    from bandwidth.exceptions import (
        ApiException,
        BadRequestException,
        UnauthorizedException,
    )

    for why, error in (
        (Refusal.RECIPIENT, BadRequestException),
        (Refusal.THROTTLED, ApiException),
    ):
        desk.refusal = why
        with pytest.raises(error, match="request-"):
            _official(desk, text="hello")
    with pytest.raises(UnauthorizedException):
        _official(desk, "other", text="hello")


def test_the_client_reads_our_events(desk: Desk) -> None:
    """Reports and inbound messages have the shape that it knows."""
    _official(desk, text="hello")
    report = desk.far_side.receipt(desk.submitted[-1], State.UNDELIVERED, "005", CALLBACK)
    assert report is not None
    official = _module()
    read = official.StatusCallback.from_json(report.body.decode()[1:-1])
    assert (read.message.tag, read.error_code) == (MESSAGE_ID.hex, 4720)
    (text,) = desk.far_side.inbound("+16051234567", "+13035550100", "hi", CALLBACK)
    told = official.InboundCallback.from_json(text.body.decode()[1:-1])
    assert (told.message.text, told.message.var_from) == ("hi", "+16051234567")


async def test_files_are_fetched_with_a_token() -> None:
    """A carrier that has sent nothing yet asks for one first; wrong credentials are told."""
    fixed = {name: SETTINGS[name] for name in ("account_id", "application_id")}
    client = {**fixed, "client_id": "client", "client_secret": "secret"}
    with listening(BandwidthFarSide(SystemClock(), client)) as desk:
        file = f"{desk.url}/api/v2/users/{SETTINGS['account_id']}/media/a.png"
        place = {"base_url": desk.url, "auth_url": desk.url}
        good = BandwidthCarrier(config(SPEC, client | place))
        assert await good.fetch(file) == ("image/png", b"\x89PNG")
        await good.stop(0)
        bad = BandwidthCarrier(config(SPEC, client | place | {"client_secret": "x"}))
        with pytest.raises(OSError, match="token was refused"):
            await bad.fetch(file)
        await bad.stop(0)
