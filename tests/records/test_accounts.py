"""Accounts: their names, their secrets, and who is below whom."""

import pytest

from on_file import OnFile
from onesixty.kit import ids
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import Sealer
from onesixty.records import accounts
from onesixty.storage.database import Database


async def test_an_account_is_found_by_its_name(database: Database, on_file: OnFile) -> None:
    """The name gives the number that `create` gave; another name gives nothing."""
    account = await on_file.account("acme")
    async with database.read() as tx:
        assert await accounts.find(tx, "acme") == account
        assert await accounts.find(tx, "ACME") is None


async def test_a_taken_name_is_a_conflict(
    database: Database, on_file: OnFile, sealer: Sealer
) -> None:
    """A second account of a name is refused without harm to the transaction."""
    await on_file.account("acme")
    async with database.write() as tx:
        with pytest.raises(Problem) as raised:
            await accounts.create(tx, sealer, "acme", None)
        assert len(await accounts.listing(tx)) == 1
    assert raised.value.code == "conflict"
    assert [error.pointer for error in raised.value.errors] == ["/name"]


async def test_each_account_has_a_sealed_secret_of_its_own(
    database: Database, on_file: OnFile, sealer: Sealer
) -> None:
    """Signing secrets are 24 octets, sealed at rest, and never the same."""
    await on_file.account()
    await on_file.account()
    rows = await database.fetch("SELECT signing_secret FROM accounts")
    opened = {sealer.open(row["signing_secret"]) for row in rows}
    assert [len(secret) for secret in opened] == [24, 24]


async def test_the_listing_has_all_oldest_first(database: Database, on_file: OnFile) -> None:
    """Every account is listed with its parent, in the order in which they were made."""
    first = await on_file.account("first", default_sender=None)
    second = await on_file.account("second", parent=first, default_sender="ACME")
    async with database.read() as tx:
        rows = await accounts.listing(tx)
        public = await accounts.public_id(tx, second)
    fields = ("id", "parent_id", "name", "default_sender")
    assert [tuple(row[field] for field in fields) for row in rows] == [
        (first, None, "first", None),
        (second, first, "second", "ACME"),
    ]
    assert rows[1]["public_id"] == public


async def test_below_an_account_are_its_children_and_theirs(
    database: Database, on_file: OnFile
) -> None:
    """An account sees itself and all below it, in pages from the newest, and nobody else."""
    top = await on_file.account("top")
    middle = await on_file.account("middle", parent=top)
    await on_file.account("bottom", parent=middle)
    await on_file.account("beside", parent=top)
    async with database.read() as tx:
        whole = await accounts.below(tx, middle, None, 10)
        page = await accounts.below(tx, top, None, 3)
        rest = await accounts.below(tx, top, page[-1]["public_id"], 3)
        parent = await accounts.public_id(tx, top)
    assert {row["name"] for row in whole} == {"middle", "bottom"}
    assert {row["name"]: row["parent"] for row in whole}["middle"] == parent
    paged = [row["public_id"] for row in [*page, *rest]]
    assert len(page) == 3
    assert paged == sorted(paged, reverse=True)
    assert {row["name"] for row in [*page, *rest]} == {"top", "middle", "bottom", "beside"}


async def test_only_what_is_below_is_found(database: Database, on_file: OnFile) -> None:
    """By public id an account finds itself and those below it, never its parent or a sibling."""
    top = await on_file.account("top")
    here = await on_file.account("here", parent=top)
    below = await on_file.account("below", parent=here)
    beside = await on_file.account("beside", parent=top)
    async with database.read() as tx:
        for account, found in ((here, True), (below, True), (top, False), (beside, False)):
            row = await accounts.find_below(tx, here, await accounts.public_id(tx, account))
            assert (row is not None) is found
        assert await accounts.find_below(tx, here, ids.uuid7()) is None


@pytest.mark.parametrize("sender", ["+447700900123", None])
async def test_the_default_sender_changes(
    database: Database, on_file: OnFile, sender: str | None
) -> None:
    """The default sender of one account is replaced or taken away; others keep theirs."""
    account, other = await on_file.account(), await on_file.account()
    async with database.write() as tx:
        await accounts.change_default_sender(tx, account, sender)
        rows = await accounts.listing(tx)
    assert {row["id"]: row["default_sender"] for row in rows} == {account: sender, other: "ACME"}
