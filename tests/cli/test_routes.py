"""`onesixty routes`: by a running server."""

from pathlib import Path

from .programs import onesixty


def test_routes_as_a_file(reach: dict[str, str], tmp_path: Path) -> None:
    """Exported, changed, looked at, imported, compared and taken back."""
    exported = onesixty("routes", "export", **reach)
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout.startswith("# Routes at revision 1\nroutes:\n- name: all\n")
    file = tmp_path / "routes.yaml"
    file.write_text(exported.stdout.replace("position: 100", "position: 7"))
    dry = onesixty("routes", "import", str(file), "--dry-run", **reach)
    assert dry.stdout.splitlines() == [
        "~ all  changed",
        "    position: 100 -> 7",
        "a dry run: nothing was changed",
    ]
    late = onesixty("routes", "import", str(file), "--if-revision", "0", **reach)
    assert (late.returncode, "the newest revision is 1" in late.stderr) == (1, True)
    done = onesixty("routes", "import", str(file), "--note", "sooner", **reach)
    assert done.stdout.splitlines()[-1] == "revision 2"
    assert "sooner" in onesixty("routes", "revisions", **reach).stdout
    assert "position: 100 -> 7" in onesixty("routes", "diff", "1", **reach).stdout
    assert onesixty("routes", "rollback", "1", **reach).stdout.splitlines()[-1] == "revision 3"
    assert onesixty("routes", "diff", "1", **reach).stdout == "no changes\n"
    file.write_text("routes: [")
    assert "neither YAML nor JSON" in onesixty("routes", "import", str(file), **reach).stderr
    assert onesixty("routes", "import", "/nowhere.yaml", **reach).returncode == 2


def test_routes_tell_why(reach: dict[str, str]) -> None:
    """Of a message that could be sent, of one that was, and of many by other routes."""
    explained = onesixty("routes", "explain", "+14155550123", **reach).stdout
    assert explained.startswith("route all\n")
    assert "no other carrier of the route can take it" in explained
    sent = onesixty("send", "--to", "+14155550123", "--from", "+14155550100", "Hello", **reach)
    identifier = sent.stdout.split()[0]
    kept = onesixty("routes", "explain", identifier, **reach).stdout
    assert kept.splitlines()[0] == "route all"
    replayed = onesixty("routes", "replay", "0", **reach).stdout
    assert "messages would change their carrier" in replayed
    assert identifier in replayed
