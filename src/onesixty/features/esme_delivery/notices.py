"""What is handed to the SMPP door, as claimed rows have it: receipts, and inbound messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.messages.states import Status
from onesixty.messages.store import RECEIPT_MASKS
from onesixty.sms.form import Form, from_json

NOTHING_KEPT: Final = "its message is no longer kept"
OVERTAKEN: Final = "a later receipt of the message overtook it"


@dataclass(frozen=True, slots=True)
class ReceiptNotice:
    """What an ESME is to be told of a message that it submitted."""

    esme_id: int
    message_id: UUID
    status: Status  # that the event tells of
    origin: Mapping[str, Any]
    text: str  # of the message; "" when it is not text
    error_code: str | None  # as the message shows it now
    carrier_code: str | None
    submitted_at: datetime
    done_at: datetime


@dataclass(frozen=True, slots=True)
class InboundNotice:
    """A message from a handset to one of the numbers of an ESME."""

    esme_id: int
    message_id: UUID
    sender: str
    recipient: str
    text: str
    form: Form | None


Notice = ReceiptNotice | InboundNotice


def of_row(row: Any) -> Notice | str:
    """The notice of a claimed row; or why there is none, so that the row ends."""
    if row["type"] is None or row["id"] is None:
        return NOTHING_KEPT
    form = from_json(row["form"]) if row["form"] is not None else None
    if row["type"] == Status.RECEIVED:
        return InboundNotice(
            -row["endpoint_id"], row["id"], row["sender"] or "", row["recipient"], row["body"], form
        )
    if is_overtaken(row):
        return OVERTAKEN
    return ReceiptNotice(
        esme_id=-row["endpoint_id"],
        message_id=row["id"],
        status=Status(row["type"]),
        origin=row["origin"],
        text=row["body"] if form is None or form.data is None else "",
        error_code=row["error_code"],
        carrier_code=row["carrier_code"],
        submitted_at=row["created_at"],
        done_at=row["at"],
    )


def is_overtaken(row: Any) -> bool:
    """Whether a receipt that was tried before tells of a status that is no longer true.

    The receipt of the present one is due by itself and may have been taken already: what comes
    again must not be the last that the ESME hears.
    """
    if not row["attempts"] or row["event_sequence"] >= row["sequence"]:
        return False
    wanted = RECEIPT_MASKS[row["origin"]["registered"] & 31]
    return bool(wanted >> row["status"] & 1)
