"""`/v1/routes/revisions`, `export`, `import`: what the routes were, and all of them at once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onesixty.entrypoints.rest.answers import JsonRoute, Listing, field_errors, json, read_body
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.entrypoints.rest.routes import written
from onesixty.entrypoints.rest.routes.shapes import NewRoute
from onesixty.kit import paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records.routes import document, revisions
from onesixty.records.routes.document import Document
from onesixty.records.snapshot import Snapshot
from onesixty.storage.database import Connection

ROUTES_MOST: Final = 10_000  # in one document
DOCUMENT_MOST: Final = 4 * 1024 * 1024
NUMBER_MOST: Final = 2**31 - 1
YAML: Final = "application/yaml"

router = APIRouter(prefix="/v1/routes", tags=["Routes"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("routes:read")]
Writer = Annotated[Caller, needs("routes:write")]
Number = Annotated[int, Field(ge=0, le=NUMBER_MOST)]
Wanted = Callable[[Connection], Awaitable[Document]]
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]


class RouteDocument(BaseModel):
    """All routes of an account, in their order."""

    model_config = ConfigDict(extra="forbid")

    routes: Annotated[list[NewRoute], Field(max_length=ROUTES_MOST)]


class Revision(BaseModel):
    """What the routes were after a change."""

    number: int = Field(description="From 1; 0 stands for no routes")
    author: str | None = Field(description="The id of the key that made the change")
    note: str = Field(examples=["changed uk-codes"])
    at: datetime | None


class ListedRevision(Revision):
    """A revision in a list."""

    routes: int = Field(description="How many there were")


class RevisionPage(BaseModel):
    """A page of revisions, newest first."""

    data: list[ListedRevision]
    next: str | None


class WholeRevision(Revision):
    """A revision with the routes."""

    document: dict[str, Any] = Field(description="As `PUT /v1/routes/import` takes it")


class RouteDifference(BaseModel):
    """What is different about a route."""

    route: str
    change: str = Field(json_schema_extra={"enum": ["added", "removed", "changed", "moved"]})
    fields: dict[str, Any] = Field(description="By name: `from` and `to`")


class Difference(BaseModel):
    """What makes one revision of another."""

    number: int
    to: int
    changes: list[RouteDifference]


class Rollback(BaseModel):
    """Why, and on what condition."""

    model_config = ConfigDict(extra="forbid")

    note: Note = ""
    if_revision: Number | None = None


class Applied(BaseModel):
    """What an import or a rollback did."""

    revision: int = Field(description="The newest one, now")
    dry_run: bool
    changes: list[RouteDifference] = Field(description="Empty: nothing was to be done")


class Import(BaseModel):
    """How to import."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(default=False, description="Tell what would change, change nothing")
    if_revision: Number | None = Field(
        default=None, description="Only if this is the newest revision; else 409"
    )
    note: Note = ""


def _body() -> dict[str, Any]:
    """The OpenAPI `requestBody` of a document, which is read here and not by FastAPI."""
    schema = RouteDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs")  # other operations have them
    content = {kind: {"schema": schema} for kind in ("application/json", YAML)}
    return {"requestBody": {"required": True, "content": content}}


