"""`/v1/number-plan`: the operator's own networks by the first digits of numbers, as CSV."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import json, read_body
from onesixty.entrypoints.rest.billing.money import CSV, CsvResponse, only_operator
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records.lookups import number_plan
from onesixty.records.lookups.number_plan import Diff
from onesixty.sms.networks import Network

router = APIRouter(prefix="/v1/number-plan", tags=["Lookup"])

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("numbers:read")]
Writer = Annotated[Caller, needs("numbers:write")]
SHOWN_MOST: Final = 1000  # changes in the answer to an import


class NumberPlan(BaseModel):
    """The operator's own plan. It counts before the one that comes with the program."""

    object: str = Field(examples=["number_plan"])
    rows: int
    updated_at: datetime | None = Field(description="null: never")


class PlanImportQuery(BaseModel):
    """How to import."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(default=False, description="Change nothing, show what would change")
    partial: bool = Field(
        default=False, description="Leave rows that the file does not name; else they go"
    )


class PlanChange(BaseModel):
    """One row that an import changes."""

    change: Literal["added", "changed", "removed"]
    prefix: str = Field(examples=["447700"])
    before: str | None = Field(description="MCC, MNC and name", examples=["234-10 O2"])
    after: str | None


class PlanImport(BaseModel):
    """What an import does, or would do."""

    object: str = Field(examples=["import"])
    dry_run: bool
    added: int
    changed: int
    removed: int
    same: int
    changes: list[PlanChange] = Field(description=f"The first {SHOWN_MOST}")


@router.get(
    "", response_model=NumberPlan, summary="Show the own number plan", responses=problem_responses()
)
async def show_number_plan(caller: Reader, context: Here) -> Response:
    """How large it is; only with a key of the account at the top. Its rows are in the export."""
    only_operator(caller, context.keeper.book)
    async with context.database.read() as connection:
        row = await number_plan.state(connection)
    return json(
        {
            "object": "number_plan",
            "rows": row["rows"],
            "updated_at": row["updated_at"] and timestamp(row["updated_at"]),
        }
    )


@router.get(
    "/export",
    summary="Export the own number plan",
    response_class=CsvResponse,
    responses=problem_responses(),
)
async def export_number_plan(caller: Reader, context: Here) -> Response:
    """All its rows as CSV, as an import takes them."""
    only_operator(caller, context.keeper.book)
    async with context.database.write() as tx:
        rows = await number_plan.rows_of(tx)
    return CsvResponse(await asyncio.to_thread(number_plan.write, rows))


@router.put(
    "",
    response_model=PlanImport,
    summary="Import the own number plan",
    responses=problem_responses("invalid_request", "body_too_large"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {CSV: {"schema": {"type": "string"}}},
            "description": "CSV with the columns prefix, mcc, mnc, name; the name may be left out",
        }
    },
)
async def import_number_plan(
    request: Request,
    query: Annotated[PlanImportQuery, Query()],
    caller: Writer,
    context: Here,
) -> Response:
    """It becomes the whole plan, unless it is partial. Longer prefixes count before shorter."""
    only_operator(caller, context.keeper.book)
    text = (await read_body(request)).decode(errors="replace")
    new = await asyncio.to_thread(number_plan.read, text)
    async with context.database.write() as tx:
        await number_plan.lock(tx)
        old = await number_plan.rows_of(tx)
        diff = await asyncio.to_thread(number_plan.compare, old, new, partial=query.partial)
        if not query.dry_run:
            await number_plan.apply(tx, diff)
    if not query.dry_run:
        await context.keeper.refresh()
    return json(_import(diff, dry_run=query.dry_run))


def _import(diff: Diff, *, dry_run: bool) -> dict[str, Any]:
    changes = [
        *(("added", prefix, None, after) for prefix, after in diff.added.items()),
        *(("changed", prefix, *both) for prefix, both in diff.changed.items()),
        *(("removed", prefix, before, None) for prefix, before in diff.removed.items()),
    ][:SHOWN_MOST]
    return {
        "object": "import",
        "dry_run": dry_run,
        "added": len(diff.added),
        "changed": len(diff.changed),
        "removed": len(diff.removed),
        "same": diff.same,
        "changes": [
            {"change": change, "prefix": prefix, "before": _text(before), "after": _text(after)}
            for change, prefix, before, after in changes
        ],
    }


def _text(network: Network | None) -> str | None:
    return f"{network.written} {network.name}".rstrip() if network else None
