"""`/v1/carriers`: the ways out, their settings with secrets masked, and their live state."""

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from onesixty.carriers import registry
from onesixty.carriers.contract import CarrierSpec
from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.carriers.checking import fault_of
from onesixty.entrypoints.rest.carriers.shapes import (
    Carrier,
    CarrierChange,
    CarrierInFull,
    CarrierKinds,
    CarrierPage,
    CarrierTest,
    NewCarrier,
)
from onesixty.entrypoints.rest.carriers.shown import (
    MASK,
    learned_of,
    refusal_of,
    shown,
    state_of,
)
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Caller
from onesixty.records import carriers, routes
from onesixty.storage.database import Connection

# A path of its own below /v1/carriers, and the carrier of test keys.
_RESERVED: Final = ("kinds", carriers.SANDBOX)

router = APIRouter(prefix="/v1/carriers", tags=["Carriers"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("carriers:read")]
Writer = Annotated[Caller, needs("carriers:write")]


@router.post(
    "",
    status_code=201,
    response_model=Carrier,
    summary="Add a carrier",
    responses=problem_responses(
        "invalid_request", "malformed_json", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_carrier(
    request: Request, body: NewCarrier, caller: Writer, context: Here
) -> Response:
    """It connects within a second. It sends nothing until a route leads to it."""
    spec = _spec(body.kind)
    if body.name in _RESERVED:
        detail = f"{body.name} has a meaning of its own: choose another name"
        raise Problem("invalid_request", detail, (FieldError("/name", "reserved", detail),))
    settings, secrets = checked(spec, _merged(spec, body.settings, {}), caller, context)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        fields = body.model_dump() | {"settings": settings, "secrets": secrets}
        await carriers.create(tx, context.sealer, caller.account_id, fields)
        return 201, shown(await find(tx, caller, body.name), context)

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=CarrierPage,
    summary="List carriers",
    responses=problem_responses("invalid_request"),
)
async def list_carriers(
    query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """The account's own carriers, newest first."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        rows = await carriers.listing(connection, caller.account_id, before, query.limit + 1)
    page = [shown(row, context) for row in rows]
    return json(paging.page(page, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/kinds",
    response_model=CarrierKinds,
    summary="Describe the kinds",
    responses=problem_responses(),
)
async def describe_carrier_kinds(caller: Reader) -> Response:
    """Each kind of carrier with its settings: what they mean, their defaults and limits."""
    kinds = [
        {
            "kind": spec.kind,
            "title": spec.title,
            "receives": spec.receives,
            "channels": spec.channels,
            "fields": [asdict(field) for field in spec.fields],
        }
        for spec in registry.SPECS.values()
    ]
    return json({"data": kinds, "next": None})


@router.get(
    "/{name}",
    response_model=CarrierInFull,
    summary="Show a carrier",
    responses=problem_responses("not_found"),
)
async def show_carrier(name: str, caller: Reader, context: Here) -> Response:
    """Settings with secrets masked, the live state, and what its receipts have taught."""
    async with context.database.read() as connection:
        row = await find(connection, caller, name)
        learned = await carriers.learned(connection, row["id"])
        refusal = await carriers.last_refusal(connection, row["id"])
    more = {"learned": learned_of(learned, context), "last_refused_call": refusal_of(refusal)}
    return json(shown(row, context) | more)


@router.patch(
    "/{name}",
    response_model=Carrier,
    summary="Change a carrier",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_carrier(name: str, body: CarrierChange, caller: Writer, context: Here) -> Response:
    """Settings are merged: send only those that change. The carrier reconnects with them."""
    changes = body.model_dump(exclude_unset=True)
    return await _change(name, caller, context, changes)


@router.delete(
    "/{name}",
    status_code=204,
    summary="Remove a carrier",
    responses=problem_responses("not_found", "conflict"),
)
async def remove_carrier(name: str, caller: Writer, context: Here) -> Response:
    """It disconnects. A carrier that routes still lead to stays: take it out of them first."""
    async with context.database.write() as tx:
        row = await find(tx, caller, name)
        if name == carriers.SANDBOX:
            raise Problem("conflict", f"{name} stays: messages of test keys go there")
        used_by = await routes.using(tx, row["id"])
        if used_by:
            raise Problem("conflict", f"routes lead to {name}: {', '.join(used_by)}")
        await carriers.remove(tx, row["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


@router.post(
    "/{name}/test",
    response_model=CarrierTest,
    summary="Test a carrier",
    responses=problem_responses("not_found"),
)
async def test_carrier(name: str, caller: Writer, context: Here) -> Response:
    """Whether it is connected right now, and if not, why. No message is sent.

    A provider over HTTP is asked whether it takes the credentials, even of a disabled carrier.
    """
    async with context.database.read() as connection:
        row = await find(connection, caller, name)
    fault, state = await fault_of(row, context), state_of(row, context)
    up = fault is None and state["status"] == "up"
    return json({"ok": up, "detail": fault or _verdict(row, state, up), "state": state})


@router.post(
    "/{name}/pause",
    response_model=Carrier,
    summary="Pause a carrier",
    responses=problem_responses("not_found"),
)
async def pause_carrier(name: str, caller: Writer, context: Here) -> Response:
    """It stays connected, for receipts and inbound messages, but messages wait."""
    return await _change(name, caller, context, {"paused": True})


@router.post(
    "/{name}/resume",
    response_model=Carrier,
    summary="Resume a carrier",
    responses=problem_responses("not_found"),
)
async def resume_carrier(name: str, caller: Writer, context: Here) -> Response:
    """Submit again, beginning with what waited."""
    return await _change(name, caller, context, {"paused": False})


async def _change(name: str, caller: Caller, context: Context, changes: dict[str, Any]) -> Response:
    async with context.database.write() as tx:
        row = await find(tx, caller, name)
        if "settings" in changes:
            spec = _spec(row["kind"])
            old = row["settings"] | carriers.secrets_of(row["secrets"], context.sealer)
            given = _merged(spec, changes["settings"], old)
            changes["settings"], changes["secrets"] = checked(spec, given, caller, context)
        await carriers.update(tx, context.sealer, row, changes)
        row = await find(tx, caller, name)
    await context.keeper.refresh()
    return json(shown(row, context))


async def find(connection: Connection, caller: Caller, name: str) -> Any:
    """The row of a carrier of the caller; raises Problem."""
    row = await carriers.find(connection, caller.account_id, name)
    if row is None:
        raise Problem("not_found", f"there is no carrier {name}")
    return row


def _spec(kind: str) -> CarrierSpec:
    spec = registry.SPECS.get(kind)
    if spec is None:
        detail = f"there is no kind {kind}; there are: {', '.join(registry.SPECS)}"
        raise Problem("invalid_request", detail, (FieldError("/kind", "unknown_kind", detail),))
    return spec


def checked(
    spec: CarrierSpec, given: dict[str, Any], caller: Caller, context: Context
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open and secret settings that a carrier can really be built with; raises Problem."""
    settings, secrets = carriers.check(spec, given)
    try:
        is_guest = context.keeper.book.accounts[caller.account_id].parent_id is not None
        spec.build(context.configs.draft(spec, settings | secrets, is_guest=is_guest))
    except ValueError as error:
        field = FieldError("/settings", "invalid", str(error))
        raise Problem("invalid_request", str(error), (field,)) from error
    return settings, secrets


def _merged(spec: CarrierSpec, changes: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Old settings with the changes: a masked secret keeps its value, null takes a value away."""
    hidden = {field.name for field in spec.fields if field.kind == "secret"}
    masked = {name for name, value in changes.items() if name in hidden and value == MASK}
    errors = tuple(
        FieldError(
            f"/settings/{name}",
            "masked",
            f"give {name} itself: {MASK} stands for one that is stored",
        )
        for name in masked - old.keys()
    )
    if errors:
        raise Problem("invalid_request", errors[0].detail, errors)
    merged = old | {name: value for name, value in changes.items() if name not in masked}
    return {name: value for name, value in merged.items() if value is not None}


def _verdict(row: Any, state: dict[str, Any], up: bool) -> str:
    if not row["enabled"]:
        return 'it is disabled: PATCH it with {"enabled": true}'
    if row["paused"]:
        return "it is paused: nothing is submitted until it is resumed"
    if up:
        return "connected"
    reasons = [state.get("detail"), *(bind["detail"] for bind in state.get("binds", ()))]
    reason = next(filter(None, reasons), None)
    return f"it is {state['status']}" + (f": {reason}" if reason else "")
