"""The time fields of PDUs, 16 characters of the form `YYMMDDhhmmsstnnp`.

Absolute times carry their distance from UTC in quarter hours (`nn`, with p = `+` when local time is
ahead of UTC); relative ones (p = `R`) count from the moment the SMSC takes the message.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from onesixty.smpp.statuses import Status

_QUARTER = timedelta(minutes=15)


class TimeFieldError(ValueError):
    """A time field that means nothing; `status` is the command_status to answer."""

    def __init__(self, detail: str, status: Status = Status.RINVSCHED) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class DeliveryTimes:
    """When to deliver (None: at once) and when to give up (None: the SMSC's default), in UTC."""

    deliver_at: datetime | None
    expire_at: datetime | None


def encode_absolute(moment: datetime) -> str:
    """An aware time in its own zone, to the tenth of a second below.

    Zones that are not whole quarter hours within 12 h of UTC have no encoding: such a time is
    written in UTC. ValueError for naive times and years other than 2000 to 2099.
    """
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time without a zone")
    if offset % _QUARTER or abs(offset) > 48 * _QUARTER:
        moment, offset = moment.astimezone(UTC), timedelta(0)
    if not 2000 <= moment.year < 2100:
        raise ValueError(f"year {moment.year} has no two-digit form")
    # Integers all the way: formatting microseconds has made two-digit tenths elsewhere.
    tenths, quarters = moment.microsecond // 100_000, abs(offset) // _QUARTER
    sign = "-" if offset < timedelta(0) else "+"
    return f"{moment:%y%m%d%H%M%S}{tenths}{quarters:02d}{sign}"


def encode_relative(duration: timedelta) -> str:
    """A duration in days, hours, minutes and whole seconds (rounded up), each in its normal range.

    Never months or years, whose length is a matter of taste. ValueError unless it is more than 0
    and less than 100 days.
    """
    seconds = -(-duration // timedelta(seconds=1))
    if not 0 < seconds < 100 * 24 * 3600:
        raise ValueError(f"{duration} is not between 0 and 100 days")
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"0000{days:02d}{hours:02d}{minutes:02d}{seconds:02d}000R"


def decode_time(text: str, *, lenient: bool = False) -> datetime | timedelta | None:
    """What a time field says: an aware datetime, a duration, or None when the field is empty.

    Relative years count 365 days and months 30. `lenient` also takes `YYMMDDhhmmss` alone, as UTC.
    TimeFieldError for anything else.
    """
    if not text:
        return None
    if lenient and len(text) == 12:
        text += "000+"
    if len(text) != 16 or not (text.isascii() and text[:15].isdigit()):
        raise TimeFieldError(f"{text!r} is not of the form YYMMDDhhmmsstnnp")
    parts = [int(text[at : at + 2]) for at in range(0, 12, 2)]
    tenths, quarters, kind = int(text[12]), int(text[13:15]), text[15]
    if kind == "R":
        return _duration(parts, text)
    if kind not in "+-" or quarters > 48:
        raise TimeFieldError(f"{text!r} has no distance from UTC")
    offset = quarters * _QUARTER if kind == "+" else -quarters * _QUARTER
    year, month, day, hour, minute, second = parts
    try:
        return datetime(
            2000 + year, month, day, hour, minute, second, tenths * 100_000, timezone(offset)
        )
    except ValueError as error:
        raise TimeFieldError(f"{text!r}: {error}") from None


def delivery_times(
    schedule_delivery_time: str, validity_period: str, now: datetime, *, lenient: bool = False
) -> DeliveryTimes:
    """Both time fields of a message that arrived at `now` (aware).

    A schedule in the past means at once. TimeFieldError with RINVSCHED or RINVEXPIRY for what
    cannot be read, with RINVEXPIRY for a validity that ends in the past or before the schedule.
    """
    deliver_at = _moment(schedule_delivery_time, now, Status.RINVSCHED, lenient=lenient)
    expire_at = _moment(validity_period, now, Status.RINVEXPIRY, lenient=lenient)
    if deliver_at is not None and deliver_at <= now:
        deliver_at = None
    if expire_at is not None and expire_at <= (deliver_at or now):
        raise TimeFieldError(
            f"validity_period {validity_period!r} is over before delivery", Status.RINVEXPIRY
        )
    return DeliveryTimes(deliver_at, expire_at)


def _moment(text: str, now: datetime, status: Status, *, lenient: bool) -> datetime | None:
    try:
        value = decode_time(text, lenient=lenient)
        if isinstance(value, timedelta):
            value = now + value
        return value.astimezone(UTC) if value is not None else None
    except (TimeFieldError, OverflowError) as error:
        raise TimeFieldError(str(error), status) from None


def _duration(parts: list[int], text: str) -> timedelta:
    years, months, days, hours, minutes, seconds = parts
    if minutes > 59 or seconds > 59 or text[12:15] != "000":
        raise TimeFieldError(f"{text!r} is not a duration")
    return timedelta(
        days=365 * years + 30 * months + days, hours=hours, minutes=minutes, seconds=seconds
    )
