"""The guides to carriers, routing, limits and keys."""

import re
from pathlib import Path

import orjson
import pytest

from onesixty.records import keys, limits, routes

from .door import Door

GUIDES = Path(__file__).parents[3] / "docs" / "guide"
CURL = re.compile(
    r"^curl (?:-X (?P<method>[A-Z]+) )?\$ONESIXTY(?P<path>\S+) -H \"\$AUTH\""
    r"(?: --json '(?P<body>[^']+)')?$",
    re.MULTILINE,
)


@pytest.mark.parametrize(
    ("guide", "count"), [("carriers", 9), ("routing", 11), ("limits", 3), ("keys", 3), ("smpp", 4)]
)
async def test_commands_of_the_guides_work(door: Door, guide: str, count: int) -> None:
    """Every command of a guide succeeds when they are given in order on a new server."""
    text = (GUIDES / f"{guide}.md").read_text()
    commands = list(CURL.finditer(text))
    assert len(commands) == count == text.count("curl ")
    for command in commands:
        body = command["body"] and orjson.loads(command["body"])
        method = command["method"] or ("POST" if body else "GET")
        answer = await door.ask(method, command["path"], body)
        assert answer.status < 300, (command[0], answer.body)


def test_tables_of_the_guides_are_whole() -> None:
    """Every scope, condition and strategy that there is has its row."""
    for guide, names in (
        ("keys", [*keys.SCOPES.items()]),
        ("limits", [(name, "") for name in limits.KINDS]),
        ("routing", [(name, "") for name in (*routes.MATCHES, *routes.STRATEGIES)]),
    ):
        text = (GUIDES / f"{guide}.md").read_text()
        for name, about in names:
            assert re.search(rf"^\| `{re.escape(name)}`.*\| {re.escape(about)}", text, re.MULTILINE)
