"""Rates: buckets, what throttling leaves, what is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.messages.dispatch.rates import Bucket, Meter, Throttle


@given(st.floats(0.5, 2000), st.lists(st.tuples(st.floats(0, 3), st.integers(1, 12))))
def test_a_bucket_keeps_its_rate(rate: float, turns: list[tuple[float, int]]) -> None:
    """Whatever is taken and when, no more goes through than the rate and what is saved up."""
    bucket, now, taken = Bucket(rate, 0.0), 0.0, 0
    for seconds, wanted in turns:
        now += seconds
        count = min(bucket.available(now), wanted)
        bucket.take(count)
        taken += count
        assert taken <= max(1.0, rate / 10) + rate * now + 1e-6
        assert bucket.available(now + bucket.wait_seconds() + 1e-9) >= 1


def test_a_long_message_may_overdraw() -> None:
    """What a long message takes beyond the tokens is waited off before the next."""
    bucket = Bucket(10, 0.0)
    bucket.take(5)
    assert bucket.available(0.4) == 0
    assert bucket.wait_seconds() == pytest.approx(0.1)
    assert bucket.available(0.5 + 1e-9) == 1


def test_a_burst_is_saved_up() -> None:
    """After a pause as much as the burst goes at once, and never more."""
    bucket = Bucket(2, 0.0, 20)
    assert bucket.available(0.0) == 20
    bucket.take(20)
    assert [bucket.available(at) for at in (0.5, 5.0, 100.0)] == [1, 10, 20]


def test_throttling_halves_and_recovers() -> None:
    """Cut in half once a second at most, then back up to the configured rate, which ends it."""
    throttle = Throttle(100, 100, 0.0)
    throttle.again(0.5)
    assert throttle.rate(0.5) == pytest.approx(51.25)
    throttle.again(1.0)
    assert throttle.rate(1.0) == pytest.approx(26.25)
    assert not throttle.is_over(20.0)
    assert throttle.is_over(60.0)


def test_a_throttled_carrier_is_tried_on() -> None:
    """However often it throttles, one a second goes out."""
    throttle = Throttle(3, None, 0.0)
    for second in range(1, 20):
        throttle.again(float(second))
        assert throttle.rate(float(second)) >= 1.0


def test_a_meter_forgets() -> None:
    """It shows the rate of the last seconds, of the first one what was counted so far."""
    meter = Meter(0.0)
    meter.count = 7
    assert meter.read(0.5) == 7
    for second in range(1, 30):
        meter.count = 50
        rate = meter.read(float(second))
    assert rate == pytest.approx(50)
    assert meter.read(60.0) < 1
