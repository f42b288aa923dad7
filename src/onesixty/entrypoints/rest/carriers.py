"""`/v1/carriers`: the ways out, their settings with secrets masked, and their live state."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.carriers import registry
from onesixty.carriers.contract import CarrierConfig, CarrierSpec
from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.chance import chance
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import carriers, routes
from onesixty.storage.database import Connection

MASK: Final = "****"
KINDS_OF_SETTINGS: Final = ("text", "secret", "integer", "number", "boolean", "choice", "map")
# A path of its own below /v1/carriers, and the carrier of test keys.
_RESERVED: Final = ("kinds", carriers.SANDBOX)

router = APIRouter(prefix="/v1/carriers", tags=["Carriers"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("carriers:read")]
Writer = Annotated[Caller, needs("carriers:write")]

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
        description="Unique in the account: 1 to 64 of `a-z 0-9 _ . -`",
        examples=["acme-smpp"],
    ),
]
Settings = Annotated[
    dict[str, Any],
    Field(
        description="The fields of the kind, see `/v1/carriers/kinds`",
        examples=[{"host": "smpp.example.com", "port": 2775, "system_id": "me", "password": "..."}],
    ),
]
Rate = Annotated[
    int | None,
    Field(ge=1, le=100_000, description="Segments a second at most; null leaves it to the carrier"),
]
Burst = Annotated[
    int | None,
    Field(
        ge=1,
        le=100_000,
        description="Segments that may go at once after a pause, where the rate is limited; null"
        " for a tenth of the rate, since carriers measure in slices of a second",
    ),
]


class NewCarrier(BaseModel):
    """A carrier to add."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Annotated[str, Field(description="One of `/v1/carriers/kinds`", examples=["smpp"])]
    settings: Settings = Field(default_factory=dict)
    enabled: bool = True
    rate_per_second: Rate = None
    burst: Burst = None


class CarrierChange(BaseModel):
    """What to change of a carrier; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    settings: Annotated[
        Settings,
        Field(
            description="Those to change. A secret given as `****` stays as it is; null takes"
            " a setting back to its default"
        ),
    ] = Field(default_factory=dict)
    enabled: bool = Field(default_factory=bool, description="A disabled carrier disconnects")
    rate_per_second: Rate = Field(default_factory=lambda: None)
    burst: Burst = Field(default_factory=lambda: None)


class Carrier(BaseModel):
    """A way out."""

    id: str = Field(examples=["car_01k0000000e008000000000000"])
    object: str = Field(examples=["carrier"])
    name: Name
    kind: str = Field(examples=["smpp"])
    settings: dict[str, Any] = Field(description="Secrets are shown as `****`")
    enabled: bool
    paused: bool = Field(description="Connected, but nothing is submitted: messages wait")
    rate_per_second: int | None
    burst: int | None
    state: dict[str, Any] = Field(
        description="Live, over all processes; `status` is `up` when it can send. `queue` tells how"
        " many messages are due and wait, for how long the oldest, and in how many seconds they"
        " will be gone at the `observed_rate_per_second`; `breaker` whether the carrier failed too"
        " often; `ceiling_per_second` what is left of the rate while the carrier throttles",
        examples=[{"status": "up"}],
    )
    created_at: datetime
    updated_at: datetime


class CarrierPage(BaseModel):
    """A page of carriers, newest first."""

    data: list[Carrier]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class CarrierKindField(BaseModel):
    """A setting of a kind."""

    name: str
    kind: str = Field(
        json_schema_extra={"enum": [*KINDS_OF_SETTINGS]}
    )
    title: str
    default: Any
    required: bool
    at_least: float | None
    at_most: float | None
    choices: list[str]


class CarrierKind(BaseModel):
    """A kind of carrier and the settings it takes."""

    kind: str
    title: str
    receives: list[str] = Field(description="What comes back: `receipts`, `inbound`")
    fields: list[CarrierKindField]


class CarrierKinds(BaseModel):
    """Every kind of carrier that this version speaks to."""

    data: list[CarrierKind]
    next: None


class CarrierTest(BaseModel):
    """Whether a carrier is connected, and if not, why."""

    ok: bool
    detail: str
    state: dict[str, Any]


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
    settings, secrets = _checked(spec, _merged(spec, body.settings, {}), context)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        fields = body.model_dump() | {"settings": settings, "secrets": secrets}
        await carriers.create(tx, context.sealer, caller.account_id, fields)
        return 201, _shown(await _find(tx, caller, body.name), context)

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
    shown = [_shown(row, context) for row in rows]
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


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
            "fields": [asdict(field) for field in spec.fields],
        }
        for spec in registry.SPECS.values()
    ]
    return json({"data": kinds, "next": None})


@router.get(
    "/{name}",
    response_model=Carrier,
    summary="Show a carrier",
    responses=problem_responses("not_found"),
)
async def show_carrier(name: str, caller: Reader, context: Here) -> Response:
    """Settings with secrets masked, and the live state."""
    async with context.database.read() as connection:
        return json(_shown(await _find(connection, caller, name), context))


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
        row = await _find(tx, caller, name)
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
    """Whether it is connected right now, and if not, why. Nothing is sent."""
    async with context.database.read() as connection:
        row = await _find(connection, caller, name)
    state = _state(row, context)
    up = state["status"] == "up"
    return json({"ok": up, "detail": _verdict(row, state, up), "state": state})


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
        row = await _find(tx, caller, name)
        if "settings" in changes:
            spec = _spec(row["kind"])
            old = row["settings"] | carriers.secrets_of(row["secrets"], context.sealer)
            given = _merged(spec, changes["settings"], old)
            changes["settings"], changes["secrets"] = _checked(spec, given, context)
        await carriers.update(tx, context.sealer, row, changes)
        row = await _find(tx, caller, name)
    await context.keeper.refresh()
    return json(_shown(row, context))


async def _find(connection: Connection, caller: Caller, name: str) -> Any:
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


def _checked(
    spec: CarrierSpec, given: dict[str, Any], context: Context
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open and secret settings that a carrier can really be built with; raises Problem."""
    settings, secrets = carriers.check(spec, given)
    whole = {field.name: field.default for field in spec.fields} | settings | secrets
    try:
        spec.build(CarrierConfig(0, spec.kind, whole, context.clock, chance()))
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


def _shown(row: Any, context: Context) -> dict[str, Any]:
    secrets = carriers.secrets_of(row["secrets"], context.sealer)
    settings = row["settings"] | {name: value and MASK for name, value in secrets.items()}
    return {
        "id": ids.to_text("car", row["public_id"]),
        "object": "carrier",
        "name": row["name"],
        "kind": row["kind"],
        "settings": {name: settings[name] for name in sorted(settings)},
        "enabled": row["enabled"],
        "paused": row["paused"],
        "rate_per_second": row["rate_per_second"],
        "burst": row["burst"],
        "state": _state(row, context),
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def _state(row: Any, context: Context) -> dict[str, Any]:
    if not row["enabled"]:
        return {"status": "disabled"}
    state = context.carrier_states().get(row["id"]) or {"status": "starting"}
    if queue := state.get("queue"):
        rate = state["observed_rate_per_second"]
        seconds = round(queue["due"] / rate, 1) if rate else None
        state["queue"] = queue | {"seconds_to_empty": seconds if queue["due"] else 0.0}
    return state


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
