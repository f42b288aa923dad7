"""API keys: what is stored of them, and when they end."""

from datetime import timedelta

import pytest

from on_file import OnFile
from onesixty.kit import ids
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import key_hash
from onesixty.records import keys
from onesixty.storage.database import Database


async def test_the_database_has_the_hash_and_never_the_key(
    database: Database, on_file: OnFile
) -> None:
    """Of a new key only its hash and first letters are stored."""
    new = await on_file.key(await on_file.account(), "messages:read")
    (row,) = await database.fetch("SELECT k.*, k::text AS whole FROM api_keys k")
    assert row["hash"] == key_hash(new.text)
    assert row["hint"] == new.hint == new.text[:12]
    assert new.text not in row["whole"]
    assert new.text[12:] not in row["whole"]


@pytest.mark.parametrize(("test", "prefix"), [(False, "os_live_"), (True, "os_test_")])
async def test_a_key_tells_what_it_is_for(
    database: Database, on_file: OnFile, test: bool, prefix: str
) -> None:
    """Live and test keys begin with their own letters, and 40 random ones follow."""
    new = await on_file.key(await on_file.account(), test=test)
    assert new.text.startswith(prefix)
    assert len(new.text) == len(prefix) + 40
    (row,) = await database.fetch("SELECT test FROM api_keys")
    assert row["test"] is test


async def test_a_key_is_found_with_all_but_itself(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """The row of a key has its name, scopes and times, in the form that doors show."""
    account = await on_file.account()
    until = clock.now() + timedelta(days=1)
    scopes = ["messages:write", "messages:read"]
    new = await on_file.key(account, *scopes, expires_at=until)
    async with database.read() as tx:
        row = await keys.find(tx, account, new.id)
    assert (row["name"], row["scopes"], row["expires_at"]) == ("made by a test", scopes, until)
    assert row["revoked_at"] is None
    assert "hash" not in row


@pytest.mark.parametrize("scopes", [["messages:read", "messages:*"], ["everything"], []])
async def test_unknown_scopes_make_no_key(
    database: Database, on_file: OnFile, scopes: list[str]
) -> None:
    """A scope that there is not, or none at all, is a problem that lists those there are."""
    account = await on_file.account()
    async with database.write() as tx:
        with pytest.raises(Problem) as raised:
            await keys.create(tx, account, "name", scopes)
    assert raised.value.code == "invalid_request"
    assert [error.pointer for error in raised.value.errors] == ["/scopes"]
    assert "metrics:read" in raised.value.detail
    assert await database.fetch("SELECT 1 FROM api_keys") == []


@pytest.mark.parametrize(
    ("text", "test"), [("os_test_chosen_by_hand", True), ("chosen by hand", False)]
)
async def test_an_adopted_key_may_do_everything(
    database: Database, on_file: OnFile, text: str, test: bool
) -> None:
    """A key that the operator chose is stored by its hash, with every scope and without an end."""
    account = await on_file.account()
    async with database.write() as tx:
        new = await keys.adopt(tx, account, "operator", text)
    assert new.text == text
    (row,) = await database.fetch("SELECT * FROM api_keys")
    assert (row["hash"], row["scopes"], row["test"]) == (key_hash(text), ["*"], test)
    assert (row["expires_at"], row["revoked_at"]) == (None, None)


async def test_revoking_again_changes_nothing(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """A key ends when it is first revoked; a second call is told yes and leaves that time."""
    account = await on_file.account()
    new = await on_file.key(account)
    first = clock.now()
    for _ in range(2):
        async with database.write() as tx:
            assert await keys.revoke(tx, account, new.id, clock.now())
        await clock.advance(60)
    (row,) = await database.fetch("SELECT revoked_at FROM api_keys")
    assert row["revoked_at"] == first


async def test_keys_of_others_are_not_found(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """An account neither sees nor revokes the keys of another, its parent's and child's too."""
    parent = await on_file.account()
    child = await on_file.account(parent=parent)
    of_parent, of_child = await on_file.key(parent), await on_file.key(child)
    async with database.write() as tx:
        for account, key in ((parent, of_child), (child, of_parent)):
            assert await keys.find(tx, account, key.id) is None
            assert not await keys.revoke(tx, account, key.id, clock.now())
        assert not await keys.revoke(tx, parent, ids.uuid7(), clock.now())
    assert await database.fetch("SELECT 1 FROM api_keys WHERE revoked_at IS NOT NULL") == []


async def test_the_listing_has_revoked_keys_too_newest_first(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """Pages go from the newest key to the oldest, revoked ones among them, of one account only."""
    account = await on_file.account()
    made = sorted([(await on_file.key(account)).id for _ in range(3)], reverse=True)
    await on_file.key(await on_file.account())
    async with database.write() as tx:
        await keys.revoke(tx, account, made[1], clock.now())
        page = await keys.listing(tx, account, None, 2)
        rest = await keys.listing(tx, account, page[-1]["id"], 2)
    assert [row["id"] for row in page] == made[:2]
    assert [row["id"] for row in rest] == made[2:]
    assert page[1]["revoked_at"] == clock.now()
