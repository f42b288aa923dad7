"""Why: of a message that could be sent, and of one that was."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from onesixty.carriers.content import CHANNELS
from onesixty.entrypoints.rest.answers import JsonRoute, Moment, json
from onesixty.entrypoints.rest.billing.money import is_operator
from onesixty.entrypoints.rest.context import Context, context_of, needs
from onesixty.entrypoints.rest.problem_pages import problem_responses
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages import store
from onesixty.messages.types import Caller
from onesixty.records import routes
from onesixty.records.routes import explanations
from onesixty.records.routes.explanation import CarrierVerdict, Explained, amount
from onesixty.records.snapshot import Snapshot
from onesixty.sms import numbers
from onesixty.sms import sender as senders

router = APIRouter(prefix="/v1", tags=["Routes"], route_class=JsonRoute)

Here = Annotated[Context, Depends(context_of)]
RoutesReader = Annotated[Caller, needs("routes:read")]
MessagesReader = Annotated[Caller, needs("messages:read")]
_WITHOUT_AMOUNTS: Final = {"cheapest": "the cheapest", "dearer": "no cheaper than the chosen one"}
_VERDICTS: Final[dict[str, Any]] = {"enum": ["chosen", "fallback", "refused"]}


class Question(BaseModel):
    """A message that is not sent."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, Field(max_length=64, examples=["+447700900123"])]
    sender: Annotated[str | None, Field(alias="from", max_length=64, examples=["ACME"])] = None
    category: Literal["otp", "transactional", "marketing", "emergency"] = "transactional"
    channel: Annotated[str, Field(json_schema_extra={"enum": list(CHANNELS)})] = "sms"
    tags: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)
    network: Annotated[
        str | None,
        Field(max_length=7, description="MCC and MNC; if left out, what is known of the number"),
    ] = None
    at: Annotated[Moment | None, Field(description="When it is to go; now if left out")] = None


class ConsideredRoute(BaseModel):
    """A route that was looked at."""

    route: str
    account: str = Field(description="Whose route it is: the caller's, or an account above it")
    position: int
    matched: bool
    code: str | None = Field(
        description="What is against it: the condition, `no_carrier`, or `earlier` where another"
        " took the message; null for the one that takes it"
    )
    detail: str = Field(examples=["country is GB, the route takes FR"])


class QualityShown(BaseModel):
    """How a carrier delivered to the country lately."""

    level: str = Field(json_schema_extra={"enum": ["good", "degraded", "suspect"]})
    delivered_rate: float = Field(description="0 to 1")
    median_seconds: float | None
    coverage: float = Field(description="Part that receipts came for, 0 to 1")
    sample: int


class ChosenLane(BaseModel):
    """A carrier of the route that takes the message."""

    carrier: str | None = Field(description="null: it was removed")
    group: int = Field(description="From 1")
    verdict: str = Field(json_schema_extra=_VERDICTS)
    code: str = Field(examples=["preferred"])
    detail: str = Field(examples=["the first in order"])
    place: int | None = Field(description="Among the fallbacks, from 1; null where it is drawn")
    status: str
    share: float = Field(description="The part of such messages that goes to it now, 0 to 1")
    cost: str | None = Field(
        description="For a segment, in the platform's currency; null where it is not known, or the"
        " carrier is another account's"
    )
    quality: QualityShown | None


class Choice(BaseModel):
    """The first route that matched, and its carriers in the order in which they are tried."""

    route: str
    account: str
    carriers: list[ChosenLane]


class RouteExplanation(BaseModel):
    """Every route in the order in which they are tried, and the choice."""

    to: str
    country: str
    channel: str
    network: str | None = Field(description="MCC and MNC; null: not known, or no route asks for it")
    routes: list[ConsideredRoute]
    choice: Choice | None = Field(
        description="null: no route takes it, it would be refused with `no_route`"
    )


class KeptLane(BaseModel):
    """A carrier of the route, as it stood when the message was accepted."""

    carrier: str | None
    group: int
    verdict: str = Field(json_schema_extra=_VERDICTS)
    code: str
    detail: str
    place: int | None = None


class KeptRoute(BaseModel):
    """A route that was tried before and did not take the message."""

    route: str
    code: str
    detail: str


class MessageExplanation(BaseModel):
    """Why a message went to its carrier, decided when it was accepted."""

    object: str = Field(examples=["explanation"])
    message: str
    sandbox: bool = Field(description="It was sent with a test key: no route was looked at")
    route: str | None
    account: str | None = Field(description="Whose route it is")
    carriers: list[KeptLane]
    refused: list[KeptRoute] = Field(description="The first routes that were refused")
    refused_more: dict[str, int] = Field(description="How many others were, by code")


