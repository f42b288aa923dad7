"""Choosing a route and its carriers: pure decisions over a snapshot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit.chance import Chance
from onesixty.kit.chance import chance as seeded
from onesixty.records.routes import Chosen, Traits, choose, consider, shares

from .books import ACCOUNT, PARENT, book, route, traits


def all_up(_carrier: int) -> bool:
    """Every carrier is connected."""
    return True


def all_down(_carrier: int) -> bool:
    """No carrier is connected."""
    return False


@pytest.mark.parametrize(
    ("name", "wanted", "fits", "misfits"),
    [
        ("country", ("IE", "GB"), traits(country="GB"), traits(country="FR")),
        ("country", ("GB",), traits(country="GB"), traits(country=None)),
        (
            "prefix",
            ("+353", "+4477"),
            traits(recipient="+447700900123"),
            traits(recipient="+442079460000"),
        ),
        ("tag", ("vip", "test"), traits(tags=("new", "vip")), traits(tags=("new", "vi"))),
        ("tag", ("vip",), traits(tags=("vip",)), traits()),
        ("category", ("otp", "emergency"), traits(category="otp"), traits(category="marketing")),
        ("sender", ("ACME", "62442"), traits(sender="62442"), traits(sender="Acme")),
        ("sender", ("ACME",), traits(sender="ACME"), traits(sender=None)),
    ],
)
def test_a_condition_takes_some_and_leaves_others(
    chance: Chance, name: str, wanted: tuple[str, ...], fits: Traits, misfits: Traits
) -> None:
    """One value of a condition is enough; what has none of them goes by the next route."""
    rules = book(route(1, 11, match={name: wanted}), route(2, 12))
    assert choose(rules, fits, all_up, chance) == Chosen(1, 11, ())
    assert choose(rules, misfits, all_up, chance) == Chosen(2, 12, ())


def test_the_channel_is_a_condition_too(chance: Chance) -> None:
    """A route for sms takes messages, one for another channel does not."""
    rules = book(
        route(1, 11, match={"channel": ("rcs",)}), route(2, 12, match={"channel": ("sms",)})
    )
    assert choose(rules, traits(), all_up, chance) == Chosen(2, 12, ())


def test_all_conditions_of_a_route_must_hold(chance: Chance) -> None:
    """A route with two conditions takes only what meets both."""
    rules = book(route(1, 11, match={"country": ("GB",), "category": ("otp",)}))
    assert choose(rules, traits(category="otp"), all_up, chance) == Chosen(1, 11, ())
    assert choose(rules, traits(), all_up, chance) is None
    assert choose(rules, traits(country="FR", category="otp"), all_up, chance) is None


def test_the_first_route_that_matches_takes_the_message(chance: Chance) -> None:
    """Routes are tried in their order, whatever else matches further down."""
    rules = book(route(1, 11), route(2, 12, match={"country": ("GB",)}))
    assert choose(rules, traits(), all_up, chance) == Chosen(1, 11, ())


def test_own_routes_come_before_those_of_the_parent(chance: Chance) -> None:
    """The parent's routes serve only what none of the account's own takes."""
    rules = book(
        route(1, 11, account=PARENT), route(2, 12, match={"category": ("otp",)}, account=ACCOUNT)
    )
    assert choose(rules, traits(category="otp"), all_up, chance) == Chosen(2, 12, ())
    assert choose(rules, traits(), all_up, chance) == Chosen(1, 11, ())


def test_routes_of_a_child_do_not_serve_its_parent(chance: Chance) -> None:
    """What an account sends is never sent by the routes of one below it."""
    of_parent = Traits(PARENT, "+447700900123", "GB", "otp", None)
    assert choose(book(route(1, 11)), of_parent, all_up, chance) is None


def test_without_a_route_nothing_is_chosen(chance: Chance) -> None:
    """No route, a route without carriers, and an unknown account all give None."""
    assert choose(book(), traits(), all_up, chance) is None
    assert choose(book(route(1)), traits(), all_up, chance) is None
    stranger = Traits(99, "+447700900123", "GB", "otp", None)
    assert choose(book(route(1, 11)), stranger, all_up, chance) is None


def test_disabled_carriers_are_left_out(chance: Chance) -> None:
    """A disabled carrier is neither chosen nor fallen back to."""
    rules = book(route(1, 11, 12, 13), disabled=(11, 13))
    assert choose(rules, traits(), all_up, chance) == Chosen(1, 12, ())


def test_a_route_with_only_disabled_carriers_is_passed_over(chance: Chance) -> None:
    """The next route that matches takes the message instead."""
    rules = book(route(1, 11), route(2, 12), disabled=(11,))
    assert choose(rules, traits(), all_up, chance) == Chosen(2, 12, ())


def test_a_removed_carrier_counts_as_disabled(chance: Chance) -> None:
    """A route that names a carrier which is no longer on file uses its others."""
    rules = book(route(1, 11, 12))
    assert isinstance(rules.carriers, dict)
    del rules.carriers[11]
    assert choose(rules, traits(), all_up, chance) == Chosen(1, 12, ())


def test_a_carrier_that_is_down_is_passed_over_while_another_is_up(chance: Chance) -> None:
    """Those that are up come first in their order; those that are down stay as fallbacks."""
    rules = book(route(1, 11, 12, 13, 14))
    chosen = choose(rules, traits(), {12, 14}.__contains__, chance)
    assert chosen == Chosen(1, 12, (14, 11, 13))


def test_when_all_are_down_the_message_waits_for_the_preferred_one(chance: Chance) -> None:
    """A route whose carriers are all down keeps its order and does not yield to the next route."""
    rules = book(route(1, 11, 12), route(2, 13))
    assert choose(rules, traits(), {13}.__contains__, chance) == Chosen(1, 11, (12,))


def test_weights_share_the_messages_out() -> None:
    """Over many draws each carrier leads in proportion to its weight."""
    rules = book(route(1, (11, 5), (12, 3), (13, 2), strategy="weighted"))
    draw = seeded(7)
    leads = dict.fromkeys((11, 12, 13), 0)
    for _ in range(10_000):
        chosen = choose(rules, traits(), all_up, draw)
        assert chosen is not None
        leads[chosen.carrier_id] += 1
    # Five standard deviations of the widest of these distributions are 250.
    assert leads == pytest.approx({11: 5000, 12: 3000, 13: 2000}, abs=250)


def test_the_first_fallback_is_shared_out_by_weight_too() -> None:
    """Once the first is drawn the next follows by weight among those that are left."""
    rules = book(route(1, (11, 1000), (12, 3), (13, 1), strategy="weighted"))
    draw = seeded(7)
    drawn = [choose(rules, traits(), all_up, draw) for _ in range(4000)]
    seconds = [one.fallbacks[0] for one in drawn if one is not None and one.carrier_id == 11]
    assert len(seconds) > 3900
    assert seconds.count(12) / len(seconds) == pytest.approx(0.75, abs=0.04)


@given(
    st.dictionaries(st.integers(11, 30), st.integers(1, 1000), min_size=1, max_size=8),
    st.sets(st.integers(11, 30)),
    st.sampled_from(["priority", "weighted"]),
    st.integers(0, 2**32),
)
def test_every_enabled_carrier_comes_once_and_those_up_first(
    weights: dict[int, int], up: set[int], strategy: str, seed: int
) -> None:
    """Whatever is up, each carrier is named exactly once, and none that is down before one up."""
    rules = book(route(1, *weights.items(), strategy=strategy))
    chosen = choose(rules, traits(), up.__contains__, seeded(seed))
    assert chosen is not None
    order = [chosen.carrier_id, *chosen.fallbacks]
    assert sorted(order) == sorted(weights)
    states = [number in up for number in order]
    assert states == sorted(states, reverse=True)


def test_consider_tells_what_is_against_each_route() -> None:
    """Every route, the parent's after the account's own, with the first condition that fails."""
    rules = book(
        route(1, 11, match={"country": ("FR", "BE")}),
        route(2, 12),
        route(3, 13, match={"tag": ("vip",)}),
        route(4, 13, match={"prefix": ("+353",)}),
        route(5, 13),
        route(6, 13, match={"sender": ("ACME",)}, account=PARENT),
        disabled=(12,),
    )
    found = consider(rules, traits(sender=None, tags=("new", "old")))
    assert [(one.route.id, one.against) for one in found] == [
        (1, "country is GB, the route takes FR, BE"),
        (2, "none of its carriers is enabled"),
        (3, "tag is new, old, the route takes vip"),
        (4, "prefix is +447700900123, the route takes +353"),
        (5, None),
        (6, "sender is not given, the route takes ACME"),
    ]


def test_choose_takes_the_first_that_consider_has_nothing_against(chance: Chance) -> None:
    """Both walk the same order: what consider clears first is what is chosen."""
    rules = book(
        route(1, 11, match={"category": ("otp",)}, account=PARENT),
        route(2, 12, account=PARENT),
        route(3, 13, match={"category": ("marketing",)}),
    )
    for category in ("otp", "marketing", "transactional"):
        message = traits(category=category)
        free = [one.route.id for one in consider(rules, message) if one.against is None]
        chosen = choose(rules, message, all_up, chance)
        assert chosen is not None
        assert chosen.route_id == free[0]


def test_consider_finds_nothing_for_an_unknown_account() -> None:
    """An account that is not on file has no routes."""
    assert consider(book(route(1, 11)), Traits(99, "+447700900123", "GB", "otp", None)) == []


def test_shares_of_a_weighted_route_are_among_those_up() -> None:
    """Those that are up share the whole by weight; one that is down has nothing and comes last."""
    one = route(1, (11, 5), (12, 3), (13, 1), (14, 1), strategy="weighted")
    rules = book(one, disabled=(14,))
    assert shares(rules, one, {12, 13}.__contains__) == [(12, 0.75), (13, 0.25), (11, 0.0)]
    assert [part for _, part in shares(rules, one, all_down)] == [5 / 9, 3 / 9, 1 / 9]


def test_the_first_of_a_priority_route_gets_everything() -> None:
    """By priority the first that is up gets all, or the preferred one when none is up."""
    one = route(1, 11, 12)
    rules = book(one)
    assert shares(rules, one, all_up) == [(11, 1.0), (12, 0.0)]
    assert shares(rules, one, {12}.__contains__) == [(12, 1.0), (11, 0.0)]
    assert shares(rules, one, all_down) == [(11, 1.0), (12, 0.0)]
    assert shares(book(one, disabled=(11, 12)), one, all_up) == []
