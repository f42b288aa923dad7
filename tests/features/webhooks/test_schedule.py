"""The ladder of attempts as numbers."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from onesixty.features.webhooks import schedule
from onesixty.kit.chance import chance


def test_the_last_attempt_is_within_three_days() -> None:
    """5 s, 30 s, 2 m, 10 m, 1 h, 3 h, 6 h, then every 12 h, no longer than 72 h since the first."""
    delays = schedule.DELAYS_SECONDS
    assert delays[:8] == (5, 30, 120, 600, 3600, 10_800, 21_600, 43_200)
    assert set(delays[7:]) == {43_200}
    assert sum(delays) <= 72 * 3600 < sum(delays) + 43_200


@given(attempt=st.integers(1, 20), asked=st.none() | st.floats(0, 3600), seed=st.integers())
def test_waits_stay_in_bounds(attempt: int, asked: float | None, seed: int) -> None:
    """A wait is within a tenth of its step, or longer because it was asked for; the 13th is the
    last.
    """
    delay = schedule.next_delay(attempt, asked, chance(seed))
    if attempt >= schedule.ATTEMPTS_MOST:
        assert delay is None
        return
    assert delay is not None
    step = schedule.DELAYS_SECONDS[attempt - 1]
    assert step * 0.9 <= delay
    assert delay <= max(step * 1.1, asked or 0)


@given(header=st.text() | st.from_regex(r"\d{1,20}") | st.just("Wed, 21 Oct 2026 07:28:00 -0000"))
def test_any_header_is_a_wait_or_none(header: str) -> None:
    """Whatever an endpoint writes into Retry-After, the wait is none or from 0 to 3600 seconds."""
    now = datetime(2026, 10, 21, 7, tzinfo=UTC)
    wait = schedule.asked_wait(503, header, now)
    assert wait is None or 0 <= wait <= 3600
    assert schedule.asked_wait(500, header, now) is None
