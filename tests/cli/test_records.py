"""`onesixty keys`, `accounts`, `esmes`, `migrate`: on the database, with and without a server."""

from pathlib import Path

from .programs import Served, data_folder, onesixty, postmaster_runs

TRIES_MOST = 50  # the server reads what changed in the database a moment later


def lists(code: int, reach: dict[str, str]) -> bool:
    """Whether a list of messages soon ends with this exit code."""
    tries = (onesixty("messages", "list", **reach).returncode for _ in range(TRIES_MOST))
    return code in tries


def test_keys_come_and_go_while_the_server_runs(served: Served, data_dir: Path) -> None:
    """A key made on the database soon opens the API, and a revoked one soon does so no more."""
    where = ("--data-dir", str(data_dir))
    key = onesixty("keys", "create", "reader", "--scope", "messages:read", *where).stdout.strip()
    reach = {"ONESIXTY_URL": served.url, "ONESIXTY_KEY": key}
    assert lists(0, reach)
    forbidden = onesixty("send", "--to", "+14155550123", "Hello", **reach)
    assert "messages:write" in forbidden.stderr
    listed = onesixty("keys", "list", *where).stdout
    (row,) = (line.split() for line in listed.splitlines() if " reader " in line)
    assert key not in listed
    assert onesixty("keys", "revoke", row[0], *where).returncode == 0
    assert lists(1, reach)
    assert onesixty("keys", "revoke", "key_unknown", *where).returncode == 1


def test_accounts_are_made_below_the_first(served: Served, data_dir: Path) -> None:
    """A new account is listed with its parent, has keys of its own, and its name is taken."""
    where = ("--data-dir", str(data_dir))
    made = onesixty("accounts", "create", "shop", "--default-sender", "SHOP", *where)
    assert made.returncode == 0, made.stderr
    key = onesixty("keys", "create", "first", "--account", "shop", *where).stdout.strip()
    reach = {"ONESIXTY_URL": served.url, "ONESIXTY_KEY": key}
    assert lists(0, reach)
    sent = onesixty("send", "--to", "+14155550123", "Hi", **reach)
    assert sent.returncode == 0, sent.stderr
    listed = onesixty("accounts", "list", *where).stdout.splitlines()
    assert [line.split()[1:4] for line in listed[1:]] == [
        ["default", "-", "-"],
        ["shop", "default", "SHOP"],
    ]
    again = onesixty("accounts", "create", "shop", *where)
    assert (again.returncode, again.stderr) == (
        1,
        "error: there is an account named shop already\n",
    )
    assert "there are: default, shop" in onesixty("keys", "list", "--account", "x", *where).stderr


def test_customers_over_smpp_are_let_in(served: Served, data_dir: Path) -> None:
    """A customer that was added is listed, by the API too, and gone once it is removed."""
    where = ("--data-dir", str(data_dir))
    made = onesixty("esmes", "add", "acme01", "--ip", "192.0.2.1/24", "--rate", "50", *where)
    assert "password, shown once: " in made.stdout, made.stderr
    secret = {"ONESIXTY_ESME_PASSWORD": "ninechars"}
    assert "at most 8" in onesixty("esmes", "add", "acme02", *where, **secret).stderr
    assert "no system_id" in onesixty("esmes", "add", "a b", *where).stderr
    assert "taken" in onesixty("esmes", "add", "acme01", *where).stderr
    (row,) = onesixty("esmes", "list", *where).stdout.splitlines()[1:]
    assert row.split()[:6] == ["acme01", "yes", "192.0.2.0/24", "4", "10", "50"]
    assert onesixty("esmes", "remove", "acme01", *where).returncode == 0
    assert onesixty("esmes", "remove", "acme01", *where).returncode == 1


def test_the_own_number_plan_is_loaded(served: Served, data_dir: Path, tmp_path: Path) -> None:
    """A file becomes the plan that look-ups go by, and comes out again as it is kept."""
    where = ("--data-dir", str(data_dir))
    file = tmp_path / "plan.csv"
    file.write_text("prefix,mcc,mnc,name\n+44 7700,234,15,Vodafone\n")
    done = onesixty("number-plan", "import", str(file), *where)
    assert "1 added, 0 changed, 0 removed" in done.stdout, done.stderr
    out = onesixty("number-plan", "export", *where).stdout
    assert out == "prefix,mcc,mnc,name\n447700,234,15,Vodafone\n"
    key = onesixty("keys", "create", "looker", *where).stdout.strip()
    reach = {"ONESIXTY_URL": served.url, "ONESIXTY_KEY": key}
    shown = (onesixty("lookup", "+447700900123", **reach).stdout for _ in range(TRIES_MOST))
    assert any("234-15 Vodafone, own plan, +447700" in text for text in shown)


def test_without_a_server_the_database_runs_for_the_command_only() -> None:
    """A command starts the embedded database where no server has, and stops it afterwards."""
    with data_folder() as data_dir:
        where = ("--data-dir", str(data_dir))
        missing = onesixty("keys", "list", *where)
        assert "there is no data directory" in missing.stderr
        assert not data_dir.exists()
        assert onesixty("migrate", *where).stdout.startswith("applied: 0001")
        assert not postmaster_runs(data_dir)
        assert onesixty("migrate", *where).stdout == "the database has the newest schema\n"
        empty = onesixty("keys", "list", *where)
        assert "`onesixty serve` makes the first one" in empty.stderr
        assert not postmaster_runs(data_dir)


def test_the_ledger_is_checked(served: Served, data_dir: Path) -> None:
    """What an account has is topped up, listed and checked beside the running server."""
    where = ("--data-dir", str(data_dir))
    early = onesixty("billing", "topup", "default", "5", *where)
    assert (early.returncode, "set its billing first" in early.stderr) == (1, True)
    wrong = onesixty("billing", "topup", "default", "-5", *where)
    assert wrong.returncode == 2
    assert onesixty("billing", "check", *where).stdout == "the ledger adds up\n"
    assert "has 0 rows" in onesixty("billing", "rebuild", "--day", "2026-11-23", *where).stdout
    assert "AVAILABLE" in onesixty("billing", "balances", *where).stdout
