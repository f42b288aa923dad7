"""`/v1/routes`: which carrier a message goes to, and why."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import carriers, routes
from onesixty.records.snapshot import RouteRecord, Snapshot
from onesixty.sms import numbers
from onesixty.sms import sender as senders
from onesixty.storage.database import Connection

CARRIERS_MOST: Final = 50  # in one route
POSITION_MOST: Final = 1_000_000_000

router = APIRouter(prefix="/v1/routes", tags=["Routes"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("routes:read")]
Writer = Annotated[Caller, needs("routes:write")]

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
        description="Unique in the account: 1 to 64 of `a-z 0-9 _ . -`",
        examples=["uk-codes"],
    ),
]
Position = Annotated[
    int,
    Field(
        ge=0,
        le=POSITION_MOST,
        description="The lowest that matches takes the message; after the last if left out",
    ),
]
Match = Annotated[
    dict[str, Any],
    Field(
        description="What a message must be, all of it. Each takes one text, or a list of which one"
        " must fit. Empty takes every message",
        examples=[{"country": ["GB", "IE"], "category": "otp"}],
        json_schema_extra={
            "properties": {
                name: {
                    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                    "description": about,
                }
                for name, about in routes.MATCHES.items()
            },
            "additionalProperties": False,
        },
    ),
]
Strategy = Annotated[
    str,
    Field(
        description="; ".join(f"`{name}`: {about}" for name, about in routes.STRATEGIES.items()),
        json_schema_extra={"enum": list(routes.STRATEGIES)},
    ),
]


class Lane(BaseModel):
    """A carrier of a route."""

    model_config = ConfigDict(extra="forbid")

    carrier: Annotated[str, Field(max_length=64, description="Its name", examples=["acme-smpp"])]
    weight: Annotated[
        int, Field(ge=1, le=1000, description="Its part of the messages, for `weighted`")
    ] = 1


Lanes = Annotated[
    list[Lane],
    Field(
        min_length=1,
        max_length=CARRIERS_MOST,
        description="In order of preference; carriers of the account or of those above it",
    ),
]


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @field_validator("strategy", check_fields=False)
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in routes.STRATEGIES:
            raise ValueError(
                f"there is no strategy {value}; there are: {', '.join(routes.STRATEGIES)}"
            )
        return value

    @field_validator("carriers", check_fields=False)
    @classmethod
    def _are_different(cls, value: list[Lane]) -> list[Lane]:
        if len({lane.carrier for lane in value}) < len(value):
            raise ValueError("a carrier is named twice")
        return value


class NewRoute(_Rules):
    """A route to add."""

    name: Name
    position: Position | None = None
    match: Match = Field(default_factory=dict)
    strategy: Strategy = "priority"
    carriers: Lanes
    enabled: bool = True


class RouteChange(_Rules):
    """What to change; what is left out stays. `match` and `carriers` are replaced whole."""

    position: Position = Field(default_factory=int)
    match: Match = Field(default_factory=dict)
    strategy: Strategy = Field(default_factory=str)
    carriers: Lanes = Field(default_factory=list)
    enabled: bool = Field(default_factory=bool)


class Route(BaseModel):
    """A rule: messages that match go to one of its carriers."""

    id: str = Field(examples=["rte_01k0000000e008000000000000"])
    object: str = Field(examples=["route"])
    name: Name
    position: int
    match: dict[str, list[str]]
    strategy: Strategy
    carriers: list[Lane]
    enabled: bool
    created_at: datetime
    updated_at: datetime


class RoutePage(BaseModel):
    """A page of routes, newest first; `position` is the order in which they are tried."""

    data: list[Route]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class Question(BaseModel):
    """A message that is not sent."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, Field(max_length=64, examples=["+447700900123"])]
    sender: Annotated[str | None, Field(alias="from", max_length=64, examples=["ACME"])] = None
    category: Literal["otp", "transactional", "marketing", "emergency"] = "transactional"
    tags: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)


class ConsideredRoute(BaseModel):
    """A route that was looked at."""

    route: str
    account: str = Field(description="Whose route it is: the caller's, or an account above it")
    position: int
    matched: bool
    detail: str = Field(examples=["country is GB, the route takes FR"])


class ChosenLane(BaseModel):
    """A carrier of the route that was chosen."""

    carrier: str
    status: str
    share: float = Field(description="The part of such messages that goes to it now, 0 to 1")


class Choice(BaseModel):
    """The first route that matched; the carriers without a share are those to fall back to."""

    route: str
    strategy: Strategy
    carriers: list[ChosenLane]


class Explanation(BaseModel):
    """Every route in the order in which they are tried, and the choice."""

    to: str
    country: str
    routes: list[ConsideredRoute]
    choice: Choice | None = Field(
        description="null: no route takes it, it would be refused with `no_route`"
    )


