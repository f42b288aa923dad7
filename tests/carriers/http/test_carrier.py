"""The engine: windows, waits, drains, and one outcome whatever the dialect or the provider does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
import structlog

from conformance.behaviours import SOMEBODY
from conformance.bench import Bench, submission
from conformance.peers import LoopbackPeer
from onesixty.carriers.contract import (
    CarrierConfig,
    ErrorClass,
    OutcomeKind,
    Price,
    ProbedCarrier,
    Submission,
)
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    CannotSendError,
    NoAnswerError,
    NotSentError,
    Request,
    Verdict,
    accepted,
    by_status,
    config,
    throttled,
    unknown,
)
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.fault_words import parse_options
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.faults import HttpFaults
from simulator.http.plain import PlainFarSide


@dataclass
class Plain:
    """A dialect whose moves a test can change."""

    url: str
    clock: Clock
    ask: Ask
    before: Callable[[Submission], Awaitable[None]] | None = None  # such as to get a token
    verdict: Callable[[Submission, Answer], Verdict] | None = None
    asked: list[Submission] = field(default_factory=list)

    async def request(self, one: Submission) -> Request:
        """A message of the plain provider."""
        self.asked.append(one)
        if self.before:
            await self.before(one)
        body = orjson.dumps({"from": one.sender, "to": one.recipient, "text": one.body})
        headers = {"Authorization": "Bearer plain-token"}
        return Request("POST", self.url + "/messages", headers, body)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """By status, unless the test says otherwise."""
        if self.verdict:
            return self.verdict(one, answer)
        told = answer.json()
        if isinstance(told, dict) and answer.status == 201:
            return accepted(told["id"], price=Price.of(*told["price"].split()))
        return by_status(answer, clock=self.clock, is_theirs=isinstance(told, dict))

    async def check(self) -> str | None:
        """The balance."""
        headers = {"Authorization": "Bearer plain-token"}
        answer = await self.ask(Request("GET", self.url + "/balance", headers))
        return None if answer.status == 200 else "the token is wrong"


@dataclass
class Rig:
    """A carrier and its far side on a clock that only the test moves."""

    clock: ManualClock
    stage: Stage
    carrier: HttpCarrier
    dialect: Plain
    bench: Bench

    def fault(self, *words: str) -> None:
        """From now on."""
        self.stage.faults = parse_options(HttpFaults, words)

    def submit(self, count: int = 1) -> None:
        """Messages, at once."""
        self.bench.submit(*(submission(SOMEBODY, f"{n}") for n in range(count)))

    async def send(self) -> Any:
        """One message, and its outcome."""
        one = submission(SOMEBODY)
        await self.bench.send(one)
        (outcome,) = self.bench.outcomes[one.message_id]
        return outcome

    async def arrived(self, count: int) -> None:
        """Wait until so many messages are at the provider."""
        await self.bench.until(lambda: len(self.stage.submitted) >= count)


@pytest.fixture
async def rig(clock: ManualClock, chance: Chance) -> AsyncIterator[Rig]:
    """A window of three, and 0.3 s for an answer."""
    stage = Stage(PlainFarSide(clock), clock=clock, chance=chance)
    await stage.start()
    made: list[Plain] = []

    def make(ask: Ask) -> Plain:
        made.append(Plain(stage.url, clock, ask))
        return made[0]

    settings = {"window": 3, "response_seconds": 0.3}
    carrier = HttpCarrier(CarrierConfig(1, "plain", settings, clock, chance), make)
    bench = Bench(carrier, LoopbackPeer(), clock)
    stage.on_change = bench.on_room
    await bench.up()
    yield Rig(clock, stage, carrier, made[0], bench)
    await carrier.stop(0.0)
    await stage.stop()


async def test_what_an_acceptance_tells(rig: Rig) -> None:
    """Id, match key, price and the one part that a whole message is."""
    outcome = await rig.send()
    (part,) = outcome.parts
    assert (outcome.kind, outcome.parts_total, part.part) == (OutcomeKind.ACCEPTED, 1, 1)
    assert part.carrier_message_id == part.match_key == rig.stage.submitted[0].id
    assert outcome.price == Price(50_000, "EUR")
    assert (outcome.error_code, outcome.error_class, outcome.code) == (None, None, None)


async def test_the_window_is_never_passed(rig: Rig) -> None:
    """No more requests than the window are out; the others follow as answers come."""
    rig.fault("answer_delay_seconds=1")
    rig.submit(5)
    await rig.arrived(3)
    assert rig.carrier.room() == 0
    assert rig.carrier.state()["in_flight"] == 3
    assert len(rig.stage.submitted) == len(rig.dialect.asked) == 3
    await rig.clock.advance(1)
    await rig.arrived(5)
    await rig.clock.advance(1)
    await rig.bench.until(rig.bench.is_idle)
    assert rig.carrier.room() == 3
    rig.bench.check()


async def test_a_stop_drains(rig: Rig) -> None:
    """What is out is waited for; what never left is given back, and counts for nothing."""
    rig.fault("answer_delay_seconds=1")
    rig.submit(5)
    await rig.arrived(3)
    stopping = asyncio.create_task(rig.carrier.stop(10.0))
    await rig.bench.until(lambda: len(rig.bench.outcomes) == 2)
    assert {(one.kind, one.counts_as_attempt) for one in rig.bench.final()} == {
        (OutcomeKind.DEFERRED, False)
    }
    await rig.clock.advance(1)
    await stopping
    assert [one.kind for one in rig.bench.final()].count(OutcomeKind.ACCEPTED) == 3
    rig.bench.check()


async def test_a_stop_without_time(rig: Rig) -> None:
    """What is broken off may have been sent, and says nothing of the provider."""
    rig.fault("drop_answers=1", "drop_how=silence")
    rig.submit(1)
    await rig.arrived(1)
    await rig.carrier.stop(0.0)
    (outcome,) = rig.bench.final()
    assert (outcome.kind, outcome.lost) == (OutcomeKind.UNKNOWN, True)
    assert rig.carrier.state()["status"] == "down"


async def test_silence(rig: Rig) -> None:
    """No answer in time is unknown, and counts against the provider."""
    rig.fault("drop_answers=1", "drop_how=silence")
    outcome = await rig.send()
    assert (outcome.kind, outcome.lost) == (OutcomeKind.UNKNOWN, False)
    assert outcome.detail == "no answer within 0.3 s; it may have been sent"
    assert outcome.error_class == ErrorClass.CARRIER


@pytest.mark.parametrize("error", [NotSentError("no way"), NoAnswerError("gone")])
async def test_before_the_message_all_is_safe(rig: Rig, error: Exception) -> None:
    """While a token is asked for no message has left, whatever becomes of the asking."""

    async def fail(_: Submission) -> None:
        raise error

    rig.dialect.before = fail
    outcome = await rig.send()
    assert (outcome.kind, outcome.error_class) == (OutcomeKind.DEFERRED, ErrorClass.CARRIER)
    assert outcome.counts_as_attempt
    assert not rig.stage.requests


async def test_a_stop_while_a_token_is_asked_for(rig: Rig) -> None:
    """Broken off before the message left, it is given back."""

    async def wait(_: Submission) -> None:
        await asyncio.Event().wait()

    rig.dialect.before = wait
    rig.submit(1)
    await asyncio.sleep(0)
    await rig.carrier.stop(0.0)
    (outcome,) = rig.bench.final()
    assert (outcome.kind, outcome.counts_as_attempt) == (OutcomeKind.DEFERRED, False)


async def test_refused_before_it_left(rig: Rig) -> None:
    """Refused credentials are a refusal; what a provider has no field for is no attempt."""

    async def refuse(_: Submission) -> None:
        raise CannotSendError(config("401", "the client is unknown"))

    async def cannot(_: Submission) -> None:
        raise ValueError("no fields for that")

    rig.dialect.before = refuse
    refused = await rig.send()
    assert (refused.kind, refused.error_class, refused.code) == (
        OutcomeKind.REFUSED, ErrorClass.CONFIG, "401",
    )  # fmt: skip
    assert refused.counts_as_attempt
    rig.dialect.before = cannot
    impossible = await rig.send()
    assert (impossible.kind, impossible.error_class) == (OutcomeKind.REFUSED, ErrorClass.CONFIG)
    assert (impossible.counts_as_attempt, impossible.detail) == (False, "no fields for that")
    assert not rig.stage.requests


async def test_faults_of_a_dialect(rig: Rig) -> None:
    """A fault in code makes an outcome too, by whether the message left; its words are kept."""

    def read(one: Submission, answer: Answer) -> Verdict:
        raise KeyError("private text")

    async def request(_: Submission) -> None:
        raise TypeError("private text")

    with structlog.testing.capture_logs() as lines:
        rig.dialect.verdict = read
        assert (await rig.send()).kind is OutcomeKind.UNKNOWN
        rig.dialect.before = request
        assert (await rig.send()).kind is OutcomeKind.DEFERRED
    assert [line["error"] for line in lines] == ["KeyError", "TypeError"]
    assert all("test_carrier.py" in line["at"] for line in lines)
    assert "private" not in repr(lines)


@pytest.mark.parametrize("name", ["x" * 501, "a\0b"])
async def test_ids_that_cannot_be_kept(rig: Rig, name: str) -> None:
    """One without end, or with U+0000, would spoil the batch in which it is written."""
    rig.dialect.verdict = lambda one, answer: accepted("first", part_ids=("first", name))
    outcome = await rig.send()
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert name not in str(outcome)


async def test_words_that_cannot_be_kept(rig: Rig) -> None:
    """U+0000 is left out of what the provider says, and so is the end of what is long."""
    rig.dialect.verdict = lambda one, answer: config("4\0" + "2" * 200, "no\0" + "x" * 2000)
    outcome = await rig.send()
    assert outcome.code == "4" + "2" * 99
    assert outcome.detail == "no" + "x" * 998


async def test_prices_that_cannot_be_kept(rig: Rig) -> None:
    """A sum beyond what the database counts to is no price."""
    rig.dialect.verdict = lambda one, answer: accepted("a", price=Price(2**63, "EUR"))
    outcome = await rig.send()
    assert (outcome.kind, outcome.price) == (OutcomeKind.ACCEPTED, None)


async def test_parts_with_ids_of_their_own(rig: Rig) -> None:
    """Each id is a part; where some have none, those with one are known to be taken."""
    rig.dialect.verdict = lambda one, answer: replace(accepted("a"), part_ids=("a", "b"))
    whole = await rig.send()
    assert [(part.part, part.kind, part.match_key) for part in whole.parts] == [
        (1, OutcomeKind.ACCEPTED, "a"),
        (2, OutcomeKind.ACCEPTED, "b"),
    ]
    rig.dialect.verdict = lambda one, answer: replace(unknown("5", "half"), part_ids=("", "b"))
    half = await rig.send()
    assert (half.kind, half.parts_total) == (OutcomeKind.UNKNOWN, 2)
    assert [(part.kind, part.match_key) for part in half.parts] == [
        (OutcomeKind.UNKNOWN, ""),
        (OutcomeKind.ACCEPTED, "b"),
    ]


async def test_ids_that_receipts_do_not_have(rig: Rig) -> None:
    """A match key of its own goes beside the id."""
    rig.dialect.verdict = lambda one, answer: replace(accepted("id"), match_key="key")
    (part,) = (await rig.send()).parts
    assert (part.carrier_message_id, part.match_key) == ("id", "key")


@pytest.mark.parametrize(("seconds", "is_up"), [(5, True), (60, False)])
async def test_it_leaves_the_provider_alone(rig: Rig, seconds: int, is_up: bool) -> None:
    """Nothing goes there until the time is over; for long waits it counts as down."""
    rig.fault("throttle_above_per_second=1", f"retry_after={seconds}")
    await rig.send()
    outcome = await rig.send()
    assert (outcome.kind, outcome.error_class) == (OutcomeKind.DEFERRED, ErrorClass.THROTTLE)
    assert (outcome.retry_after_seconds, outcome.counts_as_attempt) == (seconds, False)
    assert (rig.carrier.room(), rig.carrier.is_up()) == (0, is_up)
    assert rig.carrier.state()["detail"] == f"it asked to wait for {seconds} s"
    await rig.clock.advance(seconds - 1)
    assert (rig.carrier.room(), rig.carrier.is_up()) == (0, True)
    await rig.clock.advance(1)
    await rig.bench.until(lambda: rig.carrier.room() == 3)
    assert (await rig.send()).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e9])
async def test_a_wait_that_is_none(rig: Rig, seconds: float) -> None:
    """No time can be told from it: the message waits as one that was told none."""
    rig.dialect.verdict = lambda one, answer: throttled("1", "slower", seconds)
    assert (await rig.send()).retry_after_seconds == 1.0
    assert rig.carrier.room() == 3


async def test_a_wait_of_one_message(rig: Rig) -> None:
    """Without a time, or for one recipient alone, the others go on; the message waits."""
    rig.dialect.verdict = lambda one, answer: throttled("1", "slower")
    assert (await rig.send()).retry_after_seconds == 1.0
    rig.dialect.verdict = lambda one, answer: replace(throttled("1", "no", 60.0), holds=False)
    assert (await rig.send()).retry_after_seconds == 60.0
    assert rig.carrier.room() == 3


async def test_the_last_error_is_shown(rig: Rig) -> None:
    """Until a message is accepted again; faults of recipients are none of the provider."""
    rig.fault("refuse=1", "refuse_why=internal")
    await rig.send()
    shown = rig.carrier.state()["last_error"]
    assert shown == {
        "at": rig.clock.now().isoformat(),
        "error_class": "carrier",
        "code": "500",
        "detail": "HTTP 500",
    }
    rig.fault()
    await rig.send()
    assert rig.carrier.state()["last_error"] is None


async def test_a_sign_of_life(rig: Rig) -> None:
    """The probe is the check: wrong credentials or nobody there mean no."""
    assert isinstance(rig.carrier, ProbedCarrier)
    assert await rig.carrier.probe()
    rig.stage.far_side = PlainFarSide(rig.clock, {"token": "another", "secret": ""})
    assert not await rig.carrier.probe()
    assert (
        await rig.carrier.check() == "the token is wrong; look at the credentials in its settings"
    )
    await rig.stage.pause()
    assert not await rig.carrier.probe()


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://api.example.com", True),
        ("http://127.0.0.1:8170/v2/", True),
        ("api.example.com", False),
        ("ftp://api.example.com", False),
        ("https://", False),
        ("https://api.example.com?a=1", False),
        ("https://me:secret@api.example.com", False),
    ],
)
def test_a_base_url_that_leads_nowhere_is_refused(url: str, fits: bool) -> None:
    """When the carrier is put on file, not when the first message waits."""
    clock = ManualClock()
    settings = {"window": 1, "response_seconds": 1, "base_url": url}
    given = CarrierConfig(1, "plain", settings, clock, Chance(1))

    def make() -> HttpCarrier:
        return HttpCarrier(given, lambda ask: Plain(url, clock, ask))

    if fits:
        assert not make().is_up()
    else:
        with pytest.raises(ValueError, match="base_url"):
            make()
