"""Every kind of carrier keeps the contract, whatever its far side does."""

from collections import Counter, defaultdict
from typing import Final

import pytest

from onesixty.carriers import registry
from onesixty.carriers.contract import ErrorClass, Outcome, OutcomeKind
from onesixty.sms.reassembly import Fragment, assemble

from .benches import ECHOES, KINDS, WINDOW, Bench, Fault, opened

LONG: Final = "0123456789" * 40  # three parts in the GSM alphabet
IN_FLIGHT: Final = 5
LINK_FAULTS: Final = (Fault.LINK_LOST, Fault.HALF_PDU)
ALLOWED: Final = {
    Fault.PERFECT: {OutcomeKind.ACCEPTED},
    Fault.SLOW: {OutcomeKind.ACCEPTED},
    Fault.DUPLICATES: {OutcomeKind.ACCEPTED},
    Fault.DROPS: {OutcomeKind.UNKNOWN},
    Fault.LATE: {OutcomeKind.UNKNOWN},
    Fault.THROTTLES: {OutcomeKind.DEFERRED},
    Fault.REFUSES: {OutcomeKind.REFUSED},
    Fault.LINK_LOST: {OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED, OutcomeKind.UNKNOWN},
    Fault.HALF_PDU: {OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED, OutcomeKind.UNKNOWN},
}
every_kind = pytest.mark.parametrize("kind", registry.names())


def having(fault: Fault) -> pytest.MarkDecorator:
    """The kinds that can play this fault."""
    return pytest.mark.parametrize("kind", [k for k in registry.names() if fault in KINDS[k].plays])


@pytest.mark.parametrize(
    ("kind", "fault"), [(kind, fault) for kind in registry.names() for fault in KINDS[kind].plays]
)
async def test_each_submission_has_exactly_one_outcome(kind: str, fault: Fault) -> None:
    """Each submission is reported once, as the fault allows, and none is retried that was taken."""
    async with opened(kind, fault) as bench:
        sent = [bench.submission(f"Hello {n}") for n in range(IN_FLIGHT)]
        bench.submit(*sent)
        await bench.until(lambda: len(first(bench)) >= IN_FLIGHT)
        await bench.carrier.stop(0.0)
        ends = first(bench)
        assert Counter(one.submission.message_id for one in ends) == Counter(
            one.message_id for one in sent
        )
        assert {one.kind for one in ends} <= ALLOWED[fault]
        safe = (OutcomeKind.DEFERRED, OutcomeKind.REFUSED)
        assert not bench.taken() & {one.submission.body for one in ends if one.kind in safe}
        assert_numbered(bench.outcomes)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(k, f) for k in registry.names() for f in LINK_FAULTS if f in KINDS[k].plays],
)
async def test_a_lost_link_leaves_what_was_taken_in_doubt(kind: str, fault: Fault) -> None:
    """A submit whose answer was lost with the link is unknown, though the far side has it."""
    async with opened(kind, fault) as bench:
        bench.submit(*[bench.submission(f"Hello {n}") for n in range(IN_FLIGHT)])
        await bench.until(lambda: len(bench.outcomes) == IN_FLIGHT)
        doubt = {o.submission.body for o in bench.outcomes if o.kind is OutcomeKind.UNKNOWN}
        assert doubt & bench.taken()


@having(Fault.DUPLICATES)
async def test_a_second_answer_changes_nothing(kind: str) -> None:
    """An answer that comes twice is reported once, also when later answers have followed it."""
    async with opened(kind, Fault.DUPLICATES) as bench:
        bench.submit(bench.submission())
        await bench.until(lambda: bool(bench.outcomes))
        bench.submit(bench.submission())
        await bench.until(lambda: len(bench.outcomes) >= 2)
        await bench.carrier.stop(1.0)
        assert [one.late for one in bench.outcomes] == [False, False]


@having(Fault.THROTTLES)
async def test_throttling_costs_no_attempt(kind: str) -> None:
    """A throttled submission is deferred for a while and keeps its attempt."""
    async with opened(kind, Fault.THROTTLES) as bench:
        bench.submit(bench.submission())
        await bench.until(lambda: bool(bench.outcomes))
        end = bench.outcomes[0]
        assert (end.kind, end.error_class) == (OutcomeKind.DEFERRED, ErrorClass.THROTTLE)
        assert not end.counts_as_attempt
        assert end.retry_after_seconds
        assert_nothing_to_match(end)


@having(Fault.REFUSES)
async def test_a_refusal_tells_the_code(kind: str) -> None:
    """A refused recipient is told in the carrier's own code and not held against the carrier."""
    async with opened(kind, Fault.REFUSES) as bench:
        bench.submit(bench.submission())
        await bench.until(lambda: bool(bench.outcomes))
        end = bench.outcomes[0]
        assert (end.kind, end.error_class) == (OutcomeKind.REFUSED, ErrorClass.RECIPIENT)
        assert end.code == bench.refusal_code
        assert_nothing_to_match(end)


@having(Fault.LATE)
async def test_a_late_answer_is_reported_once_more(kind: str) -> None:
    """The answer to a submission in doubt is reported once, marked as late."""
    async with opened(kind, Fault.LATE) as bench:
        bench.submit(bench.submission())
        await bench.until(lambda: len(bench.outcomes) == 2)
        await bench.carrier.stop(1.0)
        assert [(one.kind, one.late) for one in bench.outcomes] == [
            (OutcomeKind.UNKNOWN, False),
            (OutcomeKind.ACCEPTED, True),
        ]


