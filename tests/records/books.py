"""Snapshots made by hand, for choosing a route without a database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from onesixty.records.routes import Traits
from onesixty.records.snapshot import Account, CarrierRecord, Choice, RouteRecord, Snapshot

NOBODY = UUID(int=0)
START = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT, PARENT = 1, 2


def route(
    number: int,
    *lanes: int | tuple[int, int],
    match: Mapping[str, tuple[str, ...]] | None = None,
    strategy: str = "priority",
    account: int = ACCOUNT,
) -> RouteRecord:
    """A route over carriers, given as numbers or (number, weight)."""
    weighted = [lane if isinstance(lane, tuple) else (lane, 1) for lane in lanes]
    return RouteRecord(
        id=number,
        public_id=NOBODY,
        account_id=account,
        name=f"route-{number}",
        position=number,
        match=match or {},
        strategy=strategy,
        carriers=tuple(Choice(*lane) for lane in weighted),
    )


def book(*routes: RouteRecord, disabled: tuple[int, ...] = ()) -> Snapshot:
    """An account and its parent, with routes in the given order; all carriers are on file."""
    numbers = {choice.carrier_id for one in routes for choice in one.carriers}
    accounts = {ACCOUNT: PARENT, PARENT: None}
    return Snapshot(
        revision=1,
        accounts={
            number: Account(number, NOBODY, parent, f"account-{number}", None, b"")
            for number, parent in accounts.items()
        },
        keys={},
        carriers={number: _carrier(number, enabled=number not in disabled) for number in numbers},
        routes={
            number: tuple(one for one in routes if one.account_id == number) for number in accounts
        },
        endpoints={},
    )


def traits(
    *,
    country: str | None = "GB",
    category: str = "transactional",
    sender: str | None = "ACME",
    tags: tuple[str, ...] = (),
    recipient: str = "+447700900123",
) -> Traits:
    """What routes look at in a message of the account."""
    return Traits(ACCOUNT, recipient, country, category, sender, tags)


def _carrier(number: int, *, enabled: bool) -> CarrierRecord:
    return CarrierRecord(
        id=number,
        public_id=NOBODY,
        account_id=PARENT,
        name=f"carrier-{number}",
        kind="loopback",
        settings={},
        secrets=None,
        enabled=enabled,
        paused=False,
        rate_per_second=None,
        updated_at=START,
    )
