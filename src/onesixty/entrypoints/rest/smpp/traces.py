"""`/v1/carriers/{name}/trace`, `/v1/esmes/{system_id}/trace`: what went over sessions lately."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import json
from onesixty.entrypoints.rest.context import Context, context_of, needs, require
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Caller
from onesixty.nodes.questions import Answers
from onesixty.records import carriers, esmes

LIMIT_DEFAULT: Final = 100
LIMIT_MOST: Final = 1000
_MOMENT: Final = r"\d{1,10}:\d{1,12}(\.\d{1,9})?"
_CURSOR: Final = re.compile(rf"{_MOMENT}(,{_MOMENT}){{0,99}}")

router = APIRouter(prefix="/v1", tags=["Traces"])

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs("traces:read")]


class TraceQuery(BaseModel):
    """What to show."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=LIMIT_MOST, description="So many at most: the newest")] = (
        LIMIT_DEFAULT
    )
    after: Annotated[
        str | None,
        Field(description="`next` of the answer before: only what came since. Ask again and again"
              " to follow", examples=["3:5120.25"]),
    ] = None  # fmt: skip
    show_text: Annotated[
        bool,
        Field(description="With texts and whole numbers; needs the scope `traces:read_text`"),
    ] = False


class TraceTlv(BaseModel):
    """An optional parameter."""

    tag: str = Field(examples=["0x0427"])
    name: str = Field(examples=["message_state"])
    value: int | str = Field(description="A number, a text, or octets in hexadecimal digits")
    meaning: str = Field(examples=["delivered"])


class TraceFault(BaseModel):
    """Something wrong in the octets."""

    offset: int = Field(description="The octet of the PDU that it shows at")
    text: str


class TraceMessage(BaseModel):
    """The user data, read by its data_coding."""

    alphabet: str = Field(examples=["UCS-2"])
    octets: int = Field(description="Without the header")
    characters: int | None = Field(description="null for binary data")
    header: list[dict[str, str]] | None = Field(description="Elements of the user data header")
    flaws: list[str] = Field(description="What was wrong with the octets as text")
    text: str | None = Field(default=None, description="Only with `show_text`")


class TraceEntry(BaseModel):
    """A PDU, or a connection that came or went."""

    time: datetime = Field(examples=["2026-11-22T15:30:00.123456Z"])
    session: str = Field(examples=["1 transceiver"])
    process: int = Field(description="Number of the process that has the session")
    kind: Literal["in", "out", "opened", "closed"] = Field(
        description="`in` from the peer, `out` from us; the others are about the connection"
    )
    detail: str | None = Field(
        default=None, description="Of `opened` our address and the peer's, of `closed` the reason"
    )
    command: str | None = Field(
        default=None, description="null for what is no PDU", examples=["submit_sm"]
    )
    status: str | None = Field(default=None, examples=["ESME_ROK"])
    sequence: int | None = None
    length: int | None = Field(
        default=None, description="Of the PDU; of a long one the first 1,024 octets are kept"
    )
    fields: dict[str, int | str] | None = Field(
        default=None, description="By their names in the specification; octets in hexadecimal"
    )
    tlvs: list[TraceTlv] | None = None
    message: TraceMessage | None = None
    receipt: dict[str, Any] | None = Field(default=None, description="A delivery receipt, read")
    faults: list[TraceFault] | None = None
    hex: str | None = Field(default=None, description="The octets, what is secret as 2a")


class Trace(BaseModel):
    """What is kept, oldest first."""

    data: list[TraceEntry]
    next: str = Field(description="Give it as `after` to get what comes")
    left_out: int = Field(description="How many older ones there are that `limit` left out")
    silent: list[int] = Field(description="Numbers of processes that did not answer in time")


@router.get(
    "/carriers/{name}/trace",
    response_model=Trace,
    summary="Trace a carrier",
    responses=problem_responses("not_found", "invalid_request"),
)
async def trace_carrier(
    name: str, query: Annotated[TraceQuery, Query()], caller: Reader, context: Here
) -> Response:
    """The last 1,000 PDUs of each of its sessions, in all processes; of SMPP carriers only.

    Passwords are always covered with `*`; texts, and numbers but for their first digits, unless
    `show_text` asks for them.
    """
    async with context.database.read() as connection:
        row = await carriers.find(connection, caller.account_id, name)
    if row is None:
        raise Problem("not_found", f"there is no carrier {name}")
    return await _answer("carrier", row["id"], query, caller, context)


@router.get(
    "/esmes/{system_id}/trace",
    response_model=Trace,
    summary="Trace an ESME",
    responses=problem_responses("not_found", "invalid_request"),
)
async def trace_esme(
    system_id: str, query: Annotated[TraceQuery, Query()], caller: Reader, context: Here
) -> Response:
    """The last 250 PDUs of each session that a customer has with us, in all processes.

    And of the last four that are over, or whose bind was refused, in each process. Binds with a
    name that is not on file belong to nobody: they are in the log only.
    """
    async with context.database.read() as connection:
        row = await esmes.find(connection, caller.account_id, system_id)
    if row is None:
        raise Problem("not_found", f"there is no ESME {system_id}")
    return await _answer("esme", row["id"], query, caller, context)


async def _answer(
    of: str, number: int, query: TraceQuery, caller: Caller, context: Context
) -> Response:
    """The trace of a carrier or ESME by its number."""
    if query.show_text:
        require(caller, "traces:read_text")
    after = _moments(query.after)
    question = {
        "of": of,
        "id": number,
        "after": after,
        "limit": query.limit,
        "show_text": query.show_text,
    }
    answers = await context.ask_processes(question)
    data = sorted(
        (entry for one in answers.told.values() for entry in one["data"]),
        key=lambda entry: str(entry["time"]),
    )
    return json(
        {
            "data": data[-query.limit :],
            "next": _cursor(answers, after),
            "left_out": max(0, len(data) - query.limit)
            + sum(one["left_out"] for one in answers.told.values()),
            "silent": answers.silent,
        }
    )


def _moments(cursor: str | None) -> dict[str, float]:
    if cursor is None:
        return {}
    if not _CURSOR.fullmatch(cursor):
        detail = "give `next` of the answer before"
        raise Problem("invalid_request", detail, (FieldError("/after", "malformed", detail),))
    pairs = (one.split(":") for one in cursor.split(","))
    return {node: float(moment) for node, moment in pairs}


def _cursor(answers: Answers, before: dict[str, float]) -> str:
    """Up to where each process told; one that was silent goes on where it was."""
    moments = {node: before[str(node)] for node in answers.silent if str(node) in before}
    moments |= {node: one["until"] for node, one in answers.told.items()}
    return ",".join(f"{node}:{moment:.9f}" for node, moment in sorted(moments.items()))
