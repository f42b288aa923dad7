"""The stage plays scenarios and faults, records what it got, and brings callbacks."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.fault_words import FaultError, listing, parse_options
from onesixty.simulator.http.far_side import CallbackRequest
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.courier import TRIES, WAIT_SECONDS
from onesixty.simulator.http.stage.faults import HttpFaults
from onesixty.simulator.http.stage.spoil import badly_signed, unsigned

from .plain import PlainFarSide

TO = "+447700900000"
HEADERS = {"Authorization": "Bearer plain-token"}
BOUND_SECONDS = 10


@dataclass
class Customer:
    """Somebody who sends by the provider, and listens for its callbacks."""

    stage: Stage
    clock: ManualClock
    session: aiohttp.ClientSession
    told: list[dict[str, Any]] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # to answer with, before 200
    answered: list[int] = field(default_factory=list)  # calls known when an answer came
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, to: str = TO, text: str = "hello") -> tuple[int, bytes]:
        """Submit a message; raises aiohttp.ClientError when no whole answer comes."""
        body = orjson.dumps({"from": "ACME", "to": to, "text": text, "reference": "r1"})
        async with self.session.post(
            self.stage.url + "/messages", data=body, headers=HEADERS
        ) as answer:
            told = await answer.read()
            self.answered.append(len(self.told))
            return answer.status, told

    async def take(self, request: web.BaseRequest) -> web.Response:
        """A callback."""
        body = await request.read()
        good = hmac.new(b"plain-secret", body, "sha256").hexdigest()
        self.told.append({"path": request.path, **orjson.loads(body)})
        self.signed.append(request.headers.get("x-signature") == good)
        self.news.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a callback that makes it so."""
        async with asyncio.timeout(BOUND_SECONDS):
            while not holds():
                self.news.clear()
                await self.news.wait()

    async def brought(self, count: int) -> None:
        """Wait for so many tries to bring callbacks, and let a second pass."""
        await self.until(lambda: len(self.stage.courier.brought) == count)
        await self.clock.advance(WAIT_SECONDS)

    async def states(self, count: int) -> list[str]:
        """The states of the first receipts."""
        await self.until(lambda: len(self.told) >= count)
        return [one["state"] for one in self.told]

    def fault(self, *words: str) -> None:
        """From now on."""
        self.stage.faults = parse_options(HttpFaults, words)


@pytest.fixture
async def customer(clock: ManualClock, chance: Chance) -> AsyncIterator[Customer]:
    """A customer whose callbacks are set at the provider."""
    stage = Stage(PlainFarSide(clock), clock=clock, chance=chance)
    await stage.start()
    async with aiohttp.ClientSession() as session:
        one = Customer(stage, clock, session)
        stage.courier.on_brought = one.news.set
        server = web.Server(one.take)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        stage.status_url, stage.inbound_url = url + "/status", url + "/inbound"
        yield one
        await stage.stop()
        listener.close()
        await server.shutdown(0.01)


async def test_a_message_is_taken_recorded_and_delivered(customer: Customer) -> None:
    """Without faults a message is answered, kept as it came, and its receipt follows."""
    status, body = await customer.send()
    assert (status, await customer.states(1)) == (201, ["delivered"])
    kept = customer.stage.submitted[0]
    assert (kept.sender, kept.recipient, kept.text, kept.reference) == ("ACME", TO, "hello", "r1")
    assert orjson.loads(body)["id"] == kept.id == customer.told[0]["id"]
    assert (customer.told[0]["path"], customer.signed) == ("/status", [True])
    request = customer.stage.requests[0]
    assert (request.method, request.path, request.headers["host"]) == (
        "POST", "/messages", customer.stage.url.removeprefix("http://"),
    )  # fmt: skip


async def test_scenarios_are_played(customer: Customer) -> None:
    """Numbers of the table are refused, throttled, undelivered, and answer, each in its time."""
    assert (await customer.send("+15005550117"))[0] == 422
    assert (await customer.send("+15005550113"))[0] == 429
    await customer.clock.advance(31)
    assert (await customer.send("+15005550113"))[0] == 201
    assert (await customer.send("+15005550103"))[0] == 201
    assert (await customer.send("+15005550111", "say it"))[0] == 201
    assert not customer.told
    await customer.clock.advance(1.0)
    assert sorted(await customer.states(3)) == ["delivered", "delivered", "undelivered"]
    assert "003" in {one["error"] for one in customer.told}
    await customer.clock.advance(1.0)
    await customer.until(lambda: len(customer.told) == 4)
    reply = customer.told[3]
    assert (reply["path"], reply["from"], reply["to"]) == ("/inbound", "+15005550111", "ACME")
    assert reply["text"] == "say it"
    assert [one.recipient for one in customer.stage.submitted] == [
        "+15005550113", "+15005550103", "+15005550111",
    ]  # fmt: skip
    counts = customer.stage.statistics
    assert (counts.taken, counts.refused, counts.throttled) == (3, 2, 1)


@pytest.mark.parametrize("how", ["cut", "half_answer", "silence"])
async def test_a_lost_answer(customer: Customer, how: str) -> None:
    """The message was taken once and its receipt comes, though nobody knows of it."""
    customer.fault("drop_answers=1", f"drop_how={how}")
    customer.session._timeout = aiohttp.ClientTimeout(total=0.2)
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        await customer.send()
    assert await customer.states(1) == ["delivered"]
    assert len(customer.stage.submitted) == 1
    assert customer.stage.statistics.answers_lost == 1


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["bad_gateway=1"], 502),
        (["broken_body=1"], 201),
        (["refuse=1"], 422),
        (["refuse=1", "refuse_why=internal"], 500),
        (["throttle_above_per_second=1"], 201),
    ],
)
async def test_spoilt_answers(customer: Customer, words: list[str], status: int) -> None:
    """Gateways, broken bodies, refusals: taken or not, and answered so."""
    customer.fault(*words)
    answered, body = await customer.send()
    assert answered == status
    assert len(customer.stage.submitted) == (status not in (422, 500))
    if words[0] in ("bad_gateway=1", "broken_body=1"):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)


