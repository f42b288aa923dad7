"""`/v1/lookup/{number}`: what the numbering plans tell of a phone number, asking nobody."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import json
from onesixty.entrypoints.rest.context import needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Caller
from onesixty.sms import numbers

router = APIRouter(prefix="/v1/lookup", tags=["Lookup"])

Reader = Annotated[Caller, needs("messages:read")]


def _known(country: str) -> str:
    if country.upper() not in SUPPORTED_REGIONS:
        raise ValueError(f"there is no country {country}; give an ISO 3166-1 code, such as GB")
    return country.upper()


class LookupQuery(BaseModel):
    """How to read the number."""

    model_config = ConfigDict(extra="forbid")

    country: Annotated[
        str | None,
        AfterValidator(lambda value: value and _known(value)),
        Field(description="Where a number without + is dialled, ISO 3166-1", examples=["GB"]),
    ] = None


class Formats(BaseModel):
    """A number as programs and people write it."""

    e164: str = Field(examples=["+442079460018"])
    national: str = Field(examples=["020 7946 0018"])
    international: str = Field(examples=["+44 20 7946 0018"])


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
) -> Response:
    """Validity, formats, country, line type, carrier and time zones, by the numbering plans."""
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
        }
    )
