"""Carriers on file: settings checked by their kind's description, secrets sealed apart."""

from dataclasses import replace
from typing import Any, NoReturn

import pytest

from on_file import OnFile
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField
from onesixty.kit.problems import FieldError, Problem
from onesixty.kit.secrets import Sealer, SealError
from onesixty.records import carriers, snapshot
from onesixty.storage.database import Database


def _never(_config: CarrierConfig) -> NoReturn:
    raise AssertionError("checking settings builds no carrier")


SPEC = CarrierSpec(
    kind="pigeon",
    title="Pigeons",
    fields=(
        SettingField("loft", "text", "Where they live", required=True, at_most=8),
        SettingField("whistle", "secret", "What they come to", at_most=8),
        SettingField("birds", "integer", "How many fly", default=2, at_least=1, at_most=10),
        SettingField("knots", "number", "How fast", default=30, at_least=0.5, at_most=60),
        SettingField("ringed", "boolean", "Whether they wear rings", default=True),
        SettingField("breed", "choice", "Of what breed", default="homer", choices=("homer", "fan")),
    ),
    build=_never,
)
SMPP: dict[str, Any] = {"host": "127.0.0.1", "system_id": "me", "password": "hush"}


def wrong(given: dict[str, Any]) -> list[FieldError]:
    """What is wrong with settings of the kind above."""
    with pytest.raises(Problem) as raised:
        carriers.check(SPEC, given)
    assert raised.value.code == "invalid_request"
    return list(raised.value.errors)


def test_defaults_fill_in_what_is_not_given() -> None:
    """Settings come back with defaults; an optional one without a default stays out."""
    settings, secrets = carriers.check(SPEC, {"loft": "attic"})
    assert settings == {
        "loft": "attic",
        "birds": 2,
        "knots": 30,
        "ringed": True,
        "breed": "homer",
    }
    assert secrets == {}


def test_null_is_the_same_as_not_given() -> None:
    """A setting that is null has its default, as if it were absent."""
    nulls = dict.fromkeys(("whistle", "birds", "knots", "ringed", "breed"))
    assert carriers.check(SPEC, {"loft": "attic", **nulls}) == carriers.check(
        SPEC, {"loft": "attic"}
    )


def test_secrets_are_kept_apart() -> None:
    """A secret is in the second answer and nowhere in the first."""
    settings, secrets = carriers.check(SPEC, {"loft": "attic", "whistle": "tweet"})
    assert secrets == {"whistle": "tweet"}
    assert "whistle" not in settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loft", "12345678"),
        ("whistle", ""),
        ("whistle", "\U0001f54a" * 8),
        ("birds", 1),
        ("birds", 10),
        ("knots", 0.5),
        ("knots", 60),
        ("ringed", False),
        ("breed", "fan"),
    ],
)
def test_the_limits_themselves_are_in_order(name: str, value: object) -> None:
    """The longest text, the least and the greatest number, and every choice are taken as given."""
    settings, secrets = carriers.check(SPEC, {"loft": "attic", name: value})
    assert (settings | secrets)[name] == value


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("loft", 5, "must be text"),
        ("loft", ["attic"], "must be text"),
        ("loft", "at\0tic", "must be text"),
        ("loft", "at\ud800tic", "must be text"),
        ("loft", "123456789", "at most 8 characters"),
        ("loft", "", "is required"),
        ("loft", None, "is required"),
        ("whistle", 5, "must be text"),
        ("whistle", "123456789", "at most 8 characters"),
        ("birds", "2", "must be a whole number"),
        ("birds", 2.5, "must be a whole number"),
        ("birds", True, "must be a whole number"),
        ("birds", 0, "must be at least 1"),
        ("birds", 11, "must be at most 10"),
        ("birds", 10**400, "must be a whole number"),
        ("knots", "30", "must be a number"),
        ("knots", False, "must be a number"),
        ("knots", float("nan"), "must be a number"),
        ("knots", float("inf"), "must be a number"),
        ("knots", 0.4, "must be at least 0.5"),
        ("knots", 60.5, "must be at most 60"),
        ("ringed", 1, "must be true or false"),
        ("ringed", "true", "must be true or false"),
        ("breed", "dodo", "must be one of: homer, fan"),
        ("breed", ["fan"], "must be one of: homer, fan"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object, detail: str) -> None:
    """A value of the wrong type, length or range is told of by its pointer and what is right."""
    (error,) = wrong({"loft": "attic", name: value})
    assert (error.pointer, error.code) == (f"/settings/{name}", "invalid")
    assert detail in error.detail


def test_a_secret_is_not_repeated_in_its_error() -> None:
    """What is said about a wrong secret does not contain it."""
    (error,) = wrong({"loft": "attic", "whistle": "far too long"})
    assert "far too long" not in error.detail


