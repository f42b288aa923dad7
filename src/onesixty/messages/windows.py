"""The 24 hours after a person has written, in which a chat channel takes any answer.

Outside of them providers take approved templates alone: what they would refuse is refused at the
door, with what to do. A carrier that is younger than a day may not have heard all that was written:
there the provider decides.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.content import WHATSAPP
from onesixty.carriers.contract import Inbound
from onesixty.messages.types import Channel, Message, Refusal
from onesixty.storage.database import Connection

OPEN: Final = timedelta(hours=24)
_MEXICO: Final = ("+521", 14)  # what WhatsApp calls +52 55..., +521 55...
_ARGENTINA: Final = ("+549", 14)
_BRAZIL: Final = ("+55", 14)  # and +55 11 9..., +55 11 ...

WROTE: Final = """
INSERT INTO contact_windows (carrier_id, contact, wrote_at)
SELECT carrier_id, contact, max(wrote_at) FROM unnest($1::int[], $2::text[], $3::timestamptz[])
    AS n(carrier_id, contact, wrote_at)
GROUP BY carrier_id, contact ORDER BY carrier_id, contact
ON CONFLICT (carrier_id, contact) DO UPDATE
    SET wrote_at = greatest(contact_windows.wrote_at, excluded.wrote_at)
"""
CLOSED: Final = """
SELECT n.id, w.wrote_at FROM unnest($1::uuid[], $2::int[], $3::text[]) AS n(id, carrier_id, contact)
JOIN carriers c ON c.id = n.carrier_id
LEFT JOIN contact_windows w ON w.carrier_id = n.carrier_id AND w.contact = n.contact
WHERE coalesce(w.wrote_at, c.created_at) < $4
"""


def matters(message: Message) -> bool:
    """Whether only an open window lets it pass, and nothing comes after it."""
    return (
        message.channel is Channel.WHATSAPP
        and not message.test
        and not message.steps
        and not message.send_at
        and not (message.content and message.content.template)
    )


async def closed(tx: Connection, messages: Iterable[Message], now: datetime) -> dict[UUID, Refusal]:
    """The refusals of those whose window is closed, by message."""
    some = [one for one in messages if matters(one)]
    if not some:
        return {}
    rows = await tx.fetch(
        CLOSED,
        [one.id for one in some],
        [one.carrier_id for one in some],
        [contact(one.recipient) for one in some],
        now - OPEN,
    )
    return {row["id"]: _refusal(row["wrote_at"], now) for row in rows}


async def wrote(tx: Connection, inbounds: Sequence[Inbound]) -> None:
    """People wrote: their windows are open from then on."""
    some = [one for one in inbounds if one.channel == WHATSAPP and one.sender]
    if some:
        await tx.execute(
            WROTE,
            [one.carrier_id for one in some],
            [contact(one.sender) for one in some],
            [one.received_at for one in some],
        )


async def open_until(connection: Connection, carrier_id: int, number: str) -> datetime | None:
    """Until when the window of a person is open, or was; None: it never was."""
    at: Any = await connection.fetchval(
        "SELECT wrote_at FROM contact_windows WHERE carrier_id = $1 AND contact = $2",
        carrier_id,
        contact(number),
    )
    return at + OPEN if at else None


def contact(number: str) -> str:
    """A number as all its ways of being written in WhatsApp have it.

    Its own ids lack or have a digit that the numbers of three countries have or lack.
    """
    for start, length in (_MEXICO, _ARGENTINA):
        if number.startswith(start) and len(number) == length:
            return number[:3] + number[4:]
    if number.startswith(_BRAZIL[0]) and len(number) == _BRAZIL[1] and number[5] == "9":
        return number[:5] + number[6:]
    return number


def _refusal(wrote_at: datetime | None, now: datetime) -> Refusal:
    if wrote_at is None:
        return Refusal("outside_window", "this person has never written to this number", "/to")
    hours = int((now - wrote_at).total_seconds()) // 3600
    return Refusal("outside_window", f"this person wrote last {hours} hours ago", "/to")
