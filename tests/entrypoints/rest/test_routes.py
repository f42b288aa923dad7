"""`/v1/routes`: rules are checked when they are written, and explained as they are used."""

from typing import Any

from onesixty.messages.types import Category
from onesixty.records import routes

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
    """A route is shown with carriers by name and matches as lists, among the others by default."""
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
    assert (answer.body["position"], second.body["position"]) == (100, 100)
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
        ({"match": {"channel": "pigeon"}}, "/match/channel", "sms"),
        ({"match": {"sender": "+"}}, "/match/sender", "sender"),
        ({"match": {"tag": "a\0"}}, "/match/tag", "tag"),
        ({"match": {"tag": 5}}, "/match/tag", "tag"),
        ({"match": {"mcc_mnc": "23410"}}, "/match/mcc_mnc", "country"),
        ({"match": {"network": "234-1"}}, "/match/network", "234-10"),
        ({"match": {"time": {"days": ["today"]}}}, "/match/time", "Europe/Berlin"),
        ({"match": {"account": "acc_01k0000000e008000000000000"}}, "/match/account", "below"),
        ({"strategy": "cheapest"}, "/strategy", "there are: priority, weighted"),
        ({"carriers": []}, "/carriers", "at least 1"),
        ({"carriers": [{"carrier": "a"}, {"carrier": "a"}]}, "", "twice"),
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
    choices = record.groups[0].carriers
    owners = [book.carriers[choice.carrier_id].account_id for choice in choices]
    assert owners == [child, door.account_id]
    refused = await route(door, "c", key=child_key, carriers=[{"carrier": "c"}])
    assert refused.status == 422
    assert "there are: a, b" in refused.body["detail"]


async def test_groups(door: Door) -> None:
    """Groups are kept as they are given; one of them alone is shown the short way too."""
    for name in ("a", "b", "c"):
        await carrier(door, name)
    cheap = {
        "strategy": "least_cost",
        "carriers": [{"carrier": "a", "weight": 1}, {"carrier": "b", "weight": 1}],
        "quality_floor": 0.9,
        "explore_percent": 5,
    }
    rest = {
        "strategy": "priority",
        "carriers": [{"carrier": "c", "weight": 1}],
        "quality_floor": None,
        "explore_percent": 0,
    }
    answer = await route(door, carriers=None, groups=[cheap, rest])
    assert (answer.status, answer.body["groups"]) == (201, [cheap, rest])
    assert (answer.body["strategy"], answer.body["carriers"]) == (None, None)
    refused = await door.ask("PATCH", "/v1/routes/all", {"strategy": "weighted"})
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, "/groups")
    changed = (await door.ask("PATCH", "/v1/routes/all", {"groups": [cheap]})).body
    assert (changed["strategy"], changed["carriers"]) == ("least_cost", cheap["carriers"])
    changed = (await door.ask("PATCH", "/v1/routes/all", {"strategy": "weighted"})).body
    assert changed["groups"] == [{**cheap, "strategy": "weighted"}]
    lanes = [{"carrier": "c"}]
    changed = (await door.ask("PATCH", "/v1/routes/all", {"carriers": lanes})).body
    assert changed["groups"] == [{**cheap, "strategy": "weighted", "carriers": rest["carriers"]}]


async def test_groups_are_refused_where_they_are_wrong(door: Door) -> None:
    """What is wrong with a group is told by its place; short and long way do not mix."""
    await carrier(door, "a")
    one, unknown = {"carriers": [{"carrier": "a"}]}, {"carriers": [{"carrier": "x"}]}
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"groups": [one, unknown]}, "/groups/1/carriers/0/carrier", "no carrier x"),
        ({"groups": [one, one]}, "", "twice"),
        ({"groups": [{**one, "quality_floor": 1.5}]}, "/groups/0/quality_floor", "1"),
        ({"groups": [{**one, "strategy": "luck"}]}, "/groups/0/strategy", "there are"),
        ({"groups": [one], "carriers": [{"carrier": "a"}]}, "", "not both"),
        ({"groups": [one], "strategy": "weighted"}, "", "not both"),
        ({}, "", "give `carriers`"),
    )
    for fields, pointer, hint in cases:
        answer = await door.ask("POST", "/v1/routes", {"name": "all"} | fields)
        assert answer.status == 422
        found = {error["pointer"]: error["detail"] for error in answer.body["errors"]}
        assert hint in found[pointer], (fields, found)


