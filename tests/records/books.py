"""Snapshots made by hand, for choosing a route without a database."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from onesixty.kit.chance import chance
from onesixty.records.routes import Facts, Traits
from onesixty.records.snapshot import (
    Account,
    CarrierRecord,
    Choice,
    Group,
    RouteRecord,
    Snapshot,
)

Lane = int | tuple[int, int]

NOBODY = UUID(int=0)
START = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT, PARENT = 1, 2


def group(*lanes: Lane, strategy: str = "priority", **more: Any) -> Group:
    """A group of carriers, given as numbers or (number, weight)."""
    weighted = [lane if isinstance(lane, tuple) else (lane, 1) for lane in lanes]
    return Group(strategy, tuple(Choice(*lane) for lane in weighted), **more)


def route(number: int, *lanes: Lane, strategy: str = "priority", **more: Any) -> RouteRecord:
    """A route, by default over one group of these carriers; `more`: its fields."""
    fields: dict[str, Any] = {
        "public_id": NOBODY,
        "account_id": more.pop("account", ACCOUNT),
        "name": f"route-{number}",
        "position": number,
        "match": {},
        "groups": (group(*lanes, strategy=strategy),),
    }
    return RouteRecord(number, **{**fields, **more})


def book(*routes: RouteRecord, disabled: tuple[int, ...] = ()) -> Snapshot:
    """An account and its parent, with routes in the given order; all carriers are on file."""
    numbers = {
        choice.carrier_id for one in routes for some in one.groups for choice in some.carriers
    }
    accounts = {ACCOUNT: PARENT, PARENT: None}
    ordered = sorted(routes, key=lambda one: (one.position, one.id))
    return Snapshot(
        revision=1,
        accounts={
            number: Account(number, NOBODY, parent, f"account-{number}", None, b"")
            for number, parent in accounts.items()
        },
        keys={},
        carriers={number: _carrier(number, enabled=number not in disabled) for number in numbers},
        routes={
            number: tuple(one for one in ordered if one.account_id == number) for number in accounts
        },
        endpoints={},
    )


def traits(**given: Any) -> Traits:
    """What routes look at in a message of the account."""
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "recipient": "+447700900123",
        "country": "GB",
        "category": "transactional",
        "sender": "ACME",
    }
    return Traits(**{**usual, **given})


def facts(*up: int, seed: int = 1, **more: Any) -> Facts:
    """Facts where these carriers are up, all if none is named; `more`: what else is known."""
    is_up = up.__contains__ if up else lambda _carrier: True
    return Facts(is_up, chance(seed), lambda: START, **more)


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
