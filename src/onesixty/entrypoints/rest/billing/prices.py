"""`/v1/prices`: price lists of carriers and accounts, imported and exported as CSV."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onesixty.carriers.content import CHANNELS
from onesixty.entrypoints.rest.answers import (
    IDEMPOTENT,
    JsonRoute,
    Moment,
    json,
    once,
    read_body,
)
from onesixty.entrypoints.rest.billing.money import (
    CSV,
    CsvResponse,
    Currency,
    Here,
    Reader,
    Writer,
    account_of,
    account_text,
    is_operator,
    only_operator,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, money
from onesixty.kit.problems import Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import carriers
from onesixty.records.billing import price_lists
from onesixty.records.billing.decks import COST, SELL
from onesixty.records.billing.price_lists import Diff, Row
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/prices", tags=["Billing"], route_class=JsonRoute)

SHOWN_MOST: Final = 1000  # changes in the answer to an import
Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
        description="Unique: 1 to 64 of `a-z 0-9 _ . -`",
        examples=["main-costs"],
    ),
]
Charge = Annotated[
    Literal["accepted", "submitted", "delivered"],
    Field(description="Of a sell list: when a message is charged; else what was held comes back"),
]


class NewPriceList(BaseModel):
    """A price list to make; it is empty until rows are imported."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Literal["cost", "sell"] = Field(
        description="cost: what a carrier takes; sell: what an account, and those below it that"
        " have no list, are charged"
    )
    carrier: Annotated[str | None, Field(max_length=64)] = Field(
        None, description="Name of the carrier, for cost"
    )
    account: Annotated[str | None, Field(max_length=64)] = Field(
        None, description="Id of the account, for sell; the caller's own if left out"
    )
    currency: Currency
    charge: Charge = "submitted"

    @model_validator(mode="after")
    def _fits(self) -> "NewPriceList":
        if self.kind == COST and (self.carrier is None or self.account is not None):
            raise ValueError("a cost list names its carrier, and no account")
        if self.kind == SELL and self.carrier is not None:
            raise ValueError("a sell list names an account, and no carrier")
        return self


class PriceListChange(BaseModel):
    """What to change of a price list."""

    model_config = ConfigDict(extra="forbid")

    charge: Charge


class PriceList(BaseModel):
    """What a carrier costs, or what an account is charged."""

    id: str = Field(examples=["prc_01k0000000e008000000000000"])
    object: str = Field(examples=["price_list"])
    name: Name
    kind: Literal["cost", "sell"]
    carrier: str | None
    account: str | None
    currency: str
    charge: Charge | None = Field(description="null for cost")
    rows: int
    created_at: datetime
    updated_at: datetime


class PriceLists(BaseModel):
    """All price lists that the caller may see, by name."""

    data: list[PriceList]


class PriceChange(BaseModel):
    """One row that an import changes."""

    change: Literal["added", "changed", "ended", "dropped"] = Field(
        description="dropped: it was planned for later"
    )
    prefix: str
    network: str
    channel: str
    before: str | None = Field(description="The price that held")
    after: str | None
    valid_from: datetime
    valid_until: datetime | None


class Import(BaseModel):
    """What an import does, or would do."""

    object: str = Field(examples=["import"])
    dry_run: bool
    added: int
    changed: int
    ended: int
    dropped: int
    same: int = Field(description="Rows that stay as they are")
    changes: list[PriceChange] = Field(description=f"The first {SHOWN_MOST}")


