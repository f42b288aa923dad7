"""Event types and their numbers. A message event has the number of the status that it tells of."""

from datetime import datetime
from typing import Any, Final

from onesixty.kit import ids
from onesixty.storage.database import Connection

TYPES: Final[dict[int, str]] = {
    2: "message.queued",
    4: "message.uncertain",
    5: "message.sent",
    6: "message.delivered",
    7: "message.undelivered",
    8: "message.failed",
    9: "message.expired",
    10: "message.canceled",
    11: "message.read",
    12: "message.received",
    16: "message.fallback",
    40: "carrier.up",
    41: "carrier.down",
    42: "carrier.receipts_unmatched",
    43: "carrier.degraded",
    44: "carrier.suspected",
    45: "carrier.recovered",
    46: "carrier.notice",
    50: "balance.low",
    51: "spend.cap_reached",
    52: "lookup.cap_reached",
    60: "webhook.test",
}
NUMBERS: Final = {name: number for number, name in TYPES.items()}
MESSAGE_EVENTS: Final = frozenset(number for number in TYPES if number < 40)
# A message with a callback_url is told of these: all that says where it stands, not that it was
# taken.
CALLBACK_MASK: Final = sum(1 << number for number in MESSAGE_EVENTS if number != 2)

ABOUT: Final[dict[str, str]] = {
    "message.queued": "Stored and waiting for its carrier.",
    "message.uncertain": "Handed to the carrier, which never answered: it may have been sent.",
    "message.sent": "The carrier took all its parts.",
    "message.delivered": "Every part arrived on the handset.",
    "message.undelivered": "The carrier reports that it did not arrive.",
    "message.failed": "Not sent: refused by the carrier.",
    "message.expired": "Its validity ended before it was sent, or known to be delivered.",
    "message.canceled": "Cancelled before it was handed over.",
    "message.read": "The recipient opened it.",
    "message.received": "A message from a handset.",
    "message.fallback": "It goes on by its next channel: the one before failed, or took too long.",
    "carrier.up": "A carrier is connected.",
    "carrier.down": "A carrier lost its last connection.",
    "carrier.receipts_unmatched": "Many receipts of a carrier belong to no message that is known.",
    "carrier.degraded": "A carrier delivers worse to a country than another; routes avoid it.",
    "carrier.suspected": "Receipts of a carrier for a country are too good to be true.",
    "carrier.recovered": "A carrier delivers well again to a country.",
    "balance.low": "Less than its threshold is left of the balance of the account.",
    "spend.cap_reached": "The account has spent 50, 80 or 100 % of a cap.",
    "lookup.cap_reached": "A lookup source is asked no more today: its spend cap is reached.",
    "carrier.notice": "Something that a carrier tells beside its messages, such as of a template.",
    "webhook.test": "Sent by the test call of an endpoint.",
}


# All, with the types of later versions; 63 bits, for PostgreSQL's bigint has a sign.
EVERYTHING: Final = (1 << 63) - 1
_MESSAGES: Final = (1 << 40) - 1


def mask(names: list[str]) -> int:
    """The bit mask of event type names; `*` stands for all, `message.*` for those of messages.

    Both hold for types of later versions too. Raises KeyError for a name that is neither.
    """
    bits = 0
    for name in names:
        if name == "*":
            bits |= EVERYTHING
        elif name == "message.*":
            bits |= _MESSAGES
        else:
            bits |= 1 << NUMBERS[name]
    return bits


def names(bits: int) -> list[str]:
    """The names that give a mask, in the order of their numbers."""
    if bits == EVERYTHING:
        return ["*"]
    whole = bits & _MESSAGES == _MESSAGES
    return ["message.*"] * whole + [
        name
        for number, name in TYPES.items()
        if bits >> number & 1 and not (whole and number in MESSAGE_EVENTS)
    ]


async def tell(
    tx: Connection, account_id: int, name: str, data: dict[str, Any], now: datetime
) -> None:
    """Write an event that is not about a message, with its outbox rows."""
    await tx.execute(
        "WITH event AS ("
        " INSERT INTO events (account_id, id, type, sequence, data, at)"
        " VALUES ($1, $2, $3, 1, $4, $5)"
        " RETURNING account_id, id, type, at)"
        " INSERT INTO webhook_queue (event_id, endpoint_id, account_id, due_at)"
        " SELECT event.id, endpoint.id, event.account_id, event.at FROM event"
        " JOIN webhook_endpoints endpoint USING (account_id)"
        " WHERE endpoint.removed_at IS NULL AND endpoint.disabled_at IS NULL"
        " AND endpoint.event_mask >> event.type::int & 1 = 1",
        account_id,
        ids.uuid7(),
        NUMBERS[name],
        data,
        now,
    )
