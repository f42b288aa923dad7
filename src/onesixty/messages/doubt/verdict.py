"""What to do about a message whose end is not known. Pure: `sweep.py` does it.

An uncertain message is first left alone for as long as the policy of its category wants, then sent
once more, and ends when its validity and a grace have passed without a word. So does a sent one
whose carrier promised a receipt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from onesixty.carriers.contract import ErrorClass, OutcomeKind, ReceiptState
from onesixty.messages.states import IN_DOUBT, RECEIPT_ARRIVED, RECEIPT_FINAL, Cause, Status
from onesixty.messages.types import Category

LOOK_LEAST, LOOK_MOST = timedelta(seconds=5), timedelta(minutes=10)
ASK_AHEAD: Final = timedelta(minutes=2)  # of the end: time for the carrier to answer


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a doubt lasts.

    `resend_seconds`: after so many seconds without a sign a message of that category is sent once
    more; never where it is None or missing. `grace`: what is waited for the carrier's word beyond
    the validity.
    """

    resend_seconds: Mapping[Category, float | None] = field(
        default_factory=lambda: {
            Category.EMERGENCY: 60.0,
            Category.OTP: 5.0,
            Category.TRANSACTIONAL: 60.0,
        }
    )
    grace: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Try:
    """One part of one attempt, and what its receipts said."""

    part: int
    outcome: OutcomeKind
    receipt: ReceiptState

    @property
    def is_open(self) -> bool:
        """Whether it may have been sent, and nothing tells."""
        return self.outcome is OutcomeKind.UNKNOWN and self.receipt is ReceiptState.NONE

    @property
    def is_known(self) -> bool:
        """Whether the carrier has it, by its answer or by a receipt."""
        return self.outcome is OutcomeKind.ACCEPTED or self.receipt is not ReceiptState.NONE


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a message in doubt. Each round looks at it anew."""

    status: Status
    category: Category
    total: int  # parts
    tries: Sequence[Try]
    expires_at: datetime
    since: datetime
    is_duplicate: bool = False  # sent once more already
    waits: bool = False  # it has its place in the queue
    tells: bool = True  # its carrier gives receipts
    askable: bool = False  # its carrier can be asked, and was not

    def missing(self) -> set[int]:
        """The parts that the carrier may not have."""
        return set(range(1, self.total + 1)) - {one.part for one in self.tries if one.is_known}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens now: a cause or none, whether the carrier is asked, and the next look.

    Without a next look the message is no longer in doubt.
    """

    cause: Cause | None = None
    look_at: datetime | None = None
    ask: bool = False
    is_whole: bool = True  # the carrier has no part: another one may send all of them
    error_code: str | None = None
    error_class: str | None = None
    detail: str | None = None


def judge(known: Known, now: datetime, policy: Policy) -> Verdict:
    """What to do about a message now."""
    if known.status is Status.SENT:
        return _sent(known, now, policy)
    if known.status in IN_DOUBT:
        return _uncertain(known, now, policy)
    return Verdict()  # it ended, or it is with a lane, which ends in a status that counts


def _sent(known: Known, now: datetime, policy: Policy) -> Verdict:
    if not known.tells:
        return Verdict()
    deadline = known.expires_at + policy.grace
    if now >= deadline:
        return _silence("no_receipt", f"no final receipt in time; last known: {_last(known)}")
    ask_at = max(known.expires_at, deadline - ASK_AHEAD)
    if known.askable and now >= ask_at:
        return Verdict(look_at=min(deadline, now + LOOK_LEAST), ask=True)
    look_at = min(deadline, ask_at) if known.askable else deadline
    if known.is_duplicate:  # what receipts say of both submits is brought together by looking
        look_at = min(look_at, _later(known, now))
    return Verdict(look_at=look_at)


def _uncertain(known: Known, now: datetime, policy: Policy) -> Verdict:
    is_out = known.status in (Status.RESEND_QUEUED, Status.RESENDING)
    missing = known.missing()
    if not missing and not is_out:
        return Verdict(Cause.ACCEPTED, now)
    told = known.tries and not any(one.is_open for one in known.tries)
    if known.status is Status.RESENT and told:  # of all submits, and the carrier lacks parts
        return Verdict(
            Cause.REFUSED,
            error_code="carrier_refused",
            error_class=ErrorClass.CARRIER,
            detail="the carrier took none of its submits",
        )
    deadline = known.expires_at + policy.grace
    if now >= deadline:
        return _silence("no_answer", "the carrier never answered; it may have arrived")
    if known.status is Status.RESEND_QUEUED and not known.waits:  # cancelled or expired there
        return Verdict(Cause.LEFT_UNKNOWN, now)
    look_at = min(deadline, _later(known, now))
    seconds = policy.resend_seconds.get(known.category)
    if known.status is Status.UNCERTAIN and seconds is not None:
        resend_at = known.since + timedelta(seconds=seconds)
        if resend_at <= now < known.expires_at:
            return Verdict(Cause.RESENT, look_at, is_whole=len(missing) == known.total)
        if now < resend_at:
            look_at = min(look_at, resend_at)
    return Verdict(look_at=look_at)


def _later(known: Known, now: datetime) -> datetime:
    """The older a doubt, the less often it is looked at."""
    return now + min(max((now - known.since) / 2, LOOK_LEAST), LOOK_MOST)


def _silence(code: str, detail: str) -> Verdict:
    return Verdict(Cause.SILENCE, error_code=code, error_class=ErrorClass.CARRIER, detail=detail)


def _last(known: Known) -> str:
    arrived = {one.part for one in known.tries if one.receipt in RECEIPT_ARRIVED}
    if arrived:
        return f"{len(arrived)} of {known.total} parts delivered"
    if failed := {one.part for one in known.tries if one.receipt in RECEIPT_FINAL}:
        return f"{len(failed)} of {known.total} parts failed"
    between = [one.receipt for one in known.tries if one.receipt is not ReceiptState.NONE]
    return max(between).name.lower() if between else "taken by the carrier"