@router.get(
    "/revisions",
    response_model=RevisionPage,
    summary="List revisions of routes",
    responses=problem_responses("invalid_request"),
)
async def list_revisions(
    query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """Each change of the account's routes made one, newest first. The last 1,000 are kept."""
    after = paging.after(query.after)
    before = min(after.int, NUMBER_MOST) if after else NUMBER_MOST
    async with context.database.read() as connection:
        rows = await revisions.listing(connection, caller.account_id, before, query.limit + 1)
    shown = [{**_shown(row), "routes": row["routes"]} for row in rows]
    return json(paging.page(shown, [UUID(int=row["number"]) for row in rows], query.limit))


@router.get(
    "/revisions/{revision}",
    response_model=WholeRevision,
    summary="Show a revision of routes",
    responses=problem_responses("not_found", "invalid_request"),
)
async def show_revision(revision: Number, caller: Reader, context: Here) -> Response:
    """The routes as they were after that change."""
    async with context.database.read() as connection:
        row = await revisions.find(connection, caller.account_id, revision)
    return json({**_shown(row), "document": row["document"]})


@router.get(
    "/revisions/{revision}/diff",
    response_model=Difference,
    summary="Compare two revisions of routes",
    responses=problem_responses("not_found", "invalid_request"),
)
async def compare_revisions(
    revision: Number,
    caller: Reader,
    context: Here,
    to: Annotated[Number | None, Query(description="The newest if left out")] = None,
) -> Response:
    """What makes the second of the first."""
    async with context.database.read() as connection:
        if to is None:
            to = await revisions.newest(connection, caller.account_id)
        old = await revisions.find(connection, caller.account_id, revision)
        new = await revisions.find(connection, caller.account_id, to)
    changes = document.diff(old["document"], new["document"])
    return json({"number": revision, "to": to, "changes": changes})


@router.post(
    "/revisions/{revision}/rollback",
    response_model=Applied,
    summary="Go back to a revision of routes",
    responses=problem_responses("not_found", "invalid_request", "malformed_json", "conflict"),
)
async def roll_back(revision: Number, body: Rollback, caller: Writer, context: Here) -> Response:
    """Make the routes what they were; a new revision, so that it can be taken back too."""
    note = f"back to {revision}" + (f": {body.note}" if body.note else "")
    query = Import(if_revision=body.if_revision, note=note)

    async def wanted(tx: Connection) -> Document:
        found: Document = (await revisions.find(tx, caller.account_id, revision))["document"]
        return found

    return json(await _apply(context, caller, wanted, query))


@router.get(
    "/export",
    summary="Export all routes",
    response_class=Response,
    responses={
        200: {
            "description": "A document that `PUT /v1/routes/import` takes",
            "content": {YAML: {"schema": {"type": "string"}}},
        },
        **problem_responses("invalid_request"),
    },
)
async def export_routes(caller: Reader, context: Here) -> Response:
    """As YAML, with carriers by their names."""
    async with context.database.read() as connection:
        number = await revisions.newest(connection, caller.account_id)
        found = await revisions.current(connection, caller.account_id)
    text = document.to_yaml(found, f"Routes at revision {number}")
    return Response(text, media_type=YAML)


@router.put(
    "/import",
    response_model=Applied,
    summary="Import all routes",
    responses=problem_responses("invalid_request", "malformed_json", "conflict"),
    openapi_extra=_body(),
)
async def import_routes(
    request: Request, query: Annotated[Import, Query()], caller: Writer, context: Here
) -> Response:
    """Make the account's routes what the document says, all at once; others are removed."""
    raw = await read_body(request, DOCUMENT_MOST)
    # Large ones take seconds to read.
    given = await asyncio.to_thread(document.read, raw)
    found = checked(given, context.keeper.book, caller.account_id)

    async def wanted(_tx: Connection) -> Document:
        return found

    return json(await _apply(context, caller, wanted, query))


def checked(given: Any, book: Snapshot, account_id: int, at: str = "") -> Document:
    """A document in the form that is kept; raises Problem, with pointers behind `at`."""
    try:
        body = RouteDocument.model_validate(given)
    except ValidationError as error:
        found = field_errors(list(error.errors()), ())
        errors = tuple(FieldError(at + one.pointer, one.code, one.detail) for one in found)
        raise Problem("invalid_request", _summary(errors), errors) from None
    entries: list[dict[str, Any]] = []
    names: set[str] = set()
    errors = ()
    for place, one in enumerate(body.routes):
        where = f"{at}/routes/{place}"
        if one.name in names:
            errors += (FieldError(f"{where}/name", "taken", f"{one.name} is there twice"),)
        names.add(one.name)
        try:
            entries.append(written.entry(one, book, account_id))
        except Problem as problem:
            errors += tuple(
                FieldError(where + found.pointer, found.code, found.detail)
                for found in problem.errors
            )
    if errors:
        raise Problem("invalid_request", _summary(errors), errors)
    entries.sort(key=lambda entry: entry["position"])  # stable: within one as they are written
    return {"routes": entries}


async def _apply(context: Context, caller: Caller, wanted: Wanted, query: Import) -> dict[str, Any]:
    account_id = caller.account_id
    async with context.database.write() as tx:
        newest = await revisions.lock(tx, account_id)
        if query.if_revision is not None and newest != query.if_revision:
            raise Problem("conflict", f"the newest revision is {newest}: look what has changed")
        target = await wanted(tx)
        if query.dry_run:
            changes = await revisions.compare(tx, account_id, target)
        else:
            changes = await revisions.apply(tx, account_id, target)
            if changes:
                note = query.note or f"imported {len(target['routes'])} routes"
                newest = await revisions.note(tx, written.change(caller, note))
    if changes and not query.dry_run:
        await context.keeper.refresh()
    return {"revision": newest, "dry_run": query.dry_run, "changes": changes}


def _shown(row: Any) -> dict[str, Any]:
    return {
        "number": row["number"],
        "author": row["author"],
        "note": row["note"],
        "at": timestamp(row["at"]),
    }


def _summary(errors: tuple[FieldError, ...]) -> str:
    return "; ".join(f"{one.pointer or 'body'}: {one.detail}" for one in errors[:3])
