"""`/v1/carriers/{name}/receipts/reparse`: what is kept of receipts, read again."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Response

from onesixty.carriers import registry
from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.carriers.endpoints import Writer, find
from onesixty.entrypoints.rest.carriers.shapes import Reparse, Reparsed
from onesixty.entrypoints.rest.context import Context, context_of
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.records import carriers

STEPS_MOST: Final = 25  # each passes 2,000 receipts
KEPT: Final = timedelta(hours=72)

router = APIRouter(prefix="/v1/carriers", tags=["Carriers"], route_class=JsonRoute)


@router.post(
    "/{name}/receipts/reparse",
    response_model=Reparsed,
    summary="Read receipts again",
    responses=problem_responses("not_found", "invalid_request", "malformed_json", "conflict"),
)
async def reparse_receipts(
    name: str,
    caller: Writer,
    context: Annotated[Context, Depends(context_of)],
    body: Annotated[Reparse, Body(default_factory=Reparse)],
) -> Response:
    """Match and apply anew what was kept of this carrier's receipts, as it would be read now.

    For receipts that came before their ids or words were understood. Statuses change, and events
    tell of it, as if the receipts had just come. A call passes the next 50,000 receipts of the
    server at most: go on with `next`. What is given here holds for this call only; settings
    hold for receipts to come.
    """
    async with context.database.read() as connection:
        row = await find(connection, caller, name)
    read = carriers.reader(row["kind"], _settings(row, body))
    if read is None:
        raise Problem("conflict", f"{row['kind']} carriers keep nothing that could be read again")
    since = body.since or context.clock.now() - KEPT
    after: UUID = paging.after(body.after) or ids.first_at(since)
    done = await context.reread_receipts(row["id"], after, read, STEPS_MOST)
    return json(
        {
            "read": done.read,
            "matched": done.matched,
            "changed": done.changed,
            "unmatched": done.unmatched,
            "next": done.after and paging.cursor(done.after),
        }
    )


def _settings(row: Any, wanted: Reparse) -> dict[str, Any]:
    """The open settings with those of this call; raises Problem naming what is wrong."""
    settings: dict[str, Any] = dict(row["settings"])
    given = wanted.model_dump(include={"receipt_id_form", "status_words"}, exclude_none=True)
    if words := given.get("status_words"):
        given["status_words"] = {**(settings.get("status_words") or {}), **words}
    known = {field.name: field for field in registry.SPECS[row["kind"]].fields}
    errors = [
        FieldError(f"/{name}", "invalid", detail)
        for name, value in given.items()
        if name in known and (detail := carriers.wrong(known[name], value))
    ]
    if errors:
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return settings | given
