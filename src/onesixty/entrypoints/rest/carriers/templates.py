"""`/v1/carriers/{name}/templates` and `/windows`: what a chat channel takes, and until when."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from onesixty.carriers import registry
from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.carriers.endpoints import Reader, Writer, find
from onesixty.entrypoints.rest.context import Context, context_of
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.features.channel_templates import TemplateSync
from onesixty.kit.problems import Problem
from onesixty.messages import windows
from onesixty.messages.render import timestamp
from onesixty.records import channel_templates
from onesixty.sms import numbers

router = APIRouter(prefix="/v1/carriers", tags=["Carriers"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]


class ChannelTemplate(BaseModel):
    """A template as its provider has it."""

    name: str = Field(examples=["order_update"])
    language: str = Field(examples=["en_US"])
    status: str = Field(description="Only APPROVED ones can be sent", examples=["APPROVED"])
    category: str = Field(examples=["UTILITY"])
    reason: str | None = Field(description="Why it is not approved, where the provider tells")
    components: list[dict[str, Any]] = Field(description="Header, body, buttons: the provider's")
    updated_at: datetime


class ChannelTemplates(BaseModel):
    """All templates of a carrier by name, and when the provider was asked last."""

    data: list[ChannelTemplate]
    next: None = None
    synced_at: datetime | None = Field(description="When they were read; null: never yet")
    error: str | None = Field(description="Why the last try to read them failed")


class Window(BaseModel):
    """Whether a person can be answered without a template."""

    number: str = Field(examples=["+447700900123"])
    open: bool
    until: datetime | None = Field(
        description="Its end, which may have passed; null: this person never wrote"
    )


@router.get(
    "/{name}/templates",
    response_model=ChannelTemplates,
    summary="List approved templates",
    responses=problem_responses("not_found", "conflict"),
)
async def list_templates(name: str, caller: Reader, context: Here) -> Response:
    """Read from the provider every ten minutes, and told by it in between."""
    async with context.database.read() as connection:
        row = await find(connection, caller, name)
        _check(row["kind"])
        rows, synced = await channel_templates.listing(connection, row["id"])
    return json(_shown(rows, synced))


@router.post(
    "/{name}/templates/sync",
    response_model=ChannelTemplates,
    summary="Read templates now",
    responses=problem_responses("not_found", "conflict", "provider_error"),
)
async def sync_templates(name: str, caller: Writer, context: Here) -> Response:
    """Ask the provider, keep what it has, and show it."""
    async with context.database.read() as connection:
        row = await find(connection, caller, name)
    _check(row["kind"])
    await context.keeper.follow()
    record = context.keeper.book.carriers[row["id"]]
    sync = TemplateSync(context.database, context.clock, context.keeper, context.configs)
    if (wrong := await sync.sync(record)) is not None:
        raise Problem("provider_error", wrong)
    async with context.database.read() as connection:
        rows, synced = await channel_templates.listing(connection, row["id"])
    return json(_shown(rows, synced))


@router.get(
    "/{name}/windows/{number}",
    response_model=Window,
    summary="Show until when a person can be answered",
    responses=problem_responses("not_found", "invalid_number"),
)
async def show_window(name: str, number: str, caller: Reader, context: Here) -> Response:
    """Chat channels take any message for 24 hours after the person's last one; then templates."""
    async with context.database.read() as connection:
        row = await find(connection, caller, name)
        parsed = numbers.parse(number)
        if isinstance(parsed, numbers.NumberError):
            raise Problem("invalid_number", parsed.message)
        until = await windows.open_until(connection, row["id"], parsed.e164)
    is_open = until is not None and until > context.clock.now()
    return json({"number": parsed.e164, "open": is_open, "until": timestamp(until)})


def _check(kind: str) -> None:
    spec = registry.SPECS.get(kind)
    if spec is None or not spec.templates:
        raise Problem("conflict", f"{kind} carriers have no templates to be read")


def _shown(rows: Any, synced: Any) -> dict[str, Any]:
    return {
        "data": [
            {
                "name": row["name"],
                "language": row["language"],
                "status": row["status"],
                "category": row["category"],
                "reason": row["reason"] or None,
                "components": row["components"],
                "updated_at": timestamp(row["updated_at"]),
            }
            for row in rows
        ],
        "next": None,
        "synced_at": timestamp(synced["synced_at"]) if synced else None,
        "error": synced["error"] if synced else None,
    }