class ImportQuery(BaseModel):
    """How to import."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(default=False, description="Change nothing, show what would change")
    partial: bool = Field(
        default=False, description="Leave rows that the file does not name; else they end"
    )
    valid_from: Annotated[
        Moment | None,
        Field(description="From when rows without a date of their own hold; now, if left out"),
    ] = None


@router.post(
    "",
    status_code=201,
    response_model=PriceList,
    summary="Make a price list",
    responses=problem_responses(
        "invalid_request", "malformed_json", "not_found", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_prices(
    request: Request, body: NewPriceList, caller: Writer, context: Here
) -> Response:
    """One for each carrier and each account; only with a key of the account at the top."""
    only_operator(caller, context.keeper.book)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        carrier_id = account = None
        if body.carrier is not None:
            found = await carriers.reachable(tx, caller.account_id, [body.carrier], "/carrier")
            carrier_id = found[body.carrier]
        else:
            account = await account_of(tx, caller, body.account)
        fields = body.model_dump() | {"carrier_id": carrier_id, "account_id": account}
        await price_lists.create(tx, fields)
        return 201, _shown(await price_lists.find(tx, body.name))

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=PriceLists,
    summary="List price lists",
    responses=problem_responses(),
)
async def list_prices(caller: Reader, context: Here) -> Response:
    """All, with a key of the account at the top; else the one by which the account is charged."""
    async with context.database.read() as connection:
        rows = await price_lists.listing(connection)
    return json({"data": [_shown(row) for row in rows if _may_see(row, caller, context)]})


@router.get(
    "/{name}",
    response_model=PriceList,
    summary="Show a price list",
    responses=problem_responses("not_found"),
)
async def show_prices(name: str, caller: Reader, context: Here) -> Response:
    """Without its rows: those are in the export."""
    async with context.database.read() as connection:
        return json(_shown(await _find(connection, caller, context, name)))


@router.patch(
    "/{name}",
    response_model=PriceList,
    summary="Change a price list",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_prices(
    name: str, body: PriceListChange, caller: Writer, context: Here
) -> Response:
    """When messages are charged, for those that are accepted from now on."""
    only_operator(caller, context.keeper.book)
    async with context.database.write() as tx:
        row = await _find(tx, caller, context, name)
        await price_lists.change_charge(tx, row["id"], body.charge)
        row = await _find(tx, caller, context, name)
    await context.keeper.refresh()
    return json(_shown(row))


@router.delete(
    "/{name}",
    status_code=204,
    summary="Remove a price list",
    responses=problem_responses("not_found"),
)
async def remove_prices(name: str, caller: Writer, context: Here) -> Response:
    """With its rows. What was accepted keeps its price."""
    only_operator(caller, context.keeper.book)
    async with context.database.write() as tx:
        await price_lists.remove(tx, (await _find(tx, caller, context, name))["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


@router.get(
    "/{name}/export",
    summary="Export a price list",
    response_class=CsvResponse,
    responses=problem_responses("not_found"),
)
async def export_prices(name: str, caller: Reader, context: Here) -> Response:
    """All its rows as CSV, past and planned ones too, as an import takes them."""
    async with context.database.read() as connection:
        row = await _find(connection, caller, context, name)
        rows = await price_lists.rows_of(connection, row["id"])
    return CsvResponse(await asyncio.to_thread(price_lists.write, rows))


@router.post(
    "/{name}/import",
    response_model=Import,
    summary="Import a price list",
    responses=problem_responses("not_found", "invalid_request", "body_too_large"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {CSV: {"schema": {"type": "string"}}},
            "description": "CSV with the columns prefix, network, channel, price, valid_from,"
            " valid_until; those that are not needed may be left out",
        }
    },
)
async def import_prices(
    request: Request,
    name: str,
    query: Annotated[ImportQuery, Query()],
    caller: Writer,
    context: Here,
) -> Response:
    """Says what holds from a moment on: what it does not name ends then, unless it is partial."""
    only_operator(caller, context.keeper.book)
    at = query.valid_from or context.clock.now()
    text = (await read_body(request)).decode(errors="replace")
    new = await asyncio.to_thread(price_lists.read, text, at)
    async with context.database.write() as tx:
        row = await _find(tx, caller, context, name)
        old = await price_lists.rows_of(tx, row["id"])
        diff = await asyncio.to_thread(price_lists.compare, old, new, at, partial=query.partial)
        if not query.dry_run:
            await price_lists.apply(tx, row["id"], diff)
    if not query.dry_run:
        await context.keeper.refresh()
    return json(_import(diff, dry_run=query.dry_run))


async def _find(connection: Connection, caller: Caller, context: Context, name: str) -> Any:
    row = await price_lists.find(connection, name)
    if row is None or not _may_see(row, caller, context):
        raise Problem("not_found", f"there is no price list {name}")
    return row


def _may_see(row: Any, caller: Caller, context: Context) -> bool:
    book = context.keeper.book
    payer = book.billing.payers.get(caller.account_id)
    own = payer is not None and payer.deck is not None and payer.deck.id == row["id"]
    return own or is_operator(caller, book)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": ids.to_text("prc", row["public_id"]),
        "object": "price_list",
        "name": row["name"],
        "kind": row["kind"],
        "carrier": row["carrier"],
        "account": row["account"] and account_text(row["account"]),
        "currency": row["currency"],
        "charge": row["charge"] if row["kind"] == SELL else None,
        "rows": row["rows"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def _import(diff: Diff, *, dry_run: bool) -> dict[str, Any]:
    changes = [
        *(_change("added", row, None, row.micros) for row in diff.added),
        *(_change("changed", after, before.micros, after.micros) for before, after in diff.changed),
        *(_change("ended", row, row.micros, None) for row in diff.ended),
        *(_change("dropped", row, row.micros, None) for row in diff.dropped),
    ]
    counts = {
        "added": len(diff.added),
        "changed": len(diff.changed),
        "ended": len(diff.ended),
        "dropped": len(diff.dropped),
        "same": diff.same,
    }
    shown = changes[:SHOWN_MOST]
    return {"object": "import", "dry_run": dry_run, **counts, "changes": shown}


def _change(what: str, row: Row, before: int | None, after: int | None) -> dict[str, Any]:
    channel, network, prefix = row.key
    return {
        "change": what,
        "prefix": prefix,
        "network": network,
        "channel": CHANNELS[channel],
        "before": None if before is None else money.amount(before),
        "after": None if after is None else money.amount(after),
        "valid_from": timestamp(row.since),
        "valid_until": timestamp(row.until),
    }
