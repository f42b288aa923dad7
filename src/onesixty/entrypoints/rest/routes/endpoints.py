"""`/v1/routes`: add, list, show, change, remove."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.entrypoints.rest.routes import written
from onesixty.entrypoints.rest.routes.shapes import (
    LaneGroup,
    NewRoute,
    Route,
    RouteChange,
    RoutePage,
)
from onesixty.kit import paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Caller
from onesixty.records import routes
from onesixty.records.routes import revisions
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/routes", tags=["Routes"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("routes:read")]
Writer = Annotated[Caller, needs("routes:write")]
_SHORT = "/carriers/{place}/carrier"
_LONG = "/groups/{group}/carriers/{place}/carrier"


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
    account_id = caller.account_id
    entry = written.entry(body, context.keeper.book, account_id)
    lane = _LONG if body.groups else _SHORT

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        await revisions.lock(tx, account_id)
        groups = await written.stored_groups(tx, account_id, entry["groups"], lane)
        await routes.create(tx, account_id, {**entry, "groups": groups})
        await revisions.note(tx, written.change(caller, f"added {body.name}"))
        row = await written.find(tx, account_id, body.name)
        return 201, (await written.shown(tx, [row]))[0]

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
        shown = await written.shown(connection, rows)
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
        row = await written.find(connection, caller.account_id, name)
        return json((await written.shown(connection, [row]))[0])


@router.patch(
    "/{name}",
    response_model=Route,
    summary="Change a route",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_route(name: str, body: RouteChange, caller: Writer, context: Here) -> Response:
    """For messages that are accepted from now on; those that wait keep their carrier."""
    changes = body.model_dump(exclude_unset=True, include={"position", "match", "enabled"})
    if "match" in changes:
        book = context.keeper.book
        changes["match"] = written.checked_match(body.match, book, caller.account_id)
    async with context.database.write() as tx:
        await revisions.lock(tx, caller.account_id)
        row = await written.find(tx, caller.account_id, name)
        if groups := await _changed_groups(tx, caller, body, row):
            changes["groups"] = groups
        await routes.update(tx, row["id"], dict(row) | changes)
        await revisions.note(tx, written.change(caller, f"changed {name}"))
        row = await written.find(tx, caller.account_id, name)
        shown = await written.shown(tx, [row])
    await context.keeper.refresh()
    return json(shown[0])


@router.delete(
    "/{name}", status_code=204, summary="Remove a route", responses=problem_responses("not_found")
)
async def remove_route(name: str, caller: Writer, context: Here) -> Response:
    """Messages that wait keep their carrier."""
    async with context.database.write() as tx:
        await revisions.lock(tx, caller.account_id)
        await routes.remove(tx, (await written.find(tx, caller.account_id, name))["id"])
        await revisions.note(tx, written.change(caller, f"removed {name}"))
    await context.keeper.refresh()
    return Response(status_code=204)


async def _changed_groups(
    tx: Connection, caller: Caller, body: RouteChange, row: Any
) -> list[dict[str, Any]] | None:
    """The groups that a route shall have; None: those that it has."""
    if "groups" in body.model_fields_set:
        groups = [written.plain(group) for group in body.groups]
        return await written.stored_groups(tx, caller.account_id, groups, _LONG)
    if not body.model_fields_set & {"strategy", "carriers"}:
        return None
    if len(row["groups"]) > 1:
        detail = f"{row['name']} has {len(row['groups'])} groups: give `groups`"
        raise Problem("invalid_request", detail, (FieldError("/groups", "missing", detail),))
    (only,) = row["groups"]
    if "strategy" in body.model_fields_set:
        only = {**only, "strategy": body.strategy}
    if "carriers" in body.model_fields_set:
        group = written.plain(LaneGroup(carriers=body.carriers))
        (stored,) = await written.stored_groups(tx, caller.account_id, [group], _SHORT)
        only = {**only, "carriers": stored["carriers"]}
    return [only]
