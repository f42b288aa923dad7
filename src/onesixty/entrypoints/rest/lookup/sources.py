"""`/v1/lookup-sources`: who may be asked about numbers, and for how much."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.billing.money import (
    Amount,
    Currency,
    PositiveAmount,
    micros,
    only_operator,
)
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.lookup.numbers import known_country
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.features.lookups.sources import KINDS, RESPONSE_SECONDS, SECRETS
from onesixty.kit import ids, money
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records.lookups import sources, spending
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/lookup-sources", tags=["Lookup"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("numbers:read")]
Writer = Annotated[Caller, needs("numbers:write")]
MASK: Final = "****"
_YEAR: Final = 366 * 86_400
Name = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
        description="Unique: 1 to 64 of `a-z 0-9 _ . -`, not `receipts`",
        examples=["main-hlr"],
    ),
]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Country = Annotated[str, AfterValidator(known_country)]


class SourceSettings(BaseModel):
    """How a source is asked: as the carrier `http` is described, for one number."""

    model_config = ConfigDict(extra="forbid")

    base_url: Text = Field("", description="`{base_url}` in the request")
    username: Text = Field("", description="`{username}`")
    password: Text = Field("", description="`{password}`; `****` leaves it as it is")
    api_key: Text = Field("", description="`{api_key}`; `****` leaves it as it is")
    request: dict[str, Any] = Field(
        description="method, url, headers, format, body; `{to}` is the number, `{to_digits}`"
        " without +",
        examples=[{"method": "GET", "url": "{base_url}/lookup/{to_digits}?key={api_key}"}],
    )
    answer: dict[str, Any] = Field(
        description="`network`, or `mcc` and `mnc`: places of the codes; `ported`, `valid`,"
        " `reachable`: conditions; `when`: the condition that it is an answer, any 2xx if left out",
        examples=[{"network": "/mccmnc", "ported": {"match": {"/ported": True}}}],
    )
    response_seconds: float = Field(RESPONSE_SECONDS, ge=0.1, le=60)


class NewSource(BaseModel):
    """A source to add, or what an old one becomes."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["http"] = "http"
    settings: SourceSettings
    enabled: bool = True
    countries: list[Country] = Field(
        default_factory=list,
        max_length=300,
        description="Whose numbers it is asked about, ISO 3166-1; all if empty",
        examples=[["GB", "DE"]],
    )
    follow: bool = Field(
        False,
        description="Ask by itself about numbers that messages went to and whose network nobody"
        " told yet: later messages go by the answer",
    )
    price: Amount = Field("0", description="Of a question")
    currency: Currency = "EUR"
    day_cap: PositiveAmount | None = Field(None, description="At most so much a day (UTC)")
    month_cap: PositiveAmount | None = Field(None, description="At most so much a month")
    keep_seconds: int = Field(
        30 * 86_400, ge=60, le=_YEAR, description="How long an answer with a network counts"
    )
    keep_unknown_seconds: int = Field(
        86_400, ge=60, le=_YEAR, description="How long one without a network does"
    )


class SourceSpending(BaseModel):
    """What a source has cost, in its currency, and how it went. Days and months are of UTC."""

    day: str = Field(examples=["1.25"])
    month: str
    questions: int = Field(description="Today")
    failed: int = Field(description="Of them, without an answer that could be read")
    last_error: str | None = Field(description="Of this month")


class Source(NewSource):
    """Somebody who may be asked about numbers. Secrets are shown as `****`."""

    id: str = Field(examples=["lks_01k0000000e008000000000000"])
    object: str = Field(examples=["lookup_source"])
    name: str = Field(examples=["main-hlr"])
    spent: SourceSpending
    created_at: datetime
    updated_at: datetime


class Sources(BaseModel):
    """All sources by name."""

    data: list[Source]


@router.get(
    "", response_model=Sources, summary="List lookup sources", responses=problem_responses()
)
async def list_lookup_sources(caller: Reader, context: Here) -> Response:
    """Only with a key of the account at the top."""
    only_operator(caller, context.keeper.book)
    async with context.database.read() as connection:
        rows = await sources.listing(connection)
        spent = await spending.spent(connection, context.clock.now())
    return json({"data": [_shown(row, spent.get(row["id"]), context) for row in rows]})


