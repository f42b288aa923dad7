"""Imports: what a file says, what it changes, and that an export says it again."""

from datetime import UTC, datetime, timedelta

import pytest

from onesixty.kit.problems import Problem
from onesixty.records.billing import price_lists
from onesixty.records.billing.price_lists import Diff, Row, compare, read, write
from onesixty.storage.database import Database

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
HEAD = "prefix,network,channel,price,valid_from,valid_until\n"


def row(prefix: str, micros: int, since: datetime = NOW, until: datetime | None = None) -> Row:
    """A price of an SMS."""
    return Row((0, "", prefix), micros, since, until)


def test_a_file_is_read() -> None:
    """Columns in any order, with a byte order mark, +, blanks and empty lines."""
    text = "\ufeffPrice,Network,prefix,channel\n0.05,, +44 ,\n\n1,234-10,,whatsapp\n"
    assert read(text, NOW) == [
        Row((0, "", "44"), 50_000, NOW),
        Row((2, "23410", ""), 1_000_000, NOW),
    ]


def test_rows_of_one_prefix_follow_each_other() -> None:
    """Each ends where the next one begins, unless it ends before."""
    text = (
        HEAD
        + "44,,,1,2026-12-01,\n44,,,2,2026-11-23,\n44,,,3,2027-01-01T00:00:00+00:00,2027-02-01\n"
    )
    december, january = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert read(text, NOW) == [
        row("44", 2_000_000, NOW, december),
        row("44", 1_000_000, december, january),
        row("44", 3_000_000, january, datetime(2027, 2, 1, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "price is needed"),
        ("", "price is needed"),
        (HEAD + "4x,,,1,,\n", "line 2: '4x' is no prefix"),
        (HEAD + "44,12,,1,,\n", "line 2: '12' is no network"),
        (HEAD + "44,,fax,1,,\n", "line 2: 'fax' is no channel"),
        (HEAD + "44,,,-1,,\n", "line 2: '-1' is no price"),
        (HEAD + "44,,,1,soon,\n", "line 2: 'soon' is no date"),
        (HEAD + "44,,,1,2026-01-02,2026-01-01\n", "valid_until is not after"),
        (HEAD + "44,,,1,,\n+44,,,2,,\n", "line 3: the same prefix"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    """By its line, in words."""
    with pytest.raises(Problem) as caught:
        read(text, NOW)
    assert words in caught.value.detail


def names(diff: Diff) -> tuple[list[str], list[str], list[str], list[str], int]:
    """The prefixes of a diff."""
    return (
        [one.key[2] for one in diff.added],
        [one.key[2] for one, _ in diff.changed],
        [one.key[2] for one in diff.ended],
        [one.key[2] for one in diff.dropped],
        diff.same,
    )


def test_a_full_import_ends_what_it_does_not_name() -> None:
    """Added, changed, ended, dropped and the same are told apart."""
    old = [
        row("1", 1),
        row("2", 1),
        row("3", 1),
        row("4", 1, NOW + 9 * DAY),
        row("9", 1, NOW, NOW + DAY),
    ]
    new = [row("1", 1, NOW + DAY), row("2", 2, NOW + DAY), row("5", 5, NOW + DAY)]
    diff = compare(old, new, NOW + DAY, partial=False)
    assert names(diff) == (["5"], ["2"], ["3"], ["4"], 1)
    assert names(compare(old, new, NOW + DAY, partial=True)) == (["5"], ["2"], [], [], 1)


def test_what_was_planned_is_replaced() -> None:
    """A new price from an earlier date on takes the place of one planned for later."""
    old = [row("1", 1, NOW, NOW + 9 * DAY), row("1", 9, NOW + 9 * DAY)]
    diff = compare(old, [row("1", 2, NOW + DAY)], NOW + DAY, partial=True)
    assert names(diff) == ([], ["1"], [], ["1"], 0)
    assert diff.ends == {((0, "", "1"), NOW): NOW + DAY}


async def test_what_is_imported_is_exported(database: Database) -> None:
    """The rows on file are what the imports said, and come out as they went in."""
    fields = {
        "name": "a",
        "kind": "cost",
        "carrier_id": None,
        "account_id": None,
        "currency": "EUR",
    }
    async with database.write() as tx:
        await price_lists.create(tx, fields | {"charge": "submitted"})
        deck = await price_lists.find(tx, "a")
        first = read(HEAD + "44,,,1,,\n33,,,2,,\n,23410,,3,,\n", NOW)
        await price_lists.apply(tx, deck["id"], compare([], first, NOW, partial=False))
        assert await price_lists.rows_of(tx, deck["id"]) == sorted(first, key=lambda one: one.name)
        second = read(HEAD + "44,,,5,,\n33,,,2,,\n", NOW + DAY)
        old = await price_lists.rows_of(tx, deck["id"])
        await price_lists.apply(tx, deck["id"], compare(old, second, NOW + DAY, partial=False))
        rows = await price_lists.rows_of(tx, deck["id"])
        again = compare(rows, second, NOW + DAY, partial=False)
    assert rows == [
        row("33", 2_000_000),
        row("44", 1_000_000, NOW, NOW + DAY),
        row("44", 5_000_000, NOW + DAY),
        Row((0, "23410", ""), 3_000_000, NOW, NOW + DAY),
    ]
    assert read(write(rows), NOW) == rows
    assert (again.added, again.changed, again.ended, again.dropped, again.same) == (
        [],
        [],
        [],
        [],
        2,
    )
