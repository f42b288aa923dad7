"""How a message looks outside: the same shape in answers, lists, events and webhooks."""

import functools
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, Final
from uuid import UUID

import orjson

from onesixty.carriers.content import CHANNELS, Content
from onesixty.kit import ids, money
from onesixty.messages.states import FINAL, SHOWN_AS, Status
from onesixty.messages.types import Category, Direction, Encoding, Message
from onesixty.records import events
from onesixty.records.snapshot import Snapshot
from onesixty.sms.form import FLASH, SILENT, Form, from_json

STATUS_NAMES: Final = {int(status): SHOWN_AS.get(status, status).name.lower() for status in Status}
CATEGORY_NAMES: Final = {int(category): category.name.lower() for category in Category}
ENCODING_NAMES: Final = {int(encoding): encoding.name.lower() for encoding in Encoding}
DIRECTION_NAMES: Final = {int(direction): direction.name.lower() for direction in Direction}
# In the order in which `message` takes them. One call reads them all, from a Message or from a row:
# each message is shown at least twice on the walk.
_SHOWN: Final = (
    "id", "account_id", "status", "direction", "category", "recipient", "sender", "body",
    "encoding", "segments", "parts_sent", "carrier_id", "route_id", "tags", "metadata",
    "reference", "batch_id", "attempts", "test", "send_at", "created_at", "sent_at",
    "delivered_at", "final_at", "possible_duplicate", "form", "channel", "content",
    "price_micros", "steps", "past_steps", "error_code", "error_class", "error_detail",
    "carrier_code",
)  # fmt: skip
_OF_MESSAGE: Final = attrgetter(*_SHOWN)
_OF_ROW: Final = itemgetter(*_SHOWN)


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds, such as 2026-11-22T15:30:00.000Z; every time inside is in UTC."""
    if moment is None:
        return None
    text = str(orjson.dumps(moment), "ascii")  # in quotes; `isoformat` takes thrice as long
    return f"{text[1:24]}Z" if text[20] == "." else f"{text[1:20]}.000Z"


def message(record: Message | Any, book: Snapshot, status: int | None = None) -> dict[str, Any]:
    """The JSON object of a message, in the order of the reference.

    `record` is a Message or a row with the same names; `status` shows it as it was when an event
    happened.
    """
    (
        identifier, account_id, now, direction, category, recipient, sender, body, encoding,
        segments, parts_sent, carrier_id, route_id, tags, metadata, reference, batch_id, attempts,
        test, send_at, created_at, sent_at, delivered_at, final_at, possible_duplicate, form,
        channel, content, price_micros, steps, past_steps, *error,
    ) = _OF_MESSAGE(record) if isinstance(record, Message) else _OF_ROW(record)  # fmt: skip
    carrier = book.carriers.get(carrier_id or 0)
    shown = STATUS_NAMES[status or now]
    whole = {
        "id": ids.to_text("msg", identifier),
        "object": "message",
        "status": shown,
        "direction": DIRECTION_NAMES[direction],
        "channel": CHANNELS[channel],
        "category": CATEGORY_NAMES[category],
        "to": recipient,
        "from": sender,
        "body": body,
        "encoding": ENCODING_NAMES[encoding],
        "segments": segments,
        "parts_sent": parts_sent,
        "carrier": carrier.name if carrier else None,
        "route": book.route_names.get(route_id or 0),
        "price": price(price_micros, account_id, book),
        "error": _error(*error) if shown == STATUS_NAMES[now] else None,
        "tags": list(tags or ()),
        "metadata": metadata,
        "reference": reference,
        "batch": ids.to_text("bat", batch_id) if batch_id else None,
        "campaign": None,
        "attempts": attempts,
        "possible_duplicate": possible_duplicate,
        "test": test,
        "send_at": timestamp(send_at),
        "created_at": timestamp(created_at),
        "sent_at": timestamp(sent_at),
        "delivered_at": timestamp(delivered_at),
        "final_at": timestamp(final_at),
    }
    if form:
        whole |= formed(form if isinstance(form, Form) else from_json(form))
    if content:
        whole |= content.to_json() if isinstance(content, Content) else content
    if steps or past_steps:
        whole["fallback"] = fallback(past_steps or (), channel, steps or (), book, now in FINAL)
    return whole


def fallback(
    past: Sequence[dict[str, Any]],
    channel: int,
    steps: Sequence[dict[str, Any]],
    book: Snapshot,
    is_over: bool,
) -> list[dict[str, Any]]:
    """The plan of a message in its order: what was tried, what is, what may still come."""
    tried = []
    for one in past:
        carrier = book.carriers.get(one["carrier_id"])
        tried.append(
            {
                "channel": CHANNELS[one["channel"]],
                "state": one["state"],
                "carrier": carrier.name if carrier else None,
                "error": one["error"],
                "ended_at": one["at"],
            }
        )
    later = "not_needed" if is_over else "waiting"
    return [
        *tried,
        {"channel": CHANNELS[channel], "state": "current"},
        *({"channel": CHANNELS[one["channel"]], "state": later} for one in steps),
    ]


def price(micros: int | None, account_id: int, book: Snapshot) -> dict[str, str] | None:
    """What an account is charged, as `{"amount": "0.0325", "currency": "EUR"}`, or None."""
    return None if micros is None else money.shown(micros, currency_of(account_id, book))


def currency_of(account_id: int, book: Snapshot) -> str:
    """The currency that an account pays in, or whoever pays for it."""
    payer = book.billing.payers.get(account_id)
    return payer.currency if payer else book.accounts[account_id].currency


def formed(form: Form | None) -> dict[str, Any]:
    """What a message shows that is not plain text; names that say nothing of it are left out."""
    if form is None:
        return {}
    ports = form.ports
    shown: dict[str, Any] = {
        "data": None if form.data is None else b64encode(form.data).decode(),
        "udh": form.udh.hex() or None,
        "ports": {"source": ports.source, "destination": ports.destination} if ports else None,
        "message_class": form.message_class,
        "flash": form.message_class == FLASH or None,
        "data_coding": form.data_coding,
        "protocol_id": form.protocol_id or None,
        "silent": form.protocol_id == SILENT or None,
        "missing_parts": list(form.missing_parts) or None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def event(row: Mapping[str, Any], account: UUID, data: dict[str, Any] | None) -> dict[str, Any]:
    """The JSON object of an event row (id, type, sequence, at) with its data.

    The data is a message as it was then, or the event's own.
    """
    return {
        "id": ids.to_text("evt", row["id"]),
        "type": events.TYPES[row["type"]],
        "account": _account(account),
        "created_at": timestamp(row["at"]),
        "sequence": row["sequence"],
        "data": data,
    }


@functools.lru_cache(maxsize=1000)
def _account(identifier: UUID) -> str:
    return ids.to_text("acc", identifier)


def _error(
    code: str | None, kind: str | None, detail: str | None, carrier_code: str | None
) -> dict[str, Any] | None:
    if code is None:
        return None
    return {"code": code, "class": kind, "detail": detail, "carrier_code": carrier_code}
