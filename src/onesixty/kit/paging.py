"""Cursors of lists: newest first, `{"data": [...], "next": "<cursor>" | null}`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem

LIMIT_DEFAULT, LIMIT_MOST = 50, 1000
_PREFIX = "cur"


def cursor(identifier: UUID) -> str:
    """The cursor that stands for an id."""
    return ids.to_text(_PREFIX, identifier)


def after(text: str | None) -> UUID | None:
    """The id that a cursor stands for; raises Problem when it is not one of ours."""
    if text is None:
        return None
    identifier = ids.from_text(_PREFIX, text)
    if identifier is None:
        error = FieldError(
            "/after", "not_a_cursor", "give the `next` of an earlier answer, unchanged"
        )
        raise Problem("invalid_request", "`after` is not a cursor", (error,))
    return identifier


def page(data: Sequence[dict[str, Any]], identifiers: Sequence[UUID], limit: int) -> dict[str, Any]:
    """One page of at most `limit` out of up to `limit + 1` found rows.

    One more than asked means that there is a next page.
    """
    more = len(data) > limit
    return {
        "data": list(data[:limit]),
        "next": cursor(identifiers[limit - 1]) if more else None,
    }