@router.get(
    "/{name}",
    response_model=Source,
    summary="Show a lookup source",
    responses=problem_responses("not_found"),
)
async def show_lookup_source(name: Name, caller: Reader, context: Here) -> Response:
    """With what it has cost today and in this month."""
    only_operator(caller, context.keeper.book)
    async with context.database.write() as tx:
        return json(await _found(tx, context, name))


@router.put(
    "/{name}",
    response_model=Source,
    summary="Add or replace a lookup source",
    responses=problem_responses("invalid_request", "malformed_json"),
)
async def put_lookup_source(name: Name, body: NewSource, caller: Writer, context: Here) -> Response:
    """What is left out has its default again; only secrets given as `****` stay as they are."""
    only_operator(caller, context.keeper.book)
    if name == "receipts":
        raise _invalid("/name", "receipts is the name of what carriers tell by themselves")
    async with context.database.write() as tx:
        before = await sources.find(tx, name)
        kept = sources.secrets_of(before["secrets"], context.sealer) if before else {}
        settings = body.settings.model_dump()
        secrets = {one: settings.pop(one) for one in SECRETS}
        secrets = {
            one: kept.get(one, "") if text == MASK else text for one, text in secrets.items()
        }
        await _check(body.kind, settings | secrets, context)
        await sources.put(tx, name, _fields(body, context, settings, secrets))
        shown = await _found(tx, context, name)
    await context.keeper.refresh()
    return json(shown)


@router.delete(
    "/{name}",
    status_code=204,
    summary="Remove a lookup source",
    responses=problem_responses("not_found"),
)
async def remove_lookup_source(name: Name, caller: Writer, context: Here) -> Response:
    """What it told counts until it expires."""
    only_operator(caller, context.keeper.book)
    async with context.database.write() as tx:
        row = await sources.find(tx, name)
        if row is None:
            raise _missing(name)
        await sources.remove(tx, row["id"])
    await context.keeper.refresh()
    return Response(status_code=204)


async def _check(kind: str, settings: dict[str, Any], context: Context) -> None:
    try:
        await KINDS[kind](settings, context.clock).close()
    except ValueError as error:
        raise _invalid("/settings", str(error)) from None


def _fields(
    body: NewSource, context: Context, settings: dict[str, Any], secrets: dict[str, str]
) -> dict[str, Any]:
    kept = {one: text for one, text in secrets.items() if text}
    return {
        "kind": body.kind,
        "settings": settings,
        "secrets": sources.sealed(kept, context.sealer),
        "enabled": body.enabled,
        "countries": sorted(set(body.countries)),
        "follow": body.follow,
        "price": micros(body.price),
        "currency": body.currency,
        "day_cap": body.day_cap and micros(body.day_cap),
        "month_cap": body.month_cap and micros(body.month_cap),
        "keep_seconds": body.keep_seconds,
        "keep_unknown_seconds": body.keep_unknown_seconds,
    }


async def _found(tx: Connection, context: Context, name: str) -> dict[str, Any]:
    row = await sources.find(tx, name)
    if row is None:
        raise _missing(name)
    spent = await spending.spent(tx, context.clock.now())
    return _shown(row, spent.get(row["id"]), context)


def _shown(row: Any, spent: Any, context: Context) -> dict[str, Any]:
    has = sources.secrets_of(row["secrets"], context.sealer)
    masks = {one: MASK if one in has else "" for one in SECRETS}
    caps = {one: row[one] and money.amount(row[one]) for one in ("day_cap", "month_cap")}
    same = ("name", "kind", "enabled", "countries", "follow", "currency", "keep_seconds",
            "keep_unknown_seconds")  # fmt: skip
    return {
        "id": ids.to_text("lks", row["public_id"]),
        "object": "lookup_source",
        **{one: row[one] for one in same},
        "settings": row["settings"] | masks,
        "price": money.amount(row["price"]),
        **caps,
        "spent": {
            "day": money.amount(spent["day"] or 0 if spent else 0),
            "month": money.amount(spent["month"] or 0 if spent else 0),
            "questions": (spent["questions"] or 0) if spent else 0,
            "failed": (spent["failed"] or 0) if spent else 0,
            "last_error": spent["error"] if spent else None,
        },
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def _missing(name: str) -> Problem:
    return Problem("not_found", f"there is no lookup source {name}")


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem("invalid_request", detail, (FieldError(pointer, "invalid", detail),))
