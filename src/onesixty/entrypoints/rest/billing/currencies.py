"""`/v1/currencies`: what currencies are worth in that of the account at the top."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.billing.money import Here, Reader, Writer, only_operator
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.records.billing import currencies

router = APIRouter(prefix="/v1/currencies", tags=["Billing"], route_class=JsonRoute)

Code = Annotated[str, Path(pattern="^[A-Z]{3}$", description="ISO 4217", examples=["USD"])]


class NewRate(BaseModel):
    """What one unit is worth."""

    model_config = ConfigDict(extra="forbid")

    rate: Annotated[
        Decimal,
        Field(
            gt=0,
            max_digits=20,
            decimal_places=10,
            description="Units of the reference currency for one unit of this one",
            examples=["0.92"],
        ),
    ]


class Currency(BaseModel):
    """What one unit of a currency is worth in the reference currency."""

    object: str = Field(examples=["currency"])
    code: str
    rate: str
    updated_at: datetime


class Currencies(BaseModel):
    """All that have a rate."""

    reference: str = Field(description="The currency of the account at the top: worth 1")
    data: list[Currency]


@router.get(
    "",
    response_model=Currencies,
    summary="List currencies",
    responses=problem_responses(),
)
async def list_currencies(caller: Reader, context: Here) -> Response:
    """Those with a rate, by their code."""
    async with context.database.read() as connection:
        rows = await currencies.listing(connection)
    reference = context.keeper.book.billing.reference
    return json({"reference": reference, "data": [_shown(row) for row in rows]})


@router.put(
    "/{code}",
    response_model=Currency,
    summary="Set a rate",
    responses=problem_responses("invalid_request", "malformed_json"),
)
async def set_rate(code: Code, body: NewRate, caller: Writer, context: Here) -> Response:
    """For prices and reports from now on; only with a key of the account at the top."""
    only_operator(caller, context.keeper.book)
    if code == context.keeper.book.billing.reference:
        detail = f"{code} is the reference currency: it is always worth 1"
        raise Problem("invalid_request", detail, (FieldError("/rate", "fixed", detail),))
    async with context.database.write() as tx:
        row = await currencies.change(tx, code, body.rate)
    await context.keeper.refresh()
    return json(_shown(row))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "object": "currency",
        "code": row["currency"],
        "rate": f"{row['rate'].normalize():f}",
        "updated_at": timestamp(row["updated_at"]),
    }
