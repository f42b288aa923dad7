"""The SMPP carrier: what settings and command_status values mean, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from conformance.behaviours import SOMEBODY, Behaviour
from conformance.bench import LONG, Bench, submission
from conformance.peers import SmppPeer, built
from onesixty.carriers import registry
from onesixty.carriers.contract import (
    AskableCarrier,
    ErrorClass,
    OutcomeKind,
    Question,
    ReceiptState,
    probe,
)
from onesixty.carriers.smpp.carrier import SmppCarrier
from onesixty.kit.chance import Chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.problems import Problem
from onesixty.records.carriers import check
from onesixty.simulator.fault_words import Share
from onesixty.simulator.faults import Faults, parse_faults
from onesixty.smpp.statuses import Status

Open = Callable[..., Awaitable[tuple[SmppPeer, Bench]]]


@pytest.fixture
async def connect(chance: Chance) -> AsyncIterator[Open]:
    """Starts a simulated SMSC and a carrier with these settings; it is not connected yet."""
    clock = SystemClock()
    async with AsyncExitStack() as opened:

        async def one(**settings: Any) -> tuple[SmppPeer, Bench]:
            peer = SmppPeer()
            await peer.start(clock, chance)
            opened.push_async_callback(peer.stop)
            carrier = built("smpp", {**peer.settings(), **settings}, clock, chance)
            opened.push_async_callback(carrier.stop, 0.0)
            return peer, Bench(carrier, peer, clock)

        yield one


@pytest.mark.parametrize(
    ("status", "attempt", "kind", "error_class", "code"),
    [
        (Status.RINVDSTADR, 1, OutcomeKind.REFUSED, ErrorClass.RECIPIENT, "recipient_refused"),
        (Status.RINVSRCADR, 1, OutcomeKind.REFUSED, ErrorClass.CONTENT, "content_refused"),
        (Status.RINVMSGLEN, 1, OutcomeKind.REFUSED, ErrorClass.CONTENT, "content_refused"),
        (Status.RTHROTTLED, 9, OutcomeKind.DEFERRED, ErrorClass.THROTTLE, "carrier_throttled"),
        (Status.RMSGQFUL, 9, OutcomeKind.DEFERRED, ErrorClass.THROTTLE, "carrier_throttled"),
        (Status.RSYSERR, 1, OutcomeKind.DEFERRED, ErrorClass.CARRIER, "carrier_refused"),
        (Status.RSYSERR, 99, OutcomeKind.REFUSED, ErrorClass.CARRIER, "carrier_refused"),
        (Status.RINVSERTYP, 1, OutcomeKind.REFUSED, ErrorClass.CONFIG, "carrier_refused"),
        (0x04F1, 99, OutcomeKind.REFUSED, ErrorClass.CARRIER, "carrier_refused"),
    ],
)
async def test_what_a_status_means(
    connect: Open, status: int, attempt: int, kind: OutcomeKind, error_class: str, code: str
) -> None:
    """Each command_status ends or defers a message, and says whose fault it is."""
    peer, bench = await connect()
    await bench.up()
    peer.smsc.faults = Faults(refuse=Share(every=1), refuse_status=status)
    one = submission(SOMEBODY)
    one.attempt = attempt
    await bench.send(one)
    (outcome,) = bench.final()
    assert (outcome.kind, outcome.error_class, outcome.error_code) == (kind, error_class, code)
    assert outcome.counts_as_attempt is (error_class is not ErrorClass.THROTTLE)
    assert outcome.code
    assert outcome.detail


async def test_what_query_sm_says_is_a_receipt(connect: Open) -> None:
    """Asked what became of a message the SMSC tells; of one that it does not know it tells none."""
    _, bench = await connect(receipts=False)
    await bench.up()
    one = submission(SOMEBODY)
    await bench.send(one)
    (part,) = bench.parts()
    assert isinstance(bench.carrier, AskableCarrier)
    names = ("no such id", part.carrier_message_id)
    bench.carrier.ask([Question(name, "the key", one.sender, one.recipient) for name in names])
    await bench.until(lambda: bool(bench.receipts))
    (receipt,) = bench.receipts
    assert receipt.match_keys == ("the key",)
    assert receipt.state in (ReceiptState.ENROUTE, ReceiptState.DELIVERED)
    assert receipt.raw.startswith(f"query_sm_resp message_state:{int(receipt.state)} ")


async def test_a_sign_of_life(connect: Open) -> None:
    """An SMSC that answers an enquire_link lives; one that is not there does not. No message."""
    _, bench = await connect()
    await bench.up()
    assert await probe(bench.carrier)
    assert bench.carrier.room() == 10
    await bench.carrier.stop(0.0)
    assert not await probe(bench.carrier)


@pytest.mark.parametrize("settings", [{}, {"bind": "transmitter_receiver"}, {"binds": 3}])
async def test_binds(connect: Open, settings: dict[str, Any]) -> None:
    """Messages go out and receipts come in, however the binds are made."""
    _, bench = await connect(**settings)
    await bench.up()
    count = settings.get("binds", 1) * (2 if "bind" in settings else 1)
    await bench.until(lambda: all_bound(bench, count))
    assert bench.carrier.room() == 10 * settings.get("binds", 1)
    await bench.send(*(submission(SOMEBODY, f"{n}") for n in range(20)))
    await bench.until(lambda: len(bench.receipts) >= 20)
    bench.check()


@pytest.mark.parametrize("bind", ["transceiver", "transmitter_receiver"])
async def test_binds_come_and_go(connect: Open, bind: str) -> None:
    """Binds that go finish their windows first, those that stay do not notice, others are added."""
    peer, bench = await connect(binds=3, bind=bind)
    lines = 2 if bind == "transmitter_receiver" else 1
    await bench.up()
    await bench.until(lambda: all_bound(bench, 3 * lines))
    peer.smsc.faults = parse_faults(["answer_delay_seconds=0.1"])
    for n in range(12):
        bench.submit(submission(SOMEBODY, f"{n}"))
    for _ in range(3):
        await asyncio.sleep(0)  # they are written in the next turn
    assert sum(one["in_flight"] for one in binds_of(bench)) == 12
    assert isinstance(bench.carrier, SmppCarrier)
    await bench.carrier.resize(1, 5.0)
    assert all_bound(bench, lines)
    await bench.until(bench.is_idle)
    assert {outcome.kind for outcome in bench.final()} == {OutcomeKind.ACCEPTED}
    await bench.carrier.resize(2, 5.0)
    await bench.until(lambda: all_bound(bench, 2 * lines))
    await bench.send(*(submission(SOMEBODY, f"{n}") for n in range(20)))
    bench.check()


def binds_of(bench: Bench) -> list[dict[str, Any]]:
    """The binds as the carrier's state tells of them."""
    found: list[dict[str, Any]] = bench.carrier.state()["binds"]
    return found