@router.post(
    "",
    status_code=201,
    response_model=Route,
    summary="Add a route",
    responses=problem_responses(
        "invalid_request", "malformed_json", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_route(request: Request, body: NewRoute, caller: Writer, context: Here) -> Response:
    """It takes messages within a second, in every process."""
    match = routes.check_match(body.match)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        position = body.position
        if position is None:
            position = await routes.next_position(tx, caller.account_id)
        fields = body.model_dump() | {
            "position": min(position, POSITION_MOST),
            "match": match,
            "carriers": await _choices(tx, caller, body.carriers),
        }
        await routes.create(tx, caller.account_id, fields)
        return 201, (await _shown(tx, [await _find(tx, caller, body.name)]))[0]

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=RoutePage,
    summary="List routes",
    responses=problem_responses("invalid_request"),
)
async def list_routes(
    query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """The account's own routes, newest first."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        rows = await routes.listing(connection, caller.account_id, before, query.limit + 1)
        shown = await _shown(connection, rows)
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/{name}",
    response_model=Route,
    summary="Show a route",
    responses=problem_responses("not_found"),
)
async def show_route(name: str, caller: Reader, context: Here) -> Response:
    """One route."""
    async with context.database.read() as connection:
        return json((await _shown(connection, [await _find(connection, caller, name)]))[0])


@router.patch(
    "/{name}",
    response_model=Route,
    summary="Change a route",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_route(name: str, body: RouteChange, caller: Writer, context: Here) -> Response:
    """For messages that are accepted from now on; those that wait keep their carrier."""
    changes = body.model_dump(exclude_unset=True)
    if "match" in changes:
        changes["match"] = routes.check_match(body.match)
    async with context.database.write() as tx:
        row = await _find(tx, caller, name)
        if "carriers" in changes:
            changes["carriers"] = await _choices(tx, caller, body.carriers)
        await routes.update(tx, row["id"], dict(row) | changes)
        shown = await _shown(tx, [await _find(tx, caller, name)])
    await context.keeper.refresh()
    return json(shown[0])


@router.delete(
    "/{name}", status_code=204, summary="Remove a route", responses=problem_responses("not_found")
)
async def remove_route(name: str, caller: Writer, context: Here) -> Response:
    """Messages that wait keep their carrier."""
    async with context.database.write() as tx:
        await routes.remove(tx, (await _find(tx, caller, name))["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


@router.post(
    "/explain",
    response_model=Explanation,
    summary="Explain the route of a message",
    responses=problem_responses(
        "invalid_request", "malformed_json", "invalid_number", "invalid_sender"
    ),
)
async def explain_route(body: Question, caller: Reader, context: Here) -> Response:
    """What would happen to it now: every route in order, why it takes it or not, and the choice."""
    book = context.keeper.book
    number, traits = _traits(body, caller, book)
    states = {carrier: state["status"] for carrier, state in context.carrier_states().items()}
    considered = routes.consider(book, traits)
    chosen = next((one.route for one in considered if one.against is None), None)
    return json(
        {
            "to": number.e164,
            "country": number.country,
            "routes": [_considered(one, chosen is one.route, book) for one in considered],
            "choice": chosen and _choice(chosen, states, book),
        }
    )


async def _find(connection: Connection, caller: Caller, name: str) -> Any:
    row = await routes.find(connection, caller.account_id, name)
    if row is None:
        raise Problem("not_found", f"there is no route {name}")
    return row


async def _choices(tx: Connection, caller: Caller, lanes: list[Lane]) -> list[dict[str, int]]:
    names = [lane.carrier for lane in lanes]
    found = await carriers.reachable(tx, caller.account_id, names)
    return [{"carrier_id": found[lane.carrier], "weight": lane.weight} for lane in lanes]


async def _shown(connection: Connection, rows: list[Any]) -> list[dict[str, Any]]:
    used = {choice["carrier_id"] for row in rows for choice in row["carriers"]}
    names = await carriers.names(connection, used)
    return [
        {
            "id": ids.to_text("rte", row["public_id"]),
            "object": "route",
            "name": row["name"],
            "position": row["position"],
            "match": row["match"],
            "strategy": row["strategy"],
            "carriers": [
                {"carrier": names[choice["carrier_id"]], "weight": choice["weight"]}
                for choice in row["carriers"]
            ],
            "enabled": row["enabled"],
            "created_at": timestamp(row["created_at"]),
            "updated_at": timestamp(row["updated_at"]),
        }
        for row in rows
    ]


def _traits(body: Question, caller: Caller, book: Snapshot) -> tuple[numbers.Number, routes.Traits]:
    number = numbers.parse(body.to)
    if isinstance(number, numbers.NumberError):
        raise _wrong("invalid_number", "/to", number.message)
    sender = body.sender or book.accounts[caller.account_id].default_sender
    if sender:
        checked = senders.classify(sender)
        if isinstance(checked, senders.SenderError):
            raise _wrong("invalid_sender", "/from", checked.message)
        sender = checked.value
    traits = routes.Traits(
        caller.account_id, number.e164, number.country, body.category, sender, tuple(body.tags)
    )
    return number, traits


def _wrong(code: str, pointer: str, detail: str) -> Problem:
    return Problem(code, detail, (FieldError(pointer, code, detail),))


def _considered(one: routes.Considered, chosen: bool, book: Snapshot) -> dict[str, Any]:
    detail = one.against or (
        "it takes the message" if chosen else "an earlier route takes the message"
    )
    return {
        "route": one.route.name,
        "account": ids.to_text("acc", book.accounts[one.route.account_id].public_id),
        "position": one.route.position,
        "matched": one.against is None,
        "detail": detail,
    }


def _choice(route: RouteRecord, states: dict[int, str], book: Snapshot) -> dict[str, Any]:
    lanes = routes.shares(book, route, lambda carrier_id: states.get(carrier_id) == "up")
    return {
        "route": route.name,
        "strategy": route.strategy,
        "carriers": [
            {
                "carrier": book.carriers[carrier_id].name,
                "status": states.get(carrier_id, "starting"),
                "share": share,
            }
            for carrier_id, share in lanes
        ],
    }
