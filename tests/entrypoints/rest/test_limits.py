"""`/v1/limits`: set, changed, removed, and each account its own."""

from typing import Any

from .door import Answer, Door


async def limit(door: Door, **fields: Any) -> Answer:
    """The answer to a new limit."""
    body = {"kind": "country", "value": "gb", "rate_per_second": 2.5} | fields
    return await door.ask("POST", "/v1/limits", body)


async def test_from_set_to_removed(door: Door) -> None:
    """A limit is shown as it counts, changed in part, and gone when it is removed."""
    made = await limit(door)
    assert made.status == 201
    assert (made.body["value"], made.body["rate_per_second"], made.body["burst"]) == ("GB", 2.5, 2)
    path = f"/v1/limits/{made.body['id']}"
    assert (await door.ask("GET", path)).body == made.body
    assert (await door.ask("GET", "/v1/limits")).body == {"data": [made.body], "next": None}
    changed = (await door.ask("PATCH", path, {"burst": 9})).body
    assert (changed["rate_per_second"], changed["burst"]) == (2.5, 9)
    (known,) = door.context.keeper.book.limits[door.account_id]
    assert known.burst == 9
    assert (await limit(door)).status == 409
    assert (await door.ask("DELETE", path)).status == 204
    assert door.context.keeper.book.limits == {}
    assert (await door.ask("GET", path)).status == 404


async def test_accounts_below(door: Door) -> None:
    """An account is limited by itself and from above, not from aside; each sees what it has set."""
    child = await door.account("child", door.account_id)
    child_key = await door.key_of(child, "*")
    ids = {one["name"]: one["id"] for one in (await door.ask("GET", "/v1/accounts")).body["data"]}
    made = await limit(door, kind="account", value=ids["child"])
    assert (made.status, made.body["value"]) == (201, ids["child"])
    path = f"/v1/limits/{made.body['id']}"
    assert (await door.ask("DELETE", path, key=child_key)).status == 404
    above = next(identifier for name, identifier in ids.items() if name != "child")
    body = {"kind": "account", "value": above, "rate_per_second": 1}
    assert (await door.ask("POST", "/v1/limits", body, key=child_key)).status == 422


async def test_refusals(door: Door) -> None:
    """Values that no message has are refused, naming the field."""
    for fields, pointer in (
        ({"value": "UK"}, "/value"),
        ({"kind": "sender", "value": "a name that is too long"}, "/value"),
        ({"kind": "account", "value": "acc_0"}, "/value"),
        ({"kind": "carrier"}, "/kind"),
        ({"rate_per_second": 0}, "/rate_per_second"),
        ({"burst": 0}, "/burst"),
    ):
        answer = await limit(door, **fields)
        assert answer.status == 422
        assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
