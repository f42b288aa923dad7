"""`/v1/quality`: how well each carrier delivers to each country, and forgetting a judgement."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.carriers.endpoints import Reader, Writer, find
from onesixty.entrypoints.rest.context import Context, context_of
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit.problems import Problem
from onesixty.messages import quality
from onesixty.messages.render import timestamp

router = APIRouter(prefix="/v1/quality", tags=["Quality"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]


class Wanted(BaseModel):
    """Which of them."""

    model_config = ConfigDict(extra="forbid")

    carrier: Annotated[str | None, Field(max_length=64, description="Of this carrier")] = None
    country: Annotated[
        str | None, Field(max_length=3, description="Of this country, such as GB")
    ] = None


class Standing(BaseModel):
    """How a carrier delivers to a country, over the last ten minutes or, with little traffic, hour.

    What has no receipt two minutes after its submit counts as not delivered.
    """

    carrier: str
    country: str = Field(description="ISO 3166; 001 for numbers of no country", examples=["GB"])
    level: str = Field(
        description="`good`; `degraded`: routes put it behind good ones; `suspect`: its receipts"
        " are not believed, it comes last"
    )
    since: datetime | None = Field(description="Of the last change of level; null: none yet")
    detail: str | None = Field(description="Why, in words", examples=["it delivers 71%, another"])
    delivered_rate: float | None = Field(description="0 to 1; null: too few receipts to say")
    median_seconds: float | None = Field(description="From the carrier's answer to the receipt")
    coverage: float | None = Field(description="The part that has a final receipt, 0 to 1")
    sample: int = Field(description="Parts that it took in that time")
    updated_at: datetime


class Standings(BaseModel):
    """Every carrier and country with traffic, by carrier and country."""

    data: list[Standing]
    next: None = None


@router.get(
    "",
    response_model=Standings,
    summary="Show how carriers deliver",
    responses=problem_responses("invalid_request", "not_found"),
)
async def list_quality(
    query: Annotated[Wanted, Query()], caller: Reader, context: Here
) -> Response:
    """What routes go by: `least_cost`, `best_quality`, and the order among carriers that are up."""
    async with context.database.read() as connection:
        wanted = (await find(connection, caller, query.carrier))["id"] if query.carrier else None
        rows = await quality.standings(connection)
    names = {
        one.id: one.name
        for one in context.keeper.book.carriers.values()
        if one.account_id == caller.account_id and wanted in (None, one.id)
    }
    shown = [
        _shown(row, names[row["carrier_id"]])
        for row in rows
        if row["carrier_id"] in names and query.country in (None, row["country"])
    ]
    shown.sort(key=lambda one: (one["carrier"], one["country"]))
    return json({"data": shown, "next": None})


@router.delete(
    "/{carrier}/{country}",
    status_code=204,
    summary="Forget a judgement",
    responses=problem_responses("not_found"),
)
async def forget_quality(carrier: str, country: str, caller: Writer, context: Here) -> Response:
    """The carrier is good again there, and judged by what comes from now on."""
    async with context.database.write() as tx:
        row = await find(tx, caller, carrier)
        if not await quality.forget(tx, row["id"], country, context.clock.now()):
            raise Problem("not_found", f"nothing is known of {carrier} in {country}")
    return Response(status_code=204)


def _shown(row: Any, name: str) -> dict[str, Any]:
    return {
        "carrier": name,
        "country": row["country"],
        "level": row["level"],
        "since": timestamp(row["since"]),
        "detail": row["why"] or None,
        "delivered_rate": row["rate"],
        "median_seconds": row["median_seconds"],
        "coverage": row["coverage"],
        "sample": row["sample"],
        "updated_at": timestamp(row["at"]),
    }