@router.post(
    "/routes/explain",
    response_model=RouteExplanation,
    summary="Explain the route of a message",
    responses=problem_responses(
        "invalid_request", "malformed_json", "invalid_number", "invalid_sender"
    ),
)
async def explain_route(body: Question, caller: RoutesReader, context: Here) -> Response:
    """What would happen to it now: every route and every carrier, with what is against it."""
    book = context.keeper.book
    traits = _traits(body, caller, book)
    explained = context.router.explain(book, traits)
    states = {carrier: state["status"] for carrier, state in context.carrier_states().items()}
    taken = explained.taken_by
    return json(
        {
            "to": traits.recipient,
            "country": traits.country,
            "channel": traits.channel,
            "network": traits.network or context.router.facts.network(traits.recipient),
            "routes": _considered(explained),
            "choice": taken
            and {
                "route": taken.route.name,
                "account": taken.owner,
                "carriers": [_lane(one, states, book, caller) for one in explained.carriers],
            },
        }
    )


@router.get(
    "/messages/{message_id}/explanation",
    response_model=MessageExplanation,
    summary="Explain the carrier of a message",
    responses=problem_responses("not_found"),
    tags=["Messages"],
)
async def explain_message(message_id: str, caller: MessagesReader, context: Here) -> Response:
    """As it was decided at acceptance; where it went afterwards is in its timeline."""
    identifier = ids.from_text("msg", message_id)
    async with context.database.read() as connection:
        row = identifier and await store.get(connection, caller.account_id, identifier)
        if not row:
            raise Problem("not_found", f"there is no message {message_id}")
        number = row["explanation"]
        found = None if number is None else await explanations.find(connection, number)
    if found is None and not row["test"]:
        raise Problem("not_found", f"no carrier was chosen for {message_id}")
    nothing: dict[str, Any] = {
        "route": None, "account": None, "carriers": [], "refused": [], "refused_more": {},
    }  # fmt: skip
    head = {"object": "explanation", "message": message_id, "sandbox": found is None}
    kept = found or nothing
    if not is_operator(caller, context.keeper.book):
        kept = kept | {"carriers": [one | {"detail": _plain(one)} for one in kept["carriers"]]}
    return json(head | kept)


def _traits(body: Question, caller: Caller, book: Snapshot) -> routes.Traits:
    number = numbers.parse(body.to)
    if isinstance(number, numbers.NumberError):
        raise _wrong("invalid_number", "/to", number.message)
    sender = body.sender or book.accounts[caller.account_id].default_sender
    if sender:
        checked = senders.classify(sender)
        if isinstance(checked, senders.SenderError):
            raise _wrong("invalid_sender", "/from", checked.message)
        sender = checked.value
    if body.channel not in CHANNELS:
        detail = f"there is no channel {body.channel}; there are: {', '.join(CHANNELS)}"
        raise _wrong("invalid_request", "/channel", detail)
    network = body.network and routes.network(body.network)
    if body.network and not network:
        raise _wrong("invalid_request", "/network", "write MCC and MNC such as 234-10")
    return routes.Traits(
        caller.account_id,
        number.e164,
        number.country,
        body.category,
        sender,
        tuple(body.tags),
        body.channel,
        network,
        body.at,
    )


def _wrong(code: str, pointer: str, detail: str) -> Problem:
    return Problem(code, detail, (FieldError(pointer, code, detail),))


def _plain(lane: Mapping[str, str]) -> str:
    """The reason without amounts: what carriers take is told to the account at the top only."""
    return _WITHOUT_AMOUNTS.get(lane["code"], lane["detail"])


def _considered(explained: Explained) -> list[dict[str, Any]]:
    return [
        {
            "route": one.rule.route.name,
            "account": one.rule.owner,
            "position": one.rule.route.position,
            "matched": one.code in ("", "earlier"),
            "code": one.code or None,
            "detail": one.detail,
        }
        for one in explained.routes
    ]


def _lane(
    one: CarrierVerdict, states: dict[int, str], book: Snapshot, caller: Caller
) -> dict[str, Any]:
    record = book.carriers.get(one.carrier_id)
    cost = one.cost_micros if record and record.account_id == caller.account_id else None
    quality = one.quality and {
        "level": one.quality.level,
        "delivered_rate": round(one.quality.delivered_rate, 4),
        "median_seconds": one.quality.median_seconds,
        "coverage": round(one.quality.coverage, 4),
        "sample": one.quality.sample,
    }
    reason = {"code": one.code, "detail": one.detail}
    return {
        "carrier": record.name if record else None,
        "group": one.group,
        "verdict": one.verdict,
        "code": one.code,
        "detail": one.detail if is_operator(caller, book) else _plain(reason),
        "place": one.place,
        "status": states.get(one.carrier_id, "starting"),
        "share": round(one.share, 6),
        "cost": None if cost is None else amount(cost),
        "quality": quality,
    }