@every_kind
async def test_a_long_message_reports_every_part_and_its_receipts_match(kind: str) -> None:
    """Every part has a number and a key of its own, and each key comes back in a receipt."""
    async with opened(kind) as bench:
        bench.submit(bench.submission(LONG, segments=3))
        await bench.until(lambda: len(bench.receipts) >= 3 and bool(bench.outcomes))
        (end,) = bench.outcomes
        assert [part.part for part in end.parts] == [1, 2, 3]
        assert end.parts_total in (0, 3)
        assert_numbered(bench.outcomes)
        told = {key for one in bench.receipts for key in one.match_keys}
        assert told == {part.match_key for part in end.parts}


@every_kind
async def test_only_missing_parts_are_sent_again(kind: str) -> None:
    """A submission with parts accepted earlier sends and reports only the others."""
    async with opened(kind) as bench:
        bench.submit(bench.submission(LONG, segments=3, accepted=(1, 3), attempt=2))
        await bench.until(lambda: bool(bench.outcomes))
        (end,) = bench.outcomes
        assert [part.part for part in end.parts] == [2]
        assert end.parts_total in (0, 3)
        assert end.kind is OutcomeKind.ACCEPTED


@every_kind
async def test_a_receipt_comes_again_until_it_is_stored(kind: str) -> None:
    """A receipt acknowledged with False comes again; one acknowledged with True does not."""
    async with opened(kind) as bench:
        seen: Counter[str] = Counter()

        def stores(receipt: object) -> bool:
            key = bench.receipts[-1].match_keys[0]
            seen[key] += 1
            return key != next(iter(seen)) or seen[key] > 1

        bench.stores = stores
        bench.submit(bench.submission("Hello 1"), bench.submission("Hello 2"))
        await bench.until(lambda: max(seen.values(), default=0) == 2 and len(seen) == 2)
        assert list(seen.values()) == [2, 1]


@every_kind
async def test_stopping_finishes_what_is_in_flight(kind: str) -> None:
    """A stop that may drain waits for the answers, and nothing is left to report afterwards."""
    slow = Fault.SLOW if Fault.SLOW in KINDS[kind].plays else Fault.PERFECT
    async with opened(kind, slow) as bench:
        bench.submit(*[bench.submission() for _ in range(IN_FLIGHT)])
        await bench.in_flight()
        assert len(bench.outcomes) < IN_FLIGHT
        await bench.carrier.stop(5.0)
        assert [one.kind for one in bench.outcomes] == [OutcomeKind.ACCEPTED] * IN_FLIGHT
        assert bench.carrier.room() == 0


@having(Fault.DROPS)
async def test_stopping_gives_up_what_is_never_answered(kind: str) -> None:
    """What has no answer when the time to drain is over is reported as unknown."""
    async with opened(kind, Fault.DROPS) as bench:
        bench.submit(*[bench.submission(f"Hello {n}") for n in range(IN_FLIGHT)])
        await bench.in_flight()
        await bench.carrier.stop(0.05)
        assert [one.kind for one in bench.outcomes] == [OutcomeKind.UNKNOWN] * IN_FLIGHT


@every_kind
async def test_room_is_never_negative_and_comes_back(kind: str) -> None:
    """More than the window leaves room at zero; once all is answered the whole window is free."""
    async with opened(kind) as bench:
        await bench.until(lambda: bench.carrier.room() == WINDOW)
        bench.submit(*[bench.submission() for _ in range(WINDOW + 3)])
        assert bench.carrier.room() == 0
        await bench.until(lambda: len(bench.outcomes) == WINDOW + 3)
        await bench.until(lambda: bench.carrier.room() == WINDOW)


@every_kind
async def test_inbound_messages_arrive_with_their_text(kind: str) -> None:
    """A short and a long reply arrive, whole, from the handset to the number that wrote to it."""
    async with opened(kind) as bench:
        bench.submit(
            bench.submission("Hello", recipient=ECHOES),
            bench.submission(LONG, recipient=ECHOES, segments=3),
        )
        await bench.until(lambda: set(whole(bench)) == {"Hello", LONG})
        assert {(one.sender, one.recipient) for one in bench.inbounds} == {
            (ECHOES, "+4915100000001")
        }


def first(bench: Bench) -> list[Outcome]:
    """Outcomes other than late ones."""
    return [one for one in bench.outcomes if not one.late]


def whole(bench: Bench) -> list[str]:
    """The inbound texts whose parts are all there."""
    groups: dict[object, list[Fragment]] = defaultdict(list)
    for place, one in enumerate(bench.inbounds):
        groups[one.fragment.key if one.fragment.total > 1 else place].append(one.fragment)
    joined = [assemble(pieces) for pieces in groups.values()]
    return [one.text for one in joined if not one.missing]


def assert_numbered(outcomes: list[Outcome]) -> None:
    """Parts are numbered from 1 and once each; ids and keys of accepted parts are all unique."""
    for one in outcomes:
        numbers = [part.part for part in one.parts]
        assert len(set(numbers)) == len(numbers)
        assert min(numbers, default=1) >= 1
    accepted = [p for one in outcomes for p in one.parts if p.kind is OutcomeKind.ACCEPTED]
    assert all(part.carrier_message_id and part.match_key for part in accepted)
    assert len({part.carrier_message_id for part in accepted}) == len(accepted)
    assert len({part.match_key for part in accepted}) == len(accepted)


def assert_nothing_to_match(end: Outcome) -> None:
    """A part that the carrier did not take has no id."""
    assert not [part for part in end.parts if part.carrier_message_id or part.match_key]
