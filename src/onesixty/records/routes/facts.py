"""What the router is told about carriers: who is up, how well each delivers, what it takes.

Each fact has one teller, wired by `app.py`. What nobody tells is not known, and routes do without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from onesixty.kit.chance import Chance

GOOD: Final = "good"
DEGRADED: Final = "degraded"
SUSPECT: Final = "suspect"
# What a slow carrier loses: ten minutes to deliver count as much as a tenth that never arrives.
_SLOWEST_SECONDS: Final = 600.0
_SLOWEST_COUNTS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Quality:
    """How a carrier has delivered to a country lately, with a sample that says enough.

    `level` changes with hysteresis: whoever tells it keeps it steady, so that routes do not flap.
    """

    delivered_rate: float  # of what it took and told of, 0 to 1
    median_seconds: float | None  # from our submit to the receipt
    coverage: float  # part of what it took that it sent receipts for, 0 to 1
    level: str  # GOOD, DEGRADED, SUSPECT (its receipts are not to be believed)
    sample: int  # messages
    why: str = ""  # the level, in words

    @property
    def score(self) -> float:
        """To compare carriers by, 0 to 1, in steps that small differences do not reach."""
        slow = min(self.median_seconds or 0.0, _SLOWEST_SECONDS) / _SLOWEST_SECONDS
        return round(self.delivered_rate - slow * _SLOWEST_COUNTS, 2)


def _no_quality(carrier_id: int, country: str | None) -> Quality | None:
    return None


def _no_cost(carrier_id: int, recipient: str, network: str | None, channel: str) -> int | None:
    return None


def _no_network(recipient: str) -> str | None:
    return None


@dataclass(slots=True)
class Facts:
    """All that choosing asks besides the records. None of it may wait for anything."""

    is_up: Callable[[int], bool]  # by carrier
    chance: Chance
    now: Callable[[], datetime]
    # By carrier and country; None until the sample says enough.
    quality: Callable[[int, str | None], Quality | None] = _no_quality
    # By carrier, recipient, network and channel: what a segment costs in millionths of a unit of
    # the platform's currency, now.
    cost: Callable[[int, str, str | None, str], int | None] = _no_cost
    network: Callable[[str], str | None] = _no_network  # MCC and MNC of a number, as digits
    # Grows whenever `quality` may give another answer; what was decided by it is decided anew.
    version: Callable[[], int] = int
