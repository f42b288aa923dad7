"""The number plan and lookup sources over HTTP, from the plan to a live answer."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from messages.walk import Walk
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.server import Server
from onesixty.features.lookups.asking import Lookups
from onesixty.features.lookups.networks import Networks
from onesixty.simulator.http.lookups import SimulatedLookups

from .door import Answer, Door

NUMBER = "+447700900123"
CSV = "prefix,mcc,mnc,name\n447700,234,15,Vodafone\n+49 151,262,1,Telekom\n"


@pytest.fixture
async def far_side() -> AsyncIterator[SimulatedLookups]:
    """A source that knows the number to be ported."""
    far_side = SimulatedLookups()
    far_side.known[NUMBER] = "23420"
    await far_side.start()
    yield far_side
    await far_side.stop()


@pytest.fixture
async def asking(server: Server, walk: Walk, sending: Door) -> AsyncIterator[Door]:
    """The whole API; its router asks for networks."""
    networks = Networks(walk.database, walk.clock, walk.keeper)
    context: Context = server.api.state.context
    lookups = Lookups(walk.database, walk.clock, walk.keeper, context.sealer, networks)
    walk.acceptor.router.facts.network = networks.of
    walk.keeper.on_change(networks.follow)
    server.api.state.context = replace(context, lookups=lookups)
    yield sending
    await lookups.close()


async def put(door: Door, text: str, query: str = "") -> Answer:
    """The answer to an import."""
    headers = {"Content-Type": "text/csv"}
    return await door.ask("PUT", f"/v1/number-plan{query}", text.encode(), headers=headers)


async def network(door: Door, query: str = "network=true", **more: Any) -> dict[str, Any]:
    """What is told of the network of the number."""
    answer = await door.ask("GET", f"/v1/lookup/{NUMBER}?{query}", **more)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body["network"]
    return found


async def test_the_own_plan_counts_before_the_shipped_one(asking: Door) -> None:
    """Import with a dry run, look-up, routing by it, export, and the way back."""
    shipped = {"plan": "shipped", "prefix": "44770", "mcc": "234", "mnc": "10", "name": "O2"}
    assert await network(asking) == {
        "code": "23410", "by_plan": shipped, "told": None, "asked": None,
    }  # fmt: skip
    shown = (await put(asking, CSV, "?dry_run=true")).body
    assert [shown[one] for one in ("dry_run", "added", "changed", "removed")] == [True, 2, 0, 0]
    assert (await asking.ask("GET", "/v1/number-plan")).body["rows"] == 0
    done = (await put(asking, CSV)).body
    assert {**done, "dry_run": True} == shown
    assert done["changes"][0] == {
        "change": "added", "prefix": "447700", "before": None, "after": "234-15 Vodafone",
    }  # fmt: skip
    assert (await asking.ask("GET", "/v1/number-plan")).body["rows"] == 2
    assert (await network(asking))["code"] == "23415"
    route = {"name": "vodafone", "match": {"network": "234-15"}, "carriers": [{"carrier": "main"}]}
    assert (await asking.ask("POST", "/v1/routes", {**route, "position": 1})).status == 201
    sent = (await asking.ask("POST", "/v1/messages", {"to": NUMBER, "body": "hello"})).body
    why = (await asking.ask("GET", f"/v1/messages/{sent['id']}/explanation")).body
    assert "vodafone" in str(why)
    export = (await asking.ask("GET", "/v1/number-plan/export")).body
    assert export == "prefix,mcc,mnc,name\n447700,234,15,Vodafone\n49151,262,01,Telekom\n"
    partial = await put(asking, "prefix,mcc,mnc\n447700,234,15\n", "?partial=true")
    assert (partial.body["changed"], partial.body["removed"]) == (1, 0)
    assert (await put(asking, "prefix,mcc,mnc\n")).body["removed"] == 2
    assert (await network(asking))["by_plan"] == shipped


async def test_plans_that_are_wrong(asking: Door) -> None:
    """Lines are named; nothing is imported."""
    wrong = await put(asking, "prefix,mcc,mnc\n44x,234,10\n44,23,10\n44,234,\n44,234,10\n44,234,11")
    assert [one["pointer"] for one in wrong.body["errors"]] == ["/2", "/3", "/4", "/6"]
    assert (await put(asking, "a,b\n1,2\n")).status == 422
    assert (await asking.ask("GET", "/v1/number-plan")).body["rows"] == 0


async def test_a_source_from_setting_to_answer(asking: Door, far_side: SimulatedLookups) -> None:
    """Set it, ask it, see what it told and what it cost; its secrets are shown to nobody."""
    route = {"name": "three", "match": {"network": "234-20"}, "carriers": [{"carrier": "main"}]}
    assert (await asking.ask("POST", "/v1/routes", route)).status == 201
    body: dict[str, Any] = {
        "settings": far_side.settings(), "price": "0.004", "day_cap": "0.007",
    }  # fmt: skip
    made = await asking.ask("PUT", "/v1/lookup-sources/main", body)
    assert made.status == 200, made.body
    assert made.body["settings"]["api_key"] == "****"
    body["settings"]["api_key"] = "****"
    kept = await asking.ask("PUT", "/v1/lookup-sources/main", {**body, "countries": ["gb"]})
    assert (kept.body["countries"], kept.body["id"]) == (["GB"], made.body["id"])
    found = await network(asking, "live=true")
    assert found["code"] == "23420"
    assert found["by_plan"]["mnc"] == "10"
    told = {name: found["told"][name] for name in ("mcc", "mnc", "ported", "valid", "reachable")}
    assert told == {"mcc": "234", "mnc": "20", "ported": True, "valid": True, "reachable": True}
    price = {"amount": "0.004", "currency": "EUR"}
    assert found["asked"] == {
        "result": "answered",
        "source": "main",
        "price": price,
        "detail": None,
    }
    found = await network(asking, "live=true")
    assert (found["asked"]["result"], found["asked"]["price"]) == ("cap_reached", None)
    assert (found["told"]["source"], found["code"]) == ("main", "23420")
    (shown,) = (await asking.ask("GET", "/v1/lookup-sources")).body["data"]
    assert shown["spent"] == {
        "day": "0.004", "month": "0.004", "questions": 1, "failed": 0, "last_error": None,
    }  # fmt: skip
    assert shown == (await asking.ask("GET", "/v1/lookup-sources/main")).body
    assert (await asking.ask("DELETE", "/v1/lookup-sources/main")).status == 204
    assert (await network(asking, "live=true"))["asked"]["result"] == "no_source"
    assert far_side.asked == [NUMBER]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"settings": {"request": {"url": "{base_url}/{nobody}"}}}, "/settings"),
        ({"settings": {"answer": {"ported": {}}}}, "/settings"),
        ({"settings": {"answer": {"network": "nowhere"}}}, "/settings"),
        ({"countries": ["UK"]}, "/countries/0"),
        ({"price": "free"}, "/price"),
        ({"day_cap": "0"}, "/day_cap"),
        ({"keep_seconds": 1}, "/keep_seconds"),
    ],
)
async def test_sources_that_are_wrong(
    asking: Door, far_side: SimulatedLookups, changes: dict[str, Any], pointer: str
) -> None:
    """Each field that does not fit is named."""
    body: dict[str, Any] = {"settings": far_side.settings()}
    body["settings"] |= changes.pop("settings", {})
    answer = await asking.ask("PUT", "/v1/lookup-sources/main", body | changes)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)
    named = await asking.ask("PUT", "/v1/lookup-sources/receipts", {"settings": body["settings"]})
    assert named.status == 422


async def test_others_see_the_plans_only(asking: Door, far_side: SimulatedLookups) -> None:
    """An account below sees no answers that others paid for, and can cause no costs."""
    route = {"name": "three", "match": {"network": "234-20"}, "carriers": [{"carrier": "main"}]}
    await asking.ask("POST", "/v1/routes", route)
    await asking.ask("PUT", "/v1/lookup-sources/main", {"settings": far_side.settings()})
    await network(asking, "live=true")
    key = await asking.key_of(await asking.account("child", asking.account_id), "*")
    found = await network(asking, key=key)
    assert (found["code"], found["told"]) == ("23410", None)
    for method, path in (
        ("GET", f"/v1/lookup/{NUMBER}?live=true"),
        ("GET", "/v1/number-plan"),
        ("GET", "/v1/number-plan/export"),
        ("PUT", "/v1/number-plan"),
        ("GET", "/v1/lookup-sources"),
        ("GET", "/v1/lookup-sources/main"),
        ("DELETE", "/v1/lookup-sources/main"),
    ):
        assert (await asking.ask(method, path, key=key)).status == 403, path
    reader = await asking.key_of(asking.account_id, "messages:read", "numbers:read")
    assert (await asking.ask("GET", f"/v1/lookup/{NUMBER}?live=true", key=reader)).status == 403
    assert (await asking.ask("GET", "/v1/lookup-sources/main", key=reader)).status == 200


async def test_the_guide(asking: Door) -> None:
    """Its plan can be imported, and its source can be set."""
    guide = Path(__file__).parents[3] / "docs" / "guide" / "lookup.md"
    text = guide.read_text(encoding="utf-8")
    plan = text.partition("prefix,mcc,mnc,name\n")[2].partition("```")[0]
    assert (await put(asking, f"prefix,mcc,mnc,name\n{plan}")).body["added"] == 2
    source = orjson.loads(text.partition("--json '")[2].partition("'\n")[0])
    answer = await asking.ask("PUT", "/v1/lookup-sources/main", source)
    assert answer.status == 200, answer.body
    assert (answer.body["day_cap"], answer.body["keep_seconds"]) == ("10.0", 30 * 86_400)
    fields = re.findall(r"^\| `(\w+)`", text, re.MULTILINE)
    assert {*fields} <= {*answer.body}
