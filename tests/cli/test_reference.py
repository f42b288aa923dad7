"""The reference pages are what the program says of itself."""

from pathlib import Path

import pytest

from onesixty.cli.reference import pages

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
NAMES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    """Every page as it should be; not made where tests are only collected: that takes a second."""
    return pages()


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_fresh(name: str, fresh: dict[str, str]) -> None:
    """`make docs` was run after the last change of what the pages tell."""
    assert (FOLDER / name).read_text(encoding="utf-8") == fresh[name]


def test_no_page_is_missing_or_left_over(fresh: dict[str, str]) -> None:
    """Every file of the folder is generated, and every one that is generated is there."""
    assert set(fresh) == set(NAMES)


def test_links_lead_somewhere(fresh: dict[str, str]) -> None:
    """Every object that the API page refers to is on it."""
    page = fresh["api.md"]
    wanted = {part.partition(")")[0] for part in page.split("](#")[1:]}
    there = {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
    assert wanted <= there
