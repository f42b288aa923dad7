"""What every carrier over HTTP must do, whatever its provider answers, and whoever calls."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
import structlog

from onesixty.carriers.content import SMS, Content, Media
from onesixty.carriers.contract import (
    CallRefusedError,
    CheckedCarrier,
    ErrorClass,
    News,
    Outcome,
    OutcomeKind,
    ReceiptState,
)
from onesixty.carriers.registry import SPECS
from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.far_side import CallbackRequest, Refusal
from onesixty.simulator.http.stage import spoil
from onesixty.simulator.http.stage.faults import Drop, HttpFaults, Order
from onesixty.sms.form import Form

from .behaviours import Behaviour
from .bench import Bench, opened
from .http_peer import ALWAYS, HttpPeer
from .peers import HTTP_KINDS

TELL = [kind for kind in HTTP_KINDS if SPECS[kind].receives]
# Their calls bear no signature: the token in our URL protects them.
UNSIGNED = {"aws_sns", "azure"}
# Their calls bear a password, which does not depend on the body.
WITH_PASSWORD = {"bandwidth"}
# Their signatures bear no time, or that of the event, which is told for an hour: a call that comes
# again says again what it said.
TIMELESS = {"aws_sms", "bandwidth", "http", "infobip", "plivo", "twilio", "whatsapp"}
PICTURES = {"aws_sms": "s3://bucket/cat.png"}  # it takes no other
CLASSES = {
    Refusal.RECIPIENT: (OutcomeKind.REFUSED, {ErrorClass.RECIPIENT}),
    Refusal.OPTED_OUT: (OutcomeKind.REFUSED, {ErrorClass.RECIPIENT}),
    Refusal.SENDER: (OutcomeKind.REFUSED, {ErrorClass.CONFIG}),
    Refusal.CREDENTIALS: (OutcomeKind.REFUSED, {ErrorClass.CONFIG}),
    Refusal.THROTTLED: (OutcomeKind.DEFERRED, {ErrorClass.THROTTLE}),
    Refusal.INTERNAL: (OutcomeKind.DEFERRED, {ErrorClass.CARRIER}),
}
LOST = {
    "cut": HttpFaults(drop_answers=ALWAYS),
    "half an answer": HttpFaults(drop_answers=ALWAYS, drop_how=Drop.HALF_ANSWER),
    **{
        f"a gateway's {status}": HttpFaults(bad_gateway=ALWAYS, gateway_status=status)
        for status in (200, 500, 502, 503, 504)
    },
    "a broken body": HttpFaults(broken_body=ALWAYS),
}
Open = Callable[[str], Awaitable[tuple[Bench, HttpPeer]]]


@pytest.fixture
async def both(chance: Chance) -> AsyncIterator[Open]:
    """A carrier of a kind on the bench, and its far side."""
    async with AsyncExitStack() as stack:

        async def one(kind: str) -> tuple[Bench, HttpPeer]:
            bench = await stack.enter_async_context(opened(kind, Behaviour.GOOD, chance))
            return bench, cast(HttpPeer, bench.peer)

        yield one


@contextmanager
def keeping_secrets(bench: Bench, peer: HttpPeer, caplog: Any) -> Iterator[None]:
    """Nothing that is logged, shown or told meanwhile has a secret of the settings in it."""
    with structlog.testing.capture_logs() as lines:
        yield
    hidden = {field.name for field in peer.spec.fields if field.kind == "secret"}
    secrets = [value for name, value in peer.config.settings.items() if name in hidden and value]
    outcomes = [(one.detail, one.code) for one in bench.final()]
    told = [one.raw for one in bench.receipts]
    shown = repr((lines, caplog.text, bench.carrier.state(), outcomes, told))
    for secret in secrets:
        assert secret not in shown


async def outcome_of(bench: Bench, **more: Any) -> Outcome:
    """Send one message."""
    one = bench.message(**more)
    await bench.send(one)
    (outcome,) = bench.outcomes[one.message_id]
    return outcome


def facts(news: News) -> Any:
    """What news say, but for when they came and where a call was answered."""
    return (
        [(one.match_keys, one.state, one.error, one.message_id, one.word) for one in news.receipts],
        [(one.sender, one.recipient, one.carrier_message_id, one.fragment, one.content)
         for one in news.inbounds],
    )  # fmt: skip


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_message_arrives_as_it_was_sent(both: Open, kind: str, caplog: Any) -> None:
    """Recipient, text and our reference arrive; the receipt finds the message by what it tells."""
    bench, peer = await both(kind)
    with keeping_secrets(bench, peer, caplog):
        text = "Zażółć 🦆 & ? = +"
        outcome = await outcome_of(bench, body=text, encoding="ucs2")
        (kept,) = peer.stage.submitted
        assert (kept.recipient, kept.text, kept.channel) == (peer.recipient, text, peer.channel)
        assert outcome.kind is OutcomeKind.ACCEPTED
        (part,) = outcome.parts
        assert part.carrier_message_id.startswith(kept.id)  # the number of the part may follow
        if kind in TELL:
            await bench.until(lambda: bool(bench.receipts))
            (receipt,) = bench.receipts
            assert receipt.state is ReceiptState.DELIVERED
            assert receipt.match_keys[0] == part.match_key
            assert receipt.message_id in (None, outcome.submission.message_id)
            assert receipt.word


@pytest.mark.parametrize(
    ("kind", "channel"),
    [(kind, one) for kind in HTTP_KINDS for one in SPECS[kind].channels if one != SMS],
)
async def test_files_arrive(both: Open, kind: str, channel: str) -> None:
    """A picture goes out by its URL over every channel that takes one."""
    bench, peer = await both(kind)
    picture = PICTURES.get(kind, "https://media.example/cat.png")
    content = Content(media=(Media(picture, "image/png"),))
    outcome = await outcome_of(bench, channel=channel, content=content)
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome.detail
    (kept,) = peer.stage.submitted
    assert picture in repr(kept.extra)


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_binary_data_goes_out_or_is_refused(both: Open, kind: str) -> None:
    """Data that is no text arrives, or never leaves and may go elsewhere; it is never left out."""
    bench, peer = await both(kind)
    octets = bytes(range(0xF0, 0x100))
    form = Form(udh=b"\x06\x05\x04\x0b\x84\x23\xf0", data=octets)
    outcome = await outcome_of(bench, body="", encoding="binary", form=form)
    if outcome.kind is OutcomeKind.ACCEPTED:
        (kept,) = peer.stage.submitted
        arrived = repr(kept.extra).lower().replace(" ", "")
        assert octets.hex() in arrived or b64encode(octets).decode().lower() in arrived
    else:
        assert (outcome.kind, outcome.counts_as_attempt) == (OutcomeKind.REFUSED, False)
        assert outcome.error_class == ErrorClass.CONFIG
        assert outcome.detail
        assert not peer.stage.submitted


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_refusals_say_whose_fault_they_are(both: Open, kind: str, caplog: Any) -> None:
    """Every reason that a provider can give has its class, its own code and its words."""
    bench, peer = await both(kind)
    with keeping_secrets(bench, peer, caplog):
        for why, (wanted, classes) in CLASSES.items():
            peer.stage.faults = HttpFaults(refuse=ALWAYS, refuse_why=why)
            outcome = await outcome_of(bench)
            assert (why, outcome.kind) == (why, wanted)
            assert outcome.error_class in classes, why
            assert outcome.code, why
            assert outcome.detail, why
            assert outcome.counts_as_attempt is (why is not Refusal.THROTTLED)
        assert not peer.stage.submitted


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_it_waits_as_long_as_it_is_told(both: Open, kind: str) -> None:
    """Retry-After is obeyed: nothing goes there before, and the message is not lost."""
    bench, peer = await both(kind)
    peer.stage.faults = HttpFaults(refuse=ALWAYS, refuse_why=Refusal.THROTTLED, retry_after=600)
    outcome = await outcome_of(bench)
    assert outcome.error_class == ErrorClass.THROTTLE
    if outcome.retry_after_seconds == 600:
        assert (bench.carrier.room(), bench.carrier.is_up()) == (0, False)
    else:  # it has no such header
        assert outcome.retry_after_seconds
        assert bench.carrier.is_up()


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_lost_answers(both: Open, kind: str, caplog: Any) -> None:
    """What was taken and not answered in full is unknown, and is asked for once."""
    bench, peer = await both(kind)
    with keeping_secrets(bench, peer, caplog):
        for name, faults in LOST.items():
            peer.stage.faults = faults
            peer.stage.submitted.clear()
            outcome = await outcome_of(bench)
            assert (name, outcome.kind) == (name, OutcomeKind.UNKNOWN)
            assert len(peer.stage.submitted) == 1, name


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_nobody_is_there(both: Open, kind: str, caplog: Any) -> None:
    """A provider that cannot be reached has nothing; the message may be tried again."""
    bench, peer = await both(kind)
    await peer.stage.pause()
    with keeping_secrets(bench, peer, caplog):
        outcome = await outcome_of(bench)
        assert (outcome.kind, outcome.error_class) == (OutcomeKind.DEFERRED, ErrorClass.CARRIER)
        assert outcome.counts_as_attempt
        assert await cast(CheckedCarrier, bench.carrier).check() is not None
    await peer.stage.resume()
    assert (await outcome_of(bench)).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("kind", TELL)
async def test_callbacks_early_twice_and_disordered(both: Open, kind: str) -> None:
    """However receipts come, they bear the ids of their messages, and repeats are equal."""
    bench, peer = await both(kind)
    peer.stage.faults = HttpFaults(
        receipt_early=ALWAYS, receipt_duplicates=ALWAYS, receipt_order=Order.FINAL_ACCEPTED
    )
    await bench.send(bench.message("one"), bench.message("two"))
    assert not peer.refused, [error.reason for error in peer.refused]
    keys = {part.match_key for part in bench.parts()}
    assert {one.match_keys[0] for one in bench.receipts} == keys
    for key in keys:
        told = [one for one in bench.receipts if one.match_keys[0] == key]
        delivered = [one for one in told if one.state is ReceiptState.DELIVERED]
        assert len(delivered) == 2
        assert facts(News(delivered[:1])) == facts(News(delivered[1:]))


async def calls_of(bench: Bench, peer: HttpPeer) -> Sequence[CallbackRequest]:
    """A receipt and, where there are any, messages from a handset, as they were called."""
    await bench.send(bench.message())
    if "inbound" in peer.spec.receives:
        peer.say("hello")
        await bench.until(lambda: bool(bench.inbounds))
    await bench.until(lambda: bool(bench.receipts))
    return [one.call for one in peer.stage.courier.brought]


@pytest.mark.parametrize("kind", TELL)
async def test_calls_of_others_are_refused(both: Open, kind: str) -> None:
    """A signature that is wrong or missing is refused, and nothing is read."""
    bench, peer = await both(kind)
    assert peer.reader is not None
    for told in await calls_of(bench, peer):
        for spoilt in (spoil.badly_signed(told), spoil.unsigned(told)):
            assert (spoilt is None) is (kind in UNSIGNED)
            if spoilt is not None:
                with pytest.raises(CallRefusedError) as caught:
                    await peer.reader.read(peer.call(spoilt))
                assert caught.value.status in (401, 403, 503)


@pytest.mark.parametrize("kind", TELL)
async def test_nonsense_is_refused(both: Open, kind: str) -> None:
    """Whatever is called, it is read or refused; nothing else is ever raised."""
    bench, peer = await both(kind)
    assert peer.reader is not None
    read = 0
    for told in await calls_of(bench, peer):
        call = peer.call(told)
        half = call.body[: len(call.body) // 2]
        for body in (b"", b"{", b"[]", b"null", b"[1]", b'{"a":{}}', b"\xff\x00=&", half):
            for path in (call.path, "nowhere", ""):
                try:
                    await peer.reader.read(replace(call, body=body, path=path))
                except CallRefusedError:
                    continue
                read += told.method == "POST"  # a GET has no body to be spoilt
    assert kind in UNSIGNED | WITH_PASSWORD or not read


@pytest.mark.parametrize("kind", TELL)
async def test_calls_that_come_again_late(both: Open, kind: str) -> None:
    """A call is refused when its signature is old, or tells the same as before."""
    bench, peer = await both(kind)
    assert peer.spec.calls is not None
    assert peer.reader is not None
    calls = await calls_of(bench, peer)
    later = ManualClock(peer.config.clock.now() + timedelta(minutes=10))
    reader = peer.spec.calls(replace(peer.config, clock=later))
    for told in calls:
        before = await peer.reader.read(peer.call(told))
        call = replace(peer.call(told), received_at=later.now())
        if kind in TIMELESS | UNSIGNED:
            assert facts(await reader.read(call)) == facts(before)
        else:
            with pytest.raises(CallRefusedError):
                await reader.read(call)


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_credentials_are_checked(both: Open, kind: str) -> None:
    """Good ones are known to be good without a message, and wrong ones to be wrong."""
    bench, peer = await both(kind)
    assert isinstance(bench.carrier, CheckedCarrier)
    assert await bench.carrier.check() is None
    hidden = {field.name for field in peer.spec.fields if field.kind == "secret"}
    peer.stage.far_side = type(peer.stage.far_side)(
        peer.config.clock,
        {
            name: other(value) if name in hidden else value
            for name, value in peer.stage.far_side.credentials.items()
        },
    )
    assert await bench.carrier.check()
    assert not peer.stage.submitted


def other(secret: str) -> str:
    """Another secret of the same form."""
    return ("A" if secret[0] != "A" else "B") + secret[1:]
