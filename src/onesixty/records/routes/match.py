"""What routes look at in a message, and the conditions that they may have: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from phonenumbers import SUPPORTED_REGIONS

from onesixty.carriers.content import CHANNELS
from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.sms import sender as senders

MATCHES: Final[dict[str, str]] = {
    "country": "ISO 3166 codes of the recipient's country, such as GB",
    "prefix": "first digits of the recipient with the country code, such as +4477",
    "network": "MCC and MNC of the recipient's network, such as 234-10",
    "channel": ", ".join(CHANNELS),
    "category": "otp, transactional, marketing, emergency",
    "sender": "sender IDs",
    "account": "ids of accounts, this one or below; what they and those below them send",
    "tag": "tags of the message, any of them",
    "time": 'when it is to go, such as {"days": ["mon", "fri"], "from": "08:00", "to": "20:00",'
    ' "zone": "Europe/Berlin"}',
}
VALUES_MOST: Final = 1000
NAMED_MOST: Final = 10  # values that words about a condition name
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIME_FIELDS: Final = ("days", "from", "to", "zone")
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
_NETWORK: Final = re.compile(r"([2-79][0-9]{2})-?([0-9]{2,3})")
_MINUTE: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


class Traits(NamedTuple):
    """What routes look at in a message."""

    account_id: int
    recipient: str
    country: str | None
    category: str
    sender: str | None
    tags: tuple[str, ...] = ()
    channel: str = "sms"
    network: str | None = None  # None: the facts may know it
    at: datetime | None = None  # when it is to go; None: now


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of days of the week. One that ends before it begins ends on the day after."""

    days: frozenset[int]  # on which it begins; Monday is 0
    begins: int  # minutes after midnight
    ends: int
    zone: ZoneInfo

    def holds(self, at: datetime) -> bool:
        """Whether that moment is in it."""
        local = at.astimezone(self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.begins < self.ends:
            return day in self.days and self.begins <= minute < self.ends
        if minute >= self.begins:
            return day in self.days
        return minute < self.ends and (day - 1) % 7 in self.days


def window(stored: Mapping[str, Any]) -> Window:
    """The window of a `time` condition in the form that `check_match` gives."""
    return Window(
        frozenset(DAYS.index(day) for day in stored["days"]),
        _minutes(stored["from"]),
        _minutes(stored["to"]),
        _zone(stored["zone"]),
    )


def in_words(name: str, values: tuple[Any, ...]) -> str:
    """The values of a condition, for people."""
    texts = [
        f"{' '.join(one['days'])} {one['from']}-{one['to']} {one['zone']}"
        if name == "time"
        else one
        for one in values[:NAMED_MOST]
    ]
    more = len(values) - NAMED_MOST
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def check_match(given: dict[str, Any]) -> dict[str, list[Any]]:
    """The match of a route in the form that messages are compared with; raises Problem."""
    match: dict[str, list[Any]] = {}
    errors = []
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        normal = [_normal(name, entry) for entry in values[: VALUES_MOST + 1]]
        known = [entry for entry in normal if entry is not None]
        if name not in MATCHES:
            detail = f"routes cannot match {name}; they match: {', '.join(MATCHES)}"
        elif not 0 < len(values) <= VALUES_MOST:
            detail = f"{name} takes 1 to {VALUES_MOST} values"
        elif len(known) < len(values):
            detail = f"{values[normal.index(None)]!r:.60} is not right for {name}: {MATCHES[name]}"
        else:
            match[name] = known
            continue
        errors.append(FieldError(f"/match/{name}", "invalid", detail))
    if errors:
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return match


def network(text: str) -> str | None:
    """MCC and MNC as digits alone, such as 23410, or None when it is no network."""
    found = _NETWORK.fullmatch(text)
    return found and found[1] + found[2]


def _normal(name: str, value: Any) -> Any:
    """The value in the form that messages have it in, or None when no message can have it."""
    if name == "time":
        return _normal_time(value)
    if name in ("network", "sender") and type(value) is int:  # in a file, where nobody quotes it
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        return None
    if name == "country":
        return value.upper() if value.upper() in SUPPORTED_REGIONS or value == "001" else None
    if name == "prefix":
        return value if _PREFIX.fullmatch(value) else None
    if name == "network":
        return network(value)
    if name in ("category", "channel"):
        return value if value in MATCHES[name].split(", ") else None
    if name == "sender":
        sender = senders.classify(value)
        return sender.value if isinstance(sender, senders.Sender) else None
    if name == "account":
        identifier = ids.from_text("acc", value)
        return identifier and ids.to_text("acc", identifier)
    return value


def _normal_time(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict) or value.keys() - set(TIME_FIELDS):
        return None
    days = value.get("days", list(DAYS))
    begins, ends = value.get("from", "00:00"), value.get("to", "24:00")
    if not isinstance(days, list) or not days or not all(day in DAYS for day in days):
        return None
    if not all(isinstance(one, str) and _MINUTE.fullmatch(one) for one in (begins, ends)):
        return None
    zone = value.get("zone", "UTC")
    if begins == "24:00" or not isinstance(zone, str) or not _is_zone(zone):
        return None
    return {"days": [day for day in DAYS if day in days], "from": begins, "to": ends, "zone": zone}


def _is_zone(name: str) -> bool:
    try:
        _zone(name)
    except (OSError, ValueError):  # not there (a KeyError too), or no name of one at all
        return False
    except KeyError:
        return False
    return True


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
