"""Amounts in bodies and answers, and who may handle whose money."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Response
from pydantic import AfterValidator, BaseModel, Field

from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.kit import ids, money
from onesixty.kit.problems import Problem
from onesixty.messages.types import Caller
from onesixty.records import accounts
from onesixty.records.snapshot import Snapshot
from onesixty.storage.database import Connection

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("billing:read")]
Writer = Annotated[Caller, needs("billing:write")]


class Money(BaseModel):
    """An amount of a currency."""

    amount: str = Field(description="Decimal, up to 6 decimals", examples=["0.0325"])
    currency: str = Field(description="ISO 4217", examples=["EUR"])


def _amount(text: str) -> str:
    if money.micros(text) is None:
        raise ValueError("give an amount such as 12.50: no sign, up to 6 decimals")
    return text


def _positive(text: str) -> str:
    if not money.micros(_amount(text)):
        raise ValueError("give an amount above 0")
    return text


def _currency(text: str) -> str:
    if not money.is_currency(text):
        raise ValueError("give an ISO 4217 code, such as EUR")
    return text


Amount = Annotated[
    str,
    AfterValidator(_amount),
    Field(max_length=32, description="Decimal text, up to 6 decimals", examples=["12.50"]),
]
PositiveAmount = Annotated[
    str,
    AfterValidator(_positive),
    Field(max_length=32, description="Decimal text above 0, up to 6 decimals", examples=["12.50"]),
]
Currency = Annotated[
    str, AfterValidator(_currency), Field(max_length=3, description="ISO 4217", examples=["EUR"])
]

CSV: Final = "text/csv"


class CsvResponse(Response):
    """Rows for a spreadsheet."""

    media_type = CSV


def micros(text: str) -> int:
    """The micros of an amount that was checked."""
    value = money.micros(text)
    assert value is not None
    return value


def is_operator(caller: Caller, book: Snapshot) -> bool:
    """Whether the caller is the account at the top, which runs the platform."""
    return book.accounts[caller.account_id].parent_id is None


def only_operator(caller: Caller, book: Snapshot) -> None:
    """Raise Problem `forbidden` for all but the account at the top."""
    if not is_operator(caller, book):
        raise Problem("forbidden", "only keys of the account at the top may do this")


async def account_of(connection: Connection, caller: Caller, account: str | None) -> int:
    """The number of the account that is named, the caller's or one below; raises `not_found`."""
    if account is None:
        return caller.account_id
    identifier = ids.from_text("acc", account)
    row = identifier and await accounts.find_below(connection, caller.account_id, identifier)
    if not row:
        raise Problem("not_found", f"there is no account {account}")
    found: int = row["id"]
    return found


def account_text(public_id: UUID) -> str:
    """The id of an account as it is shown."""
    return ids.to_text("acc", public_id)
