"""Why: codes for programs, words for people, and few rows for many messages."""

from dataclasses import replace
from typing import Any

import pytest

from onesixty.records.routes import Facts, Quality, Router, Traits
from onesixty.records.routes.explanation import CHOSEN, ROUTES_MOST, amount, number_of
from onesixty.records.snapshot import RouteRecord, Snapshot
from records.books import PARENT, book, facts, group, route, traits


def stored(rules: Snapshot, message: Traits, known: Facts | None = None) -> dict[str, Any]:
    """What is kept for a message."""
    router = Router(known or facts())
    chosen = router.choose(rules, message)
    assert chosen is not None
    (content,) = router.unkept.values()
    assert number_of(content) == chosen.explanation
    return content


def codes(rules: Snapshot, known: Facts) -> list[tuple[str, str]]:
    """Each carrier of the route with its code, in the order tried."""
    content = stored(rules, traits(), known)
    verdicts = [one["verdict"] for one in content["carriers"]]
    assert verdicts.index(CHOSEN) == 0
    return [(one["carrier"].removeprefix("carrier-"), one["code"]) for one in content["carriers"]]


def quality(rate: float, level: str = "good") -> Quality:
    """A carrier that delivers so much within 4 s."""
    return Quality(rate, 4.2, 1.0, level, 1000)


def test_the_whole_of_one() -> None:
    """The route, its carriers in order, and the routes that were refused before it."""
    rules = book(
        route(1, 11, match={"country": ("FR", "BE")}),
        route(2, 12),
        route(3, 13, match={"tag": ("vip",)}),
        route(4, 14, 12, 13, account=PARENT),
        route(5, 15, account=PARENT),
        disabled=(12,),
    )
    assert stored(rules, traits(), facts(13)) == {
        "route": "route-4",
        "account": "acc_00000000000000000000000000",
        "carriers": [
            {
                "carrier": "carrier-13",
                "group": 1,
                "verdict": "chosen",
                "code": "best_left",
                "detail": "the only one left: see why the others were not",
            },
            {
                "carrier": "carrier-14",
                "group": 1,
                "verdict": "fallback",
                "code": "down",
                "detail": "it takes nothing now",
                "place": 1,
            },
            {
                "carrier": "carrier-12",
                "group": 1,
                "verdict": "refused",
                "code": "disabled",
                "detail": "it is disabled",
            },
        ],
        "refused": [
            {
                "route": "route-2",
                "code": "no_carrier",
                "detail": "none of its carriers is enabled",
            },
            {"route": "route-3", "code": "tag", "detail": "the message has no tag vip"},
            {
                "route": "route-1",
                "code": "country",
                "detail": "country is GB, the route takes FR, BE",
            },
        ],
        "refused_more": {},
    }


@pytest.mark.parametrize(
    ("taker", "known", "expected"),
    [
        (route(1, 11), facts(), [("11", "only")]),
        (route(1, 11, 12), facts(), [("11", "preferred"), ("12", "later")]),
        (route(1, 11, 12), facts(99), [("11", "none_up"), ("12", "down")]),
        (
            route(1, 11, 12, strategy="weighted"),
            facts(seed=3),
            [("12", "drawn"), ("11", "not_drawn")],
        ),
        (
            route(1, 11, 12, 13, strategy="least_cost"),
            facts(cost=lambda one, *_: {11: 9000, 12: 5000}.get(one)),
            [("12", "cheapest"), ("11", "dearer"), ("13", "no_cost")],
        ),
        (
            route(1, 11, 12, 13, strategy="best_quality"),
            facts(quality=lambda one, _: quality({11: 0.9}.get(one, 0.95)) if one < 13 else None),
            [("12", "best_quality"), ("11", "worse"), ("13", "worse")],
        ),
        (
            route(1, groups=(group(11, 12, 13, quality_floor=0.9), group(14))),
            facts(
                quality=lambda one, _: {
                    11: quality(0.8),
                    12: quality(0.95, "degraded"),
                    13: quality(0.99, "suspect"),
                }.get(one)
            ),
            [("14", "best_left"), ("12", "degraded"), ("11", "quality_floor"), ("13", "suspect")],
        ),
        (
            route(1, groups=(group(11, 12), group(13))),
            facts(),
            [("11", "preferred"), ("12", "later"), ("13", "later_group")],
        ),
        (
            route(1, groups=(group(11, 12, explore_percent=50),)),
            facts(seed=1),
            [("12", "explored"), ("11", "explored")],
        ),
    ],
)
def test_codes(taker: RouteRecord, known: Facts, expected: list[tuple[str, str]]) -> None:
    """Each way to be chosen, or to be put behind, has its code."""
    assert codes(book(taker), known) == expected


def test_a_carrier_that_is_paused() -> None:
    """It takes nothing now, and the reason is told."""
    rules = book(route(1, 11, 12))
    assert isinstance(rules.carriers, dict)
    rules.carriers[11] = replace(rules.carriers[11], paused=True)
    assert codes(rules, facts(12)) == [("12", "best_left"), ("11", "paused")]


