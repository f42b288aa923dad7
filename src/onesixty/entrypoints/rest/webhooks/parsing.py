"""What the paths of webhooks have in common: who may, which endpoint, which types of events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from pydantic import Field

from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Caller
from onesixty.records import events

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("webhooks:read")]
Writer = Annotated[Caller, needs("webhooks:write")]
Types = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": ["*", "message.*", *events.NUMBERS]})]],
    Field(min_length=1, max_length=100, examples=[["message.delivered", "message.received"]]),
]


def endpoint_id(text: str) -> UUID:
    """The id of an endpoint in a path; raises Problem `not_found`."""
    identifier = ids.from_text("whk", text)
    if identifier is None:
        raise Problem("not_found", "there is no such webhook endpoint")
    return identifier


def event_mask(names: list[str]) -> int:
    """The mask of type names; raises Problem for an unknown one."""
    try:
        return events.mask(names)
    except KeyError as error:
        known = ", ".join(["*", "message.*", *events.NUMBERS])
        detail = f"there is no event type {error.args[0]!r}; there are: {known}"
        raise invalid("/events", "unknown_type", detail) from None


def must_be_enabled(row: Any) -> None:
    """Raise Problem `conflict` for an endpoint that is disabled."""
    if row["disabled_at"] is not None:
        raise Problem("conflict", f"the webhook is disabled: {row['disabled_reason']}")


def invalid(pointer: str, code: str, detail: str) -> Problem:
    """The problem of one wrong field."""
    return Problem("invalid_request", detail, (FieldError(pointer, code, detail),))
