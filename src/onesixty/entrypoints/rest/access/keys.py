"""`/v1/keys`: API keys, shown once when they are made."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, Moment, json, once
from onesixty.entrypoints.rest.context import Context, context_of, needs, require
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records import accounts, keys
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1/keys", tags=["Keys"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("keys:read")]
Writer = Annotated[Caller, needs("keys:write")]


def _known(scope: str) -> str:
    if scope not in keys.SCOPES:
        raise ValueError(f"there is no scope {scope}; there are: {', '.join(keys.SCOPES)}")
    return scope


Scope = Annotated[
    str,
    AfterValidator(_known),
    Field(
        description=" ".join(f"`{scope}`: {about}" for scope, about in keys.SCOPES.items()),
        json_schema_extra={"enum": list(keys.SCOPES)},
    ),
]
AccountId = Annotated[
    str | None,
    Field(
        description="An account below the caller's, which takes `accounts:write` (to read: "
        "`accounts:read`) too; the caller's own if left out",
        examples=["acc_01k0000000e008000000000000"],
    ),
]


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="To recognise it by",
            examples=["billing system"],
        ),
    ]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(keys.SCOPES))]
    test: bool = Field(default=False, description="Its messages go to the simulator")
    expires_at: Annotated[Moment | None, Field(description="null: never")] = None
    account: AccountId = None


class Key(BaseModel):
    """What may be known of a key."""

    id: str = Field(examples=["key_01k0000000e008000000000000"])
    object: str = Field(examples=["key"])
    name: str
    hint: str = Field(description="How the key begins", examples=["os_live_4fQ2"])
    test: bool
    scopes: list[Scope]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class MadeKey(Key):
    """A key with its text, which is never shown again."""

    key: str = Field(examples=["os_live_4fQ2..."])


class KeyPage(BaseModel):
    """A page of keys, newest first, revoked ones too."""

    data: list[Key]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class KeyListing(Listing):
    """The query of the list."""

    account: AccountId = None


@router.post(
    "",
    status_code=201,
    response_model=MadeKey,
    summary="Make a key",
    responses=problem_responses(
        "invalid_request", "malformed_json", "not_found", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def create_key(request: Request, body: NewKey, caller: Writer, context: Here) -> Response:
    """The answer is the only time that the key is shown. A key cannot give more than it has."""
    _may_grant(caller, body)
    if body.expires_at and body.expires_at <= context.clock.now():
        detail = "expires_at is in the past"
        error = FieldError("/expires_at", "in_the_past", detail)
        raise Problem("invalid_request", detail, (error,))

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        account_id = await _account(tx, caller, body.account, "accounts:write")
        made = await keys.create(
            tx,
            account_id,
            body.name,
            list(dict.fromkeys(body.scopes)),
            test=body.test,
            expires_at=body.expires_at,
        )
        return 201, _shown(await keys.find(tx, account_id, made.id)) | {"key": made.text}

    return await once(request, context, caller, work)


@router.get(
    "",
    response_model=KeyPage,
    summary="List keys",
    responses=problem_responses("invalid_request", "not_found"),
)
async def list_keys(
    query: Annotated[KeyListing, Query()], caller: Reader, context: Here
) -> Response:
    """The account's keys, newest first, without the keys themselves."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        account_id = await _account(connection, caller, query.account, "accounts:read")
        rows = await keys.listing(connection, account_id, before, query.limit + 1)
    return json(
        paging.page([_shown(row) for row in rows], [row["id"] for row in rows], query.limit)
    )


@router.delete(
    "/{key_id}", status_code=204, summary="Revoke a key", responses=problem_responses("not_found")
)
async def revoke_key(
    key_id: str, caller: Writer, context: Here, account: Annotated[AccountId, Query()] = None
) -> Response:
    """It ends at once here, and within a second in every process. It stays in the list."""
    identifier = ids.from_text("key", key_id)
    async with context.database.write() as tx:
        account_id = await _account(tx, caller, account, "accounts:write")
        if identifier is None or not await keys.revoke(
            tx, account_id, identifier, context.clock.now()
        ):
            raise Problem("not_found", f"there is no key {key_id}")
    await context.keeper.refresh()
    return Response(status_code=204)


def _may_grant(caller: Caller, body: NewKey) -> None:
    """Raise Problem `forbidden` for a key that could do more than the one it is made with."""
    if "*" not in caller.scopes:
        for scope in body.scopes:
            if scope not in caller.scopes:
                raise Problem("forbidden", f"this key cannot give {scope}: it does not have it")
    if caller.test and not body.test:
        raise Problem("forbidden", "a test key makes test keys only")


async def _account(tx: Connection, caller: Caller, account: str | None, scope: str) -> int:
    """The number of the account that the request names, the caller's own by default."""
    if account is None:
        return caller.account_id
    require(caller, scope)
    identifier = ids.from_text("acc", account)
    row = identifier and await accounts.find_below(tx, caller.account_id, identifier)
    if not row:
        raise Problem("not_found", f"there is no account {account}")
    found: int = row["id"]
    return found


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": ids.to_text("key", row["id"]),
        "object": "key",
        "name": row["name"],
        "hint": row["hint"],
        "test": row["test"],
        "scopes": row["scopes"],
        "created_at": timestamp(row["created_at"]),
        "expires_at": timestamp(row["expires_at"]),
        "revoked_at": timestamp(row["revoked_at"]),
    }
