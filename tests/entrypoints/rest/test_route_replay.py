"""`POST /v1/routes/replay`: the last messages by other routes."""

from datetime import timedelta
from typing import Any

import pytest

from messages.walk import Walk
from onesixty.records.routes import Quality

from .door import Answer, Door

UK, FRANCE = "+447700900123", "+33612345678"


@pytest.fixture
async def sent(sending: Door, walk: Walk) -> Door:
    """Six messages that went out by "main": four to Britain, two to France; "other" is there."""
    await sending.ask("POST", "/v1/carriers", {"name": "other", "kind": "loopback"})
    for number in range(6):
        body = {"to": UK if number < 4 else FRANCE, "from": "ACME", "body": "Hello" * 40}
        assert (await sending.ask("POST", "/v1/messages", body)).status == 202
    return sending


def over(name: str, lane: str, **more: Any) -> dict[str, Any]:
    """A route over one carrier."""
    return {"name": name, "carriers": [{"carrier": lane}], **more}


async def replay(door: Door, draft: Any, **more: Any) -> Answer:
    """The answer to a replay."""
    return await door.ask("POST", "/v1/routes/replay", {"draft": draft, **more})


async def test_what_would_change(sent: Door) -> None:
    """Those that a draft sends another way are counted and named, with cost and delivery."""
    facts = sent.context.router.facts
    numbers = {one.name: one.id for one in sent.context.keeper.book.carriers.values()}
    facts.cost = lambda carrier, *_: 5000 if carrier == numbers["main"] else 3000
    facts.quality = lambda carrier, country: (
        Quality(0.9 if carrier == numbers["main"] else 0.8, 5.0, 1.0, "good", 100)
        if country == "GB"
        else None
    )
    draft = {"routes": [over("rest", "main"), over("uk", "other", match={"prefix": "+44"})]}
    answer = await replay(sent, draft)
    assert answer.status == 200
    found = answer.body
    assert (found["messages"], found["changed"]) == (6, 4)
    assert found["carriers"] == [
        {"carrier": "main", "before": 6, "after": 2},
        {"carrier": "other", "before": 0, "after": 4},
    ]
    # Two segments each.
    assert found["cost"] == {"before": "0.06", "after": "0.044", "messages": 6}
    assert found["delivered"] == {"before": 0.9, "after": 0.8, "messages": 4}
    assert len(found["changes"]) == 4
    assert found["changes"][0]["message"].startswith("msg_")
    assert found["changes"][0] | {"message": ""} == {
        "message": "",
        "to": UK,
        "country": "GB",
        "before": {"route": "all", "carrier": "main", "cost": "0.01", "delivered_rate": 0.9},
        "after": {"route": "uk", "carrier": "other", "cost": "0.006", "delivered_rate": 0.8},
    }
    few = (await replay(sent, draft, last=3, listed=1)).body
    assert (few["messages"], few["changed"], len(few["changes"])) == (3, 1, 1)


async def test_the_same_routes_change_nothing(sent: Door) -> None:
    """Also where chance chooses, and by the number of a revision."""
    lanes = [{"carrier": "main", "weight": 2}, {"carrier": "other"}]
    await sent.ask("PATCH", "/v1/routes/all", {"strategy": "weighted", "carriers": lanes})
    document = (await sent.ask("GET", "/v1/routes/revisions/1")).body["document"]
    for draft in (document, 1):
        found = (await replay(sent, draft)).body
        assert (found["messages"], found["changed"]) == (6, 0)
        assert {one["carrier"] for one in found["carriers"]} <= {"main", "other"}
    assert (await replay(sent, 9)).status == 404


async def test_what_nothing_would_take(sent: Door) -> None:
    """Messages that the draft would refuse are among those that change."""
    found = (await replay(sent, 0)).body
    assert (found["changed"], found["cost"]["messages"]) == (6, 0)
    assert {"carrier": None, "before": 0, "after": 6} in found["carriers"]
    nothing = {"route": None, "carrier": None, "cost": None, "delivered_rate": None}
    assert found["changes"][0]["after"] == nothing


