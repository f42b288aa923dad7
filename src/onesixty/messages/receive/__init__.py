"""Receipts: found again, stored, applied; and what they teach about their carrier."""

from onesixty.messages.receive.apply import APPLY, HOLD, SIBLINGS, PartNews, apply, fold
from onesixty.messages.receive.find import MATCH, RECIPIENTS
from onesixty.messages.receive.receiver import INBOX_MOST, STORE, Receiver

__all__ = [
    "APPLY",
    "HOLD",
    "INBOX_MOST",
    "MATCH",
    "RECIPIENTS",
    "SIBLINGS",
    "STORE",
    "PartNews",
    "Receiver",
    "apply",
    "fold",
]
