"""Judge carriers by what became of their messages. Pure: samples and standings in, changes out.

Carriers are compared within a country, never with a number of our choosing alone: a bad number or a
handset that is off hits every carrier alike. A standing changes once in a cool-down at most, and
what is judged next begins with the last change, so nothing flaps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# Upper ends, in seconds, of the classes of time from the carrier's answer to the receipt; the last
# class has none.
BOUNDS: Final = (1, 3, 10, 30, 60, 180, 600)
CLASSES: Final = len(BOUNDS) + 1
SUSPECT_LEAST: Final = 200  # delivered receipts before they may be called too good
SUSPECT_PERFECT: Final = 0.995
SUSPECT_FAST: Final = 0.95  # of the receipts within the first class
CONTRADICTED_LEAST: Final = 10  # messages that their people say never came, though delivered
CONTRADICTED_SHARE: Final = 0.1  # of those of which anything is known
CONVERSION_LEAST: Final = 50
CONVERSION_WORSE: Final = 0.3
FAILING: Final = 0.2  # of what it was given
FAILING_NO_MORE: Final = 0.1
SLOW_SECONDS: Final = 30.0
SLOWER: Final = 4.0  # times the fastest
SLOWER_NO_MORE: Final = 2.0
BLIND: Final = 0.05  # receipts for fewer than this: nothing is known of the rest


class Level(StrEnum):
    """How a carrier stands in a country."""

    GOOD = "good"
    DEGRADED = "degraded"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Options:
    """When a difference counts."""

    sample: int = 50  # parts that were handed over, at least
    cooldown: timedelta = timedelta(minutes=10)
    worse: float = 0.10  # of the delivered rate below the best: degraded
    better: float = 0.05  # no more than this below it: good again
    # Without traffic there is no evidence: after this it is given some again.
    probation: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of the parts that a carrier was given, each old enough to have its receipt."""

    sent: int = 0  # the carrier took them
    failed: int = 0  # it refused or broke for reasons of its own
    delivered: int = 0
    undelivered: int = 0
    times: tuple[int, ...] = (0,) * CLASSES  # of the delivered, by BOUNDS
    converted: int = 0  # their people acted on the message: entered the code, followed the link
    unconverted: int = 0
    contradicted: int = 0  # delivered, and yet their people say that it never came

    @property
    def rate(self) -> float | None:
        """Delivered of what was taken, 0 to 1; None where receipts say too little.

        What has no receipt by now counts as not delivered: else one that drops both would be best.
        """
        known = self.delivered + self.undelivered
        if not self.sent or known < BLIND * self.sent:
            return None
        return min(1.0, self.delivered / max(self.sent, known))

    @property
    def coverage(self) -> float | None:
        """The part that has a final receipt, 0 to 1."""
        return min(1.0, (self.delivered + self.undelivered) / self.sent) if self.sent else None

    @property
    def failing(self) -> float:
        """The part of what it was given that it failed itself, 0 to 1."""
        given = self.sent + self.failed
        return self.failed / given if given else 0.0

    @property
    def median_seconds(self) -> float | None:
        """From the carrier's answer to the receipt, as exact as the classes are."""
        total = sum(self.times)
        if not total:
            return None
        below = 0
        for number, count in enumerate(self.times):
            if count and (below + count) * 2 >= total:
                low = BOUNDS[number - 1] if number else 0
                high = BOUNDS[number] if number < len(BOUNDS) else 2 * low
                return low + (high - low) * (total / 2 - below) / count
            below += count
        return None

    @property
    def conversion(self) -> float | None:
        """Of those whose end is known, the part that people acted on."""
        known = self.converted + self.unconverted
        return self.converted / known if known >= CONVERSION_LEAST else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a carrier stands in a country, since when, and why in words."""

    level: Level = Level.GOOD
    since: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A standing that shall change."""

    carrier_id: int
    country: str
    standing: Standing


Pair = tuple[int, str]  # carrier, country
_NEW: Final = Standing()


def judge(
    samples: Mapping[Pair, Sample],
    standings: Mapping[Pair, Standing],
    now: datetime,
    options: Options,
) -> list[Change]:
    """What changes now: at most one carrier of each country loses, in each cool-down.

    `samples` begin with the last change of each pair. Pairs whose carrier plays by itself, such as
    loopback, are not to be given.
    """
    countries = sorted({country for _, country in (*samples, *standings)})
    changes: list[Change] = []
    for country in countries:
        there = {
            carrier_id: (
                samples.get((carrier_id, country), Sample()),
                standings.get((carrier_id, country), _NEW),
            )
            for carrier_id, where in sorted({*samples, *standings})
            if where == country
        }
        changes += _judge_country(country, there, now, options)
    return changes


