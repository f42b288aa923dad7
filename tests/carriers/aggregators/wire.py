"""A dialect and its far side face to face, without sockets."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from onesixty.carriers.contract import Call, CarrierConfig, CarrierSpec, Submission
from onesixty.carriers.http.dialect import Answer, Request
from onesixty.kit.chance import chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    FarSide,
    Incoming,
    Response,
    Submitted,
)

BASE = "http://127.0.0.1:1"
CALLBACK = "https://sms.example.com/callbacks/car_1/secret"
NOW = datetime(2026, 1, 1, tzinfo=UTC)  # where a ManualClock starts
MESSAGE_ID = UUID("0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")


class Wire:
    """An `Ask` that leads to a far side: `requests` and `submitted` are what it got."""

    def __init__(self, far_side: FarSide) -> None:
        self.far_side = far_side
        self.requests: list[Request] = []
        self.submitted: list[Submitted] = []

    async def ask(self, request: Request) -> Answer:
        """Carry it over and bring the answer back."""
        self.requests.append(request)
        url = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        incoming = Incoming(
            request.method, url.path, url.query, headers | {"host": url.netloc}, request.body
        )
        taken = self.far_side.take(incoming)
        if isinstance(taken, Submitted):
            self.submitted.append(taken)
            taken = self.far_side.accepted(taken)
        return answer_of(taken)


def answer_of(response: Response) -> Answer:
    """A far side's answer as the client reads it."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, response.body)


def config(
    spec: CarrierSpec,
    settings: Mapping[str, Any],
    clock: ManualClock | None = None,
    callback_url: str | None = CALLBACK,
) -> CarrierConfig:
    """A configured carrier, as the platform fills in defaults: what has none is not there."""
    defaults = {one.name: one.default for one in spec.fields if one.default is not None}
    return CarrierConfig(
        7, "test", defaults | dict(settings), clock or ManualClock(), chance(1), callback_url
    )


def submission(body: str = "hello", **more: Any) -> Submission:
    """One message on its way out."""
    fields: dict[str, Any] = {
        "account_id": 1,
        "message_id": MESSAGE_ID,
        "carrier_id": 7,
        "attempt": 1,
        "priority": 2,
        "sender": "+14155550100",
        "recipient": "+15551231234",
        "body": body,
        "encoding": "gsm7",
        "segments": 1,
        "expires_at": NOW + timedelta(hours=1),
        "lease_id": MESSAGE_ID,
    }
    return Submission(**(fields | more))


def call_of(made: CallbackRequest, at: datetime = NOW, **changed: Any) -> Call:
    """A call that a far side makes, as the door hands it over."""
    path = urlsplit(made.url).path.removeprefix(urlsplit(CALLBACK).path).strip("/")
    fields: dict[str, Any] = {
        "method": made.method,
        "url": made.url,
        "path": path,
        "headers": {name.lower(): value for name, value in made.headers.items()},
        "body": made.body,
        "received_at": at,
    }
    return Call(**(fields | changed))
