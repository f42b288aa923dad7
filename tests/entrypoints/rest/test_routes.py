"""`/v1/routes`: rules are checked when they are written, and explained as they are used."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit import ids
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.messages.types import Category
from onesixty.records import routes
from onesixty.records.snapshot import Account, CarrierRecord, Choice, RouteRecord, Snapshot

from .door import Answer, Door


async def carrier(door: Door, name: str, key: str | None = None) -> None:
    """A loopback carrier."""
    body = {"name": name, "kind": "loopback"}
    assert (await door.ask("POST", "/v1/carriers", body, key=key)).status == 201


async def route(door: Door, name: str = "all", key: str | None = None, **fields: Any) -> Answer:
    """The answer to a new route, by default over the carrier "a"."""
    body = {"name": name, "carriers": [{"carrier": "a"}]} | fields
    return await door.ask("POST", "/v1/routes", body, key=key)


async def test_create(door: Door) -> None:
    """A route is shown with carriers by name and matches as lists, and comes after the last."""
    await carrier(door, "a")
    await carrier(door, "b")
    lanes = [{"carrier": "b", "weight": 3}, {"carrier": "a", "weight": 1}]
    match = {"country": ["gb", "IE"], "category": "otp", "sender": "447700900123"}
    answer = await route(door, match=match, strategy="weighted", carriers=lanes)
    assert answer.status == 201
    assert answer.body["match"] == {
        "country": ["GB", "IE"],
        "category": ["otp"],
        "sender": ["+447700900123"],
    }
    assert (answer.body["carriers"], answer.body["strategy"]) == (lanes, "weighted")
    second = await route(door, "rest")
    assert second.body["position"] > answer.body["position"]
    assert (await door.ask("GET", "/v1/routes/all")).body == answer.body
    listed = (await door.ask("GET", "/v1/routes")).body
    assert listed == {"data": [second.body, answer.body], "next": None}


async def test_change(door: Door) -> None:
    """A change keeps what it does not name; match and carriers are replaced whole."""
    await carrier(door, "a")
    await carrier(door, "b")
    made = (await route(door, match={"country": "GB", "tag": "x"}, position=7)).body
    change = {"match": {"prefix": "+44"}, "carriers": [{"carrier": "b"}]}
    changed = (await door.ask("PATCH", "/v1/routes/all", change)).body
    assert changed["match"] == {"prefix": ["+44"]}
    assert changed["carriers"] == [{"carrier": "b", "weight": 1}]
    assert (changed["position"], changed["strategy"]) == (7, made["strategy"])
    assert (await door.ask("PATCH", "/v1/routes/all", {"enabled": False})).body["enabled"] is False
    assert door.context.keeper.book.routes == {}


async def test_remove(door: Door) -> None:
    """A removed route takes nothing more, and its name is free."""
    await carrier(door, "a")
    await route(door)
    assert (await route(door)).status == 409
    assert (await door.ask("DELETE", "/v1/routes/all")).status == 204
    assert door.context.keeper.book.routes == {}
    assert (await route(door)).status == 201


async def test_unknown_carrier(door: Door) -> None:
    """A route to an unknown carrier is refused, naming it, its place and those that there are."""
    await carrier(door, "a")
    answer = await route(door, carriers=[{"carrier": "a"}, {"carrier": "aa"}])
    (error,) = answer.body["errors"]
    assert (answer.status, error["pointer"]) == (422, "/carriers/1/carrier")
    assert "there is no carrier aa; there are: a" in error["detail"]


async def test_no_carrier_at_all(door: Door) -> None:
    """Where there is no carrier yet, the refusal says where to add one."""
    assert "/v1/carriers" in (await route(door)).body["detail"]


async def test_refusals(door: Door) -> None:
    """A rule that no message can meet, or that is not there yet, is refused with what there is."""
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"match": {"country": "UK"}}, "/match/country", "'UK'"),
        ({"match": {"country": []}}, "/match/country", "1 to"),
        ({"match": {"prefix": "4477"}}, "/match/prefix", "+4477"),
        ({"match": {"category": ["otp", "spam"]}}, "/match/category", "transactional"),
        ({"match": {"channel": "whatsapp"}}, "/match/channel", "sms"),
        ({"match": {"sender": "+"}}, "/match/sender", "sender"),
        ({"match": {"tag": "a\0"}}, "/match/tag", "tag"),
        ({"match": {"tag": 5}}, "/match/tag", "tag"),
        ({"match": {"mcc_mnc": "23410"}}, "/match/mcc_mnc", "country"),
        ({"strategy": "least_cost"}, "/strategy", "there are: priority, weighted"),
        ({"carriers": []}, "/carriers", "at least 1"),
        ({"carriers": [{"carrier": "a"}, {"carrier": "a"}]}, "/carriers", "twice"),
        ({"carriers": [{"carrier": "a", "weight": 0}]}, "/carriers/0/weight", "1"),
        ({"carriers": [{"carrier": "a", "price_cap": "1"}]}, "/carriers/0/price_cap", "no such"),
        ({"position": -1}, "/position", "0"),
    )
    await carrier(door, "a")
    for fields, pointer, hint in cases:
        answer = await route(door, **fields)
        assert answer.status == 422
        found = {error["pointer"]: error["detail"] for error in answer.body["errors"]}
        assert hint in found[pointer]


async def test_parents_carriers(door: Door) -> None:
    """An account routes to its own and its parent's carriers, own first; not to a sibling's."""
    child, sibling = [await door.account(name, door.account_id) for name in ("child", "sibling")]
    child_key, sibling_key = [await door.key_of(account, "*") for account in (child, sibling)]
    await carrier(door, "a")
    await carrier(door, "a", child_key)
    await carrier(door, "b")
    await carrier(door, "c", sibling_key)
    lanes = [{"carrier": "a"}, {"carrier": "b"}]
    assert (await route(door, key=child_key, carriers=lanes)).status == 201
    book = door.context.keeper.book
    (record,) = book.routes[child]
    owners = [book.carriers[choice.carrier_id].account_id for choice in record.carriers]
    assert owners == [child, door.account_id]
    refused = await route(door, "c", key=child_key, carriers=[{"carrier": "c"}])
    assert refused.status == 422
    assert "there are: a, b" in refused.body["detail"]


async def test_explain(door: Door) -> None:
    """Every route is listed in order with the reason, and the choice is the first that matches."""
    child = await door.account("child", door.account_id)
    key = await door.key_of(child, "*")
    await carrier(door, "a")
    await carrier(door, "b")
    await route(door, "french", key, match={"country": "FR"})
    await route(
        door, "codes", key, match={"category": "otp"}, carriers=[{"carrier": "b"}, {"carrier": "a"}]
    )
    await route(door, "parents")
    numbers = {one.name: one.id for one in door.context.keeper.book.carriers.values()}
    door.states[numbers["a"]] = {"status": "up"}
    question = {"to": "+44 7700 900123", "from": "ACME", "category": "otp", "tags": ["x"]}
    answer = (await door.ask("POST", "/v1/routes/explain", question, key=key)).body
    assert (answer["to"], answer["country"]) == ("+447700900123", "GB")
    assert [(one["route"], one["matched"], one["detail"]) for one in answer["routes"]] == [
        ("french", False, "country is GB, the route takes FR"),
        ("codes", True, "it takes the message"),
        ("parents", True, "an earlier route takes the message"),
    ]
    assert answer["choice"]["route"] == "codes"
    assert [
        (one["carrier"], one["status"], one["share"]) for one in answer["choice"]["carriers"]
    ] == [
        ("a", "up", 1.0),
        ("b", "starting", 0.0),
    ]


async def test_explain_nothing(door: Door) -> None:
    """Without a route that has an enabled carrier there is no choice, and the reason is told."""
    await carrier(door, "a")
    await route(door)
    await door.ask("PATCH", "/v1/carriers/a", {"enabled": False})
    answer = (await door.ask("POST", "/v1/routes/explain", {"to": "+447700900123"})).body
    assert answer["routes"][0]["detail"] == "none of its carriers is enabled"
    assert answer["choice"] is None


async def test_explain_refuses(door: Door) -> None:
    """What could not be sent cannot be explained either: the same problems with the same codes."""
    for question, code in (
        ({"to": "07700 900123"}, "invalid_number"),
        ({"to": "+447700900123", "from": "much too long a name"}, "invalid_sender"),
        ({"to": "+447700900123", "category": "spam"}, "invalid_request"),
    ):
        answer = await door.ask("POST", "/v1/routes/explain", question)
        assert (answer.status, answer.body["code"]) == (422, code)


def test_categories_are_those_of_messages() -> None:
    """Routes can match every category that messages can have."""
    names = {category.name.lower() for category in Category}
    assert set(routes.MATCHES["category"].split(", ")) == names


words = st.sampled_from(("GB", "FR"))
rules = st.tuples(
    st.dictionaries(st.sampled_from(("country", "sender", "tag")), words, max_size=2),
    st.sampled_from(sorted(routes.STRATEGIES)),
    st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
)


@given(st.lists(rules, max_size=4), st.sets(st.integers(1, 4)), st.sets(st.integers(1, 4)), words)
def test_explained_as_chosen(
    given_rules: list[Any], enabled: set[int], up: set[int], word: str
) -> None:
    """`consider` finds the route that `choose` takes, and the carrier taken has a share in it."""
    now, nobody = SystemClock().now(), ids.uuid7()
    found = tuple(
        RouteRecord(
            id=number,
            public_id=nobody,
            account_id=1,
            name=str(number),
            position=number,
            match={name: (value,) for name, value in match.items()},
            strategy=strategy,
            carriers=tuple(Choice(carrier_id, carrier_id) for carrier_id in lanes),
        )
        for number, (match, strategy, lanes) in enumerate(given_rules, 1)
    )
    carriers = {
        one: CarrierRecord(one, nobody, 1, "", "", {}, None, one in enabled, False, None, now)
        for one in range(1, 5)
    }
    account = Account(1, nobody, None, "", None, b"")
    book = Snapshot(1, {1: account}, {}, carriers, {1: found}, {})
    traits = routes.Traits(1, "+1", word, "otp", "GB", ("FR",))

    chosen = routes.choose(book, traits, up.__contains__, chance(1))
    takers = [one.route for one in routes.consider(book, traits) if one.against is None]
    if chosen is None:
        assert not takers
    else:
        assert chosen.route_id == takers[0].id
        shares = dict(routes.shares(book, takers[0], up.__contains__))
        assert shares[chosen.carrier_id] > 0
        assert shares.keys() == {chosen.carrier_id, *chosen.fallbacks}
        assert abs(sum(shares.values()) - 1) < 1e-9
