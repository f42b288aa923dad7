"""`/v1/esmes`: customers who bind to this server over SMPP."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.features.esme_delivery import claims
from onesixty.kit import ids, paging
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import password_hash, token
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import esmes
from onesixty.storage.database import Connection

BINDS_MOST: Final = 1000

router = APIRouter(prefix="/v1/esmes", tags=["ESMEs"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("esmes:read")]
Writer = Annotated[Caller, needs("esmes:write")]

SystemId = Annotated[
    str,
    Field(
        pattern=esmes.SYSTEM_ID,
        description="Unique on the server: 1 to 15 of `A-Z a-z 0-9 _ . @ -`",
        examples=["acme01"],
    ),
]
Password = Annotated[
    str | None,
    Field(
        max_length=64,
        description="1 to 8 ASCII characters, as SMPP has them. One is made when it is left out",
        examples=["s3cret42"],
    ),
]
Texts = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=esmes.LIST_MOST)]


def _chosen(name: str) -> str:
    return "; ".join(f"`{choice}`: {about}" for choice, about in esmes.CHOICES[name].items())


class Wishes(BaseModel):
    """What an ESME may do and how it wants things; null stands for the default."""

    model_config = ConfigDict(extra="forbid")

    allowed_ips: Texts | None = Field(
        None,
        description="IP addresses and networks it may connect from; null: any",
        examples=[["192.0.2.0/24"]],
    )
    bind_modes: Texts | None = Field(
        None, description="Some of `transmitter`, `receiver`, `transceiver`; null: all"
    )
    max_binds: Annotated[int, Field(ge=1, le=BINDS_MOST)] | None = Field(
        None, description=f"Sessions at a time; null: {esmes.DEFAULTS.max_binds}"
    )
    window: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None,
        description="How many `deliver_sm` it is sent on a session without an answer; it may have"
        f" twice as many submits open before its session is read no further. null:"
        f" {esmes.DEFAULTS.window}",
    )
    rate_per_second: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None, description="Requests over all its sessions; more get ESME_RTHROTTLED. null: no limit"
    )
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="How many at once after a pause; null: those of one second"
    )
    allowed_senders: Texts | None = Field(
        None,
        description="Source addresses it may use; null: any",
        examples=[["ACME", "+447700900123"]],
    )
    default_category: Literal["emergency", "otp", "transactional", "marketing"] | None = Field(
        None, description="Of its messages with priority_flag 0; null: `transactional`"
    )
    tags: Texts | None = Field(
        None, description="Given to each of its messages, for routes to match; null: none"
    )
    country: Annotated[str, Field(max_length=2)] | None = Field(
        None, description="ISO 3166 code: where its national numbers (TON 2) are", examples=["GB"]
    )
    data_coding_0: str | None = Field(None, description=_chosen("data_coding_0"))
    id_form: str | None = Field(None, description=f"Of message ids. {_chosen('id_form')}")
    receipt_form: str | None = Field(
        None, description=f"Of delivery receipts. {_chosen('receipt_form')}"
    )
    receives_inbound: bool | None = Field(
        None, description="Whether inbound messages go to it at all; null: true"
    )
    numbers: Texts | None = Field(
        None,
        description="Whose inbound messages it gets: numbers, short codes, or prefixes with `*`."
        " null: all of the account, when no other ESME of it receives",
        examples=[["+447700900*"]],
    )
    long_inbound: str | None = Field(
        None, description=f"Inbound text beyond one segment. {_chosen('long_inbound')}"
    )


class NewEsme(Wishes):
    """A customer to let in."""

    system_id: SystemId
    password: Password = None
    enabled: bool = True


class EsmeChange(Wishes):
    """What to change; what is left out stays.

    Sessions go on, unless the ESME is disabled, gets another password, or may no longer be bound
    as it is: those are unbound.
    """

    password: Password = None
    enabled: bool = Field(default_factory=bool)


class EsmeSession(BaseModel):
    """A session that is bound now."""

    peer: str = Field(examples=["192.0.2.7:50612"])
    mode: Literal["transmitter", "receiver", "transceiver"]
    version: str = Field(description="Of SMPP", examples=["3.4"])
    tls: bool
    bound_at: datetime
    unanswered_submits: int
    unanswered_deliveries: int
    submits: int
    accepted: int
    deliveries: int


class Refused(BaseModel):
    """A bind that was refused."""

    at: datetime
    peer: str
    reason: str = Field(examples=["wrong password"])


class EsmeState(BaseModel):
    """How it stands; with several processes at most some seconds old."""

    sessions: list[EsmeSession]
    last_refusal: Refused | None


class Esme(BaseModel):
    """A customer who binds to this server over SMPP."""

    id: str = Field(examples=["esm_01k0000000e008000000000000"])
    object: str = Field(examples=["esme"])
    system_id: str
    password: str | None = Field(description="Shown once, in the answer that made it; then null")
    enabled: bool
    allowed_ips: list[str]
    bind_modes: list[str]
    max_binds: int
    window: int
    rate_per_second: float | None
    burst: int | None
    allowed_senders: list[str] | None
    default_category: str
    tags: list[str]
    country: str | None
    data_coding_0: str
    id_form: str
    receipt_form: str
    receives_inbound: bool
    numbers: list[str]
    long_inbound: str
    state: EsmeState
    waiting: int = Field(
        description=f"Receipts and inbound messages that it has yet to take;"
        f" {claims.COUNTED_MOST:,} stands for that many or more"
    )
    next_due_at: datetime | None = Field(
        description="When the first of them is tried next; a time gone by when it is not bound"
    )
    created_at: datetime
    updated_at: datetime


class EsmePage(BaseModel):
    """A page of ESMEs, newest first."""

    data: list[Esme]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


@router.post(
    "",
    status_code=201,
    response_model=Esme,
    summary="Add an ESME",
    responses=problem_responses(
        "invalid_request", "malformed_json", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_esme(request: Request, body: NewEsme, caller: Writer, context: Here) -> Response:
    """It can bind within a second, in every process. The answer is the only one with a password."""
    password = body.password if body.password is not None else token(esmes.PASSWORD_MOST)
    esmes.check_password(password)
    settings = esmes.check(body.model_dump(exclude={"system_id", "password", "enabled"}))
    hashed = await asyncio.to_thread(password_hash, password)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        await esmes.create(
            tx, caller.account_id, body.system_id, hashed, settings, enabled=body.enabled
        )
        row = await _find(tx, caller, body.system_id)
        return 201, (await _shown(context, [row]))[0] | {"password": password}

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=EsmePage,
    summary="List ESMEs",
    responses=problem_responses("invalid_request"),
)
async def list_esmes(query: Annotated[Listing, Query()], caller: Reader, context: Here) -> Response:
    """Those of the account, newest first, and who of them is bound."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        rows = await esmes.listing(connection, caller.account_id, before, query.limit + 1)
    shown = await _shown(context, rows)
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/{system_id}",
    response_model=Esme,
    summary="Show an ESME",
    responses=problem_responses("not_found"),
)
async def show_esme(system_id: str, caller: Reader, context: Here) -> Response:
    """One ESME, its sessions, and the last bind that was refused."""
    async with context.database.read() as connection:
        row = await _find(connection, caller, system_id)
    return json((await _shown(context, [row]))[0])


