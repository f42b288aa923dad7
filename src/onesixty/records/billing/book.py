"""What the walk knows of money, in memory: who pays, prices, rates, caps. Part of the Snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

from onesixty.kit import money
from onesixty.records.billing import decks
from onesixty.records.billing.decks import COST, SELL, Deck
from onesixty.storage.database import Connection

ACCEPTED, SUBMITTED, DELIVERED = 1, 2, 3
CHARGES: Final[dict[str, int]] = {
    "accepted": ACCEPTED,
    "submitted": SUBMITTED,
    "delivered": DELIVERED,
}
SMS: Final = 0  # its place among the channels, carriers/content.CHANNELS


@dataclass(frozen=True, slots=True)
class Payer:
    """An account that pays, and how its messages are priced."""

    account_id: int
    mode: str  # prepaid, postpaid
    credit: int  # micros that `available` may go below zero
    low: int | None
    currency: str
    deck: Deck | None  # its own, or that of the nearest account above it


@dataclass(frozen=True, slots=True)
class CapRecord:
    """How much an account and those below it may spend in a day or a month."""

    id: int
    public_id: UUID
    account_id: int
    kind: str  # account, key, country
    value: str  # empty, the UUID of a key, or a country code
    period: str  # day, month
    micros: int
    hard: bool
    currency: str  # of its account

    def since(self, at: datetime) -> date:
        """The first day, in UTC, of the period that a moment lies in."""
        day = at.astimezone(UTC).date()
        return day.replace(day=1) if self.period == "month" else day


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held of a balance for a message until it is known whether it is charged."""

    message_id: UUID
    account_id: int  # who sends
    payer: Payer
    micros: int
    country: str | None
    at: datetime  # of acceptance
    due_at: datetime  # when there may be something to know
    caps: tuple[tuple[CapRecord, int], ...] = ()  # with micros in the currency of the cap


@dataclass(frozen=True, slots=True)
class Billing:
    """All of it at one moment. `payers` is empty where nothing is billed."""

    payers: Mapping[int, Payer] = field(default_factory=dict)  # by account: theirs or from above
    decks: Mapping[int, Deck] = field(default_factory=dict)
    costs: Mapping[int, Deck] = field(default_factory=dict)  # by carrier
    rates: Mapping[str, Decimal] = field(default_factory=dict)  # in the reference currency
    caps: Mapping[int, tuple[CapRecord, ...]] = field(default_factory=dict)  # by account
    reference: str = "EUR"  # the currency of the account at the top

    def applying(self, line: Sequence[int], key_id: UUID, country: str | None) -> list[CapRecord]:
        """The caps that a message counts against; `line` is its account and those above it."""
        return [
            one
            for number in line
            for one in self.caps.get(number, ())
            if one.kind == "account" or one.value == (str(key_id) if one.kind == "key" else country)
        ]

    def price(
        self, payer: Payer, number: str, network: str | None, channel: int, at: datetime
    ) -> int | None:
        """What a payer is charged for a unit, in its currency; None when nothing tells."""
        deck = payer.deck
        if deck is None:
            return None
        found = deck.rows.find(number, network, channel, at)
        return None if found is None else self.convert(found, deck.currency, payer.currency)

    def cost(
        self, carrier_id: int, number: str, network: str | None, channel: int, at: datetime
    ) -> tuple[int, str] | None:
        """What a carrier takes for a unit after its deck, with the currency; None: unknown."""
        deck = self.costs.get(carrier_id)
        if deck is None:
            return None
        found = deck.rows.find(number, network, channel, at)
        return None if found is None else (found, deck.currency)

    def convert(self, micros: int, source: str, target: str) -> int | None:
        """Micros of one currency in another one; None when a rate is missing."""
        if source == target or not micros:
            return micros
        known = self.rates.get(source), self.rates.get(target)
        if known[0] is None or known[1] is None:
            return None
        return money.exchanged(micros, known[0] / known[1])


def units(channel: int, segments: int) -> int:
    """How often a message is charged: each segment of an SMS, once on other channels."""
    return segments if channel == SMS else 1


class OnFile(Protocol):
    """What is needed of an account here."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def parent_id(self) -> int | None:
        """The account above it."""
        ...

    @property
    def currency(self) -> str:
        """What it pays in."""
        ...


_PAYERS: Final = "SELECT account_id, mode, credit, low FROM payers"
_RATES: Final = "SELECT currency, rate FROM currency_rates"
_CAPS: Final = (
    "SELECT c.id, c.public_id, c.account_id, kind, value, period, micros, hard, a.currency"
    " FROM caps c JOIN accounts a ON a.id = c.account_id ORDER BY c.account_id, c.id"
)


async def load(connection: Connection, accounts: Mapping[int, OnFile], before: Billing) -> Billing:
    """Read all of it; decks that did not change are taken over from `before`."""
    found = await decks.load(connection, before.decks)
    top = min(
        (one for one in accounts.values() if one.parent_id is None), key=_number, default=None
    )
    reference = top.currency if top else "EUR"
    rates = {row["currency"]: row["rate"] for row in await connection.fetch(_RATES)}
    caps: dict[int, list[CapRecord]] = {}
    for row in await connection.fetch(_CAPS):
        caps.setdefault(row["account_id"], []).append(CapRecord(**row))
    own = {row["account_id"]: row for row in await connection.fetch(_PAYERS)}
    sells = {one.account_id: one for one in found.values() if one.kind == SELL}
    payers: dict[int, Payer] = {}
    for number in accounts if own else ():
        line = _upwards(accounts, number)
        place = next((at for at, one in enumerate(line) if one.id in own), None)
        if place is None:
            continue
        deck = next((sells[one.id] for one in line[place:] if one.id in sells), None)
        payers[number] = Payer(**own[line[place].id], currency=line[place].currency, deck=deck)
    return Billing(
        payers=payers,
        decks=found,
        costs={
            one.carrier_id: one for one in found.values() if one.carrier_id and one.kind == COST
        },
        rates=rates | {reference: Decimal(1)},
        caps={number: tuple(some) for number, some in caps.items()},
        reference=reference,
    )


def _number(account: OnFile) -> int:
    return account.id


def _upwards(accounts: Mapping[int, OnFile], number: int) -> list[OnFile]:
    line = []
    at: int | None = number
    while at is not None:
        line.append(accounts[at])
        at = accounts[at].parent_id
    return line
