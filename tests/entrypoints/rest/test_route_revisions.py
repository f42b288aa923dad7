"""Revisions of routes, export, import, rollback."""

from typing import Any

import yaml

from .door import Answer, Door

ROUTES = "/v1/routes"


async def carriers(door: Door, *names: str) -> None:
    """Loopback carriers."""
    for name in names:
        body = {"name": name, "kind": "loopback"}
        assert (await door.ask("POST", "/v1/carriers", body)).status == 201


def over(name: str, *lanes: str, **more: Any) -> dict[str, Any]:
    """A route over these carriers."""
    return {"name": name, "carriers": [{"carrier": lane} for lane in lanes], **more}


async def taken_in(door: Door, text: str | dict[str, Any], query: str = "") -> Answer:
    """The answer to an import, of YAML or of JSON."""
    body = text.encode() if isinstance(text, str) else text
    return await door.ask("PUT", f"{ROUTES}/import{query}", body)


async def exported(door: Door) -> Any:
    """The routes as a document."""
    return yaml.safe_load((await door.ask("GET", f"{ROUTES}/export")).body)


async def test_each_change_is_a_revision(door: Door) -> None:
    """Add, change and remove are told with who did it; each can be read and compared."""
    await carriers(door, "a", "b")
    await door.ask("POST", ROUTES, over("all", "a"))
    await door.ask("PATCH", f"{ROUTES}/all", {"carriers": [{"carrier": "b"}], "position": 5})
    await door.ask("DELETE", f"{ROUTES}/all")
    listed = (await door.ask("GET", f"{ROUTES}/revisions")).body["data"]
    assert [(one["number"], one["note"], one["routes"]) for one in listed] == [
        (3, "removed all", 0),
        (2, "changed all", 1),
        (1, "added all", 1),
    ]
    assert all(one["author"].startswith("key_") for one in listed)
    page = (await door.ask("GET", f"{ROUTES}/revisions?limit=2")).body
    rest = (await door.ask("GET", f"{ROUTES}/revisions?limit=2&after={page['next']}")).body
    assert (page["data"], rest["data"], rest["next"]) == (listed[:2], listed[2:], None)
    first = (await door.ask("GET", f"{ROUTES}/revisions/1")).body
    (route,) = first["document"]["routes"]
    lane = {"carrier": "a", "weight": 1}
    assert route["groups"] == [{"strategy": "priority", "carriers": [lane]}]
    compared = (await door.ask("GET", f"{ROUTES}/revisions/1/diff?to=2")).body
    (one,) = compared["changes"]
    assert (one["route"], one["change"], sorted(one["fields"])) == (
        "all", "changed", ["groups", "position"],
    )  # fmt: skip
    assert one["fields"]["position"] == {"from": 100, "to": 5}
    from_nothing = (await door.ask("GET", f"{ROUTES}/revisions/0/diff?to=1")).body
    assert [one["change"] for one in from_nothing["changes"]] == ["added"]
    to_newest = (await door.ask("GET", f"{ROUTES}/revisions/2/diff")).body
    assert (to_newest["to"], to_newest["changes"][0]["change"]) == (3, "removed")
    assert (await door.ask("GET", f"{ROUTES}/revisions/4")).status == 404


async def test_a_refused_change_makes_none(door: Door) -> None:
    """What was not done is no revision, and neither is a repeat by its Idempotency-Key."""
    await carriers(door, "a")
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        await door.ask("POST", ROUTES, over("all", "a"), headers=key)
    assert (await door.ask("POST", ROUTES, over("all", "a"))).status == 409
    assert (await door.ask("POST", ROUTES, over("more", "x"))).status == 422
    assert (await door.ask("DELETE", f"{ROUTES}/other")).status == 404
    assert len((await door.ask("GET", f"{ROUTES}/revisions")).body["data"]) == 1


async def test_what_is_exported_can_be_imported(door: Door) -> None:
    """Through YAML and back nothing changes; on an account without routes all comes back."""
    await carriers(door, "a", "b")
    hours = {"days": ["mon"], "from": "08:00", "to": "20:00", "zone": "Europe/Berlin"}
    await door.ask("POST", ROUTES, over("hours", "a", match={"time": hours, "country": "gb"}))
    group = {"carriers": [{"carrier": "b", "weight": 7}], "strategy": "weighted"}
    groups = [group | {"explore_percent": 5}, over("", "a") and {"carriers": [{"carrier": "a"}]}]
    await door.ask("POST", ROUTES, {"name": "grouped", "groups": groups, "enabled": False})
    answer = await door.ask("GET", f"{ROUTES}/export")
    text, before = answer.body, await exported(door)
    assert answer.headers["content-type"].startswith("application/yaml")
    assert text.startswith("# Routes at revision 2\n")
    assert [*yaml.safe_load(text)["routes"][0]["match"]["time"]] == [*hours]
    assert yaml.safe_load(text)["routes"][0] == {
        "name": "hours",
        "position": 100,
        "match": {"time": hours, "country": "GB"},
        "strategy": "priority",
        "carriers": [{"carrier": "a"}],
    }
    same = (await taken_in(door, text)).body
    assert same == {"revision": 2, "dry_run": False, "changes": []}
    emptied = (await taken_in(door, {"routes": []}, "?note=away")).body
    assert (emptied["revision"], len(emptied["changes"])) == (3, 2)
    assert door.context.keeper.book.routes == {}
    back = (await taken_in(door, text)).body
    assert [one["change"] for one in back["changes"]] == ["added", "added"]
    assert await exported(door) == before
    listed = (await door.ask("GET", f"{ROUTES}/revisions")).body["data"]
    assert [one["note"] for one in listed[:2]] == ["imported 2 routes", "away"]


