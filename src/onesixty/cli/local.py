"""What commands on this machine use: the settings, the embedded database, the master key."""

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import typer

from onesixty import settings as settings_file
from onesixty.cli.terminal import Failure
from onesixty.kit.secrets import Sealer, master_key_in
from onesixty.settings import Settings
from onesixty.storage import embedded
from onesixty.storage.database import OUTAGES, Connection, Database
from onesixty.storage.embedded import EmbeddedServer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Where the embedded database lives [./onesixty-data]."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="A PostgreSQL of your own instead of it."),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A TOML file of settings.")
]

_SERVING: Final = "serve.lock"
_USING: Final = "users.lock"


def load(config: Path | None = None, **given: object) -> Settings:
    """The settings from the options given, the environment and the file. Raises SettingError."""
    return settings_file.load(os.environ, config, **given)


def sealer(settings: Settings) -> Sealer:
    """The sealer with the master key of the settings, or of the data directory, made if missing."""
    if settings.secret_key is not None:
        return Sealer(settings.secret_key.encode())
    with _explained(settings.data_dir):
        settings.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        return Sealer(master_key_in(settings.data_dir))


@contextlib.contextmanager
def only_server(data_dir: Path) -> Iterator[None]:
    """Be the only `serve` on this data directory; raises Failure when there is another."""
    descriptor = _open_lock(data_dir, _SERVING)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode().strip()
        os.close(descriptor)
        raise Failure(
            f"process {holder} serves {data_dir.resolve()} already:"
            " stop it, or name another --data-dir"
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def embedded_database(data_dir: Path) -> Iterator[EmbeddedServer]:
    """The embedded database while it is used here; the last to use it stops it.

    A shared lock counts the users, so that `keys list` neither needs a running server nor stops
    its database. Raises EmbeddedError.
    """
    descriptor = _open_lock(data_dir, _USING)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        server = embedded.start(data_dir)
        try:
            yield server
        finally:
            if _is_last(descriptor):
                embedded.stop(server)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL of a database that there is: for commands that must not make one by mistake."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    if not settings.data_dir.is_dir():
        raise Failure(
            f"there is no data directory {settings.data_dir.resolve()}: start `onesixty serve`"
            " first, or name yours with --data-dir, or your database with --database-url"
        )
    with embedded_database(settings.data_dir) as server:
        yield server.url


@contextlib.asynccontextmanager
async def transaction(url: str) -> AsyncIterator[Connection]:
    """A transaction on the migrated database; raises Failure when it cannot be used."""
    try:
        database = await Database.open(url, connections=1)
    except (*OUTAGES, asyncpg.PostgresError, ValueError) as error:
        raise Failure(f"the database {shown(url)} cannot be used: {error}") from None
    try:
        async with database.write() as tx:
            yield tx
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise Failure(
            f"the database lacks the present schema ({error}): run `onesixty migrate`"
        ) from None
    finally:
        await database.close()


def shown(url: str) -> str:
    """A database URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":****@")))


def _open_lock(data_dir: Path, name: str) -> int:
    with _explained(data_dir):
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        return os.open(data_dir / name, os.O_CREAT | os.O_RDWR, 0o600)


def _is_last(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(
            f"the data directory {data_dir} cannot be used: {error.strerror}: {error.filename}."
            " Run Onesixty as the user who owns it, or name another --data-dir"
        ) from error