async def test_messages_are_decided_at_their_time(sent: Door, walk: Walk) -> None:
    """A route for certain hours takes what was sent in them, whatever the time is now."""
    now = walk.clock.now()
    hours = {"from": f"{now:%H:%M}", "to": f"{now + timedelta(hours=1):%H:%M}"}
    await walk.clock.advance(timedelta(hours=12).total_seconds())
    await sent.ask("POST", "/v1/messages", {"to": UK, "from": "ACME", "body": "later"})
    first = over("then", "other", match={"time": hours}, position=1)
    draft = {"routes": [over("rest", "main"), first]}
    found = (await replay(sent, draft)).body
    assert (found["messages"], found["changed"]) == (7, 6)


async def test_below_counts_and_test_keys_do_not(sent: Door) -> None:
    """Messages of accounts below are replayed too, those of test keys are not."""
    child = await sent.account("child", sent.account_id)
    message = {"to": UK, "from": "ACME", "body": "Hello"}
    keys = [await sent.key_of(child, "*"), await sent.key_of(sent.account_id, "*", test=True)]
    for key in keys:
        assert (await sent.ask("POST", "/v1/messages", message, key=key)).status == 202
    assert (await replay(sent, 0)).body["messages"] == 7


async def test_drafts_that_are_refused(sent: Door) -> None:
    """Where they are wrong is told with the path in the request; it needs both scopes."""
    refused = await replay(sent, {"routes": [over("x", "main", position=-1)]})
    assert refused.body["errors"][0]["pointer"] == "/draft/routes/0/position"
    refused = await replay(sent, {"routes": [over("x", "nobody")]})
    assert refused.body["errors"][0]["pointer"] == "/draft/routes/0/groups/0/carriers/0/carrier"
    few = await sent.key_of(sent.account_id, "routes:read")
    path = "/v1/routes/replay"
    assert (await sent.ask("POST", path, {"draft": 0}, key=few)).status == 403


async def test_what_carriers_above_cost_is_not_told(sent: Door) -> None:
    """Accounts below decide by what the carriers above them cost, and see it of their own alone."""
    sent.context.router.facts.cost = lambda *_: 5000
    key = await sent.key_of(await sent.account("below", sent.account_id), "*")
    await sent.ask("POST", "/v1/carriers", {"name": "own", "kind": "loopback"}, key=key)
    for number in range(2):
        body = {"to": UK, "from": "ACME", "body": f"Hello {number}"}
        assert (await sent.ask("POST", "/v1/messages", body, key=key)).status == 202
    draft = {"draft": {"routes": [over("mine", "own")]}}
    found = (await sent.ask("POST", "/v1/routes/replay", draft, key=key)).body
    assert found["cost"] == {"before": "0", "after": "0", "messages": 0}
    assert [one["before"]["cost"] for one in found["changes"]] == [None, None]
    assert [one["after"]["cost"] for one in found["changes"]] == ["0.005", "0.005"]
    costs = []
    for asker in (key, sent.key):
        answer = await sent.ask("POST", "/v1/routes/explain", {"to": UK, "from": "A"}, key=asker)
        costs.append(answer.body["choice"]["carriers"][0]["cost"])
    assert costs == [None, "0.005"]


async def test_reasons_tell_no_costs_of_carriers_above(sent: Door) -> None:
    """Why a carrier is the cheapest is told in amounts to the account at the top only."""
    facts = sent.context.router.facts
    facts.cost, facts.is_up = lambda carrier, *_: 5000 + carrier, lambda carrier: True
    route = over("cheap", "main", strategy="least_cost", match={"tag": "cheap"}, position=1)
    route["carriers"].append({"carrier": "other"})
    assert (await sent.ask("POST", "/v1/routes", route)).status == 201
    below = await sent.key_of(await sent.account("below", sent.account_id), "*")
    body = {"to": UK, "from": "ACME", "tags": ["cheap"]}
    found = {}
    for key in (sent.key, below):
        message = (await sent.ask("POST", "/v1/messages", {**body, "body": "x"}, key=key)).body
        told = await sent.ask("POST", "/v1/routes/explain", body, key=key)
        kept = await sent.ask("GET", f"/v1/messages/{message['id']}/explanation", key=key)
        found[key] = told.body["choice"]["carriers"], kept.body["carriers"]
    for lanes in found[sent.key]:
        assert [one["detail"][:15] for one in lanes] == ["the cheapest: 0", "0.000001 dearer"]
    for lanes in found[below]:
        assert [one["code"] for one in lanes] == ["cheapest", "dearer"]
        assert not any(letter.isdigit() for one in lanes for letter in one["detail"])
