"""The reference pages are what the program says of itself."""

from pathlib import Path

import pytest

from onesixty.cli.reference import pages

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_fresh(name: str) -> None:
    """`make docs` was run after the last change of what the pages tell."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]


def test_no_page_is_left_over() -> None:
    """Every file of the folder is generated."""
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_links_lead_somewhere() -> None:
    """Every object that the API page refers to is on it."""
    page = PAGES["api.md"]
    wanted = {part.partition(")")[0] for part in page.split("](#")[1:]}
    there = {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
    assert wanted <= there
