"""Bringing a database to the newest schema: Alembic revisions, each plain SQL, under one lock.

Alembic takes a quarter of a second to import: only a database that lacks something waits for it.
"""

from pathlib import Path
from typing import Final

import psycopg

_LOCK: Final = 0x0160_0160  # advisory: two starting processes migrate one after the other
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """The database cannot be used; the text says what to do."""


def migrate(url: str) -> list[str]:
    """Apply what is missing and return the revisions applied, oldest first.

    Blocks; call it before the event loop. Raises psycopg.Error, and MigrationError when the server
    is older than PostgreSQL 15 or the schema is newer than this program.
    """
    if not pending(url):
        return []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        missing = _missing(connection)
        if missing:
            _upgrade(url)
    return missing


def pending(url: str) -> list[str]:
    """The revisions that `migrate` would apply, oldest first; changes nothing, raises the same."""
    with psycopg.connect(url, autocommit=True) as connection:
        version = connection.info.server_version
        if version < 150000:
            raise MigrationError(f"PostgreSQL 15 or newer is needed; this server says {version}")
        return _missing(connection)


def _missing(connection: psycopg.Connection) -> list[str]:
    known = sorted(file.name[:4] for file in (_MIGRATIONS / "versions").glob("0*.py"))
    before = _applied(connection)
    if before is not None and before not in known:
        raise MigrationError(
            f"the database is at revision {before}, which this version of Onesixty does not know:"
            " start the newer version that made it"
        )
    return known[known.index(before) + 1 :] if before else known


def _applied(connection: psycopg.Connection) -> str | None:
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except DBAPIError as error:
        raise error.orig or error from None
