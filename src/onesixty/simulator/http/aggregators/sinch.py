"""Sinch as its customers see it: batches, delivery reports, and messages from handsets."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from collections.abc import Mapping
from typing import Any, ClassVar, Final

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

_REFUSALS: Final = {
    Refusal.RECIPIENT: (
        400,
        "syntax_invalid_parameter_format",
        "The format of parameter 'to[0]' is invalid; It must be a valid MSISDN",
    ),
    Refusal.OPTED_OUT: (400, "syntax_constraint_violation", "The number in 'to[0]' is blocked"),
    Refusal.SENDER: (403, "forbidden_shortcode", "The shortcode may not be used"),
    Refusal.THROTTLED: (429, "too_many_requests", "Too many requests"),
    Refusal.INTERNAL: (500, "internal_error", "An internal error occurred"),
}
_STATES: Final = {
    State.ACCEPTED: ("Queued", 400),
    State.ENROUTE: ("Dispatched", 401),
    State.DELIVERED: ("Delivered", 0),
}
_ERRORS: Final = {
    "003": ("Failed", 404),
    "005": ("Failed", 402),
    "006": ("Failed", 402),
    "007": ("Rejected", 62),
    "034": ("Rejected", 60),
    "450": ("Failed", 404),
}
_OTHER_ERROR: Final = ("Failed", 403)
_KINDS: Final = ("mt_text", "mt_binary", "mt_media")


class SinchFarSide:
    """One service plan, and one project with its access key."""

    name: ClassVar[str] = "sinch"
    credentials: ClassVar[Mapping[str, Any]] = {
        "service_plan_id": "5fa1c0de7b1e4d2a9f00b2c3d4e5f607",
        "api_token": "9c1f6b2d8e7a4c3f5b6a7d8e9f0a1b2c",
        "webhook_secret": "sinch-webhook-secret",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, settings or self.credentials
        self._tokens = {self._settings.get("api_token")}

    def take(self, request: Incoming) -> Submitted | Response:
        """A batch, a list of batches, or the wish for an access token."""
        if request.path == "/oauth2/token":
            return self._token(request)
        owner = self._settings.get("service_plan_id") or self._settings.get("project_id")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return Response(401)
        if request.path != f"/xms/v1/{owner}/batches":
            return Response(404)
        if request.method == "GET":
            return json_response(200, {"count": 0, "page": 0, "page_size": 1, "batches": []})
        return _batch(request.body)

    def withdraw_tokens(self) -> None:
        """Take back all access tokens before their time."""
        self._tokens.clear()

    def accepted(self, one: Submitted) -> Response:
        """The batch with its id."""
        at = self._at()
        shown = {**one.extra, "id": one.id, "created_at": at, "modified_at": at, "canceled": False}
        return json_response(201, shown)

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An error with `code` and `text`; 401 has no body."""
        if why is Refusal.CREDENTIALS:
            return Response(401)
        status, code, text = _REFUSALS[why]
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return json_response(status, {"code": code, "text": text}, **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A delivery report for the one recipient; Sinch tells nothing of reading."""
        known = _ERRORS.get(error, _OTHER_ERROR) if state is State.UNDELIVERED else None
        told = known or _STATES.get(state)
        if told is None or one.extra.get("delivery_report") in (None, "none"):
            return None
        status, code = told
        kind = "mms" if one.channel == "mms" else "sms"
        report = {
            "type": f"recipient_delivery_report_{kind}",
            "batch_id": one.id,
            "recipient": one.recipient.removeprefix("+"),
            "code": code,
            "status": status,
            "at": self._at(),
            "operator_status_at": self._at(),
            "client_reference": one.reference or None,
            "operator": "35000",
            "applied_originator": one.sender,
        }
        return self._call(one.callback_url or account_url, report)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One `mo_text`: parts are joined before."""
        told = {
            "type": "mo_text",
            "id": _ulid(),
            "from": sender.removeprefix("+"),
            "to": recipient.removeprefix("+"),
            "body": text,
            "received_at": self._at(),
            "operator_id": "31026",
        }
        return [self._call(account_url, told)]

    def _token(self, request: Incoming) -> Response:
        pair = f"{self._settings.get('key_id')}:{self._settings.get('key_secret')}"
        if request.headers.get("authorization") != f"Basic {b64encode(pair.encode()).decode()}":
            return json_response(401, {"error": "invalid_client"})
        if b"grant_type=client_credentials" not in request.body:
            return json_response(400, {"error": "unsupported_grant_type"})
        token = _ulid()
        self._tokens.add(token)
        told = {"access_token": token, "expires_in": 3599, "scope": "", "token_type": "bearer"}
        return json_response(200, told)

    def _call(self, url: str, told: Mapping[str, Any]) -> CallbackRequest:
        body = orjson.dumps(told)
        nonce, timestamp = _ulid(), str(int(self._clock.now().timestamp()))
        signed = body + f".{nonce}.{timestamp}".encode()
        digest = hmac.digest(self._settings["webhook_secret"].encode(), signed, "sha256")
        headers = {
            "content-type": "application/json",
            "x-sinch-webhook-signature": b64encode(digest).decode(),
            "x-sinch-webhook-signature-nonce": nonce,
            "x-sinch-webhook-signature-timestamp": timestamp,
            "x-sinch-webhook-signature-algorithm": "HmacSHA256",
        }
        return CallbackRequest("POST", url, headers, body)

    def _at(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _batch(body: bytes) -> Submitted | Response:
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _wrong("syntax_invalid_json", "The JSON cannot be parsed")
    kind, to = batch.get("type", "mt_text"), batch.get("to")
    if kind not in _KINDS:
        return _wrong("syntax_constraint_violation", f"The type {kind} is not known")
    if not isinstance(to, list) or not 1 <= len(to) <= 1000:
        return _wrong("syntax_constraint_violation", "The size of parameter 'to' is wrong")
    number = str(to[0]).removeprefix("+")
    if not number.isdecimal():
        return _wrong("syntax_invalid_parameter_format", "The format of parameter 'to[0]' is wrong")
    text = _text(kind, batch)
    if isinstance(text, Response):
        return text
    return Submitted(
        id=_ulid(),
        sender=batch.get("from", ""),
        recipient=f"+{number}",
        text=text,
        channel="mms" if kind == "mt_media" else "sms",
        reference=batch.get("client_reference") or "",
        callback_url=batch.get("callback_url") or "",
        extra=batch,
    )


def _text(kind: str, batch: Mapping[str, Any]) -> str | Response:
    body = batch.get("body")
    if kind == "mt_media":
        if not isinstance(body, dict) or not body.get("url"):
            return _wrong("syntax_constraint_violation", "Missing parameter 'body.url'")
        return str(body.get("message", ""))
    if not isinstance(body, str) or not 1 <= len(body) <= 2000:
        return _wrong("syntax_constraint_violation", "The length of parameter 'body' is wrong")
    if kind == "mt_text":
        return body
    try:
        octets = bytes.fromhex(batch["udh"]) + b64decode(body, validate=True)
    except (KeyError, NotBase64Error, ValueError):
        return _wrong("syntax_invalid_parameter_format", "The format of 'udh' or 'body' is invalid")
    if len(octets) > 140:
        return _wrong("syntax_constraint_violation", "'udh' and 'body' exceed 140 bytes")
    return ""


def _wrong(code: str, text: str) -> Response:
    return json_response(400, {"code": code, "text": text})


def _ulid() -> str:
    return ids.to_text("x", ids.uuid7()).removeprefix("x_").upper()
