"""`/v1/lookup/{number}`: what plans, sources and receipts tell of a phone number."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import json
from onesixty.entrypoints.rest.billing.money import Money, is_operator, only_operator
from onesixty.entrypoints.rest.context import Context, context_of, needs, require
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.features.lookups.asking import Asked as Question
from onesixty.features.lookups.asking import End
from onesixty.kit import money
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records.lookups import known
from onesixty.sms import numbers
from onesixty.sms.numbers import Number

router = APIRouter(prefix="/v1/lookup", tags=["Lookup"])

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("messages:read")]


def known_country(country: str) -> str:
    """A country code in capitals; raises ValueError when there is no such country."""
    if country.upper() not in SUPPORTED_REGIONS:
        raise ValueError(f"there is no country {country}; give an ISO 3166-1 code, such as GB")
    return country.upper()


class LookupQuery(BaseModel):
    """How to read the number."""

    model_config = ConfigDict(extra="forbid")

    country: Annotated[
        str | None,
        AfterValidator(lambda value: value and known_country(value)),
        Field(description="Where a number without + is dialled, ISO 3166-1", examples=["GB"]),
    ] = None
    network: bool = Field(default=False, description="Tell its mobile network too")
    live: bool = Field(
        default=False,
        description="Ask a lookup source now, which may cost money; takes the scope"
        " `numbers:lookup` and a key of the account at the top",
    )
    source: Annotated[
        str | None, Field(max_length=64, description="With `live`: ask this one, by its name")
    ] = None


class Formats(BaseModel):
    """A number as programs and people write it."""

    e164: str = Field(examples=["+442079460018"])
    national: str = Field(examples=["020 7946 0018"])
    international: str = Field(examples=["+44 20 7946 0018"])


class PlanNetwork(BaseModel):
    """The network whose range a number is of."""

    mcc: str = Field(examples=["234"])
    mnc: str = Field(examples=["10"])
    name: str = Field(description="Of its operator", examples=["O2"])
    prefix: str = Field(description="The digits that say so", examples=["44770"])
    plan: str = Field(description="`own`: that of `/v1/number-plan`; `shipped`: the program's")


class ToldNetwork(BaseModel):
    """What was told of this number, and counts until it expires. null: it was not told."""

    mcc: str | None
    mnc: str | None
    ported: bool | None
    valid: bool | None
    reachable: bool | None
    source: str = Field(description="A lookup source, or `receipts` of carriers")
    at: datetime
    expires_at: datetime


class Asked(BaseModel):
    """What came of asking now."""

    result: Literal["answered", "no_answer", "cap_reached", "being_asked", "no_source"]
    source: str | None
    price: Money | None = Field(description="Of the question; null when none was paid")
    detail: str | None


class LookedUpNetwork(BaseModel):
    """The mobile network of a number."""

    code: str | None = Field(
        description="MCC and MNC that routes and prices go by; null: not known", examples=["23410"]
    )
    by_plan: PlanNetwork | None
    told: ToldNetwork | None = Field(description="Shown to the account at the top only")
    asked: Asked | None = Field(description="With `live`")


class Lookup(BaseModel):
    """What is known from the digits alone: a ported number may be with another carrier."""

    object: str = Field(examples=["lookup"])
    number: str = Field(description="E.164", examples=["+442079460018"])
    valid: bool = Field(description="The country's plan has such a number")
    possible: bool = Field(description="Its length is right: what sending to it asks for")
    country: str = Field(description="ISO 3166-1; `001` for numbers of no country", examples=["GB"])
    line_type: str = Field(examples=["mobile", "fixed_line", "toll_free", "voip", "unknown"])
    carrier: str | None = Field(description="Whom the plan gives the range to")
    formats: Formats
    time_zones: list[str] = Field(examples=[["Europe/London"]])
    network: LookedUpNetwork | None = Field(description="Null unless it was asked for")


@router.get(
    "/{number}",
    response_model=Lookup,
    summary="Look a number up",
    responses=problem_responses("invalid_number", "invalid_request"),
)
async def look_up_number(
    number: Annotated[str, Path(max_length=64, examples=["+442079460018"])],
    query: Annotated[LookupQuery, Query()],
    caller: Reader,
    context: Here,
) -> Response:
    """By the numbering plans; with `network` and `live` also by what sources and receipts told."""
    if query.live:
        require(caller, "numbers:lookup")
        only_operator(caller, context.keeper.book)
    parsed = numbers.parse(number, query.country)
    if isinstance(parsed, numbers.NumberError):
        error = FieldError("/number", str(parsed.problem), parsed.message)
        raise Problem("invalid_number", parsed.message, (error,))
    # The first call reads the plans, which takes a third of a second.
    found = await asyncio.to_thread(numbers.describe, parsed)
    return json(
        {
            "object": "lookup",
            "number": parsed.e164,
            "valid": found.valid,
            "possible": True,
            "country": parsed.country,
            "line_type": found.line_type,
            "carrier": found.carrier or None,
            "formats": {
                "e164": parsed.e164,
                "national": found.national_format,
                "international": found.international_format,
            },
            "time_zones": found.time_zones,
            "network": await _network(parsed, query, caller, context),
        }
    )


async def _network(
    number: Number, query: LookupQuery, caller: Caller, context: Context
) -> dict[str, Any] | None:
    if not (query.network or query.live):
        return None
    lookups = context.lookups
    assert lookups is not None  # as in every process that answers
    question = None
    if query.live:
        question = await lookups.look(number.e164, number.country, query.source)
    by_plan = await asyncio.to_thread(lookups.networks.by_digits, number.e164)
    told = None
    if is_operator(caller, context.keeper.book):
        async with context.database.read() as connection:
            kept = await known.find(connection, [number.e164], context.clock.now())
        told = kept.get(number.e164)
    return {
        "code": (told and told.network) or (by_plan and by_plan[2].code),
        "by_plan": by_plan
        and {
            "plan": by_plan[0],
            "prefix": by_plan[1],
            "name": by_plan[2].name,
            **_codes(by_plan[2].code),
        },
        "told": told and _told(told),
        "asked": question and _asked(question),
    }


def _told(told: known.Known) -> dict[str, Any]:
    return {
        **_codes(told.network),
        "ported": told.ported,
        "valid": told.valid,
        "reachable": told.reachable,
        "source": told.source,
        "at": timestamp(told.at),
        "expires_at": timestamp(told.expires_at),
    }


def _asked(question: Question) -> dict[str, Any]:
    source, paid = question.source, question.end in (End.ANSWERED, End.NO_ANSWER)
    price = money.shown(source.price, source.currency) if source and paid else None
    return {
        "result": question.end,
        "source": source and source.name,
        "price": price,
        "detail": question.detail or None,
    }


def _codes(code: str | None) -> dict[str, str | None]:
    return {"mcc": code and code[:3], "mnc": code and code[3:]}
