"""How a run is shared out among workers: what goes to one of them, and what begins first."""

import re
from typing import Final

# One server, or one look at the whole tree, serves all tests of a line.
TOGETHER: Final = {
    "the server that is killed": r"tests/chaos/test_(carrier|database|kill|webhooks)\.py",
    "the server that is asked": (
        r"tests/cli/(test_(doctor|listen|messages|records|routes|serve)|smpp/test_trace)\.py"
    ),
    "the tree": r"tests/tidy/",
}
# Whoever begins with these is not left alone with one of them at the end.
LONGEST: Final = (
    "tests/chaos/",
    "tests/cli/",
    "tests/entrypoints/rest/test_hostile.py",
    "tests/storage/test_embedded.py",
    "tests/tidy/",
    "tests/walk/",
)
_together: Final = {what: re.compile(pattern) for what, pattern in TOGETHER.items()}


def unit_of(nodeid: str) -> str:
    """What a test belongs to that one worker runs as a whole: a file, or more."""
    found = (what for what, pattern in _together.items() if pattern.match(nodeid))
    return next(found, nodeid.partition("::")[0])


def begins_late(nodeid: str) -> bool:
    """Whether a test has time."""
    return not nodeid.startswith(LONGEST)
