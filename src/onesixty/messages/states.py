"""The one table of what may become of a message. Nothing else writes a status.

Batches change statuses inside PostgreSQL, so the table is also rendered as an array that SQL looks
up: `sql_next("m.status", "o.cause")` is `advance` for a row.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from onesixty.carriers.contract import ReceiptState


class Status(IntEnum):
    """Where a message stands; events carry the same numbers."""

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
    (Status.SENT, Cause.DELIVERED): Status.DELIVERED,
    (Status.SENT, Cause.UNDELIVERED): Status.UNDELIVERED,
    (Status.SENT, Cause.EXPIRED_AT_CARRIER): Status.EXPIRED,
    # Carriers do report a delivery after they gave up; the handset is right.
    (Status.UNDELIVERED, Cause.DELIVERED): Status.DELIVERED,
    (Status.EXPIRED, Cause.DELIVERED): Status.DELIVERED,
    (Status.SENT, Cause.READ): Status.READ,
    (Status.DELIVERED, Cause.READ): Status.READ,
}


def advance(status: Status, cause: Cause) -> Status | None:
    """The next status, or None when this cause no longer matters."""
    return TRANSITIONS.get((status, cause))


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


_WIDTH = 16


def _matrix() -> str:
    cells = [0] * (_WIDTH * _WIDTH)
    for (status, cause), following in TRANSITIONS.items():
        cells[status * _WIDTH + cause] = following
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


def sql_next(status: str, cause: str) -> str:
    """SQL for `advance`: the next status, or 0 when the cause no longer matters."""
    return f"({_MATRIX})[{status} * {_WIDTH} + {cause} + 1]"
