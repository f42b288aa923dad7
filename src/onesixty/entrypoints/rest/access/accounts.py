"""`/v1/accounts`: the caller's account and those below it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import accounts
from onesixty.sms import sender as senders
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/accounts", tags=["Accounts"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("accounts:read")]
Writer = Annotated[Caller, needs("accounts:write")]

DefaultSender = Annotated[
    str | None,
    Field(
        max_length=64,
        description="`from` of messages without: a number, a short code, or up to 11 letters",
        examples=["ACME"],
    ),
]


class NewAccount(BaseModel):
    """An account to make below the caller's."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="Unique on this server",
            examples=["shop"],
        ),
    ]
    default_sender: DefaultSender = None


class AccountChange(BaseModel):
    """What to change of an account."""

    model_config = ConfigDict(extra="forbid")

    default_sender: DefaultSender


class Account(BaseModel):
    """A tenant: where it has no route that matches, the routes of its parent serve."""

    id: str = Field(examples=["acc_01k0000000e008000000000000"])
    object: str = Field(examples=["account"])
    name: str
    parent: str | None = Field(description="The account above it; null for the caller's own")
    default_sender: str | None
    created_at: datetime


class AccountPage(BaseModel):
    """A page of accounts, newest first."""

    data: list[Account]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


@router.post(
    "",
    status_code=201,
    response_model=Account,
    summary="Make an account",
    responses=problem_responses(
        "invalid_request", "malformed_json", "invalid_sender", "conflict", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_account(
    request: Request, body: NewAccount, caller: Writer, context: Here
) -> Response:
    """Below the caller's account, whose routes and carriers serve it; `/v1/keys` makes its keys."""
    sender = _sender(body.default_sender)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        number = await accounts.create(tx, context.sealer, body.name, caller.account_id, sender)
        public_id = await accounts.public_id(tx, number)
        return 201, _shown(await accounts.find_below(tx, caller.account_id, public_id), caller)

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=AccountPage,
    summary="List accounts",
    responses=problem_responses("invalid_request"),
)
async def list_accounts(
    query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """The caller's account and all below it, newest first."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        rows = await accounts.below(connection, caller.account_id, before, query.limit + 1)
    shown = [_shown(row, caller) for row in rows]
    return json(paging.page(shown, [row["public_id"] for row in rows], query.limit))


@router.get(
    "/{account_id}",
    response_model=Account,
    summary="Show an account",
    responses=problem_responses("not_found"),
)
async def show_account(account_id: str, caller: Reader, context: Here) -> Response:
    """The caller's account or one below it."""
    async with context.database.read() as connection:
        return json(_shown(await _find(connection, caller, account_id), caller))


@router.patch(
    "/{account_id}",
    response_model=Account,
    summary="Change an account",
    responses=problem_responses("not_found", "invalid_request", "malformed_json", "invalid_sender"),
)
async def change_account(
    account_id: str, body: AccountChange, caller: Writer, context: Here
) -> Response:
    """Set or take away (null) the default sender, for messages that are accepted from now on."""
    sender = _sender(body.default_sender)
    async with context.database.write() as tx:
        row = await _find(tx, caller, account_id)
        await accounts.change_default_sender(tx, row["id"], sender)
        row = await _find(tx, caller, account_id)
    await context.keeper.refresh()
    return json(_shown(row, caller))


async def _find(connection: Connection, caller: Caller, account_id: str) -> Any:
    identifier = ids.from_text("acc", account_id)
    row = identifier and await accounts.find_below(connection, caller.account_id, identifier)
    if not row:
        raise Problem("not_found", f"there is no account {account_id}")
    return row


def _sender(text: str | None) -> str | None:
    """The sender in the form that messages have it in; raises Problem."""
    if text is None:
        return None
    checked = senders.classify(text)
    if isinstance(checked, senders.SenderError):
        error = FieldError("/default_sender", "invalid_sender", checked.message)
        raise Problem("invalid_sender", checked.message, (error,))
    return checked.value


def _shown(row: Any, caller: Caller) -> dict[str, Any]:
    is_own = row["id"] == caller.account_id
    return {
        "id": ids.to_text("acc", row["public_id"]),
        "object": "account",
        "name": row["name"],
        "parent": None if is_own or not row["parent"] else ids.to_text("acc", row["parent"]),
        "default_sender": row["default_sender"],
        "created_at": timestamp(row["created_at"]),
    }
