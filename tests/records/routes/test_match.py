"""The conditions of routes: how they are checked, and what holds when."""

from datetime import UTC, datetime
from typing import Any

import pytest

from onesixty.kit.problems import Problem
from onesixty.records.routes import VALUES_MOST, check_match
from onesixty.records.routes.match import DAYS, in_words, window


def test_conditions_take_the_form_that_messages_have() -> None:
    """A single text becomes a list, country codes upper case, sender numbers E.164."""
    assert check_match(
        {
            "country": ["gb", "IE", "001"],
            "prefix": "+4477",
            "category": ["otp", "emergency"],
            "channel": "sms",
            "network": ["234-10", "310260"],
            "account": "acc_01k0000000e008000000000000",
            "time": [{"days": ["sun", "mon"], "from": "22:00", "zone": "Europe/Berlin"}, {}],
            "sender": ["ACME", " 62442 ", 62442, "447700900123"],
            "tag": "vip",
        }
    ) == {
        "country": ["GB", "IE", "001"],
        "prefix": ["+4477"],
        "category": ["otp", "emergency"],
        "channel": ["sms"],
        "network": ["23410", "310260"],
        "account": ["acc_01k0000000e008000000000000"],
        "time": [
            {"days": ["mon", "sun"], "from": "22:00", "to": "24:00", "zone": "Europe/Berlin"},
            {"days": list(DAYS), "from": "00:00", "to": "24:00", "zone": "UTC"},
        ],
        "sender": ["ACME", "62442", "62442", "+447700900123"],
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
        ("network", "23"),
        ("network", "234-1"),
        ("network", "1234"),
        ("account", "acme"),
        ("account", "key_01k0000000e008000000000000"),
        ("time", "08:00"),
        ("time", {"days": []}),
        ("time", {"days": ["monday"]}),
        ("time", {"from": "8:00"}),
        ("time", {"from": "24:00"}),
        ("time", {"to": "24:01"}),
        ("time", {"zone": "Mars/Base"}),
        ("time", {"zone": "../../etc/passwd"}),
        ("time", {"zone": ""}),
        ("time", {"until": "08:00"}),
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


@pytest.mark.parametrize(
    ("given", "inside", "outside"),
    [
        # 2026-01-05 is a Monday; Berlin is one hour ahead of UTC in winter, two in summer.
        ({"from": "08:00", "to": "20:00"}, ["05 08:00", "05 19:59"], ["05 07:59", "05 20:00"]),
        ({"days": ["mon"]}, ["05 00:00", "05 23:59"], ["04 23:59", "06 00:00"]),
        (
            {"days": ["mon"], "from": "22:00", "to": "06:00"},
            ["05 22:00", "06 05:59"],
            ["05 21:59", "05 05:59", "06 06:00", "06 22:00"],
        ),
        (
            {"days": ["mon"], "zone": "Europe/Berlin", "to": "08:00"},
            ["04 23:00", "05 06:59"],
            ["05 07:00", "05 23:00"],
        ),
        ({"days": ["mon"], "from": "12:00", "to": "12:00"}, ["05 12:00", "06 11:59"], ["05 11:59"]),
    ],
)
def test_windows(given: dict[str, Any], inside: list[str], outside: list[str]) -> None:
    """Hours are of the zone; a window over midnight belongs to the day on which it begins."""
    (stored,) = check_match({"time": given})["time"]
    one = window(stored)
    for expected, texts in ((True, inside), (False, outside)):
        for text in texts:
            at = datetime.fromisoformat(f"2026-01-{text}").replace(tzinfo=UTC)
            assert one.holds(at) is expected, text


def test_values_in_words() -> None:
    """Few values are named, of many only the first ones."""
    assert in_words("country", ("GB", "IE")) == "GB, IE"
    many = tuple(f"+44{n}" for n in range(100, 212))
    assert in_words("prefix", many) == ", ".join(many[:10]) + " and 102 more"
    (stored,) = check_match({"time": {"days": ["mon", "fri"], "from": "08:00"}})["time"]
    assert in_words("time", (stored,)) == "mon fri 08:00-24:00 UTC"
