"""Why a message goes to a carrier, and why not to the others: in codes and words.

What is stored for a message (`content`) says nothing that differs between messages alike, so that
few rows explain all. A what-if (`explained`) has the numbers too.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from onesixty.records.routes.facts import Quality
from onesixty.records.routes.groups import (
    BELOW_FLOOR,
    DOUBTED,
    FINE,
    WORSE,
    Candidate,
    Order,
    Standing,
    explorable,
)
from onesixty.records.routes.plan import Asked, Plan, Rule, against, refused, unmet
from onesixty.records.snapshot import Group, RouteRecord, Snapshot

ROUTES_MOST: Final = 20  # refused ones that a stored explanation names; the others are counted
CHOSEN: Final = "chosen"
FALLBACK: Final = "fallback"
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class Scene:
    """A decision at one moment: who was up, what each cost, and the order that came of it."""

    rule: Rule
    candidates: Sequence[Candidate]
    standings: Sequence[Standing]
    up: Sequence[bool]
    costs: Sequence[int | None]  # may be empty
    order: Order
    is_drawn: bool

    @property
    def route(self) -> RouteRecord:
        """The route that takes the message."""
        return self.rule.route

    def group(self, candidate: int) -> Group:
        """The group of a candidate."""
        return self.route.groups[self.candidates[candidate].group]

    def cost(self, candidate: int) -> int | None:
        """What a candidate costs in micros, where it is known."""
        return self.costs[candidate] if self.costs else None


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """A route that was looked at, or would have been; `code` is empty for the one that takes it."""

    rule: Rule
    code: str  # the unmet condition, "no_carrier", "earlier", or ""
    detail: str


@dataclass(frozen=True, slots=True)
class CarrierVerdict:
    """A carrier of the route: chosen, a fallback, or refused, and why."""

    carrier_id: int
    group: int  # from 1
    verdict: str
    code: str
    detail: str
    place: int | None = None  # of a fallback, from 1; None where each message draws it
    share: float = 0.0  # of such messages that go to it, now
    cost_micros: int | None = None
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """The whole answer for one message."""

    routes: list[RouteVerdict]
    taken_by: Rule | None
    carriers: list[CarrierVerdict]


def explained(book: Snapshot, plan: Plan, asked: Asked, scene: Scene | None) -> Explained:
    """Every route in the order in which they are tried, and every carrier of the one taken."""
    taken_by = scene.rule if scene else None
    routes = list(_routes(book, plan, asked, taken_by))
    return Explained(routes, taken_by, carriers(book, asked, scene) if scene else [])


def content(book: Snapshot, plan: Plan, asked: Asked, scene: Scene) -> dict[str, Any]:
    """What is stored for messages like this one."""
    near, far = _before(plan, asked, scene.rule)
    room = max(0, ROUTES_MOST - len(near))
    named = [_refused(book, rule, asked) for rule in near[:ROUTES_MOST]]
    named += [RouteVerdict(one, name, against(one, name, asked)) for one, name in far[:room]]
    rest = Counter(name for _, name in far[room:])
    rest.update(_refused(book, rule, asked).code for rule in near[ROUTES_MOST:])
    return {
        "route": scene.route.name,
        "account": scene.rule.owner,
        "carriers": [_stored(book, one) for one in carriers(book, asked, scene)],
        "refused": [
            {"route": one.rule.route.name, "code": one.code, "detail": one.detail} for one in named
        ],
        "refused_more": dict(sorted(rest.items())),
    }


def counts(group: Group, stands: Standing) -> tuple[Any, ...]:
    """What of a standing an order or its explanation may depend on."""
    if stands.tier != FINE:
        return stands.tier, _behind(group, stands)
    if group.strategy != "best_quality":
        return (FINE,)
    return FINE, _about(stands.quality), stands.quality and stands.quality.score


def number_of(stored: dict[str, Any]) -> int:
    """The id of a content: the same in every process."""
    octets = orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(octets, digest_size=8).digest()) >> 1


def carriers(book: Snapshot, asked: Asked, scene: Scene) -> list[CarrierVerdict]:
    """Every carrier of the route: those that may take it in the order tried, then the others."""
    shares = _shares(scene)
    found = [
        _candidate(book, scene, number, place, shares[number])
        for place, number in enumerate(scene.order.tried)
    ]
    for number, group in enumerate(scene.route.groups, 1):
        for choice in group.carriers:
            if why := refused(book, choice.carrier_id, asked.traits.channel):
                found += [CarrierVerdict(choice.carrier_id, number, REFUSED, *why)]
    return found


def amount(micros: int) -> str:
    """Millionths of a unit as a decimal number, such as 0.0325."""
    return f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _routes(
    book: Snapshot, plan: Plan, asked: Asked, taken_by: Rule | None
) -> Iterator[RouteVerdict]:
    is_taken = False
    for table in plan.tables:
        rules = sorted(
            table.rules,
            key=lambda one: (one.route.position, -one.fit(asked.prefix), one.route.id),
        )
        for rule in rules:
            if rule is taken_by:
                is_taken = True
                yield RouteVerdict(rule, "", "it takes the message")
            elif is_taken and unmet(rule, asked) is None:
                yield RouteVerdict(rule, "earlier", "an earlier route takes the message")
            else:
                yield _refused(book, rule, asked)


def _before(plan: Plan, asked: Asked, taken_by: Rule) -> tuple[list[Rule], list[tuple[Rule, str]]]:
    """The refused routes that come before the one taken.

    First those whose country and prefix fit, then the others, each with which of the two does not.
    There may be thousands of these, and nothing else is asked of them.
    """
    near: list[Rule] = []
    far: list[tuple[Rule, str]] = []
    prefix, country = asked.prefix, asked.traits.country
    for table in plan.tables:
        found = table.candidates(prefix, country)
        known = {rule.route.id for rule in found}
        is_here = taken_by.route.id in known
        near += found[: found.index(taken_by)] if is_here else found
        last = (taken_by.route.position, -taken_by.fit(prefix), taken_by.route.id)
        for rule in table.rules:
            route = rule.route
            if is_here and (route.position, 0, route.id) > last:
                break
            if route.id not in known:
                fits = not rule.prefixes or rule.fit(prefix)
                far.append((rule, "country" if fits else "prefix"))
        if is_here:
            break
    return near, far


def _refused(book: Snapshot, rule: Rule, asked: Asked) -> RouteVerdict:
    name = unmet(rule, asked)
    if name is not None:
        return RouteVerdict(rule, name, against(rule, name, asked))
    detail = _no_carrier(book, rule.route, asked.traits.channel)
    return RouteVerdict(rule, "no_carrier", detail)


def _no_carrier(book: Snapshot, route: RouteRecord, channel: str) -> str:
    why = [
        refused(book, choice.carrier_id, channel)
        for group in route.groups
        for choice in group.carriers
    ]
    if any(one and one[0] == "channel" for one in why):
        return f"none of its carriers has the channel {channel} and is enabled"
    return "none of its carriers is enabled"


def _candidate(
    book: Snapshot, scene: Scene, number: int, place: int, share: float
) -> CarrierVerdict:
    one = scene.candidates[number]
    if place == 0:
        code, detail = _why_chosen(book, scene)
    else:
        code, detail = _why_not(book, scene, number)
    return CarrierVerdict(
        one.carrier_id,
        one.group + 1,
        CHOSEN if place == 0 else FALLBACK,
        code,
        detail,
        place if place and not scene.is_drawn else None,
        share,
        scene.cost(number),
        scene.standings[number].quality,
    )


def _why_chosen(book: Snapshot, scene: Scene) -> tuple[str, str]:
    first = scene.order.tried[0]
    group, one, quality = (
        scene.group(first),
        scene.candidates[first],
        scene.standings[first].quality,
    )
    if len(scene.candidates) == 1:
        return "only", "no other carrier of the route can take it"
    if not scene.up[first]:
        return "none_up", "no carrier of the route takes anything now: it waits for this one"
    if first != scene.order.preferred:
        preferred = _name(book, scene, scene.order.preferred)
        return "explored", f"{group.explore_percent} % go to others than {preferred}, to learn"
    rivals = [
        n
        for n, other in enumerate(scene.candidates)
        if other.group == one.group
        and scene.up[n]
        and scene.standings[n].tier == scene.standings[first].tier
    ]
    if len(rivals) == 1:
        return "best_left", "the only one left: see why the others were not"
    if group.strategy == "weighted":
        total = sum(scene.candidates[n].weight for n in rivals)
        return "drawn", f"drawn by weight, {one.weight} of {total}"
    if group.strategy == "least_cost":
        cost = scene.cost(first)
        return "cheapest", "no cost is known" if cost is None else f"the cheapest: {amount(cost)}"
    if group.strategy == "best_quality":
        return "best_quality", _about(quality)
    return "preferred", "the first in order"


def _why_not(book: Snapshot, scene: Scene, number: int) -> tuple[str, str]:
    first = scene.order.tried[0]
    stands, group = scene.standings[number], scene.group(number)
    if book.carriers[scene.candidates[number].carrier_id].paused:
        return "paused", "it is paused"
    if not scene.up[number]:
        return "down", "it takes nothing now"
    if number == scene.order.preferred:
        return "explored", "preferred, but this message goes to another, to learn"
    if stands.tier != scene.standings[first].tier and stands.tier != FINE:
        return _behind(group, stands)
    if scene.candidates[number].group != scene.candidates[first].group:
        return "later_group", f"group {scene.candidates[number].group + 1} comes later"
    name = _name(book, scene, first)
    if group.strategy == "weighted":
        return "not_drawn", f"not drawn; weight {scene.candidates[number].weight}"
    if group.strategy == "least_cost":
        own, least = scene.cost(number), scene.cost(first)
        if own is None or least is None:
            return "no_cost", "no cost is known"
        more = own - least
        return "dearer", f"{amount(more)} dearer than {name}" if more > 0 else f"no cheaper: {name}"
    if group.strategy == "best_quality":
        return "worse", _about(stands.quality)
    return "later", f"comes after {name}"


def _behind(group: Group, stands: Standing) -> tuple[str, str]:
    assert stands.quality is not None
    delivers, why = f"{stands.quality.delivered_rate:.0%} delivered", stands.quality.why
    if stands.tier == DOUBTED:
        return "suspect", why or "its receipts are not to be believed"
    if stands.tier == BELOW_FLOOR:
        assert group.quality_floor is not None
        return "quality_floor", f"{delivers}; the group wants {group.quality_floor:.0%}"
    assert stands.tier == WORSE
    return "degraded", why or f"it delivers worse than it did: {delivers}"


def _about(quality: Quality | None) -> str:
    """How a carrier delivers, in steps that a few messages more or less do not reach."""
    if quality is None:
        return "not enough was sent to know how it delivers"
    seconds = quality.median_seconds
    within = "" if seconds is None else f", half of it within {float(f'{seconds:.1g}'):g} s"
    return f"about {round(quality.delivered_rate * 20) * 5}% delivered{within}"


def _shares(scene: Scene) -> list[float]:
    """The part of such messages that each candidate gets while things are as they are."""
    preferred = scene.order.preferred
    shares = [0.0] * len(scene.candidates)
    group = scene.group(preferred)
    equals = [
        n
        for n, one in enumerate(scene.candidates)
        if one.group == scene.candidates[preferred].group
        and scene.up[n] == scene.up[preferred]
        and scene.standings[n].tier == scene.standings[preferred].tier
    ]
    if group.strategy == "weighted":
        total = sum(scene.candidates[n].weight for n in equals)
        for n in equals:
            shares[n] = scene.candidates[n].weight / total
    else:
        shares[preferred] = 1.0
    if not group.explore_percent or not scene.up[preferred]:
        return shares
    explored = [0.0] * len(shares)
    for n, share in enumerate(shares):
        others = explorable(scene.candidates, scene.standings, scene.up, n) if share else []
        for other in others:
            explored[other] += share * group.explore_percent / 100 / len(others)
        explored[n] += share * (1 - (group.explore_percent / 100 if others else 0))
    return explored


def _stored(book: Snapshot, one: CarrierVerdict) -> dict[str, Any]:
    record = book.carriers.get(one.carrier_id)
    found = {
        "carrier": record.name if record else None,
        "group": one.group,
        "verdict": one.verdict,
        "code": one.code,
        "detail": one.detail,
    }
    return found if one.place is None else {**found, "place": one.place}


def _name(book: Snapshot, scene: Scene, number: int) -> str:
    return book.carriers[scene.candidates[number].carrier_id].name
