"""What is to be charged for a message, and whether all is known of it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onesixty.messages.states import FINAL, Status
from onesixty.records.billing.book import ACCEPTED, DELIVERED, SUBMITTED

# A receipt that has not come by then is not waited for; `no_receipt` ends most messages before.
RECEIPT_WAIT: Final = timedelta(days=1)  # after the validity
LOOK_FIRST, LOOK_LONGEST = timedelta(seconds=2), timedelta(hours=1)
_REACHED: Final = frozenset({Status.DELIVERED, Status.READ})
_TAKEN: Final = _REACHED | {Status.SENT, Status.UNDELIVERED}


@dataclass(frozen=True, slots=True)
class Known:
    """A message as it stands, and how it is charged. `status` is None when it is gone."""

    status: Status | None
    charge: int  # ACCEPTED, SUBMITTED or DELIVERED
    price: int
    at: datetime  # of acceptance
    send_at: datetime | None
    sent_at: datetime | None
    expires_at: datetime | None
    has_steps: bool  # other channels may follow: the price is not the last one
    is_silent: bool  # its carrier gives no receipts


@dataclass(frozen=True, slots=True)
class Verdict:
    """`charged`: micros, 0 releases all; None: too early. `look_at`: None when it has ended."""

    charged: int | None
    look_at: datetime | None


def judge(known: Known, now: datetime) -> Verdict:
    """What is known now."""
    ended = _has_ended(known, now)
    return Verdict(_charged(known, ended), None if ended else _look_at(known, now))


def _has_ended(known: Known, now: datetime) -> bool:
    if known.status is None or known.status in FINAL:
        return True
    if known.status is not Status.SENT or known.has_steps:
        return False
    waited = known.expires_at is not None and now >= known.expires_at + RECEIPT_WAIT
    return known.is_silent or waited


def _charged(known: Known, ended: bool) -> int | None:
    if known.status is None:
        return 0
    if known.has_steps and not ended:
        return None
    if known.charge == ACCEPTED:
        return known.price
    if known.charge == SUBMITTED and (
        known.status in _TAKEN or (known.status is Status.EXPIRED and known.sent_at is not None)
    ):
        return known.price
    if known.charge == DELIVERED and known.status in _REACHED:
        return known.price
    return 0 if ended else None


def _look_at(known: Known, now: datetime) -> datetime:
    if known.send_at is not None and known.send_at > now:
        return known.send_at + LOOK_FIRST
    since = max(known.at, known.send_at or known.at)
    # Most messages end within seconds; the longer one takes the less often it is looked at.
    return now + min(max((now - since) * 2, LOOK_FIRST), LOOK_LONGEST)
