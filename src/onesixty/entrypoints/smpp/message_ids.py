"""Message ids as ESMEs see them: the message's own UUID in the form that the ESME wants.

No look-up table: the id in a submit_sm_resp, a receipt and a query_sm is computed from the message,
and read back. Two kinds of message have another id, which their origin keeps as `id`:

- Those of a client that speaks SMPP 3.3, whose ids have at most 8 characters: the second, the
  process and a counter, in base 36. They repeat after 48 days. The second says where to search.
- Those of one submit_multi, which share one id: that of their batch.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

FIRST_VERSION_WITH_LONG: Final = 0x34
SHORT_MOST: Final = 8  # SMPP 3.3: 9 octets with the NUL
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_SECONDS: Final = 1 << 22  # 48 days
_PROCESSES: Final = 32
_IN_SECOND: Final = 36**SHORT_MOST // _SECONDS // _PROCESSES  # 21,018 for each process


def shown(message_id: UUID, form: str, origin: Mapping[str, Any] | None = None) -> str:
    """The id of a message over SMPP; `form` is the `id_form` of its ESME."""
    if origin and (own := origin.get("id")):
        return str(own)
    if form == "hex":
        return message_id.hex
    return str(message_id) if form == "uuid" else str(message_id.int)


def read(text: str, form: str) -> UUID | None:
    """The message that an id of this form names; None when it is no such id. Cases are one."""
    try:
        if form == "decimal":
            return UUID(int=int(text)) if text.isascii() and text.isdecimal() else None
        return UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


class ShortIds:
    """Hands out the ids of 8 characters; unlike any of another process, or of the last 48 days."""

    def __init__(self, process: int) -> None:
        self._process = process % _PROCESSES
        self._second, self._count = 0, 0

    def take(self, now: datetime) -> str:
        """The next id. Beyond 21,018 in a second they go on in the one that follows."""
        second = max(int(now.timestamp()), self._second)
        if second > self._second:
            self._second, self._count = second, 0
        elif self._count >= _IN_SECOND:
            self._second, self._count = second + 1, 0
        number = self._second % _SECONDS
        number = (number * _PROCESSES + self._process) * _IN_SECOND + self._count
        self._count += 1
        text = ""
        for _ in range(SHORT_MOST):
            number, digit = divmod(number, 36)
            text = _DIGITS[digit] + text
        return text


def time_of_short(text: str, now: datetime) -> datetime | None:
    """About when the message of a short id was accepted; None when it is no short id."""
    if len(text) != SHORT_MOST or not text.isascii() or not text.isalnum():
        return None
    second = int(text, 36) // _IN_SECOND // _PROCESSES
    at = int(now.timestamp())
    ago = (at - second) % _SECONDS
    if ago > _SECONDS - 60:  # a little ahead, by another clock
        ago -= _SECONDS
    return datetime.fromtimestamp(at, UTC) - timedelta(seconds=ago)
