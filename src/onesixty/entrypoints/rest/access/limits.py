"""`/v1/limits`: how fast an account may send, in all, from one sender, or to one country."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.problems import Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import accounts, limits
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/limits", tags=["Limits"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("limits:read")]
Writer = Annotated[Caller, needs("limits:write")]

Kind = Literal["account", "sender", "country"]
Rate = Annotated[
    float,
    Field(ge=0.001, le=100_000, description="Segments a second", examples=[50]),
]
Burst = Annotated[
    int,
    Field(ge=1, le=1_000_000, description="Segments that may go at once after a pause"),
]


class NewLimit(BaseModel):
    """A limit to set."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    value: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="; ".join(f"for `{kind}`: {about}" for kind, about in limits.KINDS.items()),
            examples=["GB"],
        ),
    ]
    rate_per_second: Rate
    burst: Burst | None = Field(
        default=None, description="As many segments as in one second, if left out"
    )


class LimitChange(BaseModel):
    """What to change of a limit; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    rate_per_second: Rate = Field(default_factory=float)
    burst: Burst = Field(default_factory=int)


class Limit(BaseModel):
    """How fast messages of an account, and of those below it, may go out."""

    id: str = Field(examples=["lim_01k0000000e008000000000000"])
    object: str = Field(examples=["limit"])
    kind: Kind
    value: str
    rate_per_second: float
    burst: int
    created_at: datetime
    updated_at: datetime


class LimitPage(BaseModel):
    """A page of limits, newest first."""

    data: list[Limit]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


@router.post(
    "",
    status_code=201,
    response_model=Limit,
    summary="Set a limit",
    responses=problem_responses(
        "invalid_request", "malformed_json", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_limit(request: Request, body: NewLimit, caller: Writer, context: Here) -> Response:
    """It counts within a second, for messages that wait too. What is over it waits its turn."""

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        value = await _value(tx, caller, body)
        burst = body.burst or max(1, round(body.rate_per_second))
        fields = body.model_dump() | {"value": value, "burst": burst}
        return 201, _shown(await limits.create(tx, caller.account_id, fields))

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=LimitPage,
    summary="List limits",
    responses=problem_responses("invalid_request"),
)
async def list_limits(
    query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """Those that the account has set, newest first."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        rows = await limits.listing(connection, caller.account_id, before, query.limit + 1)
    shown = [_shown(row) for row in rows]
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/{limit_id}",
    response_model=Limit,
    summary="Show a limit",
    responses=problem_responses("not_found"),
)
async def show_limit(limit_id: str, caller: Reader, context: Here) -> Response:
    """One limit."""
    async with context.database.read() as connection:
        return json(_shown(await _find(connection, caller, limit_id)))


@router.patch(
    "/{limit_id}",
    response_model=Limit,
    summary="Change a limit",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_limit(limit_id: str, body: LimitChange, caller: Writer, context: Here) -> Response:
    """It counts within a second."""
    changes = body.model_dump(exclude_unset=True)
    async with context.database.write() as tx:
        fields = dict(await _find(tx, caller, limit_id)) | changes
        row = await limits.update(tx, fields["id"], fields["rate_per_second"], fields["burst"])
    await context.keeper.refresh()
    return json(_shown(row))


@router.delete(
    "/{limit_id}",
    status_code=204,
    summary="Remove a limit",
    responses=problem_responses("not_found"),
)
async def remove_limit(limit_id: str, caller: Writer, context: Here) -> Response:
    """What waited for it goes out as fast as its carrier takes it."""
    async with context.database.write() as tx:
        await limits.remove(tx, (await _find(tx, caller, limit_id))["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


async def _value(tx: Connection, caller: Caller, body: NewLimit) -> str:
    if body.kind != "account":
        return limits.check(body.kind, body.value)
    public_id = ids.from_text("acc", body.value)
    if public_id is None or not await accounts.find_below(tx, caller.account_id, public_id):
        raise limits.unusable(body.value, body.kind)
    return str(public_id)


async def _find(connection: Connection, caller: Caller, limit_id: str) -> Any:
    row = await limits.find(connection, caller.account_id, ids.from_text("lim", limit_id))
    if row is None:
        raise Problem("not_found", f"there is no limit {limit_id}")
    return row


def _shown(row: Any) -> dict[str, Any]:
    value = row["value"]
    if row["kind"] == "account":
        value = ids.to_text("acc", UUID(value))
    return {
        "id": ids.to_text("lim", row["public_id"]),
        "object": "limit",
        "kind": row["kind"],
        "value": value,
        "rate_per_second": row["rate_per_second"],
        "burst": row["burst"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }
