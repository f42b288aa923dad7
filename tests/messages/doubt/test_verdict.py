"""What is done about a doubt, from all that is known."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.carriers.contract import OutcomeKind, ReceiptState
from onesixty.messages.doubt.verdict import Known, Policy, Try, judge
from onesixty.messages.states import FINAL, IN_DOUBT, Cause, Status, advance
from onesixty.messages.types import Category

NOW = datetime(2026, 11, 23, tzinfo=UTC)
POLICY = Policy()
DOUBTFUL = [Status.SENT, *sorted(IN_DOUBT)]
TRIES = st.builds(
    Try, st.integers(1, 3), st.sampled_from(OutcomeKind), st.sampled_from(ReceiptState)
)
KNOWN = st.builds(
    Known,
    status=st.sampled_from(Status),
    category=st.sampled_from(Category),
    total=st.integers(1, 3),
    tries=st.lists(TRIES, max_size=6),
    expires_at=st.integers(-9000, 9000).map(lambda s: NOW + timedelta(seconds=s)),
    since=st.integers(0, 90_000).map(lambda s: NOW - timedelta(seconds=s)),
    is_duplicate=st.booleans(),
    waits=st.booleans(),
    tells=st.booleans(),
    askable=st.booleans(),
)


@given(KNOWN)
def test_a_doubt_is_looked_at_again_or_is_over(known: Known) -> None:
    """What is left open has a next look, not after its deadline; a cause fits the status."""
    verdict = judge(known, NOW, POLICY)
    after = known.status
    if verdict.cause is not None:
        following = advance(known.status, verdict.cause)
        assert following is not None
        after = following
    open_ones = set(IN_DOUBT)
    if known.status is Status.SENT and known.tells:
        open_ones.add(Status.SENT)
    if after in open_ones:
        assert verdict.look_at is not None
        assert NOW <= verdict.look_at <= max(NOW, known.expires_at + POLICY.grace)
    if after in FINAL:
        assert verdict.look_at is None


@given(KNOWN)
def test_past_its_deadline_nothing_stays_in_doubt(known: Known) -> None:
    """When validity and grace are over, two looks end whatever was in doubt."""
    later = known.expires_at + POLICY.grace
    for _ in range(2):
        verdict = judge(known, later, POLICY)
        if verdict.cause is not None:
            after = advance(known.status, verdict.cause)
            assert after is not None
            known = Known(after, known.category, known.total, known.tries, known.expires_at, later)
    assert known.status not in IN_DOUBT


@given(KNOWN)
def test_what_has_a_sign_is_not_sent_again(known: Known) -> None:
    """A resend needs a part without a sign, a category that has one, and time; and is the first."""
    if judge(known, NOW, POLICY).cause is Cause.RESENT:
        assert known.missing()
        assert known.status is Status.UNCERTAIN
        assert known.category is not Category.MARKETING
        assert known.expires_at > NOW


@pytest.mark.parametrize(
    ("tries", "last"),
    [
        ([], "taken by the carrier"),
        ([Try(1, OutcomeKind.ACCEPTED, ReceiptState.ENROUTE)], "enroute"),
        ([Try(1, OutcomeKind.ACCEPTED, ReceiptState.DELIVERED)], "1 of 3 parts delivered"),
        ([Try(2, OutcomeKind.ACCEPTED, ReceiptState.EXPIRED)], "1 of 3 parts failed"),
    ],
)
def test_it_says_what_was_known_last(tries: list[Try], last: str) -> None:
    """A message that ends without a receipt tells the last thing that was heard of it."""
    expired = NOW - POLICY.grace
    known = Known(Status.SENT, Category.OTP, 3, tries, expired, expired)
    verdict = judge(known, NOW, POLICY)
    assert verdict.error_code == "no_receipt"
    assert (verdict.detail or "").endswith(f"last known: {last}")


def test_all_doubtful_statuses_have_a_policy() -> None:
    """Every status that a row in doubts may be about is judged."""
    for status in DOUBTFUL:
        silent = Try(1, OutcomeKind.UNKNOWN, ReceiptState.NONE)
        known = Known(status, Category.OTP, 1, [silent], NOW, NOW, waits=True)
        assert judge(known, NOW, POLICY).look_at is not None
