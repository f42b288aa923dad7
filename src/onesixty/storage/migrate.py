"""Bringing a database to the newest schema: Alembic revisions, each plain SQL, under one lock."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

_LOCK = 0x0160_0160  # advisory: two starting processes migrate one after the other


class MigrationError(Exception):
    """The database cannot be used; the text says what to do."""


def migrate(url: str) -> list[str]:
    """Apply what is missing and return the revisions applied, oldest first. Blocks; call it before the event loop.

    Raises MigrationError when the server is older than PostgreSQL 15, or the schema is newer than this program.
    """
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    config = _config()
    with engine.connect() as connection:
        version = connection.scalar(text("SHOW server_version_num"))
        if int(version) < 150000:
            raise MigrationError(f"PostgreSQL 15 or newer is needed; this server says {version}")
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        connection.commit()
        before = _applied(connection)
        known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        if before is not None and before not in known:
            raise MigrationError(
                f"the database is at revision {before}, which this version of Onesixty does not know: "
                "start the newer version that made it"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
        connection.commit()
    done = known.index(before) if before else len(known)
    return list(reversed(known[:done]))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _applied(connection) -> str | None:  # type: ignore[no-untyped-def]
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))
