"""What a route looks like outside."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from onesixty.records import routes

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
        description="Unique in the account: 1 to 64 of `a-z 0-9 _ . -`",
        examples=["uk-codes"],
    ),
]
Position = Annotated[
    int,
    Field(
        ge=0,
        le=routes.POSITION_MOST,
        description="The lowest that matches takes the message. Where it is the same, the route"
        " with the longest prefix that fits does, then the oldest",
    ),
]
_WINDOW = {
    "type": "object",
    "properties": {
        "days": {"type": "array", "items": {"type": "string"}, "description": "mon to sun"},
        "from": {"type": "string", "examples": ["08:00"]},
        "to": {"type": "string", "examples": ["20:00"]},
        "zone": {"type": "string", "examples": ["Europe/Berlin"]},
    },
    "additionalProperties": False,
}


def _condition(name: str, about: str) -> dict[str, Any]:
    one: dict[str, Any] = _WINDOW if name == "time" else {"type": "string"}
    return {"anyOf": [one, {"type": "array", "items": one}], "description": about}


Match = Annotated[
    dict[str, Any],
    Field(
        description="What a message must be, all of it. Each takes one value, or a list of which"
        " one must fit. Empty takes every message",
        examples=[{"country": ["GB", "IE"], "category": "otp"}],
        json_schema_extra={
            "properties": {name: _condition(name, about) for name, about in routes.MATCHES.items()},
            "additionalProperties": False,
        },
    ),
]
Strategy = Annotated[
    str,
    Field(
        description="; ".join(f"`{name}`: {about}" for name, about in routes.STRATEGIES.items()),
        json_schema_extra={"enum": list(routes.STRATEGIES)},
    ),
]


def _known(value: str) -> str:
    if value not in routes.STRATEGIES:
        raise ValueError(f"there is no strategy {value}; there are: {', '.join(routes.STRATEGIES)}")
    return value


class Lane(BaseModel):
    """A carrier of a route."""

    model_config = ConfigDict(extra="forbid")

    carrier: Annotated[str, Field(max_length=64, description="Its name", examples=["acme-smpp"])]
    weight: Annotated[
        int, Field(ge=1, le=1000, description="Its part of the messages, for `weighted`")
    ] = 1


Lanes = Annotated[
    list[Lane],
    Field(
        min_length=1,
        max_length=routes.CARRIERS_MOST,
        description="In order of preference; carriers of the account or of those above it",
    ),
]


class LaneGroup(BaseModel):
    """Carriers among which a strategy chooses."""

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy = "priority"
    carriers: Lanes
    quality_floor: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="Carriers that deliver a smaller part than this come after all others",
        ),
    ] = None
    explore_percent: Annotated[
        int,
        Field(
            ge=0,
            le=routes.EXPLORE_MOST,
            description="So much goes to others than the preferred carrier, to learn how they"
            " deliver",
        ),
    ] = 0

    _known = field_validator("strategy")(_known)


Groups = Annotated[
    list[LaneGroup],
    Field(
        min_length=1,
        max_length=routes.GROUPS_MOST,
        description="Tried in order; instead of `strategy` and `carriers`, which make one group",
    ),
]


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @field_validator("strategy", check_fields=False)
    @classmethod
    def _is_known(cls, value: str) -> str:
        return _known(value)

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        found: Any = self
        if found.groups and (found.carriers or "strategy" in self.model_fields_set):
            raise ValueError("give `groups`, or `carriers` and `strategy`, not both")
        named = [lane.carrier for group in found.groups or () for lane in group.carriers]
        named += [lane.carrier for lane in found.carriers or ()]
        if len(named) > len(set(named)):
            raise ValueError("a carrier is named twice")
        if len(named) > routes.CARRIERS_MOST:
            raise ValueError(f"a route has at most {routes.CARRIERS_MOST} carriers")
        return self


class NewRoute(_Rules):
    """A route to add."""

    name: Name
    position: Position = routes.POSITION
    match: Match = Field(default_factory=dict)
    strategy: Strategy = "priority"
    carriers: Lanes | None = None
    groups: Groups | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _has_carriers(self) -> Self:
        if not self.carriers and not self.groups:
            raise ValueError("give `carriers`, or `groups` of them")
        return self


class RouteChange(_Rules):
    """What to change; what is left out stays.

    `match`, `carriers` and `groups` are replaced whole.
    """

    position: Position = Field(default_factory=int)
    match: Match = Field(default_factory=dict)
    strategy: Strategy = Field(default_factory=str)
    carriers: Lanes = Field(default_factory=list)
    groups: Groups = Field(default_factory=list)
    enabled: bool = Field(default_factory=bool)


class Route(BaseModel):
    """A rule: messages that match go to a carrier of its groups."""

    id: str = Field(examples=["rte_01k0000000e008000000000000"])
    object: str = Field(examples=["route"])
    name: Name
    position: int
    match: dict[str, list[Any]]
    strategy: Strategy | None = Field(description="Of its group, where it has only one")
    carriers: list[Lane] | None = Field(description="Of its group, where it has only one")
    groups: list[LaneGroup]
    enabled: bool
    created_at: datetime
    updated_at: datetime


class RoutePage(BaseModel):
    """A page of routes, newest first."""

    data: list[Route]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")
