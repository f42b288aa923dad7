"""Limits in the lane: what is over one waits in the queue, what is not goes out."""

from typing import Any

import pytest

from on_file import OnFile
from onesixty.messages.dispatch.limiter import Limiter
from onesixty.messages.types import SendRequest
from onesixty.records import accounts, limits

from .walk import NUMBER, Walk


@pytest.fixture
async def limited(walk: Walk) -> Walk:
    """A walk whose lanes keep limits."""
    walk.dispatcher.limiter = Limiter(walk.clock, lambda: walk.keeper.book, lambda: 1)
    return walk


async def limit(walk: Walk, kind: str, value: str, rate: float, burst: int = 1) -> Any:
    """Set a limit for the account of the walk."""
    fields = {"kind": kind, "value": value, "rate_per_second": rate, "burst": burst}
    async with walk.database.write() as tx:
        row = await limits.create(tx, walk.account, fields)
    await walk.keeper.refresh()
    return row


async def passed(walk: Walk, seconds: float) -> list[str]:
    """What the carrier was given while so much time passed, as it answers at once."""
    before = len(walk.carrier.taken)
    for _ in range(round(seconds / 0.25)):
        await walk.clock.advance(0.25)
        await walk.claim()
        walk.carrier.accept(*walk.carrier.unanswered())
        await walk.settled()
    return [one.body for one in walk.carrier.taken[before:]]


async def test_a_sender_is_limited_and_others_are_not(limited: Walk) -> None:
    """Two a second from one sender; messages from another sender pass those that wait."""
    await limit(limited, "sender", "SLOW", 2)
    await limited.send_many(
        [SendRequest(NUMBER, f"slow {n}", "SLOW") for n in range(30)]
        + [SendRequest(NUMBER, f"fast {n}", "FAST") for n in range(30)]
    )
    went = await passed(limited, 5)
    assert {body for body in went if body.startswith("fast")} | {
        one.body for one in limited.carrier.taken if one.sender == "FAST"
    } == {f"fast {n}" for n in range(30)}
    slow = [one.body for one in limited.carrier.taken if one.sender == "SLOW"]
    assert slow == [f"slow {n}" for n in range(len(slow))]
    assert 9 <= len(slow) <= 12


async def test_a_burst_goes_at_once(limited: Walk) -> None:
    """As many as the burst go out together, the rest at the rate."""
    await limit(limited, "country", "GB", 1, 10)
    await limited.send_many([SendRequest(NUMBER, f"{n}") for n in range(20)])
    assert len(await passed(limited, 0.5)) == 10
    assert 3 <= len(await passed(limited, 4)) <= 5


async def test_an_account_is_limited_with_those_below(limited: Walk, on_file: OnFile) -> None:
    """A limit of the parent is shared by all that its children send."""
    child = await on_file.account("child", limited.account)
    async with limited.database.read() as connection:
        name = str(await accounts.public_id(connection, limited.account))
    await limit(limited, "account", name, 4)
    for n in range(20):
        await limited.acceptor.accept(SendRequest(NUMBER, f"{n}"), limited.caller(account=child))
        await limited.send(f"own {n}")
    went = await passed(limited, 5)
    assert 18 <= len(went) <= 22
    assert 6 <= sum(body.startswith("own") for body in went) <= 14


async def test_a_new_limit_counts_for_what_waits(limited: Walk) -> None:
    """Messages that were stored before their limit was made are held back by it all the same."""
    limited.carrier.turn(up=False)
    await limited.send_many([SendRequest(NUMBER, f"{n}") for n in range(40)])
    await limit(limited, "sender", "ACME", 2)
    limited.carrier.up = True
    assert 8 <= len(await passed(limited, 5)) <= 12
    await passed(limited, 20)
    assert await limited.count("queue") == 0
    assert await limited.ask("SELECT max(attempts) FROM messages") == 1


async def test_without_the_limit_all_go(limited: Walk) -> None:
    """When a limit is changed or taken away, what waited for it goes out accordingly."""
    row = await limit(limited, "sender", "ACME", 1)
    await limited.send_many([SendRequest(NUMBER, f"{n}") for n in range(60)])
    assert len(await passed(limited, 1)) <= 3
    async with limited.database.write() as tx:
        await limits.update(tx, row["id"], 10.0, 5)
    await limited.keeper.refresh()
    assert 18 <= len(await passed(limited, 2)) <= 25
    async with limited.database.write() as tx:
        await limits.remove(tx, row["id"])
    await limited.keeper.refresh()
    await passed(limited, 0.5)
    assert await limited.count("queue") == 0


async def test_processes_share_a_limit(limited: Walk) -> None:
    """Each of four processes keeps a fourth of every limit."""
    limited.dispatcher.limiter = Limiter(limited.clock, lambda: limited.keeper.book, lambda: 4)
    await limit(limited, "sender", "ACME", 8, 4)
    await limited.send_many([SendRequest(NUMBER, f"{n}") for n in range(60)])
    await passed(limited, 1)
    assert 9 <= len(await passed(limited, 5)) <= 11
