"""`/v1/keys`: shown once, never stronger than their maker, over at once."""

from datetime import timedelta

from .door import Door


async def test_create_and_use(door: Door) -> None:
    """A new key works at once with its scopes, and its text is in no other answer."""
    made = await door.ask("POST", "/v1/keys", {"name": "app", "scopes": ["carriers:read"]})
    assert made.status == 201
    text = made.body["key"]
    assert text.startswith(made.body["hint"])
    assert (await door.ask("GET", "/v1/carriers", key=text)).status == 200
    assert (await door.ask("GET", "/v1/keys", key=text)).status == 403
    listed = (await door.ask("GET", "/v1/keys")).body["data"]
    assert listed[0] == {name: value for name, value in made.body.items() if name != "key"}
    assert text not in str(listed)


async def test_test_keys(door: Door) -> None:
    """A test key is told by how it begins, and makes test keys only."""
    made = await door.ask("POST", "/v1/keys", {"name": "try", "scopes": ["*"], "test": True})
    text = made.body["key"]
    assert text.startswith("os_test_")
    refused = await door.ask("POST", "/v1/keys", {"name": "x", "scopes": ["*"]}, key=text)
    assert (refused.status, refused.body["code"]) == (403, "forbidden")


async def test_no_escalation(door: Door) -> None:
    """A key gives only scopes that it has, so it cannot make itself stronger."""
    poor = await door.key_of(door.account_id, "keys:write", "messages:read")
    for scopes, status in ((["messages:read"], 201), (["messages:write"], 403), (["*"], 403)):
        answer = await door.ask("POST", "/v1/keys", {"name": "x", "scopes": scopes}, key=poor)
        assert answer.status == status


async def test_revoke(door: Door) -> None:
    """A revoked key is refused at once and stays in the list; revoking again changes nothing."""
    made = (await door.ask("POST", "/v1/keys", {"name": "x", "scopes": ["*"]})).body
    assert (await door.ask("DELETE", f"/v1/keys/{made['id']}")).status == 204
    assert (await door.ask("GET", "/v1/keys", key=made["key"])).status == 401
    first = (await door.ask("GET", "/v1/keys")).body["data"][0]
    assert first["revoked_at"] is not None
    assert (await door.ask("DELETE", f"/v1/keys/{made['id']}")).status == 204
    assert (await door.ask("GET", "/v1/keys")).body["data"][0] == first


async def test_expiry(door: Door) -> None:
    """A key ends at the moment it was given, which must be ahead."""
    now = door.context.clock.now()
    body = {"name": "x", "scopes": ["keys:read"], "expires_at": (now + timedelta(1)).isoformat()}
    made = (await door.ask("POST", "/v1/keys", body)).body
    assert (await door.ask("GET", "/v1/keys", key=made["key"])).status == 200
    await door.clock.advance(86_401)
    assert (await door.ask("GET", "/v1/keys", key=made["key"])).status == 401
    past = await door.ask("POST", "/v1/keys", body)
    assert (past.status, past.body["errors"][0]["pointer"]) == (422, "/expires_at")


async def test_refusals(door: Door) -> None:
    """Wrong fields are named, unknown scopes with those that there are."""
    for change, pointer in (
        ({"scopes": ["messages:wrte"]}, "/scopes/0"),
        ({"scopes": []}, "/scopes"),
        ({"name": "a\0b"}, "/name"),
        ({"name": ""}, "/name"),
        ({"expires_at": "2999-01-01T00:00:00"}, "/expires_at"),
        ({"role": "admin"}, "/role"),
    ):
        answer = await door.ask("POST", "/v1/keys", {"name": "x", "scopes": ["*"]} | change)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)


async def test_idempotency(door: Door) -> None:
    """A repeated request gets the same key again: one that was lost on the way is not lost."""
    body = {"name": "x", "scopes": ["*"]}
    headers = {"Idempotency-Key": "k"}
    first = await door.ask("POST", "/v1/keys", body, headers=headers)
    second = await door.ask("POST", "/v1/keys", body, headers=headers)
    assert first.body == second.body


async def test_keys_of_an_account_below(door: Door) -> None:
    """Who may change accounts makes, lists and revokes the keys of those below, with `account`."""
    child = (await door.ask("POST", "/v1/accounts", {"name": "child"})).body["id"]
    body = {"name": "x", "scopes": ["*"], "account": child}
    made = (await door.ask("POST", "/v1/keys", body)).body
    assert (await door.ask("GET", "/v1/accounts", key=made["key"])).body["data"][0]["id"] == child
    listed = await door.ask("GET", f"/v1/keys?account={child}")
    assert [one["id"] for one in listed.body["data"]] == [made["id"]]
    plain = await door.key_of(door.account_id, "keys:read", "keys:write")
    assert (await door.ask("GET", f"/v1/keys?account={child}", key=plain)).status == 403
    assert (await door.ask("DELETE", f"/v1/keys/{made['id']}")).status == 404
    assert (await door.ask("DELETE", f"/v1/keys/{made['id']}?account={child}")).status == 204
    assert (await door.ask("GET", "/v1/keys", key=made["key"])).status == 401
