"""`/v1/caps`: how much an account may spend in a day or a month."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.billing.money import (
    Here,
    Money,
    PositiveAmount,
    Reader,
    Writer,
    account_of,
    account_text,
    micros,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, money, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import keys
from onesixty.records.billing import caps
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/caps", tags=["Billing"], route_class=JsonRoute)

Kind = Literal["account", "key", "country"]
Period = Literal["day", "month"]
Hard = Annotated[bool, Field(description="Refuse what is over it; else it only tells")]


class NewCap(BaseModel):
    """A cap to set."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = Field(
        "account",
        description="; ".join(f"`{kind}`: {about}" for kind, about in caps.KINDS.items()),
    )
    value: Annotated[str | None, Field(max_length=64)] = Field(
        None, description="Id of the key, or ISO 3166 code of the country", examples=["GB"]
    )
    period: Period = Field("day", description="Days and months begin at midnight UTC")
    amount: PositiveAmount
    hard: Hard = True
    account: Annotated[str | None, Field(max_length=64)] = Field(
        None, description="An account below the caller's; the caller's own if left out"
    )


class CapChange(BaseModel):
    """What to change of a cap; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    amount: PositiveAmount = Field(default_factory=str)
    hard: Hard = Field(default_factory=bool)


class Cap(BaseModel):
    """How much may be spent in a day or a month."""

    id: str = Field(examples=["cap_01k0000000e008000000000000"])
    object: str = Field(examples=["cap"])
    account: str
    kind: Kind
    value: str | None
    period: Period
    limit: Money
    spent: Money = Field(description="In this period; what failed is taken off again")
    hard: bool
    created_at: datetime
    updated_at: datetime


class CapPage(BaseModel):
    """A page of caps, newest first."""

    data: list[Cap]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


@router.post(
    "",
    status_code=201,
    response_model=Cap,
    summary="Set a cap",
    responses=problem_responses(
        "invalid_request", "malformed_json", "not_found", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_cap(request: Request, body: NewCap, caller: Writer, context: Here) -> Response:
    """It counts what is accepted from now on, of the account and those below it."""

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        number = await account_of(tx, caller, body.account)
        fields = body.model_dump() | {
            "value": await _value(tx, number, body),
            "micros": micros(body.amount),
        }
        return 201, _shown(await caps.create(tx, number, fields, context.clock.now()))

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=CapPage,
    summary="List caps",
    responses=problem_responses("invalid_request"),
)
async def list_caps(query: Annotated[Listing, Query()], caller: Reader, context: Here) -> Response:
    """Of the account and of those below it, newest first, with what is spent."""
    before, now = paging.after(query.after), context.clock.now()
    async with context.database.read() as connection:
        rows = await caps.listing(connection, caller.account_id, before, query.limit + 1, now)
    shown = [_shown(row) for row in rows]
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/{cap_id}",
    response_model=Cap,
    summary="Show a cap",
    responses=problem_responses("not_found"),
)
async def show_cap(cap_id: str, caller: Reader, context: Here) -> Response:
    """One cap, with what is spent."""
    async with context.database.read() as connection:
        return json(_shown(await _find(connection, caller, cap_id, context)))


@router.patch(
    "/{cap_id}",
    response_model=Cap,
    summary="Change a cap",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_cap(cap_id: str, body: CapChange, caller: Writer, context: Here) -> Response:
    """What is spent already counts."""
    given = body.model_dump(exclude_unset=True)
    async with context.database.write() as tx:
        row = await _find(tx, caller, cap_id, context)
        most = micros(given["amount"]) if "amount" in given else row["micros"]
        await caps.change(tx, row["id"], most, given.get("hard", row["hard"]))
        row = await _find(tx, caller, cap_id, context)
    await context.keeper.refresh()
    return json(_shown(row))


@router.delete(
    "/{cap_id}", status_code=204, summary="Remove a cap", responses=problem_responses("not_found")
)
async def remove_cap(cap_id: str, caller: Writer, context: Here) -> Response:
    """From the next message on."""
    async with context.database.write() as tx:
        await caps.remove(tx, (await _find(tx, caller, cap_id, context))["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


async def _value(tx: Connection, number: int, body: NewCap) -> str:
    """What is stored for a value; raises Problem when nothing can have it."""
    value = body.value or ""
    if body.kind == "account" and not value:
        return ""
    if body.kind == "country" and value.upper() in SUPPORTED_REGIONS:
        return value.upper()
    identifier = ids.from_text("key", value) if body.kind == "key" else None
    if identifier and await keys.find(tx, number, identifier):
        return str(identifier)
    words = {
        "account": "leave the value out: it is the account",
        "country": f"{value!r:.40} is no country: give an ISO 3166 code, such as GB",
        "key": f"the account has no key {value!r:.40}",
    }
    detail = words[body.kind]
    raise Problem("invalid_request", detail, (FieldError("/value", "invalid", detail),))


async def _find(connection: Connection, caller: Caller, cap_id: str, context: Context) -> Any:
    identifier = ids.from_text("cap", cap_id)
    row = await caps.find(connection, caller.account_id, identifier, context.clock.now())
    if row is None:
        raise Problem("not_found", f"there is no cap {cap_id}")
    return row


def _shown(row: Any) -> dict[str, Any]:
    value = row["value"] or None
    if row["kind"] == "key":
        value = ids.to_text("key", UUID(row["value"]))
    return {
        "id": ids.to_text("cap", row["public_id"]),
        "object": "cap",
        "account": account_text(row["account"]),
        "kind": row["kind"],
        "value": value,
        "period": row["period"],
        "limit": money.shown(row["micros"], row["currency"]),
        "spent": money.shown(row["spent"], row["currency"]),
        "hard": row["hard"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }
