"""Choosing a route and its carriers: pure decisions over a snapshot and facts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit import ids
from onesixty.records.routes import Facts, Quality, Router, Traits
from onesixty.records.snapshot import Snapshot
from records.books import ACCOUNT, PARENT, START, book, facts, group, route, traits

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)


def taken(
    rules: Snapshot, message: Traits, known: Facts | None = None
) -> tuple[int, list[int]] | None:
    """The route, and its carriers in the order in which they are tried."""
    chosen = Router(known or facts()).choose(rules, message)
    return (chosen.route_id, [chosen.carrier_id, *chosen.fallbacks]) if chosen else None


def quality(rate: float, level: str = "good", seconds: float | None = 5.0) -> Quality:
    """A carrier that delivers so much."""
    return Quality(rate, seconds, 1.0, level, 1000)


def delivering(**rates: float | Quality) -> Any:
    """How the carriers deliver; `c11=0.9` is carrier 11 with 90 %."""

    def told(carrier_id: int, _country: str | None) -> Quality | None:
        rate = rates.get(f"c{carrier_id}")
        return quality(rate) if isinstance(rate, float) else rate

    return told


def costing(**micros: int) -> Any:
    """What the carriers cost, by `c11=5000`."""
    return lambda carrier_id, _recipient, _network, _channel: micros.get(f"c{carrier_id}")


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
        ("network", ("23410", "26201"), traits(network="26201"), traits(network="26202")),
        ("network", ("23410",), traits(network="23410"), traits()),
        ("tag", ("vip", "test"), traits(tags=("new", "vip")), traits(tags=("new", "vi"))),
        ("tag", ("vip",), traits(tags=("vip",)), traits()),
        ("category", ("otp", "emergency"), traits(category="otp"), traits(category="marketing")),
        ("sender", ("ACME", "62442"), traits(sender="62442"), traits(sender="Acme")),
        ("sender", ("ACME",), traits(sender="ACME"), traits(sender=None)),
        (
            "time",
            ({"days": ["mon"], "from": "08:00", "to": "10:00", "zone": "Europe/Berlin"},),
            traits(at=MONDAY.replace(hour=8)),
            traits(at=MONDAY.replace(hour=9)),
        ),
    ],
)
def test_a_condition_takes_some_and_leaves_others(
    name: str, wanted: tuple[Any, ...], fits: Traits, misfits: Traits
) -> None:
    """One value of a condition is enough; what has none of them goes by the next route."""
    rules = book(route(1, 11, match={name: wanted}), route(2, 12))
    router = Router(facts())  # one for both: what it keeps must tell them apart
    for _ in range(2):
        found = [router.choose(rules, message) for message in (fits, misfits)]
        assert [one and one.route_id for one in found] == [1, 2]


def test_the_network_may_be_told_by_the_facts() -> None:
    """Where the message does not say its network, what is known of the number counts."""
    rules = book(route(1, 11, match={"network": ("23410",)}), route(2, 12))
    known = facts(network={"+447700900123": "23410"}.get)
    assert taken(rules, traits(), known) == (1, [11])
    assert taken(rules, traits(recipient="+447700900124"), known) == (2, [12])


def test_only_carriers_of_the_channel_are_taken() -> None:
    """A message of another channel passes a route whose carriers have only sms."""
    rules = book(route(1, 11))
    assert isinstance(rules.carriers, dict)
    rules.carriers[11] = replace(rules.carriers[11], kind="smpp")
    assert taken(rules, traits(channel="sms")) == (1, [11])
    assert taken(rules, traits(channel="whatsapp")) is None


def test_all_conditions_of_a_route_must_hold() -> None:
    """A route with two conditions takes only what meets both."""
    rules = book(route(1, 11, match={"country": ("GB",), "category": ("otp",)}))
    assert taken(rules, traits(category="otp")) == (1, [11])
    assert taken(rules, traits()) is None
    assert taken(rules, traits(country="FR", category="otp")) is None


def test_prefix_and_country_must_both_hold() -> None:
    """A route that is found by its prefix is still asked for its country."""
    rules = book(route(1, 11, match={"prefix": ("+44",), "country": ("JE",)}))
    assert taken(rules, traits(country="JE")) == (1, [11])
    assert taken(rules, traits(country="GB")) is None


def test_the_first_position_that_matches_takes_the_message() -> None:
    """Routes are tried by position, whatever else matches further down."""
    rules = book(route(1, 11), route(2, 12, match={"prefix": ("+447700",)}))
    assert taken(rules, traits()) == (1, [11])


def test_within_a_position_the_longest_prefix_wins_then_the_older_route() -> None:
    """Where positions are equal, it is by what fits of the number, not by what is listed."""
    rules = book(
        route(1, 11, position=100),
        route(2, 12, position=100, match={"prefix": ("+44", "+3531234567")}),
        route(3, 13, position=100, match={"prefix": ("+4477",)}),
        route(4, 14, position=100, match={"prefix": ("+4477",)}),
    )
    assert taken(rules, traits(recipient="+447700900123")) == (3, [13])
    assert taken(rules, traits(recipient="+442079460000")) == (2, [12])
    assert taken(rules, traits(recipient="+33612345678")) == (1, [11])


def test_own_routes_come_before_those_of_the_parent() -> None:
    """The parent's routes serve only what none of the account's own takes."""
    rules = book(
        route(1, 11, account=PARENT, match={"prefix": ("+4477",)}),
        route(2, 12, match={"category": ("otp",)}),
    )
    assert taken(rules, traits(category="otp")) == (2, [12])
    assert taken(rules, traits()) == (1, [11])


def test_routes_of_a_child_do_not_serve_its_parent() -> None:
    """What an account sends is never sent by the routes of one below it."""
    assert taken(book(route(1, 11)), traits(account_id=PARENT)) is None


def test_a_parent_may_route_one_account_below_it_by_itself() -> None:
    """`account` means the account that is named and those below it."""
    names = {number: ids.to_text("acc", UUID(int=number)) for number in (ACCOUNT, PARENT)}
    rules = book(
        route(1, 11, account=PARENT, match={"account": (names[ACCOUNT],)}),
        route(2, 12, account=PARENT, match={"account": (names[PARENT],)}),
    )
    assert isinstance(rules.accounts, dict)
    for number, account in rules.accounts.items():
        rules.accounts[number] = replace(account, public_id=UUID(int=number))
    assert taken(rules, traits()) == (1, [11])
    assert taken(rules, traits(account_id=PARENT)) == (2, [12])
    rules.routes[PARENT][0].match["account"] = ()  # type: ignore[index]
    assert taken(rules, traits()) == (2, [12])


def test_without_a_route_nothing_is_chosen() -> None:
    """No route, a route without carriers, and an unknown account all give None."""
    assert taken(book(), traits()) is None
    assert taken(book(route(1)), traits()) is None
    assert taken(book(route(1, 11)), traits(account_id=99)) is None


def test_disabled_and_removed_carriers_are_left_out() -> None:
    """Neither is chosen nor fallen back to; a route with nothing else is passed over."""
    rules = book(route(1, 11, 12, 13), route(2, 12, position=2), disabled=(11, 13))
    assert taken(rules, traits()) == (1, [12])
    assert isinstance(rules.carriers, dict)
    rules = book(route(1, 11), route(2, 12), disabled=(11,))
    assert taken(rules, traits()) == (2, [12])
    rules = book(route(1, 11, 12))
    assert isinstance(rules.carriers, dict)
    del rules.carriers[11]
    assert taken(rules, traits()) == (1, [12])


def test_a_carrier_that_is_down_is_passed_over_while_another_is_up() -> None:
    """Those that are up come first in their order; those that are down stay as fallbacks."""
    rules = book(route(1, 11, 12, 13, 14))
    assert taken(rules, traits(), facts(12, 14)) == (1, [12, 14, 11, 13])


def test_when_all_are_down_the_message_waits_for_the_preferred_one() -> None:
    """A route whose carriers are all down keeps its order and does not yield to the next route."""
    rules = book(route(1, 11, 12), route(2, 13))
    assert taken(rules, traits(), facts(13)) == (1, [11, 12])


def test_groups_are_tried_in_their_order() -> None:
    """The next group follows the first one; it leads when nothing of the first is up."""
    groups = (group(11, 12), group(13, 14))
    rules = book(route(1, groups=groups))
    assert taken(rules, traits()) == (1, [11, 12, 13, 14])
    assert taken(rules, traits(), facts(12, 14)) == (1, [12, 14, 11, 13])
    assert taken(rules, traits(), facts(14)) == (1, [14, 11, 12, 13])


def test_weights_share_the_messages_out() -> None:
    """Over many draws each carrier leads in proportion to its weight."""
    rules = book(route(1, (11, 5), (12, 3), (13, 2), strategy="weighted"))
    router, leads = Router(facts(seed=7)), dict.fromkeys((11, 12, 13), 0)
    for _ in range(10_000):
        chosen = router.choose(rules, traits())
        assert chosen is not None
        leads[chosen.carrier_id] += 1
    # Five standard deviations of the widest of these distributions are 250.
    assert leads == pytest.approx({11: 5000, 12: 3000, 13: 2000}, abs=250)


def test_the_first_fallback_is_shared_out_by_weight_too() -> None:
    """Once the first is drawn the next follows by weight among those that are left."""
    rules = book(route(1, (11, 1000), (12, 3), (13, 1), strategy="weighted"))
    router = Router(facts(seed=7))
    drawn = [router.choose(rules, traits()) for _ in range(4000)]
    seconds = [one.fallbacks[0] for one in drawn if one is not None and one.carrier_id == 11]
    assert len(seconds) > 3900
    assert seconds.count(12) / len(seconds) == pytest.approx(0.75, abs=0.04)


def test_least_cost_takes_the_cheapest_that_delivers_enough() -> None:
    """Below the floor a carrier comes last; without a cost it follows those that have one."""
    groups = (group(11, 12, 13, 14, strategy="least_cost", quality_floor=0.9),)
    rules = book(route(1, groups=groups))
    known = facts(cost=costing(c11=9000, c12=5000, c14=7000), quality=delivering(c11=0.95, c12=0.8))
    assert taken(rules, traits(), known) == (1, [14, 11, 13, 12])
    assert taken(rules, traits(), facts()) == (1, [11, 12, 13, 14])


def test_a_cost_that_depends_on_the_number_is_asked_for_each() -> None:
    """Messages alike in all else may still have another cheapest carrier."""
    rules = book(route(1, 11, 12, strategy="least_cost"))
    router = Router(
        facts(cost=lambda one, number, *_: 5 if (one == 11) == number.endswith("3") else 6)
    )
    for number, carrier in (("+447700900123", 11), ("+447700900124", 12), ("+447700900123", 11)):
        chosen = router.choose(rules, traits(recipient=number))
        assert chosen is not None
        assert chosen.carrier_id == carrier


def test_best_quality_takes_the_one_that_delivers_best() -> None:
    """By delivered rate, where a slow carrier loses some of it; the unknown follow the known."""
    rules = book(route(1, 11, 12, 13, 14, strategy="best_quality"))
    known = facts(
        quality=delivering(c11=0.8, c12=0.97, c14=quality(0.98, seconds=600.0)),
    )
    assert taken(rules, traits(), known) == (1, [12, 14, 11, 13])


@pytest.mark.parametrize("strategy", ["priority", "weighted", "least_cost", "best_quality"])
def test_what_delivers_worse_falls_behind_in_every_strategy(strategy: str) -> None:
    """Degraded ones come after the good ones of all groups, suspect ones after those."""
    groups = (group(11, 12, strategy=strategy), group(13, strategy=strategy))
    rules = book(route(1, groups=groups))
    known = facts(
        quality=delivering(c11=quality(0.99, "suspect"), c12=quality(0.9, "degraded"), c13=0.5),
        cost=costing(c11=1, c12=2, c13=3),
    )
    assert taken(rules, traits(), known) == (1, [13, 12, 11])


def test_a_new_quality_counts_at_once() -> None:
    """When the version of the facts changes, decisions are made anew."""
    told = {"c11": quality(0.9)}
    version = [1]
    known = facts(quality=lambda one, _country: told.get(f"c{one}"), version=lambda: version[0])
    router, rules = Router(known), book(route(1, 11, 12))
    for level, carrier in (("degraded", 12), ("good", 11)):
        told["c11"], version[0] = quality(0.9, level), version[0] + 1
        chosen = router.choose(rules, traits())
        assert chosen is not None
        assert chosen.carrier_id == carrier


def test_so_much_goes_to_others_to_learn() -> None:
    """The share that explores is spread over the others that are up and not suspect."""
    groups = (group(11, 12, 13, 14, 15, explore_percent=20), group(16))
    rules = book(route(1, groups=groups))
    known = facts(
        11, 12, 13, 15, 16, seed=5,
        quality=delivering(c13=quality(0.5, "degraded"), c15=quality(0.9, "suspect")),
    )  # fmt: skip
    router, leads = Router(known), dict.fromkeys(range(11, 17), 0)
    for _ in range(10_000):
        chosen = router.choose(rules, traits())
        assert chosen is not None
        leads[chosen.carrier_id] += 1
        assert len({chosen.carrier_id, *chosen.fallbacks}) == 6
    expected = {11: 8000, 12: 1000, 13: 1000, 14: 0, 15: 0, 16: 0}
    assert leads == pytest.approx(expected, abs=200)


def test_a_change_of_the_records_counts_at_once() -> None:
    """Another book forgets what was decided by the old one."""
    router = Router(facts())
    for carrier in (11, 12):
        chosen = router.choose(book(route(1, carrier)), traits())
        assert chosen is not None
        assert chosen.carrier_id == carrier


conditions = {
    "country": st.sampled_from(("GB", "FR", "JE")),
    "prefix": st.sampled_from(("+4", "+44", "+447", "+33", "+3361", "+447700900")),
    "category": st.sampled_from(("otp", "marketing")),
    "sender": st.sampled_from(("ACME", "62442")),
    "tag": st.sampled_from(("a", "b")),
    "network": st.sampled_from(("23410", "26201")),
}
matches = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(values, min_size=1, max_size=2).map(tuple)
        for name, values in conditions.items()
    },
)
rules_given = st.lists(
    st.tuples(matches, st.sampled_from((50, 100)), st.sampled_from((ACCOUNT, PARENT))), max_size=8
)
messages = st.builds(
    traits,
    recipient=st.sampled_from(("+447700900123", "+442079460000", "+33612345678", "+4915112345")),
    country=st.sampled_from(("GB", "FR", "DE", None)),
    category=st.sampled_from(("otp", "marketing", "transactional")),
    sender=st.sampled_from(("ACME", "62442", "other", None)),
    tags=st.sets(st.sampled_from(("a", "b", "c"))).map(tuple),
    network=st.sampled_from((None, "23410", "26201")),
)


def plainly(rules: list[Any], message: Traits) -> int | None:
    """The number of the route that takes it, by looking at every one."""
    fitting = []
    for number, (match, position, account) in enumerate(rules, 1):
        fits = [one for one in match.get("prefix", ()) if message.recipient.startswith(one)]
        others = {
            "prefix": bool(fits),
            "tag": bool(set(match.get("tag", ())) & set(message.tags)),
            **{
                name: getattr(message, name) in match.get(name, ())
                for name in ("country", "category", "sender", "network")
            },
        }
        if all(others[name] for name in match):
            longest = max(map(len, fits), default=0)
            fitting.append((account != ACCOUNT, position, -longest, number))
    return min(fitting)[3] if fitting else None


@given(rules_given, st.lists(messages, min_size=1, max_size=6))
def test_what_is_indexed_and_kept_is_what_looking_at_all_finds(
    given_rules: list[Any], given_messages: list[Traits]
) -> None:
    """The index and the kept decisions change nothing; the explanation names the same route."""
    rules = book(
        *(
            route(number, 10 + number, match=match, position=position, account=account)
            for number, (match, position, account) in enumerate(given_rules, 1)
        )
    )
    router = Router(facts())
    for message in (*given_messages, *given_messages):
        chosen = router.choose(rules, message)
        assert (chosen and chosen.route_id) == plainly(given_rules, message)
        explained = router.explain(rules, message).taken_by
        assert (explained and explained.route.id) == (chosen and chosen.route_id)


@given(
    st.dictionaries(st.integers(11, 30), st.integers(1, 1000), min_size=1, max_size=8),
    st.sets(st.integers(11, 30), min_size=1),
    st.sampled_from(["priority", "weighted", "least_cost", "best_quality"]),
    st.integers(0, 2**32),
)
def test_every_enabled_carrier_comes_once_and_those_up_first(
    weights: dict[int, int], up: set[int], strategy: str, seed: int
) -> None:
    """Whatever is up, each carrier is named exactly once, and none that is down before one up."""
    rules = book(route(1, *weights.items(), strategy=strategy))
    found = taken(rules, traits(), facts(*up, seed=seed))
    assert found is not None
    assert sorted(found[1]) == sorted(weights)
    states = [number in up for number in found[1]]
    assert states == sorted(states, reverse=True)


def test_a_time_that_is_not_given_is_now() -> None:
    """Without a time to go the clock decides, each time anew."""
    window = {"days": ["thu"], "from": "00:00", "to": "00:30", "zone": "UTC"}
    rules = book(route(1, 11, match={"time": (window,)}), route(2, 12))
    known = facts()
    router = Router(known)
    for minute, carrier in ((0, 11), (29, 11), (30, 12)):
        known.now = lambda minute=minute: START.replace(minute=minute)  # type: ignore[misc]
        chosen = router.choose(rules, traits())
        assert chosen is not None
        assert chosen.carrier_id == carrier
