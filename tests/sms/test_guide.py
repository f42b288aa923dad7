"""The guide to text."""

import doctest
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "text.md"


def test_the_examples_of_the_guide_run() -> None:
    """Every answer printed in the guide is the one the library gives."""
    results = doctest.testfile(str(GUIDE), module_relative=False, encoding="utf-8")
    assert results.attempted >= 10
    assert results.failed == 0
