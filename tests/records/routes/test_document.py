"""Documents of routes: compared, written for people, and made true."""

from typing import Any

import pytest
import yaml

from on_file import OnFile
from onesixty.kit.problems import Problem
from onesixty.records.routes import revisions
from onesixty.records.routes.document import YAML_MOST, diff, read, to_yaml
from onesixty.records.routes.revisions import Change
from onesixty.storage.database import Database


def entry(name: str, position: int = 100, *lanes: str, **more: Any) -> dict[str, Any]:
    """A route of a document."""
    group = {
        "strategy": "priority",
        "carriers": [{"carrier": lane, "weight": 1} for lane in lanes or ("main",)],
    }
    usual = {"name": name, "position": position, "match": {}, "groups": [group], "enabled": True}
    return {**usual, **more}


def document(*entries: dict[str, Any]) -> dict[str, Any]:
    """These routes."""
    return {"routes": list(entries)}


def test_diff() -> None:
    """Routes are known by their names; each difference is told once, with both values."""
    old = document(entry("a"), entry("b"), entry("c", enabled=False))
    new = document(entry("a"), entry("c", 7), entry("d"))
    assert [(one["route"], one["change"]) for one in diff(old, new)] == [
        ("c", "changed"),
        ("d", "added"),
        ("b", "removed"),
    ]
    assert diff(old, new)[0]["fields"] == {
        "position": {"from": 100, "to": 7},
        "enabled": {"from": False, "to": True},
    }
    assert diff(old, old) == []


def test_diff_of_the_order() -> None:
    """Within a position the order counts; that of others does not."""
    old = document(entry("a"), entry("b"), entry("c"), entry("x", 200))
    assert diff(old, document(entry("x", 200), entry("a"), entry("b"), entry("c"))) == []
    moved = diff(old, document(entry("c"), entry("a"), entry("b"), entry("x", 200)))
    assert [(one["route"], one["change"]) for one in moved] == [("a", "moved"), ("b", "moved")]


def test_yaml_is_short_and_comes_back() -> None:
    """What says nothing is left out; reading gives what the import takes."""
    group = {"strategy": "weighted", "carriers": [{"carrier": "a", "weight": 3}]}
    floor = {**group, "quality_floor": 0.9}
    found = document(
        entry("all"),
        entry("uk", match={"country": ["GB"], "tag": ["ü", "b"]}, groups=[floor], enabled=False),
    )
    text = to_yaml(found, "Routes")
    assert text.startswith(
        "# Routes\nroutes:\n- name: all\n  position: 100\n  strategy: priority\n"
    )
    assert "ü" in text
    assert (
        yaml.safe_load(text)
        == read(text.encode())
        == {
            "routes": [
                {
                    "name": "all",
                    "position": 100,
                    "strategy": "priority",
                    "carriers": [{"carrier": "main"}],
                },
                {
                    "name": "uk",
                    "position": 100,
                    "match": {"country": "GB", "tag": ["ü", "b"]},
                    "groups": [floor],
                    "enabled": False,
                },
            ]
        }
    )


def test_yaml_written_by_hand() -> None:
    """Nothing needs quotes: countries, hours, prefixes and short codes are what they look like."""
    text = b"""
    # to Norway
    match: {country: NO, prefix: +4477, sender: 62442, tag: [on, 0123, 1e3, 2026-01-01, "7"]}
    time: {from: 08:00, to: 20:00}
    enabled: false
    quality_floor: 0.9
    position: 100
    nothing:
    """
    assert read(text) == {
        "match": {
            "country": "NO",
            "prefix": "+4477",
            "sender": 62442,
            "tag": ["on", "0123", "1e3", "2026-01-01", "7"],
        },
        "time": {"from": "08:00", "to": "20:00"},
        "enabled": False,
        "quality_floor": 0.9,
        "position": 100,
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        (b"\xff\xfe\x00", "neither"),
        (b"a: [", "neither"),
        (b"a: &x 1\nb: *x", "aliases"),
        (b"[" * 100_000, "20 levels"),
        (b"- " * 100_000, "20 levels"),
        (b"{a: " * 100_000, "20 levels"),
        (b"#" * (YAML_MOST + 1), "give JSON"),
    ],
)
def test_what_cannot_be_read(raw: bytes, hint: str) -> None:
    """It is a problem, never a bug, and costs no more than its length."""
    with pytest.raises(Problem) as raised:
        read(raw)
    assert hint in raised.value.detail


async def test_apply_makes_the_order_what_the_document_says(
    database: Database, on_file: OnFile
) -> None:
    """Routes stay the same rows where they can; what is to come later is made anew."""
    account = await on_file.account()
    main = await on_file.carrier(account, name="main")
    made = {name: await on_file.route(account, main, name=name) for name in ("a", "b", "c", "d")}
    wanted = document(entry("b"), entry("a"), entry("d"), entry("c", 100))
    async with database.write() as tx:
        await revisions.lock(tx, account)
        changes = await revisions.apply(tx, account, wanted)
        assert [(one["route"], one["change"]) for one in changes] == [
            ("a", "moved"),
            ("c", "moved"),
        ]
        assert await revisions.current(tx, account) == wanted
        rows = await tx.fetch("SELECT id, name FROM routes WHERE removed_at IS NULL")
        kept = {row["name"] for row in rows if row["id"] == made[row["name"]]}
        assert kept == {"b"}
        assert await revisions.apply(tx, account, wanted) == []


async def test_old_revisions_are_forgotten(
    database: Database, on_file: OnFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many are kept, the newest ones; their numbers go on."""
    account, other = await on_file.account(), await on_file.account()
    monkeypatch.setattr(revisions, "KEPT", 3)
    async with database.write() as tx:
        await revisions.note(tx, Change(other, "key_x", "other"))
        for number in range(1, 6):
            assert await revisions.note(tx, Change(account, "key_x", f"{number}")) == number
        found = await revisions.listing(tx, account, 100, 10)
        assert [row["number"] for row in found] == [5, 4, 3]
        assert await revisions.newest(tx, other) == 1
        with pytest.raises(Problem):
            await revisions.find(tx, account, 2)
