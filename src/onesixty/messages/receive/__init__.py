"""Receipts: found again, stored, applied; and what they teach about their carrier."""

from onesixty.messages.receive.apply import APPLY, HOLD, SIBLINGS, PartNews, apply, fold
from onesixty.messages.receive.find import MATCH, RECIPIENTS
from onesixty.messages.receive.learning import recent
from onesixty.messages.receive.receiver import INBOX_MOST, STORE, Receiver
from onesixty.messages.receive.rereading import PARKED, READ, REWRITE, UNTIL, Reader, Reread

__all__ = [
    "APPLY",
    "HOLD",
    "INBOX_MOST",
    "MATCH",
    "PARKED",
    "READ",
    "RECIPIENTS",
    "REWRITE",
    "SIBLINGS",
    "STORE",
    "UNTIL",
    "PartNews",
    "Reader",
    "Receiver",
    "Reread",
    "apply",
    "fold",
    "recent",
]
