"""`/v1/esmes/{system_id}/deliveries`: what an ESME was given, and what it answered."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from onesixty.entrypoints.rest.answers import JsonRoute, Listing, json
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.features.esme_delivery import log
from onesixty.features.esme_delivery.log import LogQuery
from onesixty.kit import ids, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import esmes, events
from onesixty.smpp.statuses import name_of

router = APIRouter(prefix="/v1/esmes", tags=["ESMEs"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("esmes:read")]


class EsmeDelivery(BaseModel):
    """One attempt to give an ESME a receipt or a message from a handset."""

    id: str = Field(examples=["dlv_01k0000000e008000000000000"])
    object: str = Field(examples=["esme_delivery"])
    esme: str = Field(description="Its system_id", examples=["acme01"])
    event: str
    type: str | None = Field(
        description="Of the event; null when it is no longer kept", examples=["message.delivered"]
    )
    message: str | None = Field(examples=["msg_01k0000000e008000000000000"])
    result: str = Field(json_schema_extra={"enum": ["delivered", "retrying", "given_up"]})
    attempt: int = Field(description="From 1; 0 when it was given up without any")
    command_status: str | None = Field(
        description="Of its deliver_sm_resp; null when none came", examples=["ESME_RX_T_APPN"]
    )
    error: str | None
    milliseconds: int
    created_at: datetime
    next_attempt_at: datetime | None


class EsmeDeliveryPage(BaseModel):
    """A page of attempts, newest first."""

    data: list[EsmeDelivery]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class EsmeDeliveryListing(Listing):
    """Which attempts to list."""

    message: Annotated[str | None, Field(description="Only those about this message")] = None
    failed: Annotated[bool, Field(description="Only attempts that failed")] = False


@router.get(
    "/{system_id}/deliveries",
    response_model=EsmeDeliveryPage,
    summary="List the deliveries to an ESME",
    responses=problem_responses("not_found", "invalid_request"),
)
async def list_esme_deliveries(
    system_id: str, query: Annotated[EsmeDeliveryListing, Query()], caller: Reader, context: Here
) -> Response:
    """Every deliver_sm with a receipt or a message, newest first, and what came of it."""
    wanted = LogQuery(
        below=paging.after(query.after),
        message_id=None if query.message is None else _message_id(query.message),
        failed=query.failed,
        limit=query.limit + 1,
    )
    async with context.database.search() as connection:
        row = await esmes.find(connection, caller.account_id, system_id)
        if row is None:
            raise Problem("not_found", f"there is no ESME {system_id}")
        rows = await log.attempts(connection, caller.account_id, row["id"], wanted)
    shown = [_shown(one, system_id) for one in rows]
    return json(paging.page(shown, [one["id"] for one in rows], query.limit))


def _shown(row: Any, system_id: str) -> dict[str, Any]:
    failed = "retrying" if row["next_attempt_at"] else "given_up"
    status, message_id = row["status_code"], row["message_id"]
    return {
        "id": ids.to_text("dlv", row["id"]),
        "object": "esme_delivery",
        "esme": system_id,
        "event": ids.to_text("evt", row["event_id"]),
        "type": events.TYPES.get(row["type"]),
        "message": ids.to_text("msg", message_id) if message_id else None,
        "result": failed if row["error"] else "delivered",
        "attempt": row["attempt"],
        "command_status": None if status is None else name_of(status),
        "error": row["error"],
        "milliseconds": row["milliseconds"],
        "created_at": timestamp(row["at"]),
        "next_attempt_at": timestamp(row["next_attempt_at"]),
    }


def _message_id(text: str) -> Any:
    identifier = ids.from_text("msg", text)
    if identifier is None:
        wrong = FieldError("/message", "not_an_id", "a message id looks like msg_...")
        raise Problem("invalid_request", wrong.detail, (wrong,))
    return identifier
