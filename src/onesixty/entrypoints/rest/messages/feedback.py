"""`/v1/messages/{id}/feedback`: what became of a message, as its sender found out."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.entrypoints.rest.answers import JsonRoute, json
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids
from onesixty.kit.problems import Problem
from onesixty.messages import quality
from onesixty.messages.types import Caller

router = APIRouter(prefix="/v1/messages", tags=["Messages"], route_class=JsonRoute)


class Feedback(BaseModel):
    """What is known of a message beside its receipts."""

    model_config = ConfigDict(extra="forbid")

    outcome: Annotated[
        Literal["converted", "not_converted", "not_received"],
        Field(
            description="`converted`: its code was entered, its link followed; `not_converted`: it"
            " was not, in the time it was good for; `not_received`: its person says that it never"
            " came"
        ),
    ]


class FeedbackKept(BaseModel):
    """What was kept."""

    message: str = Field(examples=["msg_01k0000000e008000000000000"])
    outcome: str


@router.post(
    "/{message_id}/feedback",
    response_model=FeedbackKept,
    summary="Tell what became of a message",
    responses=problem_responses("not_found", "conflict", "invalid_request", "malformed_json"),
)
async def give_feedback(
    message_id: str,
    body: Feedback,
    caller: Annotated[Caller, needs("messages:write")],
    context: Annotated[Context, Depends(context_of)],
) -> Response:
    """Evidence of how well its carrier delivers; the same again changes nothing.

    It is held against the receipts: a carrier whose delivered messages never came, or whose codes
    nobody enters, is suspected, and routes put it last.
    """
    identifier = ids.from_text("msg", message_id)
    handed: Any = None
    if identifier is not None:
        async with context.database.write() as tx:
            handed = await quality.feedback(
                tx, (caller.account_id, identifier), body.outcome, context.clock.now()
            )
    if handed is None:
        raise Problem("not_found", f"there is no message {message_id}")
    if handed.carrier_id is None:
        raise Problem("conflict", "no carrier has taken this message")
    if handed.is_new and context.quality is not None:
        context.quality.counter.evidence(handed, body.outcome)
    return json({"message": message_id, "outcome": body.outcome})
