"""Every problem that a door can answer with: one table, the reference is made from it (RFC 9457).

Expected on the walk, a problem is a value (`messages.types.Refusal` carries its code); at a door it
is raised.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """What is fixed about a problem: its code, HTTP status, title, and what to do about it."""

    code: str
    http_status: int
    title: str
    advice: str
    twilio_code: int | None = None
    smpp_status: int | None = None


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON pointer (RFC 6901) into the body, a code and a sentence."""

    pointer: str
    code: str
    detail: str


@dataclass(
    slots=True, eq=False
)  # not frozen: contextlib sets __traceback__ on what leaves its blocks
class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Raised below a door, answered by it."""

    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after_seconds: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The row of the table."""
        return KINDS[self.code]


def document(problem: Problem, instance: str | None = None) -> dict[str, Any]:
    """The RFC 9457 body: `type` is a page that the server itself serves."""
    kind = problem.kind
    body: dict[str, Any] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.http_status,
        "detail": problem.detail,
        "code": kind.code,
    }
    if problem.errors:
        body["errors"] = [
            {"pointer": error.pointer, "code": error.code, "detail": error.detail}
            for error in problem.errors
        ]
    if instance:
        body["instance"] = instance
    return body


_TABLE = (
    Kind(
        "invalid_request",
        422,
        "The request is not valid",
        "Read `errors`: each names a field by its JSON pointer and says what to change.",
        21602,
        0x08,
    ),
    Kind(
        "malformed_json",
        400,
        "The body is not JSON",
        "Send one JSON object, UTF-8 encoded, with `Content-Type: application/json`.",
    ),
    Kind(
        "unauthorized",
        401,
        "No valid API key",
        "Send `Authorization: Bearer <key>` with a key that is not revoked or expired;"
        " make one with `onesixty keys create`.",
        20003,
        0x0D,
    ),
    Kind(
        "forbidden",
        403,
        "This key may not do that",
        "Use a key that has the scope named in `detail`.",
        20403,
    ),
    Kind(
        "not_found",
        404,
        "There is no such thing",
        "Check the id and the account of the key:"
        " what belongs to another account is not found either.",
        20404,
        0x0C,
    ),
    Kind(
        "media_unavailable",
        502,
        "The file cannot be fetched from where it is",
        "Carriers keep files for days or weeks; `detail` says what theirs answered.",
    ),
    Kind(
        "provider_error",
        502,
        "The provider of the carrier does not answer as it should",
        "`detail` has its own words; test it with `POST /v1/carriers/{name}/test`.",
    ),
    Kind(
        "template_not_approved",
        422,
        "No carrier of the route has this template",
        "Look at `GET /v1/carriers/{name}/templates`; only approved ones can be sent.",
        63040,
    ),
    Kind(
        "outside_window",
        422,
        "The person has not written within 24 hours",
        "Send an approved template, or give `fallback` with a channel to go on to.",
        63016,
    ),
    Kind(
        "method_not_allowed",
        405,
        "This path does not take that method",
        "See the API reference for the methods of the path.",
    ),
    Kind(
        "conflict",
        409,
        "It is not in the state for that",
        "Read it again and decide anew; `detail` names its state.",
        20409,
    ),
    Kind(
        "idempotency_conflict",
        409,
        "The Idempotency-Key was used with another body",
        "Use a new key for a new request; repeat the same body with the same key.",
    ),
    Kind(
        "search_too_long",
        422,
        "The search takes too long",
        "Narrow it by `created_after`; by number, reference or id all is found at once.",
    ),
    Kind("body_too_large", 413, "The request is too large", "Split it; the limit is in `detail`."),
    Kind(
        "rate_limited", 429, "Too many requests", "Wait as long as `Retry-After` says.", 20429, 0x58
    ),
    Kind(
        "overloaded",
        503,
        "The platform is busy",
        "Nothing was stored. Wait as long as `Retry-After` says, then repeat.",
        20503,
        0x14,
    ),
    Kind(
        "unavailable",
        503,
        "The database cannot be reached",
        "Nothing was stored. Repeat later; `/readyz` tells when.",
        20503,
        0x08,
    ),
    Kind(
        "internal_error",
        500,
        "Something went wrong in Onesixty",
        "Report it with the time and the path.",
        20500,
        0x08,
    ),
    Kind(
        "invalid_number",
        422,
        "Not a phone number that can be sent to",
        "Write the number in E.164: +, country code, number.",
        21211,
        0x0B,
    ),
    Kind(
        "invalid_sender",
        422,
        "Not a sender ID",
        "Use a number in E.164, a short code,"
        " or up to 11 letters and digits with at least one letter.",
        21212,
        0x0A,
    ),
    Kind(
        "sender_required",
        422,
        "A sender is needed",
        "Give `from`, or set a default sender for the account.",
        21603,
        0x0A,
    ),
    Kind(
        "empty_body",
        422,
        "The text is empty",
        "Give a `body` with at least one character.",
        21602,
        0x01,
    ),
    Kind(
        "body_too_long",
        422,
        "The text needs too many segments",
        "Shorten it, or raise `max_segments`.",
        21617,
        0x01,
    ),
    Kind(
        "not_encodable",
        422,
        "The text has characters that the asked encoding lacks",
        "Use `encoding: auto`, or take out the characters named in `detail`.",
        30007,
        0x01,
    ),
    Kind(
        "invalid_udh",
        422,
        "The user data header cannot be read",
        "Give its length octet and whole elements, or `ports` instead.",
        21617,
        0x43,
    ),
    Kind(
        "not_on_channel",
        422,
        "The channel does not carry that",
        "Leave out what `detail` names, or send by a channel that has it.",
        21620,
        0x08,
    ),
    Kind(
        "no_route",
        422,
        "No route leads there",
        "Add a route whose `match` takes this message, with a carrier that is enabled.",
        21408,
        0x0B,
    ),
    Kind(
        "no_price",
        422,
        "There is no price for it",
        "Add a row for this destination and channel to the price list of the account,"
        " or the rate of its currency.",
        21408,
        0x0B,
    ),
    Kind(
        "insufficient_balance",
        402,
        "The balance does not suffice",
        "Top the account up; what is held for messages that fail comes back by itself.",
        20402,
        0x45,
    ),
    Kind(
        "spend_cap_reached",
        402,
        "A cap on spending is reached",
        "Wait for the next day or month, or raise the cap that `detail` names.",
        20402,
        0x45,
    ),
    Kind(
        "send_at_out_of_range",
        422,
        "The time to send is out of range",
        "Use a time between now and 400 days ahead.",
        35114,
        0x61,
    ),
    Kind(
        "url_not_allowed",
        422,
        "This URL may not be called",
        "Use a public http or https address;"
        " for local use start the server with `ONESIXTY_ALLOW_PRIVATE_URLS=true`.",
    ),
    Kind(
        "carrier_unavailable",
        409,
        "The carrier is not connected",
        "Look at `state` of the carrier for the reason.",
    ),
)
KINDS = {kind.code: kind for kind in _TABLE}