async def test_a_dry_run_changes_nothing(door: Door) -> None:
    """It tells what would change, and what is wrong."""
    await carriers(door, "a")
    await door.ask("POST", ROUTES, over("all", "a"))
    before = await exported(door)
    told = (await taken_in(door, {"routes": [over("new", "a")]}, "?dry_run=true")).body
    assert (told["revision"], told["dry_run"]) == (1, True)
    assert [(one["route"], one["change"]) for one in told["changes"]] == [
        ("new", "added"),
        ("all", "removed"),
    ]
    assert await exported(door) == before
    wrong = await taken_in(door, {"routes": [over("new", "x")]}, "?dry_run=true")
    assert wrong.body["errors"][0]["pointer"] == "/routes/0/groups/0/carriers/0/carrier"


async def test_an_import_does_not_undo_what_it_has_not_seen(door: Door) -> None:
    """With `if_revision` it is refused once somebody else has changed the routes."""
    await carriers(door, "a")
    await door.ask("POST", ROUTES, over("all", "a"))
    document = {"routes": [over("new", "a")]}
    await door.ask("POST", ROUTES, over("other", "a"))
    refused = await taken_in(door, document, "?if_revision=1")
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert (await taken_in(door, document, "?if_revision=2")).body["revision"] == 3
    refused = await door.ask("POST", f"{ROUTES}/revisions/1/rollback", {"if_revision": 2})
    assert refused.status == 409


async def test_rollback(door: Door) -> None:
    """The routes are what they were, as a new revision; that can be taken back too."""
    await carriers(door, "a", "b")
    await door.ask("POST", ROUTES, over("all", "a"))
    await door.ask("POST", ROUTES, over("more", "b"))
    await door.ask("PATCH", f"{ROUTES}/all", {"position": 7})
    answer = (await door.ask("POST", f"{ROUTES}/revisions/1/rollback", {"note": "oops"})).body
    assert answer["revision"] == 4
    assert {one["route"]: one["change"] for one in answer["changes"]} == {
        "all": "changed",
        "more": "removed",
    }
    (route,) = door.context.keeper.book.routes[door.account_id]
    assert (route.name, route.position) == ("all", 100)
    listed = (await door.ask("GET", f"{ROUTES}/revisions?limit=1")).body["data"]
    assert listed[0]["note"] == "back to 1: oops"
    await door.ask("POST", f"{ROUTES}/revisions/3/rollback", {})
    assert len(door.context.keeper.book.routes[door.account_id]) == 2
    await door.ask("POST", f"{ROUTES}/revisions/0/rollback", {})
    assert door.context.keeper.book.routes == {}
    assert (await door.ask("POST", f"{ROUTES}/revisions/99/rollback", {})).status == 404


async def test_a_rollback_to_a_carrier_that_is_gone(door: Door) -> None:
    """It is refused, naming the carrier; nothing is changed."""
    await carriers(door, "a", "b")
    await door.ask("POST", ROUTES, over("all", "a"))
    await door.ask("PATCH", f"{ROUTES}/all", {"carriers": [{"carrier": "b"}]})
    await door.ask("DELETE", "/v1/carriers/a")
    refused = await door.ask("POST", f"{ROUTES}/revisions/1/rollback", {})
    assert refused.status == 422
    assert "there is no carrier a" in refused.body["detail"]
    assert (await exported(door))["routes"][0]["carriers"][0]["carrier"] == "b"


async def test_documents_that_are_refused(door: Door) -> None:
    """Each with where it is wrong; nothing of such a document is taken."""
    await carriers(door, "a")
    cases: tuple[tuple[str | dict[str, Any], str, str], ...] = (
        ({"routes": [over("all", "a"), over("all", "a")]}, "/routes/1/name", "twice"),
        ({"routes": [over("all", "a", match={"country": "UK"})]}, "/routes/0/match/country", "UK"),
        ({"routes": [over("all", "a", strategy="luck")]}, "/routes/0/strategy", "there are"),
        ({"routes": [{"name": "all"}]}, "/routes/0", "give `carriers`"),
        ({"routes": [over("all", "a")], "more": 1}, "/more", "no such field"),
        ({}, "/routes", "required"),
        ("routes: [", "", "neither YAML nor JSON"),
        ("- 1", "", "dictionary"),
        ("routes: &a []\nmore: *a", "", "aliases"),
        ("!!python/object/apply:os.getcwd []", "", "neither"),
    )
    for document, pointer, hint in cases:
        answer = await taken_in(door, document)
        assert answer.status == 422
        found = {one["pointer"]: one["detail"] for one in answer.body.get("errors", ())}
        assert hint in found.get(pointer, answer.body["detail"]), (document, answer.body)
    assert await exported(door) == {"routes": []}


async def test_others_see_none_of_it(door: Door) -> None:
    """Revisions are the account's own, and writing needs the scope."""
    await carriers(door, "a")
    await door.ask("POST", ROUTES, over("all", "a"))
    key = await door.key_of(await door.account("child", door.account_id), "*")
    assert (await door.ask("GET", f"{ROUTES}/revisions", key=key)).body["data"] == []
    assert (await door.ask("GET", f"{ROUTES}/revisions/1", key=key)).status == 404
    few = await door.key_of(door.account_id, "routes:read")
    assert (await door.ask("GET", f"{ROUTES}/export", key=few)).status == 200
    refused = await door.ask("PUT", f"{ROUTES}/import", {"routes": []}, key=few)
    assert refused.status == 403
    refused = await door.ask("POST", f"{ROUTES}/revisions/0/rollback", {}, key=few)
    assert refused.status == 403
