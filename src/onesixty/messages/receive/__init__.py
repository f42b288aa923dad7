"""Receipts: found again, stored, applied; and what they teach about their carrier."""

from onesixty.messages.receive.apply import (
    APPLY,
    COST,
    HOLD,
    SIBLINGS,
    Offer,
    PartNews,
    apply,
    fold,
    write_costs,
)
from onesixty.messages.receive.find import ECHOED, MATCH, RECIPIENTS
from onesixty.messages.receive.learning import recent
from onesixty.messages.receive.receiver import INBOX_MOST, STORE, STORE_MORE, Receiver
from onesixty.messages.receive.rereading import PARKED, READ, REWRITE, UNTIL, Reader, Reread

__all__ = [
    "APPLY",
    "COST",
    "ECHOED",
    "HOLD",
    "INBOX_MOST",
    "MATCH",
    "PARKED",
    "READ",
    "RECIPIENTS",
    "REWRITE",
    "SIBLINGS",
    "STORE",
    "STORE_MORE",
    "UNTIL",
    "Offer",
    "PartNews",
    "Reader",
    "Receiver",
    "Reread",
    "apply",
    "fold",
    "recent",
    "write_costs",
]
