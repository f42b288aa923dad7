"""What is charged for a message, by what became of it and the policy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onesixty.features.billing.verdict import RECEIPT_WAIT, Known, Verdict, judge
from onesixty.messages.states import FINAL, Status
from onesixty.records.billing.book import ACCEPTED, DELIVERED, SUBMITTED

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRICE = 70
BASE = Known(
    Status.SENDING, SUBMITTED, PRICE, NOW - timedelta(seconds=4), None, None,
    NOW + timedelta(days=1), has_steps=False, is_silent=False,
)  # fmt: skip
POLICIES = (ACCEPTED, SUBMITTED, DELIVERED)


def known(status: Status | None, *, sent: bool = False) -> Known:
    """A message with this status, that a carrier took or not."""
    return replace(BASE, status=status, sent_at=NOW if sent else None)


@pytest.mark.parametrize(
    ("message", "charged"),
    [
        (known(Status.SCHEDULED), (PRICE, None, None)),
        (known(Status.QUEUED), (PRICE, None, None)),
        (known(Status.SENDING), (PRICE, None, None)),
        (known(Status.QUEUED, sent=True), (PRICE, None, None)),  # by another channel before
        (known(Status.UNCERTAIN), (PRICE, None, None)),
        (known(Status.RESENT), (PRICE, None, None)),
        (known(Status.SENT, sent=True), (PRICE, PRICE, None)),
        (known(Status.DELIVERED, sent=True), (PRICE, PRICE, PRICE)),
        (known(Status.READ, sent=True), (PRICE, PRICE, PRICE)),
        (known(Status.DELIVERED), (PRICE, PRICE, PRICE)),  # the answer was lost
        (known(Status.UNDELIVERED, sent=True), (PRICE, PRICE, 0)),
        (known(Status.EXPIRED, sent=True), (PRICE, PRICE, 0)),
        (known(Status.EXPIRED), (PRICE, 0, 0)),
        (known(Status.FAILED), (PRICE, 0, 0)),
        (known(Status.FAILED, sent=True), (PRICE, 0, 0)),  # the last step of several
        (known(Status.CANCELED), (PRICE, 0, 0)),
        (known(None), (0, 0, 0)),
    ],
)
def test_every_status_by_every_policy(message: Known, charged: tuple[int | None, ...]) -> None:
    """Charged when accepted, when submitted, when delivered; None: too early to tell."""
    found = tuple(judge(replace(message, charge=policy), NOW).charged for policy in POLICIES)
    assert found == charged


@pytest.mark.parametrize("status", list(Status))
def test_what_has_ended_is_looked_at_no_more(status: Status) -> None:
    """Exactly the final statuses end it, and then it is always known what is charged."""
    verdict = judge(known(status), NOW)
    assert (verdict.look_at is None) is (status in FINAL)
    assert verdict.look_at or verdict.charged is not None


def test_the_price_waits_for_the_last_channel() -> None:
    """While other channels may follow nothing is charged, unless the message has ended."""
    message = replace(known(Status.SENT, sent=True), has_steps=True, is_silent=True)
    for policy in POLICIES:
        verdict = judge(replace(message, charge=policy), NOW)
        assert verdict.charged is None
        assert verdict.look_at is not None
    ended = replace(message, status=Status.DELIVERED)
    assert judge(ended, NOW) == Verdict(PRICE, None)


def test_looks_become_rare() -> None:
    """Every few seconds at first, every hour at last; scheduled ones when they are due."""
    young = judge(BASE, NOW).look_at
    assert young == NOW + timedelta(seconds=8)
    old = judge(replace(BASE, at=NOW - timedelta(days=1)), NOW).look_at
    assert old == NOW + timedelta(hours=1)
    due = NOW + timedelta(days=9)
    assert judge(replace(BASE, send_at=due), NOW).look_at == due + timedelta(seconds=2)


def test_receipts_are_waited_for_a_day_past_the_validity() -> None:
    """Then a sent message has ended as it stands; one without receipts at once."""
    sent = known(Status.SENT, sent=True)
    assert sent.expires_at is not None
    assert judge(sent, sent.expires_at).look_at is not None
    assert judge(sent, sent.expires_at + RECEIPT_WAIT).look_at is None
    assert judge(replace(sent, is_silent=True), NOW).look_at is None
