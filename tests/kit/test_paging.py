"""Paging: a cursor is what it was made of, a page tells whether there is another."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit import paging
from onesixty.kit.problems import Problem


@given(st.uuids())
def test_a_cursor_comes_back(identifier: UUID) -> None:
    """The id goes into a cursor and comes out of it."""
    assert paging.after(paging.cursor(identifier)) == identifier


def test_no_cursor_means_from_the_newest() -> None:
    """Without a cursor there is no bound."""
    assert paging.after(None) is None


@pytest.mark.parametrize("text", ["", "2", "cur_", "msg_01m82gwh2jf9drp011k58n54cr"])
def test_what_is_no_cursor_is_named(text: str) -> None:
    """Page numbers and ids are refused with a pointer to the parameter."""
    with pytest.raises(Problem) as caught:
        paging.after(text)
    assert caught.value.code == "invalid_request"
    assert [error.pointer for error in caught.value.errors] == ["/after"]


def listing(identifiers: list[UUID], before: UUID | None, limit: int) -> dict[str, Any]:
    """A page as doors make it: one more is read than asked for."""
    found = [one for one in identifiers if before is None or one < before][: limit + 1]
    return paging.page([{"id": str(one)} for one in found], found, limit)


@given(st.lists(st.uuids(), unique=True, max_size=30), st.integers(1, 12))
def test_pages_cover_a_list_exactly_once(identifiers: list[UUID], limit: int) -> None:
    """Following `next` reads every entry once, newest first, and ends without an empty page."""
    newest_first = sorted(identifiers, reverse=True)
    page = listing(newest_first, None, limit)
    read = list(page["data"])
    while page["next"] is not None:
        page = listing(newest_first, paging.after(page["next"]), limit)
        assert 0 < len(page["data"]) <= limit
        read += page["data"]
    assert read == [{"id": str(one)} for one in newest_first]
