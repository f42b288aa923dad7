"""An account that pays: its terms, price lists and money, and what became of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from messages.walk import Walk
from onesixty.features.billing.settling import HoldSettler
from onesixty.kit import ids
from onesixty.records.billing import caps, ledger, price_lists
from onesixty.records.billing.books import Kind
from onesixty.records.billing.ledger import Payment, Terms

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EURO = 1_000_000


def network(number: str) -> str | None:
    """Numbers that begin with +4479 are known to be of 234-10."""
    return "23410" if number.startswith("+4479") else None


@dataclass(slots=True)
class Priced:
    """A walk whose account pays."""

    walk: Walk
    settler: HoldSettler

    @classmethod
    async def open(
        cls, walk: Walk, *, euros: int = 1, charge: str = "submitted", **terms: Any
    ) -> "Priced":
        """Prepaid unless told otherwise, with so much at hand; each segment to GB is 0.10 EUR."""
        async with walk.database.write() as tx:
            given = {"mode": "prepaid", "currency": "EUR"} | terms
            await ledger.change_terms(tx, walk.account, Terms(**given))
            if euros:
                topup = Payment(Kind.TOPUP, euros * EURO, None, ids.uuid7())
                await ledger.pay(tx, walk.account, topup, walk.clock.now())
        priced = cls(walk, HoldSettler(walk.database, walk.clock, walk.keeper, network))
        await priced.deck("prefix,price\n+44,0.10", account_id=walk.account, charge=charge)
        return priced

    async def deck(self, text: str, **more: Any) -> None:
        """A price list for an account or a carrier, from CSV."""
        kind = "sell" if "account_id" in more else "cost"
        fields = {"carrier_id": None, "account_id": None, "currency": "EUR", "charge": "submitted"}
        name = f"{kind} {more.get('carrier_id') or more.get('account_id')}"
        async with self.walk.database.write() as tx:
            await price_lists.create(tx, fields | {"name": name, "kind": kind} | more)
            deck = await price_lists.find(tx, name)
            rows = price_lists.read(text, LONG_AGO)
            diff = price_lists.compare([], rows, LONG_AGO, partial=False)
            await price_lists.apply(tx, deck["id"], diff)
        await self.walk.keeper.follow()

    async def cap(self, micros: int, **more: Any) -> None:
        """A hard cap of a day on the account, unless told otherwise."""
        fields = {"kind": "account", "value": "", "period": "day", "hard": True, "micros": micros}
        async with self.walk.database.write() as tx:
            await caps.create(tx, self.walk.account, fields | more, self.walk.clock.now())
        await self.walk.keeper.follow()

    async def settle(self, seconds: float = 2) -> None:
        """Let time pass, and look at what is due."""
        await self.walk.settled()
        await self.walk.received()
        await self.walk.clock.advance(seconds)
        while await self.settler.run_once():
            pass

    async def books(self) -> tuple[int, int, int]:
        """available, held, revenue."""
        async with self.walk.database.read() as connection:
            row = await ledger.show(connection, self.walk.account)
        return row["available"], row["held"], row["revenue"]

    async def usage(self) -> list[Any]:
        """Rows of usage."""
        async with self.walk.database.read() as connection:
            rows: list[Any] = await connection.fetch("SELECT * FROM usage ORDER BY country")
        return rows
