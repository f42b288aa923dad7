"""An SMPP client (ESME): see `client.py`; and `outbind.py` for an SMSC that calls."""

from onesixty.smpp.client.client import (
    Answer,
    AnswerKind,
    Backoff,
    Bind,
    BindMode,
    Client,
    ClientLink,
    Timers,
)
from onesixty.smpp.client.outbind import Outbinds

__all__ = [
    "Answer",
    "AnswerKind",
    "Backoff",
    "Bind",
    "BindMode",
    "Client",
    "ClientLink",
    "Outbinds",
    "Timers",
]