async def test_explain(door: Door) -> None:
    """Every route is listed in order with the reason, and the choice with all its carriers."""
    child = await door.account("child", door.account_id)
    key = await door.key_of(child, "*")
    for name in ("a", "b", "c"):
        await carrier(door, name)
    await route(door, "french", key, match={"country": "FR"})
    lanes = [{"carrier": name} for name in ("b", "a", "c")]
    await route(door, "codes", key, match={"category": "otp"}, carriers=lanes)
    await route(door, "parents")
    await door.ask("PATCH", "/v1/carriers/c", {"enabled": False})
    numbers = {one.name: one.id for one in door.context.keeper.book.carriers.values()}
    door.states[numbers["a"]] = {"status": "up"}
    question = {"to": "+44 7700 900123", "from": "ACME", "category": "otp", "tags": ["x"]}
    answer = (await door.ask("POST", "/v1/routes/explain", question, key=key)).body
    assert (answer["to"], answer["country"], answer["network"]) == ("+447700900123", "GB", None)
    assert [(one["route"], one["matched"], one["code"]) for one in answer["routes"]] == [
        ("french", False, "country"),
        ("codes", True, None),
        ("parents", True, "earlier"),
    ]
    assert answer["routes"][0]["detail"] == "country is GB, the route takes FR"
    assert answer["choice"]["route"] == "codes"
    assert [
        (one["carrier"], one["verdict"], one["code"], one["place"], one["status"], one["share"])
        for one in answer["choice"]["carriers"]
    ] == [
        ("a", "chosen", "best_left", None, "up", 1.0),
        ("b", "fallback", "down", 1, "starting", 0.0),
        ("c", "refused", "disabled", None, "starting", 0.0),
    ]


async def test_explain_what_if(door: Door) -> None:
    """Another channel, network or time may be asked for; costs and quality are told as numbers."""
    await carrier(door, "a")
    await route(door, "nights", match={"time": {"from": "22:00", "to": "06:00"}})
    await route(door, "ported", match={"network": "234-10"})
    await route(door, "codes", match={"channel": "sms", "category": "otp"})
    facts = door.context.router.facts
    facts.cost = lambda *_: 5200
    facts.quality = lambda *_: routes.Quality(0.975, 4.0, 0.5, "degraded", 80)
    question = {"to": "+447700900123", "at": "2026-01-01T12:00:00Z"}
    for more, taker in (
        ({}, None),
        ({"network": "23410"}, "ported"),
        ({"at": "2026-01-01T23:00:00Z"}, "nights"),
        ({"category": "otp"}, "codes"),
        ({"category": "otp", "channel": "whatsapp"}, None),
    ):
        answer = (await door.ask("POST", "/v1/routes/explain", question | more)).body
        assert (answer["choice"] and answer["choice"]["route"]) == taker
    assert answer["routes"][2]["detail"] == "channel is whatsapp, the route takes sms"
    answer = (await door.ask("POST", "/v1/routes/explain", question | {"network": "23410"})).body
    (lane,) = answer["choice"]["carriers"]
    assert lane["cost"] == "0.0052"
    assert lane["quality"] == {
        "level": "degraded",
        "delivered_rate": 0.975,
        "median_seconds": 4.0,
        "coverage": 0.5,
        "sample": 80,
    }


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
        ({"to": "+447700900123", "channel": "pigeon"}, "invalid_request"),
        ({"to": "+447700900123", "network": "Vodafone"}, "invalid_request"),
    ):
        answer = await door.ask("POST", "/v1/routes/explain", question)
        assert (answer.status, answer.body["code"]) == (422, code)


def test_categories_are_those_of_messages() -> None:
    """Routes can match every category that messages can have."""
    names = {category.name.lower() for category in Category}
    assert set(routes.MATCHES["category"].split(", ")) == names
