"""A provider that nobody has: the plainest API there can be, for tests of the stage and engine."""

import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    Incoming,
    Refusal,
    Response,
    Submitted,
    json_response,
)
from onesixty.simulator.numbers import State

STATUSES = {
    Refusal.RECIPIENT: 422,
    Refusal.OPTED_OUT: 422,
    Refusal.SENDER: 400,
    Refusal.CREDENTIALS: 401,
    Refusal.THROTTLED: 429,
    Refusal.INTERNAL: 500,
}


class PlainFarSide:
    """`POST /messages` with a bearer token; callbacks signed by an HMAC of their body."""

    name: ClassVar[str] = "plain"
    credentials: ClassVar[Mapping[str, Any]] = {"token": "plain-token", "secret": "plain-secret"}

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._s = clock, settings or self.credentials

    def take(self, request: Incoming) -> Submitted | Response:
        """A message; `GET /balance` tells whether the token is good."""
        if request.headers.get("authorization") != f"Bearer {self._s['token']}":
            return json_response(401, {"error": "credentials"})
        if request.path == "/balance":
            return json_response(200, {"balance": "10.00"})
        if request.path != "/messages" or request.method != "POST":
            return json_response(404, {"error": "no such path"})
        told = orjson.loads(request.body)
        return Submitted(
            ids.uuid7().hex, told["from"], told["to"], told["text"],
            reference=told.get("reference", ""), callback_url=told.get("callback", ""),
        )  # fmt: skip

    def accepted(self, one: Submitted) -> Response:
        """201 with the id."""
        return json_response(201, {"id": one.id, "price": "0.05 EUR"})

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """Why, as a word."""
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return json_response(STATUSES[why], {"error": why.value}, **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """The id, its state as a word, the error."""
        if state is State.READ:
            return None
        told = {"id": one.id, "state": state.value, "error": error, "reference": one.reference}
        return self._call(one.callback_url or account_url, told)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """The message whole."""
        told = {"id": ids.uuid7().hex, "from": sender, "to": recipient, "text": text}
        return [self._call(account_url, told)]

    def _call(self, url: str, told: Mapping[str, Any]) -> CallbackRequest:
        body = orjson.dumps(told)
        signature = hmac.new(self._s["secret"].encode(), body, "sha256").hexdigest()
        headers = {"content-type": "application/json", "x-signature": signature}
        return CallbackRequest("POST", url, headers, body)