@router.patch(
    "/{system_id}",
    response_model=Esme,
    summary="Change an ESME",
    responses=problem_responses("not_found", "invalid_request", "malformed_json"),
)
async def change_esme(system_id: str, body: EsmeChange, caller: Writer, context: Here) -> Response:
    """It holds at once, for sessions that are bound too."""
    given = body.model_dump(exclude_unset=True)
    changes: dict[str, Any] = {}
    if (password := given.pop("password", None)) is not None:
        esmes.check_password(password)
        changes["password_hash"] = await asyncio.to_thread(password_hash, password)
    if "enabled" in given:
        changes["enabled"] = given.pop("enabled")
    checked = esmes.check(given)
    async with context.database.write() as tx:
        row = await _find(tx, caller, system_id)
        kept = {name: value for name, value in row["settings"].items() if name not in given}
        await esmes.update(tx, row, changes | {"settings": kept | checked})
        row = await _find(tx, caller, system_id)
    await context.keeper.refresh()
    return json((await _shown(context, [row]))[0])


@router.delete(
    "/{system_id}",
    status_code=204,
    summary="Remove an ESME",
    responses=problem_responses("not_found"),
)
async def remove_esme(system_id: str, caller: Writer, context: Here) -> Response:
    """Its sessions are unbound; its messages stay, and go on."""
    async with context.database.write() as tx:
        await esmes.remove(tx, (await _find(tx, caller, system_id))["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


async def _find(connection: Connection, caller: Caller, system_id: str) -> Any:
    row = await esmes.find(connection, caller.account_id, system_id)
    if row is None:
        raise Problem("not_found", f"there is no ESME {system_id}")
    return row


async def _shown(context: Context, rows: list[Any]) -> list[dict[str, Any]]:
    numbers = [row["id"] for row in rows]
    states = await context.esme_states(numbers)
    waiting = await claims.waiting(context.database, numbers)
    return [
        {
            "id": ids.to_text("esm", row["public_id"]),
            "object": "esme",
            "system_id": row["system_id"],
            "password": None,
            "enabled": row["enabled"],
            **asdict(esmes.settings_of(row["settings"])),
            "state": states[row["id"]],
            "waiting": waiting[row["id"]][0],
            "next_due_at": timestamp(waiting[row["id"]][1]),
            "created_at": timestamp(row["created_at"]),
            "updated_at": timestamp(row["updated_at"]),
        }
        for row in rows
    ]
