"""The one table of what may become of a message. Nothing else writes a status.

Batches change statuses inside PostgreSQL, so the table is also rendered as an array that SQL looks
up: `sql_next("m.status", "o.cause")` is `advance` for a row.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

from onesixty.carriers.contract import ReceiptState


class Status(IntEnum):
    """Where a message stands; events carry the same numbers.

    Outside, those of SHOWN_AS go by the name of another one.
    """

    SCHEDULED = 1
    QUEUED = 2
    SENDING = 3
    UNCERTAIN = 4
    SENT = 5
    DELIVERED = 6
    UNDELIVERED = 7
    FAILED = 8
    EXPIRED = 9
    CANCELED = 10
    READ = 11
    RECEIVED = 12
    # Uncertain all of them, and sent once more: the resend waits, is under way, or is over without
    # having ended the doubt about the first submit.
    RESEND_QUEUED = 13
    RESENDING = 14
    RESENT = 15
    # Its present channel failed and its next one is about to begin; the event tells that it has.
    FALLING_BACK = 16


class Cause(IntEnum):
    """Why a status changes."""

    CLAIMED = 1  # a lane took it
    ACCEPTED = 2  # the carrier has it
    DEFERRED = 3  # the carrier does not have it, try again
    REFUSED = 4  # the carrier does not want it
    LEFT_UNKNOWN = 5  # no answer, or the process died with it
    DELIVERED = 6  # receipt
    UNDELIVERED = 7  # receipt
    EXPIRED_AT_CARRIER = 8  # receipt
    READ = 9  # receipt of a chat channel
    CANCELED = 10  # the customer
    EXPIRED = 11  # its validity ended in our queue
    RESENT = 12  # in doubt for as long as the policy of its category lets it be
    SILENCE = 13  # its validity and the grace after it ended, and the carrier said nothing
    NEXT_STEP = 14  # its next channel begins: the one before failed, or its time is over


FINAL: Final = frozenset(
    {
        Status.DELIVERED,
        Status.UNDELIVERED,
        Status.FAILED,
        Status.EXPIRED,
        Status.CANCELED,
        Status.READ,
        Status.RECEIVED,
    }
)

IN_DOUBT: Final = frozenset(
    {Status.UNCERTAIN, Status.RESEND_QUEUED, Status.RESENDING, Status.RESENT}
)
SHOWN_AS: Final = {
    Status.RESEND_QUEUED: Status.UNCERTAIN,
    Status.RESENDING: Status.UNCERTAIN,
    Status.RESENT: Status.UNCERTAIN,
    Status.FALLING_BACK: Status.QUEUED,
}
# Changes to these have no event.
UNTOLD: Final = frozenset({Status.QUEUED, Status.SENDING, *SHOWN_AS})

TRANSITIONS: Final[dict[tuple[Status, Cause], Status]] = {
    (Status.SCHEDULED, Cause.CLAIMED): Status.SENDING,
    (Status.QUEUED, Cause.CLAIMED): Status.SENDING,
    (Status.SCHEDULED, Cause.CANCELED): Status.CANCELED,
    (Status.QUEUED, Cause.CANCELED): Status.CANCELED,
    (Status.SCHEDULED, Cause.EXPIRED): Status.EXPIRED,
    (Status.QUEUED, Cause.EXPIRED): Status.EXPIRED,
    (Status.SENDING, Cause.ACCEPTED): Status.SENT,
    (Status.SENDING, Cause.DEFERRED): Status.QUEUED,
    (Status.SENDING, Cause.REFUSED): Status.FAILED,
    (Status.SENDING, Cause.LEFT_UNKNOWN): Status.UNCERTAIN,
    (Status.SENDING, Cause.EXPIRED): Status.EXPIRED,
    # A late answer or a receipt ends the doubt.
    (Status.UNCERTAIN, Cause.ACCEPTED): Status.SENT,
    (Status.UNCERTAIN, Cause.DEFERRED): Status.QUEUED,
    (Status.UNCERTAIN, Cause.REFUSED): Status.FAILED,
    (Status.UNCERTAIN, Cause.DELIVERED): Status.DELIVERED,
    (Status.UNCERTAIN, Cause.UNDELIVERED): Status.UNDELIVERED,
    (Status.UNCERTAIN, Cause.EXPIRED_AT_CARRIER): Status.EXPIRED,
    (Status.UNCERTAIN, Cause.READ): Status.READ,
    (Status.UNCERTAIN, Cause.SILENCE): Status.EXPIRED,
    # A resend: whatever becomes of it, unless it is accepted, the first submit stays in doubt. What
    # a receipt says of the first one is final at once only where it arrived.
    (Status.UNCERTAIN, Cause.RESENT): Status.RESEND_QUEUED,
    (Status.RESEND_QUEUED, Cause.CLAIMED): Status.RESENDING,
    (Status.RESEND_QUEUED, Cause.ACCEPTED): Status.SENT,
    (Status.RESEND_QUEUED, Cause.LEFT_UNKNOWN): Status.RESENT,
    (Status.RESEND_QUEUED, Cause.DELIVERED): Status.DELIVERED,
    (Status.RESEND_QUEUED, Cause.READ): Status.READ,
    (Status.RESEND_QUEUED, Cause.SILENCE): Status.EXPIRED,
    (Status.RESENDING, Cause.ACCEPTED): Status.SENT,
    (Status.RESENDING, Cause.DEFERRED): Status.RESEND_QUEUED,
    (Status.RESENDING, Cause.REFUSED): Status.RESENT,
    (Status.RESENDING, Cause.LEFT_UNKNOWN): Status.RESENT,
    (Status.RESENDING, Cause.EXPIRED): Status.RESENT,
    (Status.RESENDING, Cause.DELIVERED): Status.DELIVERED,
    (Status.RESENDING, Cause.READ): Status.READ,
    (Status.RESENDING, Cause.SILENCE): Status.EXPIRED,
    (Status.RESENT, Cause.ACCEPTED): Status.SENT,
    (Status.RESENT, Cause.REFUSED): Status.FAILED,  # both submits: see doubt.py
    (Status.RESENT, Cause.DELIVERED): Status.DELIVERED,
    (Status.RESENT, Cause.UNDELIVERED): Status.UNDELIVERED,
    (Status.RESENT, Cause.EXPIRED_AT_CARRIER): Status.EXPIRED,
    (Status.RESENT, Cause.READ): Status.READ,
    (Status.RESENT, Cause.SILENCE): Status.EXPIRED,
    (Status.SENT, Cause.DELIVERED): Status.DELIVERED,
    (Status.SENT, Cause.UNDELIVERED): Status.UNDELIVERED,
    (Status.SENT, Cause.EXPIRED_AT_CARRIER): Status.EXPIRED,
    (Status.SENT, Cause.SILENCE): Status.EXPIRED,
    # Carriers do report a delivery after they gave up; the handset is right.
    (Status.UNDELIVERED, Cause.DELIVERED): Status.DELIVERED,
    (Status.EXPIRED, Cause.DELIVERED): Status.DELIVERED,
    # "Expired" is often our own word, for want of another; the carrier's overrules it.
    (Status.EXPIRED, Cause.UNDELIVERED): Status.UNDELIVERED,
    (Status.EXPIRED, Cause.READ): Status.READ,
    (Status.SENT, Cause.READ): Status.READ,
    (Status.DELIVERED, Cause.READ): Status.READ,
    # Another channel. What is with a lane is left there until it comes back with an outcome.
    (Status.SCHEDULED, Cause.NEXT_STEP): Status.QUEUED,
    (Status.QUEUED, Cause.NEXT_STEP): Status.QUEUED,
    (Status.UNCERTAIN, Cause.NEXT_STEP): Status.QUEUED,
    (Status.RESEND_QUEUED, Cause.NEXT_STEP): Status.QUEUED,
    (Status.RESENT, Cause.NEXT_STEP): Status.QUEUED,
    (Status.SENT, Cause.NEXT_STEP): Status.QUEUED,
    (Status.FALLING_BACK, Cause.NEXT_STEP): Status.QUEUED,
    (Status.FALLING_BACK, Cause.CANCELED): Status.CANCELED,
    (Status.FALLING_BACK, Cause.EXPIRED): Status.EXPIRED,
    # It arrived by an earlier channel, while a later one waits, is under way, or has ended.
    (Status.QUEUED, Cause.DELIVERED): Status.DELIVERED,
    (Status.QUEUED, Cause.READ): Status.READ,
    (Status.SENDING, Cause.DELIVERED): Status.DELIVERED,
    (Status.SENDING, Cause.READ): Status.READ,
    (Status.FALLING_BACK, Cause.DELIVERED): Status.DELIVERED,
    (Status.FALLING_BACK, Cause.READ): Status.READ,
    (Status.FAILED, Cause.DELIVERED): Status.DELIVERED,
    (Status.FAILED, Cause.READ): Status.READ,
    (Status.CANCELED, Cause.DELIVERED): Status.DELIVERED,
    (Status.CANCELED, Cause.READ): Status.READ,
    (Status.UNDELIVERED, Cause.READ): Status.READ,
}
_STEP_ENDS: Final = frozenset({Cause.REFUSED, Cause.UNDELIVERED, Cause.EXPIRED_AT_CARRIER})
# Of a message with channels to fall back to: where the present one fails, the message goes on.
STEPPED: Final[dict[tuple[Status, Cause], Status]] = {
    (status, cause): Status.FALLING_BACK
    if cause in _STEP_ENDS and after in FINAL and status not in FINAL
    else after
    for (status, cause), after in TRANSITIONS.items()
}


def advance(status: Status, cause: Cause, *, has_steps: bool = False) -> Status | None:
    """The next status, or None when this cause no longer matters.

    `has_steps`: the message has channels to fall back to.
    """
    return (STEPPED if has_steps else TRANSITIONS).get((status, cause))


RECEIPT_FINAL: Final = frozenset(
    {
        ReceiptState.DELIVERED,
        ReceiptState.EXPIRED,
        ReceiptState.DELETED,
        ReceiptState.UNDELIVERABLE,
        ReceiptState.REJECTED,
        ReceiptState.READ,
    }
)
RECEIPT_ARRIVED: Final = frozenset({ReceiptState.DELIVERED, ReceiptState.READ})
RECEIPT_CAUSES: Final[dict[ReceiptState, Cause]] = {
    ReceiptState.DELIVERED: Cause.DELIVERED,
    ReceiptState.READ: Cause.READ,
    ReceiptState.EXPIRED: Cause.EXPIRED_AT_CARRIER,
    ReceiptState.DELETED: Cause.UNDELIVERED,
    ReceiptState.UNDELIVERABLE: Cause.UNDELIVERED,
    ReceiptState.REJECTED: Cause.UNDELIVERED,
}


def later_receipt(now: ReceiptState, then: ReceiptState) -> ReceiptState:
    """The state of a part after one more receipt.

    The first final one stays, except that DELIVERED and READ overrule.
    """
    if now not in RECEIPT_FINAL:
        return then if then in RECEIPT_FINAL or now is ReceiptState.NONE else max(now, then)
    if then is ReceiptState.READ or (
        then is ReceiptState.DELIVERED and now is not ReceiptState.READ
    ):
        return then
    return now


def part_state(tries: Sequence[tuple[bool, ReceiptState]]) -> ReceiptState:
    """The state of one part that was tried once or more.

    Each try is (the carrier accepted it, state of its receipt). Delivered when one try was; failed
    when no try that the carrier accepted is still open; else not known yet.
    """
    states = [state for _, state in tries]
    if arrived := RECEIPT_ARRIVED.intersection(states):
        return max(arrived)
    failed = [state for state in states if state in RECEIPT_FINAL]
    if failed and not any(accepted and state not in RECEIPT_FINAL for accepted, state in tries):
        return failed[-1]
    return ReceiptState.NONE


def roll_up(parts: Sequence[ReceiptState], total: int) -> tuple[Cause | None, ReceiptState]:
    """What the states of the parts of a message mean for it, and the state that it shows for them.

    Read or delivered when all `total` parts are; undelivered, or expired, when none is open and one
    failed.
    """
    if len(parts) < total or any(state not in RECEIPT_FINAL for state in parts):
        return None, ReceiptState.NONE
    failed = [state for state in parts if state not in RECEIPT_ARRIVED]
    if not failed:
        worst = min(parts)
    elif all(state is ReceiptState.EXPIRED for state in failed) and len(failed) == len(parts):
        worst = ReceiptState.EXPIRED
    else:
        worst = next(
            (state for state in failed if state is not ReceiptState.EXPIRED),
            ReceiptState.UNDELIVERABLE,
        )
    return RECEIPT_CAUSES[worst], worst


_WIDTH = 16  # more than there are causes, or states of receipts
_SIZE = _WIDTH * (max(Status) + 1)


def _matrix() -> str:
    """Both tables, one after the other."""
    cells = [0] * (2 * _SIZE)
    for place, table in ((0, TRANSITIONS), (_SIZE, STEPPED)):
        for (status, cause), following in table.items():
            cells[place + status * _WIDTH + cause] = following
    return "'{" + ",".join(map(str, cells)) + "}'::smallint[]"


_MATRIX = _matrix()


def _overrules() -> str:
    known = {int(state): state for state in ReceiptState}
    cells = [
        int(now in known and then in known and later_receipt(known[now], known[then]) != now)
        for now in range(_WIDTH)
        for then in range(_WIDTH)
    ]
    return "'{" + ",".join(map(str, cells)) + "}'::smallint[]"


_OVERRULES = _overrules()


def sql_overrules(now: str, then: str) -> str:
    """SQL for `later_receipt`: whether a receipt changes the state of its part."""
    return f"({_OVERRULES})[{now} * {_WIDTH} + {then} + 1] = 1"


def sql_set(statuses: Iterable[Status]) -> str:
    """SQL for some statuses, to be compared with ANY or ALL."""
    return "'{" + ",".join(str(int(status)) for status in sorted(statuses)) + "}'::smallint[]"


def sql_next(status: str, cause: str, steps: str | None = None) -> str:
    """SQL for `advance`: the next status, or 0 when the cause no longer matters.

    `steps`: what is NULL for messages that have no channel to fall back to; needed where the cause
    may be the end of a step.
    """
    first = f"CASE WHEN {steps} IS NULL THEN 1 ELSE {_SIZE + 1} END" if steps else "1"
    return f"({_MATRIX})[{status} * {_WIDTH} + {cause} + {first}]"
