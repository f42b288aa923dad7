"""What messages cost their account, and what is to be held of its balance for them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from onesixty.messages.types import Message, Refusal
from onesixty.records.billing.book import ACCEPTED, CHARGES, CapRecord, Hold, Payer, units
from onesixty.records.snapshot import Snapshot

FIRST_LOOK: Final = timedelta(seconds=2)  # by then most messages were handed over


def price(
    book: Snapshot, message: Message, key_id: UUID, country: str | None, network: str | None
) -> Message | Refusal:
    """Set the price and what is to be held; or say why there is none.

    Messages of accounts that nobody pays for, and of test keys, are left as they are.
    """
    payer = book.billing.payers.get(message.account_id)
    if payer is None or message.test:
        return message
    each = book.billing.price(
        payer, message.recipient, network, message.channel, message.created_at
    )
    if each is None:
        where = f"{message.recipient[:4]}… ({country or 'no country'})"
        detail = f"no price list tells what {message.channel.name.lower()} to {where} costs"
        return Refusal("no_price", detail, "/to")
    message.price_micros = each * units(message.channel, message.segments)
    return _hold(book, message, payer, key_id, country)


def _hold(
    book: Snapshot, message: Message, payer: Payer, key_id: UUID, country: str | None
) -> Message | Refusal:
    assert message.price_micros is not None
    micros = message.price_micros
    caps: list[tuple[CapRecord, int]] = []
    if book.billing.caps:
        line = _upwards(book, message.account_id)
        for cap in book.billing.applying(line, key_id, country):
            counted = book.billing.convert(micros, payer.currency, cap.currency)
            if counted is None:
                detail = f"no rate tells what {payer.currency} are in {cap.currency}, for a cap"
                return Refusal("no_price", detail)
            caps.append((cap, counted))
    message.hold = Hold(
        message.id,
        message.account_id,
        payer,
        micros,
        country,
        message.created_at,
        _due(message, payer),
        tuple(caps),
    )
    return message


def cover(message: Message, steps: Sequence[Message]) -> None:
    """Hold enough of the balance for the dearest step of a plan: one of them is charged."""
    if message.hold is None:
        return
    for step in steps:
        if step.hold and step.hold.micros > message.hold.micros:
            message.hold = replace(message.hold, micros=step.hold.micros, caps=step.hold.caps)


def _due(message: Message, payer: Payer) -> datetime:
    if payer.deck is not None and CHARGES[payer.deck.charge] == ACCEPTED:
        return message.created_at
    return (message.send_at or message.created_at) + FIRST_LOOK


def _upwards(book: Snapshot, account_id: int) -> list[int]:
    line: list[int] = []
    at: int | None = account_id
    while at is not None:
        line.append(at)
        at = book.accounts[at].parent_id
    return line
