"""Event types: their masks, and events that are not about a message."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from on_file import OnFile
from onesixty.kit.manual_clock import ManualClock
from onesixty.records import events, webhooks
from onesixty.storage.database import Database

NAMES = st.lists(st.sampled_from([*events.NUMBERS, "*", "message.*"]))


@given(NAMES)
def test_the_names_of_a_mask_give_it_again(chosen: list[str]) -> None:
    """Whatever is asked for, the names shown for its mask stand for exactly that mask."""
    bits = events.mask(chosen)
    assert events.mask(events.names(bits)) == bits


@given(st.lists(st.sampled_from(sorted(events.NUMBERS)), unique=True))
def test_single_names_come_back_in_the_order_of_their_numbers(chosen: list[str]) -> None:
    """Names without a wildcard come back as they are, sorted by number."""
    assert events.names(events.mask(chosen)) == sorted(chosen, key=events.NUMBERS.__getitem__)


def test_a_wildcard_swallows_what_it_stands_for() -> None:
    """`*` leaves nothing beside it, `message.*` only what is not about messages."""
    assert events.names(events.mask(["carrier.up", "*", "message.sent"])) == ["*"]
    assert events.names(events.mask(["message.sent", "carrier.up", "message.*"])) == [
        "message.*",
        "carrier.up",
    ]


def test_message_wildcard_has_every_message_type_and_no_other() -> None:
    """`message.*` holds the bits of all message types, and of no type of another subject."""
    bits = events.mask(["message.*"])
    assert {number for number in events.TYPES if bits >> number & 1} == events.MESSAGE_EVENTS


def test_every_mask_fits_a_signed_bigint() -> None:
    """The widest mask is the greatest number that PostgreSQL's bigint can hold."""
    assert events.mask(["*"]) == 2**63 - 1


@pytest.mark.parametrize("name", ["message.lost", "carrier.*", "", "Message.sent"])
def test_an_unknown_name_is_a_key_error(name: str) -> None:
    """A name that is neither a type nor a wildcard raises, even beside a known one."""
    with pytest.raises(KeyError):
        events.mask(["message.sent", name])


def test_every_type_is_described() -> None:
    """The manual has a sentence for each type and for nothing else."""
    assert set(events.ABOUT) == set(events.NUMBERS)


async def test_tell_writes_the_event(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """An event is stored for its account with its data and time, and about no message."""
    account = await on_file.account()
    async with database.write() as tx:
        await events.tell(tx, account, "carrier.down", {"carrier": "alpha"}, clock.now())
    (row,) = await database.fetch("SELECT * FROM events")
    assert (row["account_id"], row["type"], row["sequence"]) == (account, 41, 1)
    assert (row["message_id"], row["data"], row["at"]) == (None, {"carrier": "alpha"}, clock.now())


async def test_tell_queues_for_subscribed_endpoints_only(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """Endpoints of the account that ask for the type get one row each, due at once; no other."""
    account, stranger = await on_file.account(), await on_file.account()
    named = await on_file.endpoint(account, "carrier.down")
    everything = await on_file.endpoint(account, "*")
    await on_file.endpoint(account, "carrier.up", "message.*")
    await on_file.endpoint(stranger, "*")
    async with database.write() as tx:
        await events.tell(tx, account, "carrier.down", {}, clock.now())
    rows = await database.fetch(
        "SELECT q.* FROM webhook_queue q JOIN events e ON e.id = q.event_id ORDER BY endpoint_id"
    )
    assert [row["endpoint_id"] for row in rows] == [named, everything]
    assert {(row["account_id"], row["due_at"], row["attempts"]) for row in rows} == {
        (account, clock.now(), 0)
    }


async def test_tell_passes_over_removed_and_disabled_endpoints(
    database: Database, on_file: OnFile, clock: ManualClock
) -> None:
    """An endpoint that was removed or disabled is told of nothing; the event is kept all the
    same.
    """
    account = await on_file.account()
    removed = await _public_id(database, await on_file.endpoint(account, "*"))
    disabled = await _public_id(database, await on_file.endpoint(account, "*"))
    async with database.write() as tx:
        await webhooks.remove(tx, account, removed, clock.now())
        await webhooks.update(tx, account, disabled, webhooks.Change(enabled=False), clock.now())
        await events.tell(tx, account, "carrier.up", {}, clock.now())
    assert len(await database.fetch("SELECT 1 FROM events")) == 1
    assert await database.fetch("SELECT 1 FROM webhook_queue") == []


async def _public_id(database: Database, endpoint: int) -> UUID:
    (row,) = await database.fetch("SELECT public_id FROM webhook_endpoints WHERE id = $1", endpoint)
    found: UUID = row["public_id"]
    return found