def test_every_wrong_setting_is_told_at_once() -> None:
    """Missing, unknown and wrong settings are all in one problem, each with its pointer."""
    errors = wrong({"birds": 0, "colour": "grey", "breed": "dodo"})
    assert {(error.pointer, error.code) for error in errors} == {
        ("/settings/loft", "invalid"),
        ("/settings/birds", "invalid"),
        ("/settings/colour", "unknown_field"),
        ("/settings/breed", "invalid"),
    }
    (unknown,) = [error for error in errors if error.code == "unknown_field"]
    assert "loft, whistle, birds" in unknown.detail


async def test_a_secret_is_sealed_and_opens_again(
    database: Database, on_file: OnFile, sealer: Sealer
) -> None:
    """The row of a carrier has no secret to read, and `opened` gives all settings as they were."""
    number = await on_file.carrier(await on_file.account(), "smpp", settings=SMPP)
    (row,) = await database.fetch("SELECT settings, secrets, c::text AS whole FROM carriers c")
    assert "hush" not in row["whole"]
    assert b"hush" not in row["secrets"]
    async with database.read() as tx:
        record = (await snapshot.load(tx)).carriers[number]
    opened = carriers.opened(record, sealer)
    assert opened == row["settings"] | {"password": "hush"}
    assert SMPP.items() <= opened.items()
    with pytest.raises(SealError):
        carriers.opened(record, Sealer(b"another master key"))


async def test_the_same_secret_stays_sealed_as_it_is(
    database: Database, on_file: OnFile, sealer: Sealer
) -> None:
    """An update seals anew only what has changed, and an empty set of secrets is none."""
    account = await on_file.account()
    await on_file.carrier(account, "smpp", name="alpha", settings=SMPP)
    sealed: list[bytes | None] = []
    for secrets in ({"password": "hush"}, {"password": "new"}, {}):
        async with database.write() as tx:
            row = await carriers.find(tx, account, "alpha")
            sealed.append(row["secrets"])
            await carriers.update(tx, sealer, row, {"secrets": secrets, "paused": True})
    async with database.write() as tx:
        row = await carriers.find(tx, account, "alpha")
    assert sealed[0] == sealed[1] != sealed[2]
    assert carriers.secrets_of(sealed[2], sealer) == {"password": "new"}
    assert row["secrets"] is None
    assert row["paused"]


async def test_a_name_is_taken_until_its_carrier_is_removed(
    database: Database, on_file: OnFile
) -> None:
    """A second carrier of a name is a conflict; after a removal the name is free and both known."""
    account = await on_file.account()
    first = await on_file.carrier(account, name="alpha")
    with pytest.raises(Problem) as raised:
        await on_file.carrier(account, name="alpha")
    assert raised.value.code == "conflict"
    async with database.write() as tx:
        await carriers.remove(tx, first)
        assert await carriers.find(tx, account, "alpha") is None
        assert await carriers.listing(tx, account, None, 10) == []
    second = await on_file.carrier(account, name="alpha")
    async with database.read() as tx:
        assert await carriers.names(tx, {first, second}) == {first: "alpha", second: "alpha"}


async def test_carriers_above_are_within_reach(database: Database, on_file: OnFile) -> None:
    """An account may route to carriers of accounts above it; of two with one name the nearer."""
    top = await on_file.account()
    child = await on_file.account(parent=top)
    await on_file.carrier(top, name="shared")
    above = await on_file.carrier(top, name="above")
    own = await on_file.carrier(child, name="shared")
    async with database.write() as tx:
        found = await carriers.reachable(tx, child, ["above", "shared"])
    assert found == {"above": above, "shared": own}


async def test_carriers_out_of_reach_are_named(database: Database, on_file: OnFile) -> None:
    """Unknown carriers, and those below, are told by their place, with the names there are."""
    top = await on_file.account()
    await on_file.carrier(await on_file.account(parent=top), name="below")
    await on_file.carrier(top, name="alpha")
    async with database.write() as tx:
        with pytest.raises(Problem) as raised:
            await carriers.reachable(tx, top, ["below", "alpha", "beta"])
    errors = raised.value.errors
    assert [error.pointer for error in errors] == ["/carriers/0/carrier", "/carriers/2/carrier"]
    assert errors[0].detail == "there is no carrier below; there are: alpha"


def test_settings_that_are_json() -> None:
    """An object of any depth is kept as it is; what no database keeps is refused."""
    spec = replace(SPEC, fields=(SettingField("plan", "json", "What to do"),))
    plan = {"steps": [{"fly": 1.5, "to": None}], "on": True}
    assert carriers.check(spec, {"plan": plan}) == ({"plan": plan}, {})
    assert carriers.check(spec, {}) == ({}, {})
    wrong: list[Any] = ["text", 7, True]
    wrong += [{"a": one} for one in ("\0", "\ud800", 2**70, "x" * 70_000)]
    for bad in wrong:
        with pytest.raises(Problem, match="plan"):
            carriers.check(spec, {"plan": bad})
