"""Groups of a route, and the order in which their carriers are tried: pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from onesixty.kit.chance import Chance
from onesixty.records.routes.facts import DEGRADED, SUSPECT, Quality
from onesixty.records.snapshot import Group, RouteRecord

STRATEGIES: Final[dict[str, str]] = {
    "priority": "the first carrier that is up; the others follow when it fails",
    "weighted": "shared out by weight among those that are up",
    "least_cost": "the cheapest that is up and delivers enough",
    "best_quality": "the one that delivers best",
}
GROUPS_MOST: Final = 10
CARRIERS_MOST: Final = 50  # in one route
EXPLORE_MOST: Final = 50  # percent

# How far behind a carrier is put, whatever its strategy says. All stay as fallbacks.
FINE, WORSE, BELOW_FLOOR, DOUBTED = range(4)


class Candidate(NamedTuple):
    """A carrier of a route that can take a message."""

    carrier_id: int
    group: int  # from 0
    place: int  # in its group, from 0
    weight: int


class Standing(NamedTuple):
    """How a candidate stands for the messages of one kind."""

    tier: int  # FINE, ...
    quality: Quality | None


class Order(NamedTuple):
    """The candidates in the order in which they are tried, by their places in the given list."""

    tried: list[int]
    preferred: int  # the first one but for exploration


def standing(group: Group, quality: Quality | None) -> Standing:
    """How far behind the quality of a carrier puts it; one that is not known is good enough."""
    if quality is None:
        return Standing(FINE, None)
    if quality.level == SUSPECT:
        return Standing(DOUBTED, quality)
    if group.quality_floor is not None and quality.delivered_rate < group.quality_floor:
        return Standing(BELOW_FLOOR, quality)
    return Standing(WORSE if quality.level == DEGRADED else FINE, quality)


def order(
    route: RouteRecord,
    candidates: Sequence[Candidate],
    standings: Sequence[Standing],
    up: Sequence[bool],
    costs: Sequence[int | None],
    chance: Chance,
) -> Order:
    """Who is tried in which order: those up first, then by tier, group, and what the group wants.

    `costs` may be empty where no group looks at them.
    """
    keys: list[tuple[object, ...]] = []
    for n, one in enumerate(candidates):
        group, (tier, quality) = route.groups[one.group], standings[n]
        rank: object
        if group.strategy == "weighted":
            # Sorting by the key u^(1/w) draws without replacement in proportion to the weights.
            rank = -(chance.random() ** (1 / one.weight))
        elif group.strategy == "least_cost":
            cost = costs[n] if costs else None
            rank = (cost is None, cost, one.place)
        elif group.strategy == "best_quality":
            rank = (quality is None, -quality.score if quality else 0.0, one.place)
        else:
            rank = one.place
        keys.append((not up[n], tier, one.group, rank, n))
    keys.sort()
    tried: list[int] = [key[-1] for key in keys]  # type: ignore[misc]
    first = tried[0]
    percent = route.groups[candidates[first].group].explore_percent
    if percent and up[first] and chance.random() * 100 < percent:
        others = explorable(candidates, standings, up, first)
        if others:
            other = others[int(chance.random() * len(others))]
            tried.remove(other)
            tried.insert(0, other)
    return Order(tried, first)


def explorable(
    candidates: Sequence[Candidate], standings: Sequence[Standing], up: Sequence[bool], first: int
) -> list[int]:
    """Those of the group of the preferred one that messages may be spent on to learn of them."""
    return [
        n
        for n, one in enumerate(candidates)
        if n != first
        and one.group == candidates[first].group
        and up[n]
        and standings[n].tier != DOUBTED
    ]


def is_drawn(route: RouteRecord, candidates: Sequence[Candidate]) -> bool:
    """Whether chance has a say in the order."""
    sizes = [0] * len(route.groups)
    for one in candidates:
        sizes[one.group] += 1
    return any(
        size > 1 and (group.strategy == "weighted" or group.explore_percent > 0)
        for group, size in zip(route.groups, sizes, strict=True)
    )


def is_priced(route: RouteRecord) -> bool:
    """Whether the order depends on costs."""
    return any(group.strategy == "least_cost" for group in route.groups)
