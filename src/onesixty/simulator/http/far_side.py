"""What a simulated provider must be able to say; the stage (`stage.py`) says when.

The stage listens, records, keeps time and plays faults and scenarios (`simulator/numbers.py`). A
far side knows one provider's paths, credentials, words, signatures, and nothing of time or sockets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import orjson

from onesixty.kit.clock import Clock
from onesixty.simulator.numbers import State


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request to the provider."""

    method: str
    path: str  # without the query, decoded no further than it came
    query: str
    headers: Mapping[str, str]  # names in lower case; `host` among them
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What the provider answers."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(status: int, told: object, **headers: str) -> Response:
    """An answer of JSON; names of headers with _ in place of -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, orjson.dumps(told), headers=named)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message that the provider was asked to send."""

    id: str  # the provider's own, made by `take`
    sender: str
    recipient: str  # E.164 with +
    text: str
    channel: str = "sms"
    reference: str = ""  # what the customer named it by, echoed in callbacks
    callback_url: str = ""  # given with the message; empty: the one that the account has set
    extra: Mapping[str, Any] = field(default_factory=dict)  # media, template, all that came


class Refusal(StrEnum):
    """Why a submit is refused, as every provider must be able to say in its own words."""

    RECIPIENT = "recipient"  # the number cannot work
    OPTED_OUT = "opted_out"
    SENDER = "sender"  # our sender or account is wrong
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    INTERNAL = "internal"  # the provider's own error, with its own error body


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A request that the provider makes to its customer."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class FarSide(Protocol):
    """One provider. It takes the time from a clock, only to sign and date what it says."""

    name: ClassVar[str]  # as the kind of carrier is called: "twilio"
    # The settings with which a carrier of this kind reaches it, but for `base_url` (and whatever
    # `settings` of the class adds to it from the address of the stage).
    credentials: ClassVar[Mapping[str, Any]]

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        """With other settings than `credentials`, if any are given."""
        ...

    def take(self, request: Incoming) -> Submitted | Response:
        """Read a request: a message to be sent, or the answer to anything else.

        Wrong credentials, unknown paths and bad fields are answered as the provider would.
        """
        ...

    def accepted(self, one: Submitted) -> Response:
        """The message is taken."""
        ...

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """It is not."""
        ...

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """The signed callback that tells this state; None where the provider tells no such thing.

        `error` is three digits of the scenario; the far side has its own code for each that
        `numbers.ERROR_CODES` has. `account_url` is the callback URL that the account has set.
        """
        ...

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """The signed callbacks of a message from a handset, one for each part that it comes in."""
        ...
