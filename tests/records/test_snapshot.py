"""The snapshot: every small record in memory, read again only when something has changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from on_file import OnFile
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import key_hash
from onesixty.nodes.node import Node
from onesixty.records import accounts, carriers, keys, routes, webhooks
from onesixty.records.snapshot import LOOK_SECONDS, OTHERS_SECONDS, Choice, Group, SnapshotKeeper
from onesixty.storage.database import Connection, Database

BOUND_SECONDS = 10.0


@pytest.fixture
async def keeper(database: Database, clock: ManualClock) -> SnapshotKeeper:
    """A keeper that has read the empty tables; only the test refreshes it."""
    return await SnapshotKeeper.start(database, clock)


@pytest.fixture
async def running(keeper: SnapshotKeeper) -> AsyncIterator[SnapshotKeeper]:
    """A keeper that follows the changes by itself."""
    keeper.loop.start()
    yield keeper
    await keeper.loop.stop()


async def test_a_change_of_each_table_is_followed(keeper: SnapshotKeeper, on_file: OnFile) -> None:
    """A new account, key, carrier, route and endpoint each appear at the next refresh."""
    account = await on_file.account("acme")
    await keeper.refresh()
    assert keeper.book.accounts[account].name == "acme"
    key = await on_file.key(account, "messages:read")
    await keeper.refresh()
    assert keeper.book.keys[key_hash(key.text)].scopes == {"messages:read"}
    carrier = await on_file.carrier(account, name="alpha", rate_per_second=5)
    await keeper.refresh()
    assert keeper.book.carriers[carrier].rate_per_second == 5
    route = await on_file.route(account, (carrier, 7), match={"country": ["GB"]})
    await keeper.refresh()
    (found,) = keeper.book.routes[account]
    assert (found.id, found.groups) == (route, (Group("priority", (Choice(carrier, 7),)),))
    assert keeper.book.route_names[route] == found.name
    assert found.match == {"country": ("GB",)}
    endpoint = await on_file.endpoint(account, "message.sent")
    await keeper.refresh()
    assert keeper.book.endpoints[endpoint].event_mask == 1 << 5


async def test_what_is_out_of_use_leaves(
    keeper: SnapshotKeeper, database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """Revoked keys, removed carriers, routes and endpoints are gone after each change."""
    account = await on_file.account()
    key, carrier = await on_file.key(account), await on_file.carrier(account)
    route, endpoint = await on_file.route(account, carrier), await on_file.endpoint(account, "*")
    await keeper.refresh()
    public = keeper.book.endpoints[endpoint].public_id
    steps: list[tuple[Callable[[Connection], Awaitable[object]], str]] = [
        (lambda tx: keys.revoke(tx, account, key.id, clock.now()), "keys"),
        (lambda tx: routes.remove(tx, route), "routes"),
        (lambda tx: carriers.remove(tx, carrier), "carriers"),
        (lambda tx: webhooks.remove(tx, account, public, clock.now()), "endpoints"),
    ]
    for step, kind in steps:
        assert getattr(keeper.book, kind) != {}
        async with database.write() as tx:
            await step(tx)
        await keeper.refresh()
        assert getattr(keeper.book, kind) == {}


async def test_what_is_disabled_is_left_out_but_for_carriers(
    keeper: SnapshotKeeper, database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """Disabled routes and endpoints are not in the book; a disabled carrier is, marked so."""
    account = await on_file.account()
    carrier = await on_file.carrier(account, enabled=False)
    await on_file.route(account, carrier, enabled=False)
    endpoint = await on_file.endpoint(account, "*")
    await keeper.refresh()
    public = keeper.book.endpoints[endpoint].public_id
    async with database.write() as tx:
        await webhooks.update(tx, account, public, webhooks.Change(enabled=False), clock.now())
    await keeper.refresh()
    assert not keeper.book.carriers[carrier].enabled
    assert (keeper.book.routes, keeper.book.endpoints) == ({}, {})


async def test_routes_are_in_the_order_of_their_positions(
    keeper: SnapshotKeeper, on_file: OnFile
) -> None:
    """Each account has its own routes by position; where two are equal the older is first."""
    account, other = await on_file.account(), await on_file.account()
    carrier = await on_file.carrier(account)
    last = await on_file.route(account, carrier, position=30)
    second = await on_file.route(account, carrier, position=20)
    third = await on_file.route(account, carrier, position=20)
    first = await on_file.route(account, carrier, position=-1)
    alone = await on_file.route(other, carrier, position=25)
    await keeper.refresh()
    order = {number: [one.id for one in found] for number, found in keeper.book.routes.items()}
    assert order == {account: [first, second, third, last], other: [alone]}


async def test_every_field_of_a_key_and_an_account_is_read(
    keeper: SnapshotKeeper, on_file: OnFile, clock: ManualClock
) -> None:
    """Test keys, their ends, parents and default senders are as they were stored."""
    parent = await on_file.account(default_sender=None)
    account = await on_file.account(parent=parent, default_sender="62442")
    until = clock.now() + timedelta(hours=1)
    new = await on_file.key(account, test=True, expires_at=until)
    await keeper.refresh()
    key = keeper.book.keys[key_hash(new.text)]
    assert (key.id, key.account_id, key.test, key.expires_at) == (new.id, account, True, until)
    child = keeper.book.accounts[account]
    assert (child.parent_id, child.default_sender) == (parent, "62442")
    assert keeper.book.accounts[parent].default_sender is None


async def test_without_a_change_nothing_is_read_again(
    keeper: SnapshotKeeper, on_file: OnFile
) -> None:
    """A refresh after no change leaves the very same book and calls nobody."""
    await on_file.account()
    await keeper.refresh()
    calls: list[int] = []
    keeper.on_change(lambda: calls.append(keeper.book.revision))
    before = keeper.book
    assert await keeper.follow() is False
    assert keeper.book is before
    assert calls == []


async def test_a_change_rolled_back_is_none(
    keeper: SnapshotKeeper, database: Database, on_file: OnFile
) -> None:
    """What was written but not committed leaves the revision as it was."""
    account = await on_file.account()
    await keeper.refresh()
    before = keeper.book
    async with database.read() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await accounts.change_default_sender(connection, account, "other")
        await keeper.refresh()
        await transaction.rollback()
    await keeper.refresh()
    assert keeper.book is before


async def test_callers_back_see_the_new_book(keeper: SnapshotKeeper, on_file: OnFile) -> None:
    """Everyone who asked is called once for a change, in order, with the new book in place."""
    seen: list[tuple[str, int]] = []
    keeper.on_change(lambda: seen.append(("first", len(keeper.book.accounts))))
    keeper.on_change(lambda: seen.append(("second", len(keeper.book.accounts))))
    await on_file.account()
    await on_file.account()
    await keeper.refresh()
    assert seen == [("first", 2), ("second", 2)]


async def test_refreshes_at_once_read_once(keeper: SnapshotKeeper, on_file: OnFile) -> None:
    """Of several refreshes at the same time after one change, one reads and the others need not."""
    calls: list[int] = []
    keeper.on_change(lambda: calls.append(keeper.book.revision))
    await on_file.account()
    await asyncio.gather(*(keeper.refresh() for _ in range(4)))
    assert len(calls) == 1


async def test_a_book_stays_as_it_was(keeper: SnapshotKeeper, on_file: OnFile) -> None:
    """Who holds an older book goes on deciding by it: a refresh makes a new one."""
    await on_file.account()
    await keeper.refresh()
    old = keeper.book
    await on_file.account()
    await keeper.refresh()
    assert (len(old.accounts), len(keeper.book.accounts)) == (1, 2)
    assert keeper.book.revision > old.revision


async def test_the_loop_follows_changes_by_itself(running: SnapshotKeeper, on_file: OnFile) -> None:
    """With the loop running, a change that somebody else commits arrives without a call."""
    changed = asyncio.Event()
    running.on_change(changed.set)
    account = await on_file.account()
    running.loop.wake()
    await asyncio.wait_for(changed.wait(), BOUND_SECONDS)
    assert account in running.book.accounts


async def test_a_change_counts_in_every_process(
    keeper: SnapshotKeeper, on_file: OnFile, database: Database, clock: ManualClock
) -> None:
    """A refresh ends when the other processes have read the change too, or after a second."""
    nodes = [await Node.register(database.url, name) for name in ("one", "two")]
    other = await SnapshotKeeper.start(database, clock)
    await keeper.join(nodes[0])
    await other.join(nodes[1])
    await nodes[0].look()

    async def seconds_to_refresh() -> float:
        began = clock.monotonic()
        await on_file.account()
        waiting = asyncio.create_task(keeper.refresh())
        async with asyncio.timeout(BOUND_SECONDS):
            while not waiting.done():
                # Time goes on only while it waits, not while the database is asked.
                await clock.advance(LOOK_SECONDS if clock._sleepers else 0.0)
                if answers and clock.monotonic() - began > OTHERS_SECONDS / 2:
                    await other.follow()
        return clock.monotonic() - began

    answers = True
    assert OTHERS_SECONDS / 2 < await seconds_to_refresh() < OTHERS_SECONDS
    answers = False
    assert await seconds_to_refresh() >= OTHERS_SECONDS
    for node in nodes:
        await node.leave()