def all_bound(bench: Bench, count: int) -> bool:
    """Whether so many binds stand."""
    phases = [bind["phase"] for bind in binds_of(bench)]
    return phases == ["bound"] * count


async def test_a_refused_bind_is_shown(connect: Open) -> None:
    """Why a bind is refused is in the state; the carrier stays down."""
    peer, bench = await connect()
    peer.smsc.faults = Faults(bind_status=Status.RINVPASWD)
    await bench.carrier.start(bench)
    await bench.until(lambda: bool(bench.carrier.state()["binds"][0]["refusal"]))
    state = bench.carrier.state()
    assert (state["status"], state["binds"][0]["refusal"]) == ("down", "ESME_RINVPASWD")
    assert bench.carrier.room() == 0


async def test_it_comes_back_after_a_cut(connect: Open) -> None:
    """After the link was lost it connects again by itself and goes on."""
    peer, bench = await connect()
    await bench.up()
    peer.smsc.break_links()
    await bench.until(lambda: not bench.carrier.is_up())
    await bench.until(bench.carrier.is_up)
    await bench.send(submission(SOMEBODY))
    assert [outcome.kind for outcome in bench.final()] == [OutcomeKind.ACCEPTED]


@pytest.mark.parametrize("is_cut", [True, False])
async def test_a_cut_is_told_from_silence(connect: Open, is_cut: bool) -> None:
    """What was in the air when the link was lost says so; what the SMSC never answered does not."""
    peer, bench = await connect(response_seconds=30 if is_cut else 0.1)
    peer.behave(Behaviour.SILENT)
    await bench.up()
    bench.submit(submission(SOMEBODY))
    await bench.until(lambda: peer.smsc.statistics.submits > 0)
    if is_cut:
        peer.smsc.break_links()
    await bench.until(lambda: bool(bench.final()))
    assert [(one.kind, one.lost) for one in bench.final()] == [(OutcomeKind.UNKNOWN, is_cut)]


