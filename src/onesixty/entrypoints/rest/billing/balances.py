"""`/v1/balance`, and the money of accounts below: terms, top-ups, refunds."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import IDEMPOTENT, JsonRoute, Listing, json, once
from onesixty.entrypoints.rest.billing.money import (
    Amount,
    Currency,
    Here,
    Money,
    PositiveAmount,
    Reader,
    Writer,
    account_of,
    account_text,
    micros,
    only_operator,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids, money, paging
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.records.billing import ledger, usage
from onesixty.records.billing.books import Kind
from onesixty.records.billing.ledger import Payment, Terms
from onesixty.records.billing.usage import Line
from onesixty.records.snapshot import Snapshot
from onesixty.storage.database import Connection

router = APIRouter(prefix="/v1", tags=["Billing"], route_class=JsonRoute)

Note = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$", description="Kept with it")
]


class TermsBody(BaseModel):
    """How an account pays."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["none", "prepaid", "postpaid"] = Field(
        description="none: it does not pay by itself; an account above it does, or nobody"
    )
    currency: Currency | None = Field(None, description="Fixed once money has moved")
    credit_limit: Amount = Field("0", description="How far below zero a postpaid balance may go")
    low_balance: Amount | None = Field(None, description="Tell by `balance.low` below it")


class TopUp(BaseModel):
    """Money that came in."""

    model_config = ConfigDict(extra="forbid")

    amount: PositiveAmount
    reference: Note | None = None


class Refund(BaseModel):
    """Money given back: what a message was charged, or any amount."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str | None, Field(max_length=64)] = None
    amount: PositiveAmount | None = Field(
        None, description="All of what the message was charged, if left out"
    )
    reason: Note


class Balance(BaseModel):
    """What an account has, and what its messages on their way hold of it."""

    object: str = Field(examples=["balance"])
    account: str
    mode: Literal["none", "prepaid", "postpaid"]
    paid_by: str | None = Field(
        description="Whose balance its messages take: its own, that of an account above, nobody's"
    )
    available: Money | None = Field(description="null for an account that does not pay by itself")
    held: Money | None = Field(description="For messages whose end is not known yet")
    spent: Money | None = Field(description="Charged so far, less refunds")
    credit_limit: Money | None
    low_balance: Money | None


class Transfer(BaseModel):
    """Money that was moved by hand."""

    id: str = Field(examples=["trf_01k0000000e008000000000000"])
    object: str = Field(examples=["transfer"])
    kind: Literal["topup", "refund"]
    amount: Money
    message: str | None
    note: str | None
    balance: Balance


class Moved(BaseModel):
    """What a message, a top-up or a refund did to a balance."""

    id: str = Field(examples=["trf_01k0000000e008000000000000"])
    message: str | None = Field(description="null for what was done by hand")
    held: Money | None
    charged: Money | None
    released: Money | None
    refunded: Money | None
    topped_up: Money | None
    note: str | None
    at: datetime = Field(description="Of the last of these")


class Statement(BaseModel):
    """A page of a statement, newest first."""

    data: list[Moved]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


@router.get(
    "/balance",
    response_model=Balance,
    summary="Show the own balance",
    responses=problem_responses(),
)
async def own_balance(caller: Reader, context: Here) -> Response:
    """What is available, held and spent."""
    async with context.database.read() as connection:
        row = await ledger.show(connection, caller.account_id)
    return json(_balance(row, context.keeper.book))


@router.get(
    "/accounts/{account_id}/balance",
    response_model=Balance,
    summary="Show the balance of an account",
    responses=problem_responses("not_found"),
)
async def show_balance(account_id: str, caller: Reader, context: Here) -> Response:
    """Of the caller's account or one below it."""
    async with context.database.read() as connection:
        row = await ledger.show(connection, await account_of(connection, caller, account_id))
    return json(_balance(row, context.keeper.book))


@router.get(
    "/accounts/{account_id}/transfers",
    response_model=Statement,
    summary="Show what moved a balance",
    responses=problem_responses("not_found", "invalid_request"),
)
async def list_transfers(
    account_id: str, query: Annotated[Listing, Query()], caller: Reader, context: Here
) -> Response:
    """Messages, top-ups and refunds, newest first, each with what became of its money."""
    before = paging.after(query.after)
    async with context.database.read() as connection:
        number = await account_of(connection, caller, account_id)
        rows = await ledger.statement(connection, number, before, query.limit + 1)
    currency = context.keeper.book.accounts[number].currency
    shown = [_moved(row, currency) for row in rows]
    return json(paging.page(shown, [row["id"] for row in rows], query.limit))


