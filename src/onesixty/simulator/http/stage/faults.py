"""Everything a simulated provider over HTTP can do wrong. Without any it is perfect.

Words that the simulated SMSC has too mean the same.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from onesixty.simulator.fault_words import NEVER, NO_TIME, Share, Span, about
from onesixty.simulator.http.far_side import Refusal


class Drop(StrEnum):
    """How an answer is lost: the connection closes, nothing comes at all, or half of it comes."""

    CUT = "cut"
    SILENCE = "silence"
    HALF_ANSWER = "half_answer"


class Order(StrEnum):
    """Which receipts a delivered message gets, in the order they are sent."""

    FINAL = "final"
    ACCEPTED_FINAL = "accepted_final"
    FINAL_ACCEPTED = "final_accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFaults:
    """The options. Seconds are seconds of the simulator's clock."""

    answer_delay_seconds: Span = field(
        default=NO_TIME, metadata=about("span", "answers come so much later")
    )
    drop_answers: Share = field(
        default=NEVER, metadata=about("share", "messages that are taken and never answered")
    )
    drop_how: Drop = field(
        default=Drop.CUT, metadata=about("choice", "what is seen of the lost answer")
    )
    bad_gateway: Share = field(
        default=NEVER,
        metadata=about(
            "share", "messages that are taken; a gateway answers `gateway_status` with its own page"
        ),
    )
    gateway_status: int = field(
        default=502, metadata=about("count", "the HTTP status of that page")
    )
    broken_body: Share = field(
        default=NEVER,
        metadata=about("share", "messages that are taken; half of the body is answered as whole"),
    )
    refuse: Share = field(
        default=NEVER, metadata=about("share", "messages that are refused, `refuse_why`")
    )
    refuse_why: Refusal = field(
        default=Refusal.RECIPIENT, metadata=about("choice", "why those are refused")
    )
    throttle_above_per_second: int = field(
        default=0, metadata=about("count", "messages beyond so many in a second; 0: no limit")
    )
    retry_after: int = field(
        default=0,
        metadata=about("count", "seconds of Retry-After when it throttles; 0: it does not say"),
    )
    receipt_delay_seconds: Span = field(
        default=NO_TIME, metadata=about("span", "receipts come so long after the answer")
    )
    receipt_early: Share = field(
        default=NEVER, metadata=about("share", "receipts that overtake the answer to their message")
    )
    receipt_loss: Share = field(
        default=NEVER, metadata=about("share", "receipts that are never sent")
    )
    receipt_duplicates: Share = field(
        default=NEVER, metadata=about("share", "receipts that are sent twice")
    )
    receipt_order: Order = field(
        default=Order.FINAL,
        metadata=about("choice", "receipts of one message: final only, or with an intermediate"),
    )
    undelivered: Share = field(
        default=NEVER,
        metadata=about("share", "messages that end undelivered with `undelivered_error`"),
    )
    undelivered_error: str = field(
        default="008", metadata=about("code", "of the number table: why they end undelivered")
    )
    bad_signature: Share = field(
        default=NEVER, metadata=about("share", "callbacks whose signature is not the provider's")
    )
    unsigned: Share = field(
        default=NEVER, metadata=about("share", "callbacks whose signature is missing")
    )
