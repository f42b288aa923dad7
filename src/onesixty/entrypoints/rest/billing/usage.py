"""`/v1/usage` and `/v1/margin`: what was sent and charged by day, and what was earned."""

import csv as lines
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.carriers.content import CHANNELS
from onesixty.entrypoints.rest.answers import json
from onesixty.entrypoints.rest.billing.money import (
    CSV,
    CsvResponse,
    Here,
    Money,
    Reader,
    account_of,
    account_text,
    is_operator,
    only_operator,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import money
from onesixty.kit.problems import FieldError, Problem
from onesixty.records import carriers
from onesixty.records.billing import usage
from onesixty.records.billing.usage import GROUPS, Margin
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1", tags=["Billing"])

DAYS_MOST: Final = 366


class Report(BaseModel):
    """What to report."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[date | None, Field(alias="from", description="First day, UTC")] = None
    last: Annotated[date | None, Field(alias="to", description="Last day; today by default")] = None
    by: Annotated[
        str, Field(max_length=64, description=f"Of {', '.join(GROUPS)}, with commas between")
    ] = ",".join(GROUPS)
    account: Annotated[
        str | None,
        Field(max_length=64, description="The caller's account or one below; with those below it"),
    ] = None
    format: Literal["json", "csv"] = "json"


class UsageRow(BaseModel):
    """What was sent under one heading; a heading that was not asked for is null."""

    day: date | None
    account: str | None
    country: str | None
    carrier: str | None
    channel: str | None
    messages: int
    segments: int
    delivered: int
    charged: Money
    cost: Money | None = Field(description="Only for keys of the account at the top")


class Usage(BaseModel):
    """Messages that have ended, by the day on which they were accepted."""

    object: str = Field(examples=["usage"])
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    data: list[UsageRow]


class MarginRow(BaseModel):
    """What was earned under one heading, in the reference currency."""

    day: date | None
    account: str | None
    country: str | None
    carrier: str | None
    channel: str | None
    messages: int
    delivered: int
    revenue: Money
    cost: Money
    margin: Money
    percent: str | None = Field(description="The margin as a part of the revenue")
    without_cost: int = Field(description="Messages whose cost nobody told: no price list has it")
    missing_rates: list[str] = Field(description="Currencies that could not be converted, left out")


class Margins(BaseModel):
    """Revenue less costs."""

    object: str = Field(examples=["margin"])
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    data: list[MarginRow]


_CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {CSV: {"schema": {"type": "string"}}}, "description": "The report"}
}


@router.get(
    "/usage",
    response_model=Usage,
    summary="Report usage",
    responses={**_CSV, **problem_responses("invalid_request", "not_found")},
)
async def report_usage(
    query: Annotated[Report, Query()], caller: Reader, context: Here
) -> Response:
    """Of the caller's account and those below it. Amounts of two currencies are never added up."""
    days, groups = _days(query, context), _groups(query)
    async with context.database.read() as connection:
        number = await account_of(connection, caller, query.account)
        rows = await usage.report(connection, number, days, groups)
        heads = await _heads(connection, context, [dict(row) for row in rows])
    sees_cost = is_operator(caller, context.keeper.book)
    data = [
        head
        | {name: row[name] for name in ("messages", "segments", "delivered")}
        | {
            "charged": money.shown(row["charged"], row["currency"]),
            "cost": money.shown(row["cost"], row["cost_currency"])
            if sees_cost and row["cost_currency"]
            else None,
        }
        for head, row in zip(heads, rows, strict=True)
    ]
    return _answer("usage", query, days, data)


@router.get(
    "/margin",
    response_model=Margins,
    summary="Report the margin",
    responses={**_CSV, **problem_responses("invalid_request", "not_found")},
)
async def report_margin(
    query: Annotated[Report, Query()], caller: Reader, context: Here
) -> Response:
    """Revenue less cost, at the rates of now; only with a key of the account at the top."""
    only_operator(caller, context.keeper.book)
    days, groups = _days(query, context), _groups(query)
    billing = context.keeper.book.billing
    async with context.database.read() as connection:
        number = await account_of(connection, caller, query.account)
        rows = await usage.report(connection, number, days, groups)
        margins = usage.margins(rows, groups, billing)
        names = [GROUPS[name] for name in groups]
        keys = [dict(zip(names, key, strict=True)) for key in margins]
        heads = await _heads(connection, context, keys)
    data = [
        head | _margin(one, billing.reference)
        for head, one in zip(heads, margins.values(), strict=True)
    ]
    return _answer("margin", query, days, data)


def _margin(one: Margin, currency: str) -> dict[str, Any]:
    percent = one.percent
    return {
        "messages": one.messages,
        "delivered": one.delivered,
        "revenue": money.shown(one.revenue, currency),
        "cost": money.shown(one.cost, currency),
        "margin": money.shown(one.revenue - one.cost, currency),
        "percent": None if percent is None else str(percent),
        "without_cost": one.without_cost,
        "missing_rates": sorted(one.missing_rates or ()),
    }


def _days(query: Report, context: Context) -> tuple[date, date]:
    last = query.last or context.clock.now().date()
    first = query.first or last.replace(day=1)
    if not timedelta(0) <= last - first < timedelta(days=DAYS_MOST):
        detail = f"`from` is not after `to`, and they are at most {DAYS_MOST} days"
        raise Problem("invalid_request", detail, (FieldError("/from", "invalid", detail),))
    return first, last


def _groups(query: Report) -> list[str]:
    names = [name.strip() for name in query.by.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            detail = f"{name!r:.40} is not one of {', '.join(GROUPS)}"
            raise Problem("invalid_request", detail, (FieldError("/by", "unknown", detail),))
    return [name for name in GROUPS if name in names]


async def _heads(
    connection: Connection, context: Context, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What rows are about, in words."""
    book = context.keeper.book
    numbers = {row["carrier_id"] for row in rows if row.get("carrier_id")}
    names = await carriers.names(connection, numbers) if numbers else {}
    heads = []
    for row in rows:
        day, account, channel = row.get("day"), row.get("account_id"), row.get("channel")
        heads.append(
            {
                "day": day and day.isoformat(),
                "account": account and account_text(book.accounts[account].public_id),
                "country": row.get("country") or None,
                "carrier": names.get(row.get("carrier_id") or 0),
                "channel": None if channel is None else CHANNELS[channel],
            }
        )
    return heads


def _answer(
    what: str, query: Report, days: tuple[date, date], data: list[dict[str, Any]]
) -> Response:
    if query.format == "json":
        first, last = (day.isoformat() for day in days)
        return json({"object": what, "from": first, "to": last, "data": data})
    out = io.StringIO()
    flat = [_flat(row) for row in data]
    writer = lines.DictWriter(out, list(flat[0]) if flat else ["day"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return CsvResponse(out.getvalue())


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """An amount becomes two columns, a list one."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in _AMOUNTS:
            found[name] = value and value["amount"]
            found[f"{name}_currency"] = value and value["currency"]
        else:
            found[name] = " ".join(value) if isinstance(value, list) else value
    return found


_AMOUNTS: Final = frozenset({"charged", "cost", "revenue", "margin"})
