"""Routes on file: their rows."""

from typing import Any

import pytest

from on_file import OnFile
from onesixty.kit.problems import Problem
from onesixty.records import routes
from onesixty.storage.database import Database


async def test_a_name_is_taken_until_its_route_is_removed(
    database: Database, on_file: OnFile
) -> None:
    """A second route of a name is a conflict in its account, until the first is removed."""
    account, other = await on_file.account(), await on_file.account()
    carrier = await on_file.carrier(account)
    first = await on_file.route(account, carrier, name="all")
    await on_file.route(other, carrier, name="all")
    with pytest.raises(Problem) as raised:
        await on_file.route(account, carrier, name="all")
    assert raised.value.code == "conflict"
    async with database.write() as tx:
        await routes.remove(tx, first)
        assert await routes.find(tx, account, "all") is None
    await on_file.route(account, carrier, name="all")


async def test_an_update_changes_all_but_the_name(database: Database, on_file: OnFile) -> None:
    """The four fields of a route are replaced; it stays the same route."""
    account = await on_file.account()
    one, two = await on_file.carrier(account), await on_file.carrier(account)
    number = await on_file.route(account, one, name="all")
    fields: dict[str, Any] = {
        "position": 3,
        "match": {"country": ["GB"]},
        "groups": [{"strategy": "weighted", "carriers": [{"carrier_id": two, "weight": 7}]}],
        "enabled": False,
    }
    async with database.write() as tx:
        await routes.update(tx, number, fields)
        row = await routes.find(tx, account, "all")
    assert row["id"] == number
    assert {name: row[name] for name in fields} == fields


async def test_the_routes_that_use_a_carrier_are_known(database: Database, on_file: OnFile) -> None:
    """Routes of any account that name a carrier are told, removed ones and others are not."""
    top = await on_file.account()
    child = await on_file.account(parent=top)
    carrier, other = await on_file.carrier(top), await on_file.carrier(top)
    await on_file.route(top, other, carrier, name="b")
    await on_file.route(child, carrier, name="a", enabled=False)
    await on_file.route(top, other, name="c")
    gone = await on_file.route(top, carrier, name="d")
    async with database.write() as tx:
        await routes.remove(tx, gone)
        assert await routes.using(tx, carrier) == ["a", "b"]


async def test_the_listing_is_newest_first_in_pages(database: Database, on_file: OnFile) -> None:
    """Pages go from the newest route to the oldest, without removed ones and other accounts'."""
    account, other = await on_file.account(), await on_file.account()
    carrier = await on_file.carrier(account)
    made = [await on_file.route(account, carrier) for _ in range(4)]
    await on_file.route(other, carrier)
    async with database.write() as tx:
        await routes.remove(tx, made.pop())
        page = await routes.listing(tx, account, None, 2)
        rest = await routes.listing(tx, account, page[-1]["public_id"], 2)
    listed = [*page, *rest]
    assert (len(page), len(rest)) == (2, 1)
    assert {row["id"] for row in listed} == set(made)
    identifiers = [row["public_id"] for row in listed]
    assert identifiers == sorted(identifiers, reverse=True)
