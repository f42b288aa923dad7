"""`/v1/accounts`: a caller sees its own account and those below it, and nothing of anybody else."""

import re
from typing import Any

from onesixty.kit import ids

from .door import Door


async def test_create_and_list(door: Door) -> None:
    """An account is made below the caller's; the list has both, the caller's own without parent."""
    made = await door.ask("POST", "/v1/accounts", {"name": "shop", "default_sender": " Shop "})
    assert made.status == 201
    child, own = (await door.ask("GET", "/v1/accounts")).body["data"]
    assert child == made.body
    assert (child["default_sender"], child["parent"]) == ("Shop", own["id"])
    assert (own["name"], own["parent"]) == ("first", None)
    assert (await door.ask("GET", f"/v1/accounts/{child['id']}")).body == child


async def test_change_default_sender(door: Door) -> None:
    """The default sender is stored in the form that messages have it in, and null takes it away."""
    own = (await door.ask("GET", "/v1/accounts")).body["data"][0]["id"]
    changed = await door.ask("PATCH", f"/v1/accounts/{own}", {"default_sender": "447700900123"})
    assert changed.body["default_sender"] == "+447700900123"
    assert door.context.keeper.book.accounts[door.account_id].default_sender == "+447700900123"
    gone = await door.ask("PATCH", f"/v1/accounts/{own}", {"default_sender": None})
    assert gone.body["default_sender"] is None


async def test_refusals(door: Door) -> None:
    """Senders that no message can have, taken names and unknown fields are refused."""
    cases: tuple[tuple[dict[str, Any], int, str], ...] = (
        ({"name": "first"}, 409, "/name"),
        ({"name": "x", "default_sender": "far too long a name"}, 422, "/default_sender"),
        ({"name": "x\n"}, 422, "/name"),
        ({"name": "x", "parent": None}, 422, "/parent"),
    )
    for body, status, pointer in cases:
        answer = await door.ask("POST", "/v1/accounts", body)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (status, pointer)
    own = (await door.ask("GET", "/v1/accounts")).body["data"][0]["id"]
    assert (await door.ask("PATCH", f"/v1/accounts/{own}", {})).status == 422


async def test_tenancy(door: Door) -> None:
    """For every path with a name or id, another account gets 404, as for a thing that never was."""
    await door.ask("POST", "/v1/carriers", {"name": "mine", "kind": "loopback"})
    await door.ask("POST", "/v1/routes", {"name": "mine", "carriers": [{"carrier": "mine"}]})
    child = (await door.ask("POST", "/v1/accounts", {"name": "child"})).body["id"]
    key_id = (await door.ask("POST", "/v1/keys", {"name": "x", "scopes": ["*"]})).body["id"]
    things = {"carriers": "mine", "routes": "mine", "accounts": child, "keys": key_id}
    stranger = await door.key_of(await door.account("stranger"), "*")
    bodies: dict[str, Any] = {"PATCH": {}, "POST": {}}
    tried = set()
    for template, operations in door.openapi["paths"].items():
        resource = template.removeprefix("/v1/").partition("/")[0]
        if resource not in things or "{" not in template:
            continue
        # a revision is a number, whoever asks
        path = re.sub(r"\{\w+\}", things[resource], template.replace("{revision}", "1"))
        for method in map(str.upper, operations):
            body = {"default_sender": None} if resource == "accounts" else bodies.get(method)
            answer = await door.ask(method, path, body, key=stranger)
            assert (answer.status, answer.body["code"]) == (404, "not_found"), (method, path)
            tried.add((method, template))
    assert {template.split("/")[2] for _, template in tried} == set(things)
    for resource in things:
        listed = (await door.ask("GET", f"/v1/{resource}", key=stranger)).body["data"]
        assert not {things[resource]} & {one.get("name") for one in listed}
        assert not {things[resource]} & {one["id"] for one in listed}
    for method, path in (("GET", f"/v1/keys?account={child}"), ("DELETE", f"/v1/keys/{key_id}")):
        assert (await door.ask(method, path, key=stranger)).status == 404
    body = {"name": "x", "scopes": ["*"], "account": child}
    assert (await door.ask("POST", "/v1/keys", body, key=stranger)).status == 404


async def test_a_child_does_not_see_up(door: Door) -> None:
    """An account sees neither its parent, nor the parent's carriers and routes, nor siblings."""
    await door.ask("POST", "/v1/carriers", {"name": "mine", "kind": "loopback"})
    child = await door.account("child", door.account_id)
    await door.account("sibling", door.account_id)
    key = await door.key_of(child, "*")
    (own,) = (await door.ask("GET", "/v1/accounts", key=key)).body["data"]
    assert (own["name"], own["parent"]) == ("child", None)
    parent = door.context.keeper.book.accounts[door.account_id].public_id
    above = await door.ask("GET", f"/v1/accounts/{ids.to_text('acc', parent)}", key=key)
    assert above.status == 404
    assert (await door.ask("GET", "/v1/carriers/mine", key=key)).status == 404
    assert (await door.ask("GET", "/v1/carriers", key=key)).body["data"] == []


async def test_ids_that_are_none(door: Door) -> None:
    """A malformed id, or one of another kind of thing, is not found either."""
    for path in ("accounts/acc_x", "accounts/1", f"accounts/{ids.to_text('key', ids.uuid7())}"):
        assert (await door.ask("GET", f"/v1/{path}")).status == 404
    assert (await door.ask("DELETE", "/v1/keys/key_x")).status == 404
