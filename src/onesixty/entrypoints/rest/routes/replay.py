"""`POST /v1/routes/replay`: what other routes would have done with the last messages."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.context import Context, context_of, needs, require
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.entrypoints.rest.routes.revisions import NUMBER_MOST, checked
from onesixty.kit import ids
from onesixty.messages.render import CATEGORY_NAMES
from onesixty.messages.types import Caller
from onesixty.records import carriers
from onesixty.records.routes import document, replay, revisions
from onesixty.records.routes.explanation import amount
from onesixty.records.routes.replay import Moved, Replay, Side, Totals

LISTED_MOST: Final = 1000
AT_ONCE: Final = 200  # decisions, before others have their turn
_LANE: Final = "/draft/routes/{route}/groups/{group}/carriers/{place}/carrier"

router = APIRouter(prefix="/v1/routes", tags=["Routes"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("routes:read")]


class Draft(BaseModel):
    """Routes to try, and on how many messages."""

    model_config = ConfigDict(extra="forbid")

    draft: Annotated[
        Annotated[int, Field(ge=0, le=NUMBER_MOST)] | dict[str, Any],
        Field(description="A document as `PUT /v1/routes/import` takes it, or a revision"),
    ]
    last: Annotated[int, Field(ge=1, le=replay.LAST_MOST)] = 1000
    listed: Annotated[
        int, Field(ge=0, le=LISTED_MOST, description="How many of those that change to name")
    ] = 100


class Decided(BaseModel):
    """What one set of routes decides."""

    route: str | None = Field(description="null: no route takes it")
    carrier: str | None
    cost: str | None = Field(
        description="Of all its segments, in the platform's currency; null where it is not known,"
        " or the carrier belongs to an account above"
    )
    delivered_rate: float | None = Field(description="Of the carrier in that country, lately")


class MovedMessage(BaseModel):
    """A message that would go by another carrier."""

    message: str
    to: str
    country: str | None
    before: Decided
    after: Decided


class CarrierCount(BaseModel):
    """How many messages a carrier gets."""

    carrier: str | None = Field(description="null: no route takes them")
    before: int
    after: int


class CostTotals(BaseModel):
    """Over the messages whose cost is known on both sides."""

    before: str
    after: str
    messages: int


class DeliveryTotals(BaseModel):
    """Over the messages whose carriers are known well enough on both sides."""

    before: float | None = Field(description="Part expected to be delivered, 0 to 1")
    after: float | None
    messages: int


class ReplayResult(BaseModel):
    """What would change. `before` is what the routes of now decide, not what was done then."""

    messages: int
    changed: int
    carriers: list[CarrierCount]
    cost: CostTotals
    delivered: DeliveryTotals
    changes: list[MovedMessage]


@router.post(
    "/replay",
    response_model=ReplayResult,
    summary="Try routes on the last messages",
    responses=problem_responses(
        "invalid_request", "malformed_json", "not_found", "search_too_long"
    ),
)
async def replay_routes(body: Draft, caller: Reader, context: Here) -> Response:
    """Decide about the newest messages of the account and those below once more, and send nothing.

    By the routes of now and by a draft, with the carriers, costs and qualities of now.
    """
    require(caller, "messages:read")
    book, account_id = context.keeper.book, caller.account_id
    accounts = replay.below(book, account_id)
    async with context.database.search() as connection:
        if isinstance(body.draft, int):
            wanted = (await revisions.find(connection, account_id, body.draft))["document"]
        else:
            wanted = checked(body.draft, book, account_id, "/draft")
        lanes = [one["groups"] for one in wanted["routes"]]
        groups = await document.numbered(connection, account_id, lanes, _LANE)
        rows = await replay.last(connection, accounts, body.last)
    draft = replay.drafted(book, account_id, wanted, groups)
    found = Replay(book, draft, context.router.facts, set(accounts))
    for number, row in enumerate(rows, 1):
        found.add(row, CATEGORY_NAMES)
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    async with context.database.read() as connection:
        used = {*found.before.carriers, *found.after.carriers} - {None}
        names = await carriers.names(connection, {one for one in used if one is not None})
    return json(_shown(found, names, body.listed))


def _shown(found: Replay, names: dict[int, str], listed: int) -> dict[str, Any]:
    before, after = found.before, found.after
    counted = sorted(
        {*before.carriers, *after.carriers},
        key=lambda one: (-before.carriers[one] - after.carriers[one], one or 0),
    )
    return {
        "messages": found.messages,
        "changed": len(found.moved),
        "carriers": [
            {
                "carrier": names.get(one or 0),
                "before": before.carriers[one],
                "after": after.carriers[one],
            }
            for one in counted
        ],
        "cost": {
            "before": amount(before.micros),
            "after": amount(after.micros),
            "messages": found.priced,
        },
        "delivered": {
            "before": _part(before, found.judged),
            "after": _part(after, found.judged),
            "messages": found.judged,
        },
        "changes": [_moved(one, names) for one in found.moved[:listed]],
    }


def _part(totals: Totals, messages: int) -> float | None:
    return round(totals.delivered / messages, 4) if messages else None


def _moved(one: Moved, names: dict[int, str]) -> dict[str, Any]:
    return {
        "message": ids.to_text("msg", one.message_id),
        "to": one.recipient,
        "country": one.country,
        "before": _side(one.before, names),
        "after": _side(one.after, names),
    }


def _side(side: Side, names: dict[int, str]) -> dict[str, Any]:
    return {
        "route": side.route,
        "carrier": names.get(side.carrier_id or 0),
        "cost": None if side.cost_micros is None else amount(side.cost_micros),
        "delivered_rate": side.delivered_rate,
    }
