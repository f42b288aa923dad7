"""What the answer to a deliver_sm means: taken, to be tried again at a time, or given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from onesixty.features.webhooks.outbox import Delivery
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.smpp.link import Answer, AnswerKind
from onesixty.smpp.statuses import Status, name_of, remark_on

KEPT: Final = timedelta(hours=72)  # an event is tried for so long, then given up
# Waits after the first, second, ... attempt; the last one again and again.
DELAYS_SECONDS: Final = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)
JITTER: Final = 0.1
REFUSED_MOST: Final = 5  # attempts, where the ESME has a reason of its own not to take it
RESPONSE_MOST: Final = 300  # characters
_LATER: Final = (Status.RX_T_APPN, Status.RTHROTTLED, Status.RMSGQFUL)
_NEVER: Final = (Status.RX_P_APPN, Status.RX_R_APPN)
_SMALLINT_MOST: Final = 32_767


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is kept of an outbox row while it is in hand."""

    event_id: UUID
    account_id: int
    endpoint_id: int
    attempts: int  # before this one
    system_id: str
    event_at: datetime

    @property
    def name(self) -> tuple[UUID, int]:
        """Of its row: its event and its endpoint."""
        return self.event_id, self.endpoint_id


def is_taken(answer: Answer) -> bool:
    """Whether the ESME has it now."""
    return answer.kind is AnswerKind.ANSWERED and answer.status == 0


def asks_to_wait(answer: Answer) -> bool:
    """Whether the ESME would not take another one either, just now."""
    if answer.kind is AnswerKind.ANSWERED:
        return answer.status in _LATER
    return answer.kind is AnswerKind.UNANSWERED and not answer.lost


def judge(one: Claimed, answer: Answer, *, took: float, now: datetime, chance: Chance) -> Delivery:
    """What the log says of an attempt that took that many seconds, and when the next one is.

    Not for an answer NOT_SENT: that was no attempt.
    """
    attempt = one.attempts + 1
    delay = None if is_taken(answer) else _delay(attempt, answer, chance)
    next_at = None if delay is None else now + timedelta(seconds=delay)
    if next_at is not None and next_at > one.event_at + KEPT:
        next_at = None
    answered = answer.kind is AnswerKind.ANSWERED
    return Delivery(
        id=ids.uuid7(int(now.timestamp() * 1000)),
        account_id=one.account_id,
        event_id=one.event_id,
        endpoint_id=one.endpoint_id,
        attempt=attempt,
        url=url_of(one.system_id),
        status_code=answer.status if answered and answer.status <= _SMALLINT_MOST else None,
        error=None if is_taken(answer) else _why(answer),
        response=answer.detail[:RESPONSE_MOST].replace("\0", "") if answered else None,
        milliseconds=int(took * 1000),
        at=now,
        next_attempt_at=next_at,
    )


def given_up(one: Claimed, why: str, now: datetime) -> Delivery:
    """The log's entry for an outbox row that is dropped without another attempt."""
    return Delivery(
        id=ids.uuid7(int(now.timestamp() * 1000)),
        account_id=one.account_id,
        event_id=one.event_id,
        endpoint_id=one.endpoint_id,
        attempt=one.attempts,
        url=url_of(one.system_id),
        status_code=None,
        error=f"given up: {why}",
        response=None,
        milliseconds=0,
        at=now,
        next_attempt_at=None,
    )


def url_of(system_id: str) -> str:
    """How the log names an ESME."""
    return f"smpp:{system_id}"


def result(delivery: Delivery) -> str:
    """How the attempt ended: `delivered`, `retrying` or `given_up`."""
    if delivery.error is None:
        return "delivered"
    return "retrying" if delivery.next_attempt_at else "given_up"


def _delay(attempt: int, answer: Answer, chance: Chance) -> float | None:
    """Seconds until the next attempt, or None when there is none."""
    if answer.kind is AnswerKind.ANSWERED:
        if answer.status in _NEVER:
            return None
        if answer.status not in _LATER and attempt >= REFUSED_MOST:
            return None
    elif answer.lost and attempt == 1:
        return 0.0  # with the next bind; one that harms its reader each time has to wait
    longest = DELAYS_SECONDS[min(attempt, len(DELAYS_SECONDS)) - 1]
    return longest * chance.uniform(1 - JITTER, 1 + JITTER)


def _why(answer: Answer) -> str:
    if answer.kind is AnswerKind.UNANSWERED:
        return f"no answer: {answer.detail}"
    return f"{name_of(answer.status)}: {remark_on(answer.status)}".rstrip(": ")
