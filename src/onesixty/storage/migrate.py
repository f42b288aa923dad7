"""Bringing a database to the newest schema: Alembic revisions, each plain SQL, under one lock."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

_LOCK = 0x0160_0160  # advisory: two starting processes migrate one after the other


class MigrationError(Exception):
    """The database cannot be used; the text says what to do."""


def migrate(url: str) -> list[str]:
    """Apply what is missing and return the revisions applied, oldest first.

    Blocks; call it before the event loop. Raises MigrationError when the server is older than
    PostgreSQL 15, or the schema is newer than this program.
    """
    config = _config()
    with _engine(url).connect() as connection:
        _check_version(connection)
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        connection.commit()
        missing = _missing(connection, config)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
        connection.commit()
    return missing


def pending(url: str) -> list[str]:
    """The revisions that `migrate` would apply, oldest first; changes nothing, raises the same."""
    with _engine(url).connect() as connection:
        _check_version(connection)
        return _missing(connection, _config())


def _engine(url: str) -> Engine:
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )


def _check_version(connection: Connection) -> None:
    version = connection.scalar(text("SHOW server_version_num"))
    if int(version) < 150000:
        raise MigrationError(f"PostgreSQL 15 or newer is needed; this server says {version}")


def _missing(connection: Connection, config: Config) -> list[str]:
    before = _applied(connection)
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if before is not None and before not in known:
        raise MigrationError(
            f"the database is at revision {before}, which this version of Onesixty does not know:"
            " start the newer version that made it"
        )
    return list(reversed(known[: known.index(before) if before else len(known)]))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _applied(connection: Connection) -> str | None:
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
