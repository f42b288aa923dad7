"""Makes the small records that a test needs: accounts, carriers, routes, keys, endpoints."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from onesixty.carriers import registry
from onesixty.kit.clock import SystemClock
from onesixty.kit.secrets import Sealer
from onesixty.records import accounts, carriers, events, keys, routes, webhooks
from onesixty.storage.database import Database


@dataclass(slots=True)
class OnFile:
    """Each method commits one record and gives its number; names are made up where none is."""

    database: Database
    sealer: Sealer
    _count: Any = field(default_factory=lambda: itertools.count(1))

    async def account(
        self,
        name: str | None = None,
        parent: int | None = None,
        default_sender: str | None = "ACME",
    ) -> int:
        """A tenant."""
        async with self.database.write() as tx:
            return await accounts.create(
                tx, self.sealer, name or self._name("account"), parent, default_sender
            )

    async def carrier(self, account: int, kind: str = "loopback", **more: Any) -> int:
        """A carrier; `more`: name, enabled, rate_per_second, settings."""
        settings, secrets = carriers.check(registry.SPECS[kind], more.pop("settings", {}))
        fields = {"name": self._name("carrier"), "kind": kind, "settings": settings, **more}
        async with self.database.write() as tx:
            return await carriers.create(tx, self.sealer, account, {**fields, "secrets": secrets})

    async def route(self, account: int, *lanes: int | tuple[int, int], **more: Any) -> int:
        """A route over carriers, given as numbers or (number, weight).

        `more`: its fields, and the strategy of its only group.
        """
        weighted = [lane if isinstance(lane, tuple) else (lane, 1) for lane in lanes]
        choices = [{"carrier_id": number, "weight": weight} for number, weight in weighted]
        group = {"strategy": more.pop("strategy", "priority"), "carriers": choices}
        fields = {"position": routes.POSITION, "match": {}, "groups": [group], "enabled": True}
        async with self.database.write() as tx:
            return await routes.create(tx, account, {"name": self._name("route"), **fields, **more})

    async def key(self, account: int, *scopes: str, **more: Any) -> keys.NewKey:
        """An API key, by default one that may do everything; `more`: test, expires_at."""
        async with self.database.write() as tx:
            return await keys.create(tx, account, "made by a test", list(scopes or ("*",)), **more)

    async def endpoint(self, account: int, *types: str) -> int:
        """A webhook endpoint for these types of events."""
        new = webhooks.NewEndpoint("http://127.0.0.1/hook", events.mask(list(types)))
        async with self.database.write() as tx:
            row, _ = await webhooks.create(tx, self.sealer, account, new, SystemClock().now())
        number: int = row["id"]
        return number

    def _name(self, what: str) -> str:
        return f"{what}-{next(self._count)}"
