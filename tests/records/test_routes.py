"""Routes on file: the check of their conditions, and their rows."""

from typing import Any

import pytest

from on_file import OnFile
from onesixty.kit.problems import Problem
from onesixty.records import routes
from onesixty.records.routes import VALUES_MOST, check_match
from onesixty.storage.database import Database


def test_conditions_take_the_form_that_messages_have() -> None:
    """A single text becomes a list, country codes upper case, sender numbers E.164."""
    assert check_match(
        {
            "country": ["gb", "IE", "001"],
            "prefix": "+4477",
            "category": ["otp", "emergency"],
            "channel": "sms",
            "sender": ["ACME", " 62442 ", "447700900123"],
            "tag": "vip",
        }
    ) == {
        "country": ["GB", "IE", "001"],
        "prefix": ["+4477"],
        "category": ["otp", "emergency"],
        "channel": ["sms"],
        "sender": ["ACME", "62442", "+447700900123"],
        "tag": ["vip"],
    }


def test_no_condition_is_in_order() -> None:
    """A route without conditions takes everything."""
    assert check_match({}) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("country", "UK"),
        ("country", "GBR"),
        ("country", ["GB", "XX"]),
        ("prefix", "4477"),
        ("prefix", "+0"),
        ("prefix", "+"),
        ("prefix", "+44 77"),
        ("prefix", "+1234567890123456"),
        ("category", "promo"),
        ("channel", "rcs"),
        ("sender", "far too long a name"),
        ("sender", "12"),
        ("tag", ""),
        ("tag", "x" * 101),
        ("tag", "two\nlines"),
        ("tag", 5),
        ("tag", None),
        ("tag", [["vip"]]),
        ("tag", []),
        ("tag", ["vip"] * (VALUES_MOST + 1)),
        ("weather", "rain"),
    ],
)
def test_a_condition_that_no_message_can_meet_is_refused(name: str, value: object) -> None:
    """What no message can have is a problem that points to the condition."""
    with pytest.raises(Problem) as raised:
        check_match({"country": "GB", name: value})
    assert raised.value.code == "invalid_request"
    (error,) = raised.value.errors
    assert (error.pointer, error.code) == (f"/match/{name}", "invalid")
    assert len(error.detail) < 300


def test_every_wrong_condition_is_told_at_once() -> None:
    """All wrong conditions are in one problem; the right ones are not."""
    with pytest.raises(Problem) as raised:
        check_match({"country": "UK", "tag": "vip", "weather": "rain", "prefix": []})
    pointers = [error.pointer for error in raised.value.errors]
    assert pointers == ["/match/country", "/match/weather", "/match/prefix"]


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


async def test_positions_by_default_leave_room_between(database: Database, on_file: OnFile) -> None:
    """Each route is put ten places after the last one that its account still has."""
    account = await on_file.account()
    carrier = await on_file.carrier(account)
    async with database.write() as tx:
        assert await routes.next_position(tx, account) == 10
    last = await on_file.route(account, carrier, position=25)
    async with database.write() as tx:
        assert await routes.next_position(tx, account) == 35
        await routes.remove(tx, last)
        assert await routes.next_position(tx, account) == 10


async def test_an_update_changes_all_but_the_name(database: Database, on_file: OnFile) -> None:
    """The five fields of a route are replaced; it stays the same route."""
    account = await on_file.account()
    one, two = await on_file.carrier(account), await on_file.carrier(account)
    number = await on_file.route(account, one, name="all")
    fields: dict[str, Any] = {
        "position": 3,
        "match": {"country": ["GB"]},
        "strategy": "weighted",
        "carriers": [{"carrier_id": two, "weight": 7}],
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
