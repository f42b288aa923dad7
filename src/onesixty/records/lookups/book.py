"""What processes have in memory of lookups: the own number plan and the sources."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from onesixty.records.lookups import number_plan
from onesixty.sms.networks import NetworkPlan
from onesixty.storage.database import Connection


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """Somebody who may be asked about numbers."""

    id: int
    public_id: UUID
    name: str
    kind: str
    settings: Mapping[str, Any]
    secrets: bytes | None  # sealed
    enabled: bool
    countries: frozenset[str]  # whose numbers; empty: all
    follow: bool  # asked by itself about numbers that messages went to
    price: int  # of a question, micros
    currency: str
    day_cap: int | None  # micros
    month_cap: int | None
    keep: timedelta  # how long an answer counts
    keep_unknown: timedelta  # how long one without a network does

    def takes(self, country: str) -> bool:
        """Whether it may be asked about numbers of a country."""
        return self.enabled and (not self.countries or country in self.countries)


@dataclass(frozen=True, slots=True)
class LookupBook:
    """All of it at one moment."""

    revision: int = 0  # of the plan
    plan: NetworkPlan = field(default_factory=NetworkPlan)
    sources: tuple[SourceRecord, ...] = ()  # those for some countries first, then by age

    def source_for(self, country: str, name: str | None = None) -> SourceRecord | None:
        """Who is asked about a number of a country: the one of this name, or the first there is."""
        for one in self.sources:
            if one.takes(country) and name in (None, one.name):
                return one
        return None


_SOURCES: Final = (
    "SELECT id, public_id, name, kind, settings, secrets, enabled, countries, follow, price,"
    " currency, day_cap, month_cap, keep_seconds, keep_unknown_seconds FROM lookup_sources"
    " ORDER BY cardinality(countries) = 0, id"
)


async def load(connection: Connection, before: LookupBook) -> LookupBook:
    """Read it, in a transaction; a plan that did not change is taken over from `before`."""
    state = await number_plan.state(connection)
    plan = before.plan
    if state["revision"] != before.revision:
        plan = await asyncio.to_thread(NetworkPlan, await number_plan.rows_of(connection))
    rows = await connection.fetch(_SOURCES)
    return LookupBook(state["revision"], plan, tuple(_source(row) for row in rows))


def _source(row: Any) -> SourceRecord:
    fields = dict(row)
    return SourceRecord(
        keep=timedelta(seconds=fields.pop("keep_seconds")),
        keep_unknown=timedelta(seconds=fields.pop("keep_unknown_seconds")),
        countries=frozenset(fields.pop("countries")),
        **fields,
    )
