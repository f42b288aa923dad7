"""What every kind of carrier must do, however its far side behaves."""

import asyncio

import pytest

from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState, Submission
from onesixty.carriers.registry import SPECS
from onesixty.sms.reassembly import assemble

from .behaviours import SOMEBODY, Behaviour
from .bench import LONG, LONG_SEGMENTS, Bench, submission
from .conftest import Connect
from .http_peer import HttpPeer
from .peers import HTTP_KINDS, PEERS, behaviours

ECHO = "+15005550111"  # of the number table: it replies with the text it got
KINDS = list(PEERS)
CASES = [
    (kind, behaviour) for kind in KINDS for behaviour in Behaviour if behaviour in behaviours(kind)
]
EXPECTED = {
    Behaviour.GOOD: {OutcomeKind.ACCEPTED},
    Behaviour.SLOW: {OutcomeKind.ACCEPTED},
    Behaviour.REPEATING: {OutcomeKind.ACCEPTED},
    Behaviour.STAMMERING: {OutcomeKind.ACCEPTED},
    Behaviour.LATE: {OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN},
    Behaviour.FORGETFUL: {OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN},
    Behaviour.CONFUSED: {OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN},
    Behaviour.SILENT: {OutcomeKind.UNKNOWN},
    Behaviour.THROTTLING: {OutcomeKind.DEFERRED},
    Behaviour.SOMETIMES_THROTTLING: {OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED},
    Behaviour.REFUSING: {OutcomeKind.REFUSED},
}


def mixed(bench: Bench, count: int) -> list[Submission]:
    """Short messages, long ones, and rests of long ones where these can be sent alone."""
    kinds = [
        lambda n: bench.message(f"short {n}"),
        lambda n: bench.message(f"{n} {LONG}"),
        lambda n: bench.message(f"{n} {LONG}", accepted=[2]),
    ]
    if bench.peer.is_whole:
        kinds.pop()
        count = min(count, 4)  # a message is a request
    return [kinds[n % len(kinds)](n) for n in range(count)]


def test_every_kind_is_here() -> None:
    """Each kind of carrier that can be configured has a far side in this suite."""
    missing = set(SPECS) - set(PEERS)
    assert not missing, f"no far side in src/onesixty/simulator/http for {missing}: write it"


@pytest.mark.parametrize(("kind", "behaviour"), CASES)
async def test_exactly_one_outcome(connect: Connect, kind: str, behaviour: Behaviour) -> None:
    """Whatever the far side does, each submission is reported once, and once more if late."""
    bench = await connect(kind, behaviour)
    await bench.send(*mixed(bench, 15))
    kinds = {outcome[0].kind for outcome in bench.outcomes.values()}
    assert kinds == EXPECTED.get(behaviour, kinds)
    await bench.carrier.stop(1.0)
    bench.check()
    assert bench.carrier.room() == 0


@pytest.mark.parametrize("kind", [kind for kind, each in CASES if each is Behaviour.LATE])
async def test_late_answers_are_told_once(connect: Connect, kind: str) -> None:
    """An answer after the wait was given up is reported as late, and ends the doubt."""
    bench = await connect(kind, Behaviour.LATE)
    await bench.send(*mixed(bench, 9))
    await bench.until(lambda: {one.kind for one in bench.final()} == {OutcomeKind.ACCEPTED})
    bench.check()
    assert max(len(reported) for reported in bench.outcomes.values()) == 2
    assert len({part.match_key for part in bench.parts()}) == len(bench.parts())


