"""The rules at acceptance: each step fills in messages or refuses them.

Pure: no I/O, no clock, no chance of its own.
"""

from onesixty.messages.screen.plan import STEPS_MOST, of_step, to_json, waits
from onesixty.messages.screen.prices import cover, price
from onesixty.messages.screen.rules import (
    CATEGORY_NAMES,
    SCHEDULE_MOST,
    VALIDITY_MOST_SECONDS,
    address,
    compose,
    time,
)

__all__ = [
    "CATEGORY_NAMES",
    "SCHEDULE_MOST",
    "STEPS_MOST",
    "VALIDITY_MOST_SECONDS",
    "address",
    "compose",
    "cover",
    "of_step",
    "price",
    "time",
    "to_json",
    "waits",
]
