"""Time fields: both forms, both signs, what is garbage, and what two of them mean together."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.statuses import Status
from onesixty.smpp.times import (
    DeliveryTimes,
    TimeFieldError,
    decode_time,
    delivery_times,
    encode_absolute,
    encode_relative,
)

NOW = datetime(2026, 11, 22, 13, 30, tzinfo=UTC)


def _zone(hours: float) -> timezone:
    return timezone(timedelta(hours=hours))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 15, 30, tzinfo=_zone(2)), "261122153000008+"),
        (datetime(2026, 11, 22, 13, 30, tzinfo=UTC), "261122133000000+"),
        (datetime(2026, 11, 22, 8, 0, tzinfo=_zone(-5.5)), "261122080000022-"),
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC), "260102030405900+"),
        (datetime(2026, 1, 2, 3, 4, 5, 60_000, tzinfo=_zone(5.75)), "260102030405023+"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=_zone(13)), "260101140405000+"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(minutes=7))), "260102025705000+"),
        (datetime(2000, 1, 1, tzinfo=_zone(12)), "000101000000048+"),
    ],
)
def test_absolute_times_are_written(moment: datetime, text: str) -> None:
    """A time is written in its own zone where quarter hours can say it, or else in UTC."""
    assert encode_absolute(moment) == text


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 1, 1), datetime(1999, 12, 31, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)],  # noqa: DTZ001
)
def test_times_without_an_encoding_are_refused(moment: datetime) -> None:
    """A time without a zone, or of another century, is an error of the caller."""
    with pytest.raises(ValueError, match=r"zone|year"):
        encode_absolute(moment)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=2, hours=6), "000002060000000R"),
        (timedelta(hours=36), "000001120000000R"),
        (timedelta(days=1), "000001000000000R"),
        (timedelta(seconds=59), "000000000059000R"),
        (timedelta(microseconds=1), "000000000001000R"),
        (timedelta(days=63), "000063000000000R"),
    ],
)
def test_durations_are_written(duration: timedelta, text: str) -> None:
    """A duration is written in days, hours, minutes and seconds, each in its normal range."""
    assert encode_relative(duration) == text


@pytest.mark.parametrize(
    "duration",
    [timedelta(0), timedelta(seconds=-1), timedelta(days=100), timedelta(days=100, seconds=-0.5)],
)
def test_durations_without_an_encoding_are_refused(duration: timedelta) -> None:
    """Nothing, less than nothing, and a hundred days and more have no form."""
    with pytest.raises(ValueError, match="not between"):
        encode_relative(duration)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001
    st.integers(-48, 48),
)
def test_absolute_times_survive(moment: datetime, quarters: int) -> None:
    """What is written is read again as the same moment, to the tenth of a second."""
    moment = moment.replace(tzinfo=timezone(quarters * timedelta(minutes=15)))
    read = decode_time(encode_absolute(moment))
    assert isinstance(read, datetime)
    assert timedelta(0) <= moment - read < timedelta(milliseconds=100)
    assert read.utcoffset() == moment.utcoffset()


@given(st.integers(1, 100 * 24 * 3600 - 1))
def test_durations_survive(seconds: int) -> None:
    """What is written is read again as the same duration."""
    assert decode_time(encode_relative(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("261122153000008+", NOW),
        ("261122080000022-", NOW),
        ("261122133000500+", NOW + timedelta(seconds=0.5)),
        ("010000000000000R", timedelta(days=365)),
        ("000100000000000R", timedelta(days=30)),
        ("000000990000000R", timedelta(hours=99)),
        ("000000000000000R", timedelta(0)),
    ],
)
def test_times_are_read(text: str, value: datetime | timedelta | None) -> None:
    """UTC is local time less the quarters for "+", more for "-"; a year is 365 days, a month 30."""
    assert decode_time(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "261122153000",
        "26112215300000",
        "261122153000008",
        "261122153000008Z",
        "261122153000049+",
        "261322153000000+",
        "260230000000000+",
        "261122240000000+",
        "26112215300000x+",
        "２61122153000000+",
        "000000006000000R",
        "000000000060000R",
        "000000000000100R",
        "000000000000004R",
        "tomorrow at noon",
        " 61122153000000+",
    ],
)
def test_garbage_is_refused(text: str) -> None:
    """Other lengths, letters, and numbers outside their range are no times."""
    with pytest.raises(TimeFieldError):
        decode_time(text)


def test_twelve_digits_are_taken_leniently() -> None:
    """YYMMDDhhmmss without a suffix is UTC where leniency is asked for, and garbage elsewhere."""
    assert decode_time("261122133000", lenient=True) == NOW


@given(st.text(max_size=17))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, the outcome is a value or TimeFieldError."""
    with suppress(TimeFieldError):
        decode_time(text, lenient=True)


@pytest.mark.parametrize(
    ("schedule", "validity", "deliver_at", "expire_at"),
    [
        ("", "", None, None),
        ("261122153000008+", "", None, None),
        ("261122143000000+", "", timedelta(hours=1), None),
        ("000000010000000R", "000001000000000R", timedelta(hours=1), timedelta(days=1)),
        ("261101000000000+", "000001000000000R", None, timedelta(days=1)),
        ("", "261123133000000+", None, timedelta(days=1)),
    ],
)
def test_times_of_a_message(
    schedule: str, validity: str, deliver_at: timedelta | None, expire_at: timedelta | None
) -> None:
    """Relative fields count from now; a schedule that has passed means at once."""
    assert delivery_times(schedule, validity, NOW) == DeliveryTimes(
        None if deliver_at is None else NOW + deliver_at,
        None if expire_at is None else NOW + expire_at,
    )


@pytest.mark.parametrize(
    ("schedule", "validity", "status"),
    [
        ("garbage", "", Status.RINVSCHED),
        ("", "garbage", Status.RINVEXPIRY),
        ("", "261122133000000+", Status.RINVEXPIRY),
        ("", "000000000000000R", Status.RINVEXPIRY),
        ("000001000000000R", "000000120000000R", Status.RINVEXPIRY),
    ],
)
def test_impossible_times_of_a_message(schedule: str, validity: str, status: Status) -> None:
    """Garbage is refused with its field's status, a validity that ends before delivery as well."""
    with pytest.raises(TimeFieldError) as caught:
        delivery_times(schedule, validity, NOW)
    assert caught.value.status == status


def test_the_far_end_of_time_is_refused() -> None:
    """A duration beyond the calendar is an error of the field, not of the program."""
    with pytest.raises(TimeFieldError):
        delivery_times("", "990000000000000R", datetime(9990, 1, 1, tzinfo=UTC))