def test_words() -> None:
    """They name what counted: how much dearer, how much is delivered, by which weight."""
    known = facts(
        cost=lambda one, *_: {11: 9000, 12: 5200}[one],
        quality=lambda one, _: quality(0.8) if one == 11 else None,
    )
    groups = (group(11, 12, strategy="least_cost"),)
    carriers = stored(book(route(1, groups=groups)), traits(), known)["carriers"]
    assert [one["detail"] for one in carriers] == [
        "the cheapest: 0.0052",
        "0.0038 dearer than carrier-12",
    ]
    groups = (group(11, 12, quality_floor=0.9),)
    carriers = stored(book(route(1, groups=groups)), traits(), known)["carriers"]
    assert carriers[1]["detail"] == "80% delivered; the group wants 90%"
    carriers = stored(book(route(1, (11, 1), (12, 3), strategy="weighted")), traits())["carriers"]
    assert carriers[0]["detail"] == "drawn by weight, 3 of 4"
    assert [amount(micros) for micros in (1, 5200, 1_000_000, 12_500_000, 0)] == [
        "0.000001", "0.0052", "1", "12.5", "0",
    ]  # fmt: skip


def test_a_quality_that_hardly_differs_makes_no_new_one() -> None:
    """Decisions are made anew with each version; what comes of them is what was there."""
    rate, version = [0.951], [1]
    known = facts(quality=lambda *_: quality(rate[0]), version=lambda: version[0])
    rules = book(route(1, 11, 12, strategy="best_quality"))
    router = Router(known)
    for rate[0] in (0.951, 0.952, 0.949):
        version[0] += 1
        assert router.choose(rules, traits()) is not None
    assert len(router.unkept) == 1
    (content,) = router.unkept.values()
    words = "about 95% delivered, half of it within 4 s"
    assert [one["detail"] for one in content["carriers"]] == [words, words]
    rate[0], version[0] = 0.8, 99
    assert router.choose(rules, traits()) is not None
    assert len(router.unkept) == 2


def test_messages_alike_share_one() -> None:
    """Number, tags and senders that no route looks at make no row of their own."""
    rules = book(
        route(1, 11, match={"sender": ("62442",)}),
        route(2, 11, match={"tag": ("vip",)}),
        route(3, (11, 3), (12, 1), strategy="weighted"),
    )
    router = Router(facts())
    for number in range(1000):
        message = traits(
            recipient=f"+4477009{number:05}", sender=f"S{number}", tags=(f"t{number}",)
        )
        assert router.choose(rules, message) is not None
    assert len(router.unkept) == 2  # for each of the carriers that may be drawn
    shown = str(router.unkept)
    assert "+447700" not in shown
    assert "S1" not in shown


def test_what_is_stored_is_not_given_again() -> None:
    """Once kept, an explanation is not to be stored again, also after a change of the records."""
    router = Router(facts())
    assert router.choose(book(route(1, 11)), traits()) is not None
    router.kept(dict(router.unkept))
    assert router.unkept == {}
    assert router.choose(book(route(1, 11), route(2, 12)), traits()) is not None
    assert router.unkept == {}


def test_of_many_refused_routes_the_nearest_are_named() -> None:
    """The others are counted by what was against them."""
    many = [route(n, 11, match={"prefix": (f"+33{n}",)}) for n in range(1, 101)]
    near = [route(n, 11, match={"category": ("otp",)}) for n in range(101, 106)]
    content = stored(book(*many, *near, route(106, 11)), traits())
    assert [one["route"] for one in content["refused"][:5]] == [
        f"route-{n}" for n in range(101, 106)
    ]
    assert len(content["refused"]) == ROUTES_MOST
    assert content["refused_more"] == {"prefix": 105 - ROUTES_MOST}


def test_shares() -> None:
    """What each carrier gets now: by weight, or the preferred one, less what explores."""
    weighted = (11, 5), (12, 3), (13, 1), (14, 1)
    cases: tuple[tuple[RouteRecord, Facts, dict[int, float]], ...] = (
        (route(1, *weighted, strategy="weighted"), facts(12, 13), {12: 0.75, 13: 0.25}),
        (route(1, 11, 12), facts(), {11: 1.0}),
        (route(1, 11, 12), facts(12), {12: 1.0}),
        (route(1, 11, 12), facts(99), {11: 1.0}),
        (
            route(1, groups=(group(11, 12, 13, explore_percent=10), group(14))),
            facts(),
            {11: 0.9, 12: 0.05, 13: 0.05},
        ),
        (
            route(1, groups=(group((11, 3), (12, 1), strategy="weighted", explore_percent=10),)),
            facts(),
            {11: 0.7, 12: 0.3},
        ),
    )
    for taker, known, expected in cases:
        explained = Router(known).explain(book(taker), traits())
        shares = {one.carrier_id: one.share for one in explained.carriers if one.share}
        assert shares == pytest.approx(expected)


def test_a_what_if_keeps_nothing() -> None:
    """Explaining leaves nothing to store, and lists all routes, also those after the taker."""
    router = Router(facts())
    rules = book(route(1, 11, match={"country": ("FR",)}), route(2, 12), route(3, 13))
    explained = router.explain(rules, traits())
    assert [(one.rule.route.id, one.code) for one in explained.routes] == [
        (1, "country"),
        (2, ""),
        (3, "earlier"),
    ]
    assert router.unkept == {}
    assert Router(facts()).explain(book(), traits()).taken_by is None
