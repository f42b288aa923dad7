"""`onesixty doctor`: what it finds, and what it advises."""

from pathlib import Path

from onesixty.storage import embedded

from .programs import Served, data_folder, onesixty


def test_all_is_well(served: Served, data_dir: Path, reach: dict[str, str]) -> None:
    """On a healthy server everything is looked at, and the exit code is 0."""
    found = onesixty("doctor", "--data-dir", str(data_dir), **reach)
    assert found.returncode == 0, found.stdout
    lines = found.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert [line.split()[1].rstrip(":") for line in lines] == [
        "settings", "data", "database", "clock", "server", "carrier",
    ]  # fmt: skip


def test_each_fault_comes_with_advice(data_dir: Path, reach: dict[str, str]) -> None:
    """A readable master key, another master key, no server: each is found and says what to do."""
    key = data_dir / "secret.key"
    key.chmod(0o644)
    try:
        found = onesixty(
            "doctor",
            "--data-dir",
            str(data_dir),
            "--url",
            "http://127.0.0.1:1",
            ONESIXTY_SECRET_KEY="other",
        )
    finally:
        key.chmod(0o600)
    assert found.returncode == 1
    assert f"chmod 600 {key}" in found.stdout
    assert "wrong master key" in found.stdout
    assert "note  server: no server at" in found.stdout


def test_an_old_schema_is_found() -> None:
    """A database that lacks revisions is told to be migrated, and nothing is changed."""
    with data_folder() as data_dir:
        embedded.start(data_dir)
        found = onesixty("doctor", "--data-dir", str(data_dir))
        assert found.returncode == 1
        assert "it lacks the revisions 0001" in found.stdout
        assert "-> `onesixty migrate`" in found.stdout
        assert not (data_dir / "secret.key").exists()


def test_an_unreachable_database_is_said_once(tmp_path: Path) -> None:
    """A database that does not answer is a finding, without password and traceback."""
    found = onesixty("doctor", "--database-url", "postgresql://me:secret@127.0.0.1:1/x")
    assert found.returncode == 1
    assert "wrong database" in found.stdout
    assert "secret" not in found.stdout + found.stderr
    assert not found.stderr
