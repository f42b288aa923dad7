"""What every test may ask for: a real PostgreSQL, a fresh database, a clock that only it moves.

One embedded server serves the whole run; `ONESIXTY_TEST_DATABASE_URL` names another (the role must
be allowed to create databases). The first worker migrates a template; the others copy it, and a
test that needs a database gets a copy of its worker's, which other tests may have used: stock.py.
"""

import asyncio
import contextlib
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import psycopg
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from on_file import OnFile
from onesixty.kit import chance as chances
from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.storage import embedded, partitions
from onesixty.storage.database import Database
from onesixty.storage.migrate import migrate
from shares import begins_late, unit_of
from stock import PRISTINE, Stock, named

_DIRECTORY = "ONESIXTY_TEST_DIRECTORY"
_GIVEN = "ONESIXTY_TEST_DATABASE_URL"
_ROOM_BYTES = 4_000_000_000  # a run keeps a tenth of it
# Half of what Hypothesis tries by itself: every run tries others, and none is timed.
hypothesis.settings.register_profile("run", max_examples=50, deadline=None)
hypothesis.settings.load_profile("run")


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process makes the folder of the run; the workers inherit its name.

    Tracebacks are plain in the log: to paint one with its variables takes seconds.
    """
    gc.disable()
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    if not hasattr(config, "workerinput"):
        directory = tempfile.mkdtemp(prefix="onesixty-tests-", dir=_roomy_memory())
        Path(directory).chmod(0o755)  # the user that serves the database of root gets there
        os.environ[_DIRECTORY] = directory


def pytest_collection_finish() -> None:
    """What collecting made stays to the end: looking for garbage among it takes seconds."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controlling process ends the server and removes the folder."""
    if not hasattr(config, "workerinput"):
        directory = Path(os.environ.pop(_DIRECTORY))
        if (directory / "used").exists():
            embedded.discard(embedded.start(directory))
        shutil.rmtree(directory, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first."""
    items.sort(key=lambda item: begins_late(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By scope: tests that share what is slow to make go to one worker."""
    if config.getoption("dist") != "loadscope":
        return None
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = unit_of
    return scheduler


@pytest.fixture(scope="session")
def server_url() -> str:
    """The URL of the PostgreSQL server of this run."""
    if given := os.environ.get(_GIVEN):
        return given
    directory = Path(os.environ[_DIRECTORY])
    url = embedded.start(directory).url
    (directory / "used").touch()
    with psycopg.connect(url, autocommit=True) as connection:
        # Nothing outlives us, and nothing that grows here is worth sweeping.
        for name in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
    return url


@pytest.fixture(scope="session")
def admin(server_url: str) -> Iterator[psycopg.Connection]:
    """A connection for making and dropping databases; to connect takes a fifth of doing so."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(server_url: str, admin: psycopg.Connection) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to, one for each worker."""
    first = f"template_{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    name = f"{first}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with _alone(admin):
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [first]).fetchone():
            _make(server_url, admin, first)
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {first} STRATEGY file_copy".encode())
    yield name
    with _alone(admin):  # a worker that only begins now makes it again
        for one in (name, first):
            admin.execute(f"DROP DATABASE IF EXISTS {one} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def stock(server_url: str, admin: psycopg.Connection, template: str) -> Iterator[Stock]:
    """Migrated databases, for fixtures to take and give back."""
    stock = Stock(server_url, admin, template)
    yield stock
    stock.close()


@pytest.fixture
def url(stock: Stock) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    url = stock.take()
    yield url
    stock.give_back(url)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    pool = await Database.open(url)
    yield pool
    await pool.close()


@pytest.fixture
def clock() -> ManualClock:
    """A clock at the present time that only `advance` moves; ids and partitions fit it."""
    return ManualClock(SystemClock().now().replace(microsecond=0))


@pytest.fixture
def sealer() -> Sealer:
    """A sealer with a key of its own."""
    return Sealer(b"test master key")


@pytest.fixture
def chance() -> chances.Chance:
    """Seeded chance."""
    return chances.chance(160)


@pytest.fixture
def on_file(database: Database, sealer: Sealer) -> OnFile:
    """Makes accounts, carriers, routes, keys and webhook endpoints."""
    return OnFile(database, sealer)


def _roomy_memory() -> Path | None:
    """A folder in memory, where a copy of a database takes a tenth of the time, if there is one."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK)
    return memory if usable and shutil.disk_usage(memory).free > _ROOM_BYTES else None


@contextlib.contextmanager
def _alone(admin: psycopg.Connection) -> Iterator[None]:
    """While no other worker is here."""
    admin.execute("SELECT pg_advisory_lock(160160)")
    yield
    admin.execute("SELECT pg_advisory_unlock(160160)")


def _make(server_url: str, admin: psycopg.Connection, name: str) -> None:
    """It has its name once it is whole."""
    half = f"{name}_half"
    admin.execute(f"DROP DATABASE IF EXISTS {half} WITH (FORCE)".encode())
    admin.execute(f"CREATE DATABASE {half}".encode())
    migrate(named(server_url, half))
    _ensure_partitions(named(server_url, half))
    with psycopg.connect(named(server_url, half), autocommit=True) as connection:
        connection.execute(PRISTINE)
    admin.execute(f"ALTER DATABASE {half} RENAME TO {name}".encode())


def _ensure_partitions(url: str) -> None:
    async def make() -> None:
        connection = await asyncpg.connect(url)
        await partitions.ensure(connection, datetime(2026, 1, 1, tzinfo=UTC), months=2)
        await partitions.ensure(connection, SystemClock().now(), months=3)
        await connection.close()

    asyncio.run(make())
