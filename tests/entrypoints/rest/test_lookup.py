"""`/v1/lookup`: what the numbering plans tell."""

from .door import Door


async def test_lookup(door: Door) -> None:
    """A number is told with its country, formats, line type and time zones."""
    answer = await door.ask("GET", "/v1/lookup/+442079460018")
    assert answer.status == 200
    assert answer.body == {
        "object": "lookup",
        "number": "+442079460018",
        "valid": True,
        "possible": True,
        "country": "GB",
        "line_type": "fixed_line",
        "carrier": None,
        "formats": {
            "e164": "+442079460018",
            "national": "020 7946 0018",
            "international": "+44 20 7946 0018",
        },
        "time_zones": ["Europe/London"],
        "network": None,
    }


async def test_carrier_of_a_mobile(door: Door) -> None:
    """Where the plan gives a range to a carrier, it is named."""
    answer = await door.ask("GET", "/v1/lookup/+491711234567")
    assert (answer.body["line_type"], answer.body["carrier"]) == ("mobile", "T-Mobile")


async def test_national_number(door: Door) -> None:
    """A national number needs its country, in either case."""
    assert (await door.ask("GET", "/v1/lookup/02079460018")).body["code"] == "invalid_number"
    answer = await door.ask("GET", "/v1/lookup/02079460018?country=gb")
    assert answer.body["number"] == "+442079460018"


async def test_refusals(door: Door) -> None:
    """What is no number, and countries that are none, are told with the field."""
    for path, code, pointer in (
        ("hello", "invalid_number", "/number"),
        ("+4420", "invalid_number", "/number"),
        ("+442079460018?country=UK", "invalid_request", "/country"),
        ("+442079460018?land=GB", "invalid_request", "/land"),
    ):
        answer = await door.ask("GET", f"/v1/lookup/{path}")
        assert (answer.status, answer.body["code"]) == (422, code)
        assert answer.body["errors"][0]["pointer"] == pointer


async def test_scope(door: Door) -> None:
    """Looking up takes `messages:read`."""
    other = await door.key_of(door.account_id, "carriers:read")
    assert (await door.ask("GET", "/v1/lookup/+442079460018", key=other)).status == 403