@pytest.mark.parametrize(
    ("behaviour", "error_class", "counts"),
    [
        (Behaviour.THROTTLING, ErrorClass.THROTTLE, False),
        (Behaviour.REFUSING, ErrorClass.RECIPIENT, True),
        (Behaviour.SILENT, ErrorClass.CARRIER, True),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_failures_say_whose_fault_they_are(
    connect: Connect, kind: str, behaviour: Behaviour, error_class: str, counts: bool
) -> None:
    """Throttling costs no attempt and names its wait; refused numbers are no fault of a carrier."""
    bench = await connect(kind, behaviour)
    await bench.send(*mixed(bench, 3))
    for outcome in bench.final():
        assert (outcome.error_class, outcome.counts_as_attempt) == (error_class, counts)
        assert (outcome.retry_after_seconds is not None) is (not counts)


@pytest.mark.parametrize(("kind", "behaviour"), CASES)
async def test_stop_leaves_nothing_open(connect: Connect, kind: str, behaviour: Behaviour) -> None:
    """A stop in the middle of it all reports whatever is in flight."""
    bench = await connect(kind, behaviour)
    bench.submit(*mixed(bench, 15))  # more than its window
    await bench.carrier.stop(0.0)
    bench.check()
    assert not bench.carrier.is_up()
    assert bench.carrier.room() == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_stop_waits_for_answers(connect: Connect, kind: str) -> None:
    """With time to drain, what is answered in that time is not in doubt."""
    bench = await connect(kind, Behaviour.GOOD)
    bench.submit(*(bench.message(f"{n}") for n in range(5)))
    await asyncio.sleep(0)  # so that they leave
    await bench.carrier.stop(10.0)
    bench.check()
    assert {outcome.kind for outcome in bench.final()} == {OutcomeKind.ACCEPTED}


@pytest.mark.parametrize("kind", KINDS)
async def test_while_it_is_down(connect: Connect, kind: str) -> None:
    """A carrier that is stopped says so, and reports what it is given all the same."""
    bench = await connect(kind, Behaviour.GOOD)
    assert bench.carrier.state()["status"] == "up"
    await bench.carrier.stop(0.0)
    assert bench.carrier.state()["status"] == "down"
    bench.submit(*mixed(bench, 3))
    await bench.until(bench.is_idle)
    bench.check()
    assert {outcome.kind for outcome in bench.final()} == {OutcomeKind.DEFERRED}
    assert not any(outcome.counts_as_attempt for outcome in bench.final())


@pytest.mark.parametrize("kind", KINDS)
async def test_room_comes_back(connect: Connect, kind: str) -> None:
    """When all is answered the whole window is free again, and it was full before."""
    bench = await connect(kind, Behaviour.GOOD)
    whole = bench.carrier.room()
    bench.submit(*(bench.message(f"{n}") for n in range(whole)))
    assert bench.carrier.room() == 0
    await bench.until(lambda: bench.carrier.room() == whole)
    bench.check()


@pytest.mark.parametrize("kind", KINDS)
async def test_parts_have_ids_of_their_own(connect: Connect, kind: str) -> None:
    """Every accepted part is numbered and has an id that no other has."""
    bench = await connect(kind, Behaviour.GOOD)
    await bench.send(*mixed(bench, 12))
    parts = bench.parts()
    if not bench.peer.is_whole:
        assert len(parts) == 4 * (1 + LONG_SEGMENTS + LONG_SEGMENTS - 1)
    assert len({part.carrier_message_id for part in parts}) == len(parts)
    assert len({part.match_key for part in parts}) == len(parts)
    assert all(part.match_key for part in parts)
    for outcome in bench.final():
        one = outcome.submission
        total = outcome.parts_total or one.segments
        assert total == one.segments or (bench.peer.is_whole and total == 1)
        assert [part.part for part in outcome.parts] == [
            number for number in range(1, total + 1) if number not in one.accepted
        ]


@pytest.mark.parametrize("kind", KINDS)
async def test_receipts_have_the_keys_of_their_parts(connect: Connect, kind: str) -> None:
    """Each accepted part gets its receipt, with a key by which it is matched."""
    bench = await connect(kind, Behaviour.GOOD)
    await bench.send(*mixed(bench, 6))
    keys = {part.match_key for part in bench.parts()}
    await bench.until(lambda: len(bench.receipts) >= len(keys))
    assert {receipt.match_keys[0] for receipt in bench.receipts} == keys
    assert {receipt.state for receipt in bench.receipts} == {ReceiptState.DELIVERED}
    for receipt in bench.receipts:
        assert receipt.carrier_id == 1
        assert bench.peer.recipient[1:] in receipt.sender
        assert receipt.raw


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HTTP_KINDS])
async def test_what_was_not_stored_comes_again(connect: Connect, kind: str) -> None:
    """A receipt that is not acknowledged is brought once more."""
    bench = await connect(kind, Behaviour.GOOD)
    bench.stores = False
    await bench.send(bench.message())
    await bench.until(lambda: len(bench.receipts) >= 1)
    bench.stores = True
    await bench.until(lambda: len(bench.receipts) >= 2)
    first, second = bench.receipts[0], bench.receipts[-1]
    assert (first.match_keys, first.state) == (second.match_keys, second.state)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "inbound" in SPECS[kind].receives])
async def test_messages_from_handsets(connect: Connect, kind: str) -> None:
    """What a handset sends comes with its addresses as E.164, whole or in parts."""
    bench = await connect(kind, Behaviour.GOOD)
    addresses, texts = {(ECHO, "ACME")}, ["a reply", LONG]
    if isinstance(bench.peer, HttpPeer):
        addresses = {(SOMEBODY, bench.peer.our_number)}
        for text in texts:
            bench.peer.say(text)
    else:
        await bench.send(*(submission(ECHO, text) for text in texts))
    await bench.until(lambda: sum(1 / one.fragment.total for one in bench.inbounds) > 1.99)
    fragments = [one.fragment for one in bench.inbounds]
    whole = [[one] for one in fragments if one.total == 1]
    if parts := [one for one in fragments if one.total > 1]:
        whole.append(parts)
    assert sorted(assemble(some).text for some in whole) == texts
    assert {(one.sender, one.recipient) for one in bench.inbounds} == addresses
    assert {(one.carrier_id, one.channel) for one in bench.inbounds} == {(1, bench.peer.channel)}
