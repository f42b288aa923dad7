"""Count in memory what the rooms of the walk have written; the keeper adds it to the table.

By carrier, country and the minute in which the carrier took the part: a receipt counts for the
minute of its submit, so that shares are of the same messages. A crash loses the counts of some
seconds, and no message.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from onesixty.carriers.contract import ErrorClass, Outcome, OutcomeKind, ReceiptState
from onesixty.messages.quality.feedback import Handed
from onesixty.messages.quality.judging import BOUNDS, CLASSES
from onesixty.messages.states import RECEIPT_ARRIVED, RECEIPT_FINAL
from onesixty.sms import numbers

# Columns of carrier_quality in their order here: sent, failed, delivered, undelivered, the classes
# of time, then evidence: converted, unconverted, contradicted.
SENT: Final = 0
FAILED: Final = 1
DELIVERED: Final = 2
UNDELIVERED: Final = 3
FIRST_CLASS: Final = 4
CONVERTED: Final = FIRST_CLASS + CLASSES
UNCONVERTED: Final = CONVERTED + 1
CONTRADICTED: Final = CONVERTED + 2
WIDTH: Final = CONVERTED + 3
COUNTRY_DIGITS: Final = 8  # tell the country: +1 876 is Jamaica, +44 1481 is Guernsey
NOWHERE: Final = "001"  # as numbers of no country have
STRANGERS_MOST: Final = 10_000  # between two looks; more are not counted
_EVIDENCE: Final = {
    "converted": CONVERTED,
    "not_converted": UNCONVERTED,
    "not_received": CONTRADICTED,
}
_FAULTS: Final = (ErrorClass.CARRIER, ErrorClass.CONFIG)

Key = tuple[int, str, int]  # carrier, country, minute since 1970


class Stranger(NamedTuple):
    """A receipt that names its number in no international form: its message tells the country."""

    account_id: int
    message_id: UUID
    carrier_id: int
    at: datetime
    place: int  # of the count
    time: int | None  # the place of its class of time


class Counter:
    """What this process has seen since `take` was called last."""

    def __init__(self) -> None:
        self._counts: dict[Key, list[int]] = {}
        self._strangers: list[Stranger] = []

    def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Submissions that were settled. Faults of a recipient or a content count for nobody."""
        for one in outcomes:
            if one.submission.test or one.late:
                continue
            accepted = sum(part.kind is OutcomeKind.ACCEPTED for part in one.parts)
            faulty = one.error_class in _FAULTS and one.kind is not OutcomeKind.ACCEPTED
            if accepted or faulty:
                country = country_of(one.submission.recipient)
                counts = self._of(one.submission.carrier_id, country, one.answered_at)
                counts[SENT] += accepted
                counts[FAILED] += faulty

    def receipts(self, told: Sequence[tuple[Any, Any]]) -> None:
        """Receipts that ended a part, each with the row of the submission that it is about.

        A row has `account_id`, `message_id`, `carrier_id`, `answered_at` and `receipt_state`, the
        state before; of a receipt, which may be one that was stored, `state`, `sender` and
        `received_at` are read.
        """
        for row, receipt in told:
            if receipt.state not in RECEIPT_FINAL or row["receipt_state"] in RECEIPT_FINAL:
                continue
            if receipt.state is ReceiptState.UNKNOWN:
                continue
            at: datetime = row["answered_at"]
            place, time = UNDELIVERED, None
            if receipt.state in RECEIPT_ARRIVED:
                place = DELIVERED
                time = FIRST_CLASS + time_class((receipt.received_at - at).total_seconds())
            country = country_of(receipt.sender)
            if country != NOWHERE:
                self._add(self._of(row["carrier_id"], country, at), place, time)
            elif len(self._strangers) < STRANGERS_MOST:
                self._strangers.append(
                    Stranger(
                        row["account_id"], row["message_id"], row["carrier_id"], at, place, time
                    )
                )

    def strangers(self) -> list[Stranger]:
        """Those whose country is to be looked up; they are forgotten here."""
        some, self._strangers = self._strangers, []
        return some

    def known(self, stranger: Stranger, recipient: str) -> None:
        """Count one, now that its recipient is known."""
        country = country_of(recipient)
        counts = self._of(stranger.carrier_id, country, stranger.at)
        self._add(counts, stranger.place, stranger.time)

    def evidence(self, handed: Handed, outcome: str) -> None:
        """What a customer said of a message that a carrier has taken."""
        if handed.carrier_id is not None and handed.at is not None:
            counts = self._of(handed.carrier_id, country_of(handed.recipient), handed.at)
            counts[_EVIDENCE[outcome]] += 1

    def take(self) -> dict[Key, list[int]]:
        """All that was counted; it is counted anew from nothing."""
        counts, self._counts = self._counts, {}
        return counts

    def give_back(self, taken: dict[Key, list[int]]) -> None:
        """It could not be written."""
        for key, counts in taken.items():
            known = self._counts.setdefault(key, [0] * WIDTH)
            self._counts[key] = [a + b for a, b in zip(known, counts, strict=True)]

    @staticmethod
    def _add(counts: list[int], place: int, time: int | None) -> None:
        counts[place] += 1
        if time is not None:
            counts[time] += 1

    def _of(self, carrier_id: int, country: str, at: datetime) -> list[int]:
        key = (carrier_id, country, minute_of(at))
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * WIDTH
        return counts


def time_class(seconds: float) -> int:
    """The place of a time among BOUNDS."""
    for place, bound in enumerate(BOUNDS):
        if seconds < bound:
            return place
    return len(BOUNDS)


def minute_of(at: datetime) -> int:
    """Whole minutes since 1970."""
    return int(at.timestamp()) // 60


def country_of(number: str) -> str:
    """The country of a number as a message or a receipt has it; NOWHERE where it tells none."""
    digits = number.lstrip("+")
    if not digits.isdecimal() or digits[0] == "0":  # as it is dialled in its own country
        return NOWHERE
    return _country(digits[:COUNTRY_DIGITS], len(digits))


@lru_cache(65_536)
def _country(first: str, length: int) -> str:
    # Zeros stand for the rest: the first digits tell the country, nearly always.
    found = numbers.parse("+" + first.ljust(length, "0"))
    return found.country if isinstance(found, numbers.Number) else NOWHERE
