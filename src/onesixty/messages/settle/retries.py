"""What an outcome means for its message: sent, back to the queue, on to the next carrier, or over.

Pure: `settle.py` writes what is decided here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onesixty.carriers.contract import ErrorClass, Outcome, OutcomeKind
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.messages.states import Cause

RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS = 2.0, 600.0
ATTEMPTS_BEFORE_FALLBACK: Final = 3
_CAUSES: Final = {
    OutcomeKind.ACCEPTED: Cause.ACCEPTED,
    OutcomeKind.DEFERRED: Cause.DEFERRED,
    OutcomeKind.REFUSED: Cause.REFUSED,
    OutcomeKind.UNKNOWN: Cause.LEFT_UNKNOWN,
}


@dataclass(slots=True)
class Decision:
    """What an outcome means for its message."""

    cause: Cause
    counted: bool
    requeue_carrier: int | None = None
    requeue_at: datetime | None = None
    fallbacks_used: int = 0
    error_code: str | None = None
    error_class: str | None = None
    detail: str | None = None


def decide(outcome: Outcome, now: datetime, chance: Chance) -> Decision:
    """What an outcome means for its message.

    Retries go back to the queue with back-off, faults of a carrier move on to the next one. A fault
    of the recipient or the content ends the message, whatever carriers are left. Throttling costs
    no attempt.
    """
    submission, kind = outcome.submission, outcome.kind
    if kind is OutcomeKind.ACCEPTED:
        return Decision(Cause.ACCEPTED, counted=True)
    counted = outcome.counts_as_attempt or kind is OutcomeKind.UNKNOWN
    decision = Decision(
        _CAUSES[kind],
        counted,
        error_code=outcome.error_code,
        error_class=outcome.error_class,
        detail=outcome.detail,
    )
    if kind is OutcomeKind.UNKNOWN:
        return decision
    at_fault = outcome.error_class in (ErrorClass.CARRIER, ErrorClass.CONFIG)
    tired = kind is OutcomeKind.REFUSED or submission.tries >= ATTEMPTS_BEFORE_FALLBACK
    begun = submission.parts_accepted or any(p.kind is OutcomeKind.ACCEPTED for p in outcome.parts)
    if at_fault and tired and submission.fallbacks and not begun:
        decision.cause, decision.fallbacks_used = Cause.DEFERRED, 1
        decision.requeue_carrier, decision.requeue_at = submission.fallbacks[0], now
    elif kind is OutcomeKind.DEFERRED:
        decision.requeue_carrier = submission.carrier_id
        decision.requeue_at = _when(outcome, now, chance)
    if decision.requeue_at and max(decision.requeue_at, now) >= submission.expires_at:
        return Decision(
            Cause.EXPIRED,
            counted,
            error_code="expired",
            error_class=ErrorClass.EXPIRED,
            detail="its validity ended before a carrier took it;"
            f" last: {outcome.detail or outcome.error_code}",
        )
    return decision


def _when(outcome: Outcome, now: datetime, chance: Chance) -> datetime:
    if not outcome.counts_as_attempt and not outcome.retry_after_seconds:
        # It keeps its place: nothing that waits is older, or due before it by much.
        return min(now, ids.time_of(outcome.submission.message_id))
    return now + timedelta(seconds=_wait(outcome, chance))


def _wait(outcome: Outcome, chance: Chance) -> float:
    if outcome.retry_after_seconds is not None:
        return outcome.retry_after_seconds
    longest: float = RETRY_FIRST_SECONDS * 2 ** min(outcome.submission.tries - 1, 20)
    return min(longest, RETRY_MOST_SECONDS) * chance.uniform(0.5, 1.0)