@router.put(
    "/accounts/{account_id}/billing",
    response_model=Balance,
    summary="Say how an account pays",
    responses=problem_responses("not_found", "conflict", "invalid_request", "malformed_json"),
)
async def change_billing(
    account_id: str, body: TermsBody, caller: Writer, context: Here
) -> Response:
    """From the next message on; only with a key of the account at the top."""
    only_operator(caller, context.keeper.book)
    async with context.database.write() as tx:
        number = await account_of(tx, caller, account_id)
        row = await ledger.show(tx, number)
        terms = Terms(
            None if body.mode == "none" else body.mode,
            body.currency or row["currency"],
            micros(body.credit_limit),
            None if body.low_balance is None else micros(body.low_balance),
        )
        await ledger.change_terms(tx, number, terms)
        row = await ledger.show(tx, number)
    await context.keeper.refresh()
    return json(_balance(row, context.keeper.book))


@router.post(
    "/accounts/{account_id}/topups",
    status_code=201,
    response_model=Transfer,
    summary="Top an account up",
    responses=problem_responses(
        "not_found", "conflict", "invalid_request", "malformed_json", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def top_up(
    request: Request, account_id: str, body: TopUp, caller: Writer, context: Here
) -> Response:
    """It counts at once. Give an Idempotency-Key, and repeat without fear."""
    only_operator(caller, context.keeper.book)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        number = await account_of(tx, caller, account_id)
        payment = Payment(Kind.TOPUP, micros(body.amount), body.reference, ids.uuid7())
        return 201, await _pay(tx, context, number, payment)

    return await once(request, context, caller, work)


@router.post(
    "/accounts/{account_id}/refunds",
    status_code=201,
    response_model=Transfer,
    summary="Give money back",
    responses=problem_responses(
        "not_found", "conflict", "invalid_request", "malformed_json", "idempotency_conflict"
    ),
    openapi_extra=IDEMPOTENT,
)
async def refund(
    request: Request, account_id: str, body: Refund, caller: Writer, context: Here
) -> Response:
    """For one message, once and at most what it was charged; or any amount, for a reason."""
    only_operator(caller, context.keeper.book)

    async def work(tx: Connection) -> tuple[int, dict[str, Any]]:
        number = await account_of(tx, caller, account_id)
        payment = await _refund(tx, number, body)
        shown = await _pay(tx, context, number, payment, body.message)
        line = Line(
            payment.id, 0, context.clock.now().date(), number, "", 0, 0,
            shown["amount"]["currency"], charged=-payment.micros,
        )  # fmt: skip
        await usage.count_refund(tx, line)
        return 201, shown

    return await once(request, context, caller, work)


async def _refund(tx: Connection, number: int, body: Refund) -> Payment:
    wanted = None if body.amount is None else micros(body.amount)
    if body.message is None:
        if wanted is None:
            raise _wrong("/amount", "give an amount, or a message")
        return Payment(Kind.REFUND, wanted, body.reason, ids.uuid7())
    message_id = ids.from_text("msg", body.message)
    if message_id is None:
        raise Problem("not_found", f"there is no message {body.message}")
    most = await ledger.refundable(tx, number, message_id)
    if wanted is not None and wanted > most:
        raise _wrong("/amount", f"the message was charged {money.amount(most)}: not more")
    return Payment(Kind.REFUND, wanted or most, body.reason, message_id)


def _wrong(pointer: str, detail: str) -> Problem:
    return Problem("invalid_request", detail, (FieldError(pointer, "invalid", detail),))


async def _pay(
    tx: Connection, context: Context, number: int, payment: Payment, message: str | None = None
) -> dict[str, Any]:
    row = await ledger.pay(tx, number, payment, context.clock.now())
    return {
        "id": ids.to_text("trf", payment.id),
        "object": "transfer",
        "kind": payment.kind.name.lower(),
        "amount": money.shown(payment.micros, row["currency"]),
        "message": message,
        "note": payment.note,
        "balance": _balance(row, context.keeper.book),
    }


def _moved(row: Any, currency: str) -> dict[str, Any]:
    def shown(micros: int | None) -> dict[str, str] | None:
        return None if micros is None else money.shown(micros, currency)

    of_message = row["hold"] is not None
    return {
        "id": ids.to_text("trf", row["id"]),
        "message": ids.to_text("msg", row["id"]) if of_message else None,
        "held": shown(row["hold"]),
        "charged": shown(row["charge"]),
        "released": shown(row["release"]),
        "refunded": shown(row["refund"]),
        "topped_up": shown(row["topup"]),
        "note": row["note"],
        "at": timestamp(row["at"]),
    }


def _balance(row: Any, book: Snapshot) -> dict[str, Any]:
    payer = book.billing.payers.get(row["account_id"])
    paid_by = row["account_id"] if row["mode"] else payer and payer.account_id

    def shown(micros: int | None) -> dict[str, str] | None:
        pays = row["mode"] or row["available"]
        return money.shown(micros, row["currency"]) if pays and micros is not None else None

    return {
        "object": "balance",
        "account": account_text(book.accounts[row["account_id"]].public_id),
        "mode": row["mode"] or "none",
        "paid_by": account_text(book.accounts[paid_by].public_id) if paid_by else None,
        "available": shown(row["available"]),
        "held": shown(row["held"]),
        "spent": shown(row["revenue"]),
        "credit_limit": shown(row["credit"]),
        "low_balance": shown(row["low"]),
    }