async def test_throttling_says_how_long(customer: Customer) -> None:
    """Beyond the limit of a second it throttles, with Retry-After where it is told to."""
    customer.fault("throttle_above_per_second=1", "retry_after=7")
    assert (await customer.send())[0] == 201
    async with customer.session.post(
        customer.stage.url + "/messages",
        data=b'{"from":"A","to":"+447700900000","text":"x"}',
        headers=HEADERS,
    ) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    await customer.clock.advance(1.0)
    assert (await customer.send())[0] == 201


async def test_receipts_early_twice_lost_and_disordered(customer: Customer) -> None:
    """Callbacks come before the answer, twice, not at all, or the older one last."""
    customer.fault("receipt_early=1", "receipt_duplicates=1")
    await customer.send()
    assert customer.answered == [2]
    assert customer.told[0] == customer.told[1]
    customer.told.clear()
    customer.fault("receipt_loss=every:2", "receipt_order=final_accepted")
    await customer.send()
    assert await customer.states(1) == ["delivered"]
    customer.told.clear()
    customer.fault("receipt_order=final_accepted", "receipt_delay_seconds=1")
    await customer.send()
    await customer.clock.advance(1.0)
    assert set(await customer.states(2)) == {"delivered", "accepted"}
    assert customer.stage.statistics.callbacks_lost == 1


async def test_signatures_are_spoilt(customer: Customer) -> None:
    """A callback is signed wrongly, or not at all, when a fault says so."""
    customer.fault("bad_signature=every:3", "unsigned=every:2")
    for _ in range(3):
        await customer.send()
    await customer.states(3)
    assert sorted(customer.signed) == [False, False, True]


async def test_callbacks_are_brought_again(customer: Customer) -> None:
    """As vendors do: a second after an answer of 5xx, never after 4xx, and not for ever."""
    customer.statuses = [500, 503, 400]
    await customer.send()
    for count in (1, 2, 3):
        await customer.brought(count)
    await customer.stage.courier.caught_up()
    assert [one.status for one in customer.stage.courier.brought] == [500, 503, 400]
    assert all(a.call == b.call for a, b in pairwise(customer.stage.courier.brought))
    customer.stage.courier.brought.clear()
    customer.statuses = [500] * 20
    customer.stage.say(TO, "ACME", "hi")
    for count in range(1, TRIES + 1):
        await customer.brought(count)
    await customer.stage.courier.caught_up()
    assert len(customer.stage.courier.brought) == TRIES


async def test_it_refuses_connections(customer: Customer) -> None:
    """A paused stage cannot be reached; afterwards it is there again, on the same port."""
    await customer.send()
    await customer.stage.pause()
    async with aiohttp.ClientSession() as customer.session:  # without the connection of before
        with pytest.raises(aiohttp.ClientConnectorError):
            await customer.send()
        await customer.stage.resume()
        assert (await customer.send())[0] == 201


async def test_settings_lead_to_it(customer: Customer) -> None:
    """The settings of a carrier are the credentials and the address."""
    assert customer.stage.settings() == {
        **PlainFarSide.credentials, "base_url": customer.stage.url,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "bad", "bare"),
    [
        (
            CallbackRequest("POST", "http://x/", {"X-Twilio-Signature": "abc+d="}, b"a=b"),
            CallbackRequest("POST", "http://x/", {"X-Twilio-Signature": "aba+d="}, b"a=b"),
            CallbackRequest("POST", "http://x/", {}, b"a=b"),
        ),
        (
            CallbackRequest("POST", "http://x/", {}, b'{"Signature":"abc=","a":1}'),
            CallbackRequest("POST", "http://x/", {}, b'{"Signature":"aac=","a":1}'),
            CallbackRequest("POST", "http://x/", {}, b'{"a":1}'),
        ),
        (
            CallbackRequest("GET", "http://x/?a=1&sig=abc&b=2", {}, b""),
            CallbackRequest("GET", "http://x/?a=1&sig=aac&b=2", {}, b""),
            CallbackRequest("GET", "http://x/?a=1&b=2", {}, b""),
        ),
    ],
)
def test_every_way_of_signing_is_spoilt(
    call: CallbackRequest, bad: CallbackRequest, bare: CallbackRequest
) -> None:
    """Signatures in headers, bodies and queries are found, changed in one letter, or taken out."""
    assert (badly_signed(call), unsigned(call)) == (bad, bare)


def test_the_nonce_is_no_signature() -> None:
    """What belongs to a signature and is none stays; a call without one cannot be spoilt."""
    call = CallbackRequest("POST", "http://x/", {"x-plivo-signature-v3-nonce": "1"}, b"{}")
    assert badly_signed(call) is None
    assert unsigned(call) is None


def test_faults_are_words() -> None:
    """Every fault is listed with its default, which can be read back."""
    words = [f"{one.name}={one.default}" for one in listing(HttpFaults)]
    assert parse_options(HttpFaults, words) == HttpFaults()
    assert all(one.effect for one in listing(HttpFaults))
    with pytest.raises(FaultError, match="one of: cut, silence, half_answer"):
        parse_options(HttpFaults, ["drop_how=loudly"])
