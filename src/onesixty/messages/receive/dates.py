"""Dates of receipts: written in many ways, in a zone that nobody tells."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_PATTERNS: Final = {
    10: (("YYMMDDhhmm", "%y%m%d%H%M"),),
    12: (("YYMMDDhhmmss", "%y%m%d%H%M%S"), ("YYYYMMDDhhmm", "%Y%m%d%H%M")),
    14: (("YYYYMMDDhhmmss", "%Y%m%d%H%M%S"),),
}
_QUARTER: Final = timedelta(minutes=15)  # zones are whole quarters of an hour apart
_LATE: Final = timedelta(minutes=4)  # beyond it a receipt was long on its way, and tells no zone
_FARTHEST: Final = timedelta(hours=14)
_DIGIT: Final = re.compile(r"[0-9]", re.ASCII)
_LONGEST: Final = 24


@dataclass(frozen=True, slots=True)
class Written:
    """How a date is written, such as YYMMDDhhmm, and how far its clock is ahead of UTC if known."""

    form: str
    offset_minutes: int | None


def read_date(text: str, received_at: datetime) -> Written | None:
    """What a date tells of the clock that wrote it, if it was written when the receipt came.

    Of the readings that its digits allow the one nearest to that moment counts; None when there is
    none.
    """
    digits = "".join(_DIGIT.findall(text))
    if len(text) > _LONGEST or len(digits) not in _PATTERNS:
        return None
    read = []
    for letters, pattern in _PATTERNS[len(digits)]:
        try:
            written = datetime.strptime(digits, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
        read.append((abs(written - received_at), written - received_at, letters))
    if not read:
        return None
    _, ahead, letters = min(read)
    names = iter(letters)
    form = _DIGIT.sub(lambda _: next(names), text.strip())
    zone = round(ahead / _QUARTER) * _QUARTER
    if abs(ahead - zone) > _LATE or abs(zone) > _FARTHEST:
        return Written(form, None)
    return Written(form, int(zone.total_seconds()) // 60)
