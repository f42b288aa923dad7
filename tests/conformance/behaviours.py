"""What far sides do with submits, and whom to send to."""

from enum import StrEnum

SOMEBODY = "+447700900000"
RESPONSE_SECONDS = 0.2


class Behaviour(StrEnum):
    """What the far side does with submits."""

    GOOD = "good"
    SLOW = "slow"
    SILENT = "silent"
    FORGETFUL = "forgetful"
    LATE = "late"
    REPEATING = "repeating"
    CONFUSED = "confused"
    THROTTLING = "throttling"
    SOMETIMES_THROTTLING = "sometimes throttling"
    REFUSING = "refusing"
    CUTTING_BEFORE = "cutting the link before an answer"
    CUTTING_AFTER = "cutting the link after an answer"
    CUTTING_WITHIN = "cutting the link within an answer"
    STAMMERING = "stammering"
