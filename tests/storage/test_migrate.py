"""Migrations: from nothing to the newest schema, once, however many start at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from onesixty.storage.migrate import MigrationError, migrate, pending


@pytest.fixture
def empty(url: str) -> str:
    """The URL of a database in which there is nothing."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


def tables(url: str) -> set[str]:
    """The names of its tables."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows}


def test_an_empty_database_gets_every_revision(empty: str) -> None:
    """The revisions applied are those that were pending; a second time there are none."""
    missing = pending(empty)
    assert missing[0] == "0001"
    assert tables(empty) == set()
    assert migrate(empty) == missing
    assert {"accounts", "messages", "queue", "submissions", "webhook_queue"} <= tables(empty)
    assert pending(empty) == []
    assert migrate(empty) == []


def test_two_that_start_at_once_do_it_once(empty: str) -> None:
    """One waits for the other and finds nothing left to do."""
    with ThreadPoolExecutor(2) as threads:
        applied = list(threads.map(migrate, [empty, empty]))
    assert min(applied, key=len) == []
    assert max(applied, key=len) != []
    assert pending(empty) == []


@pytest.mark.parametrize("use", [migrate, pending])
def test_a_newer_schema_is_refused(url: str, use: Callable[[str], list[str]]) -> None:
    """An older program says which revision it does not know, and changes nothing."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationError, match=r"revision 9999.*start the newer version"):
        use(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            ("9999",)
        ]


def test_a_refusal_leaves_no_lock(url: str) -> None:
    """After a refused start the right program can migrate at once."""
    with psycopg.connect(url, autocommit=True) as connection:
        newest = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(MigrationError):
            migrate(url)
        connection.execute("UPDATE alembic_version SET version_num = %s", newest)
    assert migrate(url) == []


def test_a_change_of_records_moves_their_revision(url: str) -> None:
    """The trigger that tells other processes of changes is part of the schema."""
    count = "SELECT number FROM records_revision"
    with psycopg.connect(url) as connection:
        before = connection.execute(count).fetchall()[0][0]
        connection.execute(
            "INSERT INTO accounts (public_id, name, signing_secret)"
            " VALUES (gen_random_uuid(), 'some name', '')"
        )
        assert connection.execute(count).fetchall()[0][0] == before + 1
