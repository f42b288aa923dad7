"""The bundled PostgreSQL: one cluster under the data folder, reached by a Unix socket only.

The postmaster outlives the process that started it: after a crash the next start finds it again.
Whether it lives is found out by connecting, never by its process id, which may belong to another
process by now (after a reboot, or in a container, where ids repeat and the dead stay unburied).
"""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from onesixty.storage.embedded_home import (
    MAJOR,
    EmbeddedError,
    Home,
    forsake,
    home_in,
    settle,
)

__all__ = ["EmbeddedError", "EmbeddedServer", "discard", "start", "stop"]

_USER = _DATABASE = "postgres"
_PORT = 5432  # only a part of the socket's name: there is no TCP
_SOCKET = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_MAX = 103  # octets: sun_path less its NUL is 103 on macOS, 107 on Linux
_SOCKET_PATH_SAFE = re.compile(r"[A-Za-z0-9._/-]+")  # what no list or URL on the way misreads
_LOG = "server.log"
_LOG_MAX_BYTES = 16 << 20
_START_SECONDS = 300  # redoing 2 GB of write-ahead log on a slow disk takes minutes
_STOP_SECONDS = 120
_PAUSE_SECONDS = 0.05
CONNECTIONS_MOST = 250

_SETTINGS = """\
# Written anew by Onesixty at every start: changes made here are lost.
# Your own settings: ALTER SYSTEM SET name = value, which wins over this file.

# No network: a Unix socket in a folder that only its owner (and root) may enter.
listen_addresses = ''
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = 0700
port = {port}
cluster_name = 'onesixty'
max_connections = {connections}

# A committed message survives a power cut.
fsync = on
synchronous_commit = on
commit_delay = 0

# Few, large checkpoints, and less to write between them.
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = on
wal_buffers = 16MB
shared_buffers = 256MB

# Queue tables turn over quickly: sweep them soon and often (their thresholds are their own). The
# others grow: while they are young, 5 % is soon reached, and swept and counted again every time.
autovacuum_naptime = 10s
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_threshold = 20000
autovacuum_vacuum_insert_threshold = 100000
autovacuum_analyze_scale_factor = 0.2
autovacuum_analyze_threshold = 50000

# Many short statements: compiling them or timing their reads costs more than it gives.
jit = off
track_io_timing = off

timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_line_prefix = '%m [%p] '
"""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A PostgreSQL that accepts connections. `url` is one that asyncpg and libpq understand."""

    url: str
    data_dir: Path
    cluster_dir: Path
    postmaster_pid: int


@dataclass(frozen=True, slots=True)
class _Postmaster:
    pid: int
    socket_dir: Path
    ready: bool


def start(data_dir: Path) -> EmbeddedServer:
    """Return the server of this data folder; make folder, cluster and postmaster where missing.

    Blocks: about a second the first time, a tenth when only the postmaster is to be started, and
    as long as recovery takes after a crash. Processes that start at once wait for each other.
    Raises EmbeddedError.
    """
    data_dir = data_dir.resolve()
    with _explained(data_dir):
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o711, exist_ok=True)  # as root, the service user must pass through
        with _locked(data_dir):
            home = settle(data_dir)
            if not home.cluster_dir.exists():
                _create(home)
            _check(home)
            postmaster = _bring_up(home)
    host = quote(str(postmaster.socket_dir), safe="")
    url = f"postgresql://{_USER}@/{_DATABASE}?host={host}&port={_PORT}"
    return EmbeddedServer(url, data_dir, home.cluster_dir, postmaster.pid)


def stop(server: EmbeddedServer) -> None:
    """Roll back what is open, end all connections and shut down; no error when it is down already.

    Blocks until the postmaster is gone. Raises EmbeddedError when it does not go.
    """
    with _explained(server.data_dir), _locked(server.data_dir):
        _shut_down(home_in(server.cluster_dir.parent))


def discard(server: EmbeddedServer) -> None:
    """Stop it and delete its database, wherever that lives; the data folder stays.

    For databases made to be thrown away: those of tests and demos. Raises EmbeddedError.
    """
    with _explained(server.data_dir), _locked(server.data_dir):
        home = home_in(server.cluster_dir.parent)
        _shut_down(home)
        forsake(home, server.data_dir)


@contextlib.contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise EmbeddedError(f"{error.filename} is no folder: name another data folder") from error
    except OSError as error:
        raise EmbeddedError(
            f"the data folder {data_dir} cannot be used: {error.strerror}: {error.filename}. "
            "Run Onesixty as the user who owns it, or name another data folder"
        ) from error


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    descriptor = os.open(data_dir / "postgres.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield
    finally:
        os.close(descriptor)


def _create(home: Home) -> None:
    """Make the cluster under another name first: a crash leaves no half cluster behind."""
    half = home.folder / "postgres.new"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    home.give(half)
    trust = ("--auth-local=trust", "--auth-host=reject")
    text = ("--encoding=UTF8", "--locale=C")
    answer = home.run("initdb", "-D", ".", f"--username={_USER}", *trust, *text, cwd=half)
    if answer.returncode:
        raise EmbeddedError(f"no database can be made in {home.folder}: {answer.stdout.strip()}")
    half.rename(home.cluster_dir)


def _check(home: Home) -> None:
    owner = home.cluster_dir.stat().st_uid
    if home.account is None and owner != os.geteuid():
        raise EmbeddedError(
            f"{home.cluster_dir} belongs to user id {owner}: run Onesixty as that user or as root, "
            "or name another data folder"
        )
    try:
        version = (home.cluster_dir / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedError(
            f"{home.cluster_dir} holds no database: name another data folder"
        ) from None
    if version != str(MAJOR):
        raise EmbeddedError(
            f"{home.cluster_dir} was made by PostgreSQL {version}; this Onesixty bundles {MAJOR}: "
            "start it with the Onesixty that made it, dump it with pg_dump, "
            "and restore that into a new data folder"
        )


def _bring_up(home: Home) -> _Postmaster:
    for _ in range(int(_START_SECONDS / _PAUSE_SECONDS)):
        postmaster = _find(home)
        if postmaster is None:
            _launch(home)
        elif postmaster.ready:
            return postmaster
        else:  # recovering or shutting down
            _pause()
    log = home.cluster_dir / _LOG
    raise EmbeddedError(f"the embedded PostgreSQL does not get ready: {log} says why")


def _shut_down(home: Home) -> None:
    # By its socket first: pg_ctl would signal whatever process has the id in a left-over file.
    postmaster = _find(home)
    if postmaster is None:
        return
    arguments = ("stop", "-D", ".", "-w", "-m", "fast", "-t", str(_STOP_SECONDS))
    answer = home.run("pg_ctl", *arguments, cwd=home.cluster_dir)
    if answer.returncode and _find(home):
        raise EmbeddedError(f"the embedded PostgreSQL does not stop: {answer.stdout.strip()}")
    _sweep(home, postmaster.socket_dir)


def _find(home: Home) -> _Postmaster | None:
    """The postmaster that answers for this very cluster, if one does."""
    try:
        lines = (home.cluster_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    # A copied cluster carries a file that names the original's postmaster.
    if len(lines) < 5 or Path(lines[1]) != home.cluster_dir:
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PAUSE_SECONDS)
        try:
            probe.connect(f"{lines[4]}/{_SOCKET}")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except (BlockingIOError, TimeoutError):
            pass  # so busy that its backlog is full: alive
    return _Postmaster(int(lines[0]), Path(lines[4]), "".join(lines[7:]).strip() == "ready")


def _launch(home: Home) -> None:
    """Start a postmaster. pg_ctl gives it a session of its own, where no Ctrl-C reaches it."""
    _clear_remains(home)
    settings = _SETTINGS.format(
        socket_dir=_socket_dir(home), port=_PORT, connections=CONNECTIONS_MOST
    )
    cluster_dir = home.cluster_dir
    # Written by its owner: root follows no link that another user may have put there.
    written = home.run("/bin/sh", "-c", "cat >postgresql.conf", cwd=cluster_dir, text=settings)
    if written.returncode:
        raise EmbeddedError(f"{cluster_dir} cannot be written: {written.stdout.strip()}")
    log = cluster_dir / _LOG
    told = log.stat().st_size if log.exists() else 0
    if told > _LOG_MAX_BYTES:
        log.rename(log.with_suffix(".old.log"))
        told = 0
    arguments = ("start", "-D", ".", "-w", "-t", str(_START_SECONDS), "-l", _LOG)
    answer = home.run("pg_ctl", *arguments, cwd=cluster_dir)
    if answer.returncode == 0:
        return
    reason = (log.read_bytes()[told:] if log.exists() else b"").decode(errors="replace")
    # The children of a killed postmaster take a moment to notice; none may start beside them.
    if "pre-existing shared memory block" not in reason:
        told_why = f"{answer.stdout}{reason}".strip()
        raise EmbeddedError(f"the embedded PostgreSQL does not start: {told_why}")
    _pause()


def _clear_remains(home: Home) -> None:
    """Remove what a dead postmaster left: were its id in use again, its files would pass for alive.

    Should it live after all without answering, its shared memory keeps a second from starting.
    """
    pid_file = home.cluster_dir / "postmaster.pid"
    if pid_file.exists():
        lines = pid_file.read_text().splitlines()
        if len(lines) >= 5 and Path(lines[1]) == home.cluster_dir:
            _sweep(home, Path(lines[4]))
        pid_file.unlink()


def _sweep(home: Home, socket_dir: Path) -> None:
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (socket_dir / name).unlink(missing_ok=True)
    if socket_dir != home.cluster_dir:
        with contextlib.suppress(OSError):
            socket_dir.rmdir()


def _socket_dir(home: Home) -> Path:
    """The cluster's own folder, or a short one where its name is too long for a socket or odd."""
    inside = str(home.cluster_dir)
    if len(f"{inside}/{_SOCKET}") <= _SOCKET_PATH_MAX and _SOCKET_PATH_SAFE.fullmatch(inside):
        return home.cluster_dir
    folder = Path(tempfile.mkdtemp(prefix="onesixty-", dir="/tmp"))
    home.give(folder)
    return folder


def _pause() -> None:
    # No clock is injected: what is waited for is another process, on the machine's own time.
    threading.Event().wait(_PAUSE_SECONDS)