@pytest.mark.parametrize("concatenation", ["udh8", "udh16", "sar", "payload"])
async def test_the_handset_reads_what_was_written(connect: Open, concatenation: str) -> None:
    """Long messages arrive whole, also after a part was refused and sent again."""
    peer, bench = await connect(concatenation=concatenation)
    await bench.up()
    bodies = [f"{n} {LONG}" for n in range(4)]
    await bench.send(*(submission(SOMEBODY, body) for body in bodies))
    assert peer.smsc.record is not None
    assert [one.text for one in peer.smsc.record.messages()] == bodies
    for outcome in bench.final():
        assert outcome.parts_total == (1 if concatenation == "payload" else 3)


async def test_a_part_that_was_throttled_comes_later(connect: Open) -> None:
    """With every second part throttled, what is missing is sent until the message is whole."""
    peer, bench = await connect()
    await bench.up()
    peer.behave(Behaviour.SOMETIMES_THROTTLING)
    one = submission(SOMEBODY, LONG)
    for _ in range(4):
        await bench.send(one)
        outcome = bench.outcomes.pop(one.message_id)[-1]
        accepted = [part.part for part in outcome.parts if part.kind is OutcomeKind.ACCEPTED]
        one.accepted = [*one.accepted, *accepted]
        if outcome.kind is OutcomeKind.ACCEPTED:
            break
    assert sorted(one.accepted) == [1, 2, 3]
    assert peer.smsc.record is not None
    assert [message.text for message in peer.smsc.record.messages()] == [LONG]
    assert peer.smsc.record.duplicates() == {}


async def test_what_has_no_pdu_is_refused(connect: Open) -> None:
    """A message that SMPP cannot carry is refused by itself, its neighbours go out."""
    _, bench = await connect(concatenation="udh16")
    await bench.up()
    name = submission(SOMEBODY)
    name.sender = "A sender of more than twenty characters"
    many = submission(
        SOMEBODY, "x" * 153 * 255
    )  # 255 parts with an octet as reference, more with two
    bench.submit(submission(SOMEBODY), name, many, submission(SOMEBODY))
    await bench.until(bench.is_idle)
    bench.check()
    kinds = [bench.outcomes[identifier][0] for identifier in bench.given]
    assert [outcome.error_code for outcome in kinds] == [
        None,
        "not_encodable",
        "not_encodable",
        None,
    ]


async def test_a_message_of_which_nothing_is_missing(connect: Open) -> None:
    """When the carrier has every part already there is nothing to send, and it is accepted."""
    _, bench = await connect()
    await bench.up()
    await bench.send(submission(SOMEBODY, LONG, accepted=[1, 2, 3]))
    assert [outcome.kind for outcome in bench.final()] == [OutcomeKind.ACCEPTED]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"host": ""},
        {"host": "h", "system_id": "x" * 16},
        {"host": "h", "system_id": "x", "window": 0},
        {"host": "h", "system_id": "x", "port": 70_000},
        {"host": "h", "system_id": "x", "bind": "outbind"},
        {"host": "h", "system_id": "x", "no_such": 1},
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any]) -> None:
    """What cannot be a bind is refused when it is configured."""
    with pytest.raises(Problem):
        check(registry.SPECS["smpp"], settings)


@pytest.mark.parametrize("field", ["system_id", "password", "system_type"])
def test_text_that_has_no_place_in_a_bind(field: str, chance: Chance) -> None:
    """Letters that no bind PDU can carry are found when the carrier is built."""
    settings = {"host": "h", "system_id": "x", field: "żółw"}
    with pytest.raises(ValueError, match=field):
        built("smpp", settings, SystemClock(), chance)
