"""The guides to prices and billing."""

import re
from pathlib import Path

from entrypoints.rest.door import Door

GUIDES = Path(__file__).parents[4] / "docs" / "guide"
CURL = re.compile(
    r"^curl (?:-X (?P<method>[A-Z]+) )?\"?\$ONESIXTY(?P<path>[^\s\"]+)\"? -H \"\$AUTH\""
    r"(?: -H \"[^\"]+\")?(?: --json '(?P<body>[^']+)')?(?P<csv> --data-binary \S+)?$",
    re.MULTILINE,
)


async def test_commands_of_the_guides_work(sending: Door) -> None:
    """Every command succeeds when they are given in order; the example of a file is imported."""
    (account,) = (await sending.ask("GET", "/v1/accounts")).body["data"]
    for guide, count in (("prices", 5), ("billing", 6)):
        text = (GUIDES / f"{guide}.md").read_text()
        commands = list(CURL.finditer(text))
        assert len(commands) == count == text.count("curl ")
        for command in commands:
            body = command["body"] and command["body"].encode()
            if command["csv"]:
                body = re.search(r"```\n(prefix,.*?)```", text, re.DOTALL)[1].encode()  # type: ignore[index]
            method = command["method"] or ("POST" if body else "GET")
            path = command["path"].replace("$ACCOUNT", account["id"])
            answer = await sending.ask(method, path, body)
            assert answer.status < 300, (command[0], answer.body)