def _judge_country(
    country: str, there: Mapping[int, tuple[Sample, Standing]], now: datetime, options: Options
) -> Iterable[Change]:
    rested = {
        carrier_id: pair
        for carrier_id, pair in there.items()
        if pair[1].since is None or now - pair[1].since >= options.cooldown
    }
    calm = len(rested) == len(there)
    losers: list[tuple[float, Change]] = []
    for carrier_id, (sample, standing) in rested.items():
        others = [one for number, (one, _) in there.items() if number != carrier_id]
        if suspicion := _suspicion(sample, others):
            if standing.level is not Level.SUSPECT:
                yield Change(carrier_id, country, Standing(Level.SUSPECT, now, suspicion))
            continue
        if standing.level is Level.GOOD:
            fault = _fault(sample, others, options, hold=False)
            if fault:
                degraded = Standing(Level.DEGRADED, now, fault)
                losers.append((sample.rate or 0.0, Change(carrier_id, country, degraded)))
        elif why := _recovery(sample, standing, others, now, options):
            yield Change(carrier_id, country, Standing(Level.GOOD, now, why))
    if losers and calm:
        yield min(losers, key=lambda loser: loser[0])[1]


def _suspicion(sample: Sample, others: Sequence[Sample]) -> str:
    """Why its receipts are not believed; empty when they are."""
    known = sample.converted + sample.unconverted + sample.contradicted
    if (
        sample.contradicted >= CONTRADICTED_LEAST
        and sample.contradicted >= CONTRADICTED_SHARE * known
    ):
        return f"{sample.contradicted} messages with a delivered receipt never came, people say"
    own = sample.conversion
    best = max((one.conversion for one in others if one.conversion is not None), default=None)
    if own is not None and best is not None and best - own >= CONVERSION_WORSE:
        return (
            f"receipts say delivered, yet only {own:.0%} of people acted on the message;"
            f" by another carrier {best:.0%}"
        )
    if sample.delivered < SUSPECT_LEAST:
        return ""
    fast = sample.times[0] / max(1, sum(sample.times))
    if (sample.rate or 0.0) >= SUSPECT_PERFECT and fast >= SUSPECT_FAST:
        return (
            f"{sample.rate:.1%} delivered, {fast:.0%} of them within {BOUNDS[0]} s of the answer:"
            " no network is that fast or that perfect"
        )
    return ""


def _fault(sample: Sample, others: Sequence[Sample], options: Options, *, hold: bool) -> str:
    """What is wrong with it; empty when nothing is.

    `hold`: it is degraded already, and only what is clearly better counts as better.
    """
    if sample.sent + sample.failed < options.sample:
        return ""
    if sample.failing > (FAILING_NO_MORE if hold else FAILING):
        return f"it fails {sample.failing:.0%} of what it is given"
    enough = [one for one in others if one.sent >= options.sample]
    best = max((one.rate for one in enough if one.rate is not None), default=None)
    margin = options.better if hold else options.worse
    if sample.rate is not None and best is not None and best - sample.rate > margin:
        return f"it delivers {sample.rate:.0%}, another carrier {best:.0%}"
    median = sample.median_seconds
    fastest = min(
        (one.median_seconds for one in enough if one.median_seconds is not None), default=None
    )
    times = SLOWER_NO_MORE if hold else SLOWER
    if median and fastest and median > SLOW_SECONDS and median > times * fastest:
        return f"half of its messages take over {median:.0f} s, by another carrier {fastest:.0f} s"
    return ""


def _recovery(
    sample: Sample, standing: Standing, others: Sequence[Sample], now: datetime, options: Options
) -> str:
    """Why it is good again; empty when it is not."""
    if sample.sent + sample.failed >= options.sample:
        if _fault(sample, others, options, hold=True):
            return ""
        if standing.level is Level.SUSPECT and sample.delivered < SUSPECT_LEAST:
            return ""
        return f"it delivers {sample.rate:.0%} again" if sample.rate is not None else "no fault"
    assert standing.since is not None
    if standing.level is Level.DEGRADED and now - standing.since >= options.probation:
        return "on probation: there was too little traffic to judge it by"
    return ""
