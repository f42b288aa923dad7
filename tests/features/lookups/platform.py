"""A walk whose router knows networks, and a source that it may ask."""

from dataclasses import dataclass, replace
from typing import Any

from messages.scripted import name_of
from messages.walk import Walk
from onesixty.carriers.contract import ReceiptState
from onesixty.features.lookups.asking import Lookups
from onesixty.features.lookups.networks import Networks
from onesixty.kit.secrets import Sealer
from onesixty.messages.types import Message
from onesixty.records.lookups import sources
from onesixty.simulator.http.lookups import SimulatedLookups

NUMBER = "+447700900123"  # O2 by its digits
O2, VODAFONE = "23410", "23415"
EURO = 1_000_000
MONTH = 30 * 86_400


@dataclass(slots=True)
class Looking:
    """One process; `hooks` of the walk tell when the outbox was woken."""

    walk: Walk
    networks: Networks
    lookups: Lookups
    far_side: SimulatedLookups

    @classmethod
    async def open(cls, walk: Walk, sealer: Sealer) -> "Looking":
        """Wired as in the composition root."""
        networks = Networks(walk.database, walk.clock, walk.keeper)
        lookups = Lookups(walk.database, walk.clock, walk.keeper, sealer, networks)
        walk.acceptor.router.facts.network = networks.of
        walk.settler.counted, walk.receiver.counted = lookups.outcomes, lookups.receipts
        walk.keeper.on_change(networks.follow)
        lookups.wake_webhooks = lambda: walk.hooks.append("lookups")
        far_side = SimulatedLookups()
        await far_side.start()
        return cls(walk, networks, lookups, far_side)

    async def close(self) -> None:
        """Stop both sides."""
        await self.lookups.close()
        await self.far_side.stop()

    async def source(self, name: str = "main", **more: Any) -> None:
        """A source that asks the far side, for a cent a question, by itself unless told not to."""
        settings = self.far_side.settings()
        key = settings.pop("api_key")
        fields: dict[str, Any] = {
            "kind": "http", "settings": settings, "enabled": True, "countries": [], "follow": True,
            "secrets": sources.sealed({"api_key": key}, Sealer(b"test master key")),
            "price": EURO // 100, "currency": "EUR", "day_cap": None, "month_cap": None,
            "keep_seconds": MONTH, "keep_unknown_seconds": 86_400,
        }  # fmt: skip
        async with self.walk.database.write() as tx:
            await sources.put(tx, name, fields | more)
        await self.walk.keeper.follow()

    async def send(self, number: str = NUMBER) -> Message:
        """Have a message taken, and handed over by its carrier."""
        message = await self.walk.send(to=number)
        for carrier in self.walk.carriers:
            for one in carrier.taken:
                if one.message_id == message.id:
                    carrier.accept(one)
        await self.walk.settled()
        return message

    async def told(self, network: str) -> None:
        """Have the first message's carrier tell by a receipt which network it was for."""
        carrier = self.walk.carrier
        one = carrier.taken[0]
        receipt = carrier.made_receipt(one, ReceiptState.DELIVERED, name_of(one, 1))
        carrier.bring(replace(receipt, sender=one.recipient, network=network))
        await self.walk.received()

    async def run(self) -> None:
        """Let everything be asked and read that waits."""
        while await self.lookups.run_once():
            pass
        await self.networks.run_once()
