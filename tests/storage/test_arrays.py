"""Arrays on the wire: what asyncpg would send of the same values, and what it would refuse."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from onesixty.kit import ids
from onesixty.storage import arrays
from onesixty.storage.database import Database

TEXTS: Final = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MOMENTS: Final = some.builds(
    lambda micros, zone: datetime.fromtimestamp(0, zone) + timedelta(microseconds=micros),
    some.integers(-(5 * 10**16), 2 * 10**17),
    some.sampled_from([UTC, timezone(timedelta(hours=-5))]),
)
UUIDS: Final = some.uuids() | some.builds(ids.uuid7)
ELEMENTS: Final[dict[str, some.SearchStrategy[Any]]] = {
    "boolean": some.booleans(),
    "bytea": some.binary(),
    "smallint": some.integers(-(2**15), 2**15 - 1) | some.booleans(),
    "int": some.integers(-(2**31), 2**31 - 1),
    "bigint": some.integers(-(2**63), 2**63 - 1),
    "text": TEXTS | some.text("+0123456789abc", min_size=12, max_size=12),
    "timestamptz": MOMENTS,
    "uuid": UUIDS | some.uuids().map(str),
}
COLUMNS: Final = some.sampled_from(sorted(ELEMENTS)).flatmap(
    lambda kind: some.tuples(
        some.just(kind),
        some.lists(ELEMENTS[kind])
        | some.lists(some.none() | ELEMENTS[kind])
        | some.builds(lambda one, count: [one] * count, ELEMENTS[kind], some.integers(1, 50)),
    )
)


class Size(IntEnum):
    """A number that is more than a number."""

    SMALL = 1


REFUSED: Final[list[tuple[str, list[Any], str]]] = [
    ("int", [1, 2**31], "index 1"),
    ("int", [1, "2"], "index 1"),
    ("int", [1, None, 1.5], "index 2"),
    ("bigint", [1, 2**63], "index 1"),
    ("bigint", [1, None, "2"], "index 2"),
    ("smallint", [-(2**15) - 1, 0], "index 0"),
    ("smallint", [2**15] * 3, "index 0"),
    ("boolean", [True, 2], "index 1"),
    ("boolean", [None, "t"], "index 1"),
    ("uuid", [uuid4(), 7], "index 1"),
    ("uuid", ["no id"], "index 0"),
    ("text", ["a", 7], "index 1"),
    ("text", ["a", "\ud800"], "index 1"),
    ("text", ["é", b"b"], "index 1"),
    ("timestamptz", [datetime(2026, 1, 1)], "index 0"),  # noqa: DTZ001 - that is the mistake
    ("timestamptz", [datetime.now(UTC), 7], "index 1"),
    ("bytea", [b"a", "b"], "index 1"),
    ("jsonb", [{}, {1}], "index 1"),
    ("int", 7, "list.*tuple"),  # type: ignore[list-item]
    ("text", "text", "list.*tuple"),  # type: ignore[list-item]
]


@pytest.fixture
async def plain(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection that encodes as asyncpg does by itself."""
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(("smallint", [Size.SMALL, None, 2]))
@example(("int", []))
@example(("text", ["a" * 2000, "b", ""]))
@example(("text", [None] * 3))
@given(COLUMNS)
async def test_arrays_are_what_asyncpg_would_send(
    database: Database, plain: asyncpg.Connection, column: tuple[str, list[Any]]
) -> None:
    """PostgreSQL gets the same octets from both, and both give the values back."""
    kind, values = column
    query = f"SELECT array_send($1::{kind}[]) AS sent, $1::{kind}[] AS back"
    expected = await plain.fetchrow(query, values)
    assert expected is not None
    for given_values in (values, tuple(values)):
        assert tuple((await database.fetch(query, given_values))[0]) == tuple(expected)


async def test_values_that_cannot_be_elements_are_data_errors(database: Database) -> None:
    """The error is what bad values always are here, and says which one it is."""
    for kind, values, why in REFUSED:
        with pytest.raises(asyncpg.DataError, match=why):
            await database.fetch(f"SELECT $1::{kind}[]", values)


async def test_documents_in_arrays_keep_their_kinds(database: Database) -> None:
    """Values that Python takes for equal are not the same JSON; lists are values like others."""
    values = [{"a": 1}, {"a": True}, [1, "ä"], None, 1, True, 1.5]
    found = (await database.fetch("SELECT $1::jsonb[] AS back, $1::jsonb[]::text AS seen", values))[
        0
    ]
    assert [repr(one) for one in found["back"]] == [repr(one) for one in values]
    assert (await database.fetch("SELECT $1::jsonb[]::text AS seen", [1, True]))[0][0] == "{1,true}"


async def test_arrays_of_arrays_are_refused(database: Database) -> None:
    """No statement has them; one that gets them says so instead of mixing their elements up."""
    with pytest.raises(ValueError, match="more than one dimension"):
        await database.fetch("SELECT ARRAY[[1, 2], [3, 4]]")


async def test_numbers_of_types_are_those_of_the_catalogue(database: Database) -> None:
    """Each array type is the one that PostgreSQL knows under that number, of those elements."""
    query = "SELECT typname, oid, typelem FROM pg_type WHERE oid = ANY($1) ORDER BY oid"
    found = await database.fetch(query, [kind.oid for kind in arrays.KINDS])
    expected = [(kind.name, kind.oid, kind.element_oid) for kind in arrays.KINDS]
    assert [tuple(row) for row in found] == sorted(expected, key=lambda one: one[1])
