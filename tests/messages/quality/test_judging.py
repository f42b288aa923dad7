"""Judging carriers: differences that count, and those that do not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onesixty.messages.quality.judging import (
    BOUNDS,
    CLASSES,
    Change,
    Level,
    Options,
    Pair,
    Sample,
    Standing,
    judge,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPTIONS = Options()


def sample(delivered: int, undelivered: int = 0, place: int = 2, **more: int) -> Sample:
    """Receipts for everything, all in one class of time."""
    times = tuple(delivered if n == place else 0 for n in range(CLASSES))
    return Sample(delivered + undelivered, 0, delivered, undelivered, times, **more)


def judged(
    samples: dict[int, Sample], standings: dict[int, Standing] | None = None, at: datetime = NOW
) -> list[Change]:
    """What changes in one country."""
    here: dict[Pair, Sample] = {(number, "GB"): one for number, one in samples.items()}
    known = {(number, "GB"): one for number, one in (standings or {}).items()}
    return judge(here, known, at, OPTIONS)


def test_one_that_delivers_less_is_degraded() -> None:
    """Twelve points below the best are a fault; the reason tells both shares."""
    (change,) = judged({1: sample(95, 5), 2: sample(83, 17)})
    assert (change.carrier_id, change.standing.level) == (2, Level.DEGRADED)
    assert change.standing.why == "it delivers 83%, another carrier 95%"


def test_a_small_difference_is_none() -> None:
    """Eight points below the best change nothing."""
    assert judged({1: sample(95, 5), 2: sample(87, 13)}) == []


def test_little_traffic_proves_nothing() -> None:
    """Below the sample nothing is judged, however bad it looks."""
    assert judged({1: sample(95, 5), 2: sample(0, 49)}) == []


def test_bad_numbers_harm_nobody() -> None:
    """When every carrier fails alike, it is the numbers."""
    assert judged({1: sample(50, 50), 2: sample(48, 52)}) == []


def test_what_has_no_receipt_counts_as_lost() -> None:
    """A carrier that drops messages together with their receipts is not better for it."""
    (change,) = judged({1: sample(95, 5), 2: replace(sample(60), sent=100)})
    assert change.carrier_id == 2


def test_a_carrier_without_receipts_is_not_judged() -> None:
    """Where hardly any receipts come nothing is known of the rest."""
    blind = replace(sample(2), sent=100)
    assert blind.rate is None
    assert judged({1: sample(95, 5), 2: blind}) == []


def test_failing_submits_degrade_even_the_only_carrier() -> None:
    """A fifth of its submits failed for its own reasons: said, whoever else there is."""
    (change,) = judged({1: replace(sample(70), failed=30)})
    assert change.standing.why == "it fails 30% of what it is given"


def test_a_slow_one_is_degraded() -> None:
    """Minutes against seconds are a fault."""
    (change,) = judged({1: sample(100, place=2), 2: sample(100, place=6)})
    assert change.carrier_id == 2
    assert "half of its messages take over" in change.standing.why


def test_one_loses_at_a_time() -> None:
    """Of two bad ones the worse goes first; the other one only after the cool-down of the first."""
    samples = {1: sample(95, 5), 2: sample(50, 50), 3: sample(60, 40)}
    (first,) = judged(samples)
    assert first.carrier_id == 2
    standings = {2: first.standing}
    assert judged(samples, standings, NOW + timedelta(minutes=9)) == []
    (second,) = judged(samples, standings, NOW + timedelta(minutes=10))
    assert second.carrier_id == 3


def test_it_comes_back_only_when_clearly_better() -> None:
    """Between the two margins a degraded carrier stays where it is."""
    bad = {2: Standing(Level.DEGRADED, NOW - timedelta(minutes=20), "")}
    assert judged({1: sample(95, 5), 2: sample(88, 12)}, bad) == []
    (change,) = judged({1: sample(95, 5), 2: sample(91, 9)}, bad)
    assert change.standing.level is Level.GOOD


def test_nothing_changes_within_the_cooldown() -> None:
    """A carrier that has just come back is left alone."""
    fresh = {2: Standing(Level.GOOD, NOW - timedelta(minutes=5), "")}
    assert judged({1: sample(95, 5), 2: sample(10, 90)}, fresh) == []


def test_without_traffic_it_gets_another_chance() -> None:
    """Half an hour without evidence puts a degraded carrier on probation."""
    long_ago = {2: Standing(Level.DEGRADED, NOW - timedelta(minutes=30), "")}
    (change,) = judged({1: sample(95, 5)}, long_ago)
    assert change.carrier_id == 2
    assert change.standing.why.startswith("on probation")


def test_receipts_too_fast_and_too_perfect_are_not_believed() -> None:
    """A hundred percent within the first second, 200 times, is no network."""
    (change,) = judged({1: sample(200, place=0)})
    assert change.standing.level is Level.SUSPECT
    assert judged({1: sample(199, place=0)}) == []
    assert judged({1: sample(200, 5, place=0)}) == []
    assert judged({1: sample(200, place=1)}) == []


def test_receipts_that_people_contradict_are_not_believed() -> None:
    """Delivered by receipt, and never come as their people say."""
    (change,) = judged({1: sample(100, contradicted=10, converted=60)})
    assert change.standing.level is Level.SUSPECT
    assert judged({1: sample(100, contradicted=10, converted=95)}) == []


def test_codes_that_nobody_enters_are_not_believed() -> None:
    """Delivered like the others' by receipt, but acted upon far less."""
    good, bad = {"converted": 90, "unconverted": 10}, {"converted": 30, "unconverted": 70}
    (change,) = judged({1: sample(100, **good), 2: sample(100, **bad)})
    assert (change.carrier_id, change.standing.level) == (2, Level.SUSPECT)


def test_suspicion_ends_by_evidence_alone() -> None:
    """No traffic clears nobody; enough plain receipts do."""
    long_ago = {1: Standing(Level.SUSPECT, NOW - timedelta(days=2), "")}
    assert judged({}, long_ago) == []
    assert judged({1: sample(100, place=2)}, long_ago) == []
    assert judged({1: sample(190, 20, place=2)}, long_ago) == []
    (change,) = judged({1: sample(200, 10, place=2)}, long_ago)
    assert change.standing.level is Level.GOOD


@pytest.mark.parametrize(
    ("times", "seconds"),
    [((0, 0, 10), 6.5), ((10,), 0.5), ((5, 5), 1.0), ((1, 0, 0, 0, 0, 0, 0, 9), 900)],
)
def test_the_median_is_read_from_the_classes(times: tuple[int, ...], seconds: float) -> None:
    """Within a class times are taken to be spread evenly."""
    whole = times + (0,) * (CLASSES - len(times))
    found = Sample(times=whole).median_seconds
    assert found == pytest.approx(seconds, rel=0.1)
    assert Sample().median_seconds is None
    assert len(BOUNDS) + 1 == CLASSES
