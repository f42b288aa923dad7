"""How a message looks outside: the same shape in answers, lists, events and webhooks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Direction, Encoding, Message
from onesixty.records import events
from onesixty.records.snapshot import Snapshot

STATUS_NAMES: Final = {int(status): status.name.lower() for status in Status}
CATEGORY_NAMES: Final = {int(category): category.name.lower() for category in Category}
ENCODING_NAMES: Final = {int(encoding): encoding.name.lower() for encoding in Encoding}
DIRECTION_NAMES: Final = {int(direction): direction.name.lower() for direction in Direction}


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds, such as 2026-11-22T15:30:00.000Z; every time inside is in UTC."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def message(record: Message | Any, book: Snapshot, status: int | None = None) -> dict[str, Any]:
    """The JSON object of a message, in the order of the reference.

    `record` is a Message or a row with the same names; `status` shows it as it was when an event happened.
    """
    get = record.__getitem__ if not isinstance(record, Message) else record.__getattribute__
    now = int(get("status"))
    shown = status or now
    carrier = book.carriers.get(get("carrier_id") or 0)
    batch_id = get("batch_id")
    return {
        "id": ids.to_text("msg", get("id")),
        "object": "message",
        "status": STATUS_NAMES[shown],
        "direction": DIRECTION_NAMES[get("direction")],
        "channel": "sms",
        "category": CATEGORY_NAMES[get("category")],
        "to": get("recipient"),
        "from": get("sender"),
        "body": get("body"),
        "encoding": ENCODING_NAMES[get("encoding")],
        "segments": get("segments"),
        "parts_sent": get("parts_sent"),
        "carrier": carrier.name if carrier else None,
        "route": _route_name(book, get("account_id"), get("route_id")),
        "price": None,
        "error": _error(get) if status is None or status == now else None,
        "tags": list(get("tags") or ()),
        "metadata": get("metadata"),
        "reference": get("reference"),
        "batch": ids.to_text("bat", batch_id) if batch_id else None,
        "campaign": None,
        "attempts": get("attempts"),
        "test": get("test"),
        "send_at": timestamp(get("send_at")),
        "created_at": timestamp(get("created_at")),
        "sent_at": timestamp(get("sent_at")),
        "delivered_at": timestamp(get("delivered_at")),
        "final_at": timestamp(get("final_at")),
    }


def event(row: Mapping[str, Any], account: UUID, data: dict[str, Any] | None) -> dict[str, Any]:
    """The JSON object of an event row (id, type, sequence, at) with its data: a message as it was then, or its own."""
    return {
        "id": ids.to_text("evt", row["id"]),
        "type": events.TYPES[row["type"]],
        "account": ids.to_text("acc", account),
        "created_at": timestamp(row["at"]),
        "sequence": row["sequence"],
        "data": data,
    }


def _route_name(book: Snapshot, account_id: int, route_id: int | None) -> str | None:
    if route_id is None:
        return None
    account = book.accounts.get(account_id)
    while account is not None:
        for route in book.routes.get(account.id, ()):
            if route.id == route_id:
                return route.name
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return None


def _error(get: Any) -> dict[str, Any] | None:
    if get("error_code") is None:
        return None
    return {
        "code": get("error_code"),
        "class": get("error_class"),
        "detail": get("error_detail"),
        "carrier_code": get("carrier_code"),
    }
