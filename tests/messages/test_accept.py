"""Acceptance: everything is decided about a message, it is durable, then it is answered."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from onesixty.kit import ids
from onesixty.kit.problems import KINDS, Problem
from onesixty.messages.accept import GATHER_MOST, INBOX_MOST
from onesixty.messages.types import Category, Message, Refusal, SendRequest
from onesixty.storage.database import OUTAGES

from .walk import NUMBER, Walk

REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"to": "12"}, "invalid_number", "/to"),
    ({"to": "not a number"}, "invalid_number", "/to"),
    ({"body": ""}, "empty_body", "/body"),
    ({"body": "x" * 1531}, "body_too_long", "/body"),
    ({"body": "x" * 161, "max_segments": 1}, "body_too_long", "/body"),
    ({"body": "żółw", "encoding": "gsm7"}, "not_encodable", "/body"),
    ({"sender": "far too long a name"}, "invalid_sender", "/from"),
]


def request(body: str = "hello", to: str = NUMBER, **more: Any) -> SendRequest:
    """A request for a message."""
    return SendRequest(to, body, **more)


async def test_a_message_is_stored_before_it_is_answered(walk: Walk) -> None:
    """Once `accept` returns, the row is there with all that was asked and decided."""
    message = await walk.send(
        "Grüße €", reference="my-1", tags=("a", "b"), metadata={"order": 7}, category=Category.OTP
    )
    row = await walk.row(message)
    assert (row["recipient"], row["sender"], row["body"]) == (NUMBER, "ACME", "Grüße €")
    assert (row["reference"], row["tags"], row["metadata"]) == ("my-1", ["a", "b"], {"order": 7})
    assert (row["category"], row["segments"], row["encoding"]) == (Category.OTP, 1, 0)
    assert row["created_at"] == walk.clock.now()
    assert row["expires_at"] == walk.clock.now() + timedelta(days=1)
    assert await walk.told(message) == ["queued"]


async def test_a_lane_with_room_gets_it_in_memory(walk: Walk) -> None:
    """With room at the carrier nothing waits in the queue; one lease holds the whole batch."""
    messages = await walk.send_many([request(f"{n}") for n in range(5)])
    taken = await walk.carrier.took(5)
    assert {one.message_id for one in taken} == {one.id for one in messages}
    assert (await walk.count("queue"), await walk.count("leases")) == (0, 1)
    assert [await walk.status(one) for one in messages] == ["sending"] * 5


async def test_without_room_it_waits_in_the_queue(walk: Walk) -> None:
    """A carrier that is down takes nothing: the messages wait in the queue, unleased."""
    walk.carrier.turn(up=False)
    messages = await walk.send_many([request(f"{n}") for n in range(5)])
    assert (await walk.count("queue"), await walk.count("leases")) == (5, 0)
    assert [await walk.status(one) for one in messages] == ["queued"] * 5
    assert walk.carrier.taken == []


@pytest.mark.parametrize(("wrong", "code", "pointer"), REFUSALS)
async def test_what_cannot_be_sent_is_refused(
    walk: Walk, wrong: dict[str, Any], code: str, pointer: str
) -> None:
    """A refusal has a documented code and points to the field, and nothing is stored."""
    asked = request(**{"body": "hello", "to": NUMBER, **wrong})
    refused = await walk.acceptor.accept(asked, walk.caller())
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.pointer) == (code, pointer)
    assert code in KINDS
    assert await walk.count("messages") == 0


async def test_without_a_sender_it_is_refused(walk: Walk) -> None:
    """An account without a default sender must name one."""
    await walk.ask("UPDATE accounts SET default_sender = NULL RETURNING 1")
    await walk.keeper.refresh()
    refused = await walk.acceptor.accept(request(), walk.caller())
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.pointer) == ("sender_required", "/from")


async def test_without_a_route_it_is_refused(walk: Walk) -> None:
    """A message that no route takes is refused, and the refusal does not show the number."""
    await walk.ask("UPDATE routes SET enabled = false RETURNING 1")
    await walk.keeper.refresh()
    refused = await walk.acceptor.accept(request(), walk.caller())
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.pointer) == ("no_route", "/to")
    assert NUMBER not in refused.detail


async def test_neighbours_of_a_refused_message_are_unharmed(walk: Walk) -> None:
    """In a batch every good message is taken and every bad one refused, in their places."""
    bad = [request(**{"body": "hello", "to": NUMBER, **wrong}) for wrong, _, _ in REFUSALS]
    mixed = [one for wrong in bad for one in (request(), wrong)]
    batch_id = ids.uuid7()
    taken = await walk.acceptor.accept_batch(mixed, walk.caller(), batch_id)
    assert isinstance(taken, list)
    kinds = [type(one) for one in taken]
    assert kinds == [Message, Refusal] * len(bad)
    codes = [one.code for one in taken if isinstance(one, Refusal)]
    assert codes == [code for _, code, _ in REFUSALS]
    assert await walk.count("messages") == len(bad)
    row = await walk.ask("SELECT ARRAY[accepted, refused] FROM batches WHERE id = $1", batch_id)
    assert row == [len(bad), len(bad)]


@pytest.mark.parametrize("field", ["body", "reference", "callback_url"])
async def test_what_no_database_takes_does_not_harm_its_neighbours(walk: Walk, field: str) -> None:
    """One message that cannot be stored fails alone; those gathered with it are stored."""
    asked = [request("good"), request(**{"body": "bad", field: "a\0b"}), request("good too")]
    results = await asyncio.gather(
        *(walk.acceptor.accept(one, walk.caller()) for one in asked), return_exceptions=True
    )
    assert [isinstance(one, Message) for one in results] == [True, False, True]
    assert await walk.count("messages") == 2


async def test_a_message_for_later_is_scheduled(walk: Walk) -> None:
    """A time to send makes a message scheduled: no event yet, due then, its validity from then."""
    at = walk.clock.now() + timedelta(hours=2)
    message = await walk.send(send_at=at, validity_seconds=60)
    row = await walk.row(message)
    assert await walk.status(message) == "scheduled"
    assert (row["send_at"], row["expires_at"]) == (at, at + timedelta(seconds=60))
    assert await walk.ask("SELECT due_at FROM queue") == at
    assert await walk.told(message) == []
    assert walk.carrier.taken == []


async def test_a_time_that_is_past_means_now(walk: Walk) -> None:
    """A time to send that is not in the future sends at once."""
    message = await walk.send(send_at=walk.clock.now() - timedelta(seconds=1))
    await walk.carrier.took(1)
    assert (await walk.row(message))["send_at"] is None


async def test_a_time_too_far_ahead_is_refused(walk: Walk) -> None:
    """No message is scheduled more than 400 days ahead."""
    at = walk.clock.now() + timedelta(days=400, seconds=1)
    refused = await walk.acceptor.accept(request(send_at=at), walk.caller())
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.pointer) == ("send_at_out_of_range", "/send_at")


async def test_a_test_key_sends_to_the_sandbox(walk: Walk) -> None:
    """Messages of test keys take the sandbox whatever the routes say, and are marked."""
    taken = await walk.acceptor.accept(request(), walk.caller(test=True))
    assert isinstance(taken, Message)
    row = await walk.row(taken)
    assert (row["carrier_id"], row["route_id"], row["test"]) == (walk.sandbox, None, True)
    assert walk.carrier.taken == []


async def test_a_preview_stores_nothing(walk: Walk) -> None:
    """A preview decides as a send would, and leaves no row."""
    seen = walk.acceptor.preview(request("x" * 161), walk.caller())
    assert isinstance(seen, Message)
    assert (seen.segments, seen.carrier_id) == (2, walk.carrier.number)
    assert await walk.count("messages") == 0


async def test_too_many_waiting_is_told_as_overload(walk: Walk) -> None:
    """Beyond the inbox a request is told at once to come back later; the others are all stored."""
    walk.carrier.turn(up=False)
    asked = [
        asyncio.create_task(walk.acceptor.accept(request(), walk.caller()))
        for _ in range(INBOX_MOST + 1)
    ]
    results = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in results if not isinstance(one, Message)]
    assert [type(one) for one in refused] == [Problem]
    assert isinstance(refused[0], Problem)
    assert refused[0].code == "overloaded"
    assert refused[0].retry_after_seconds
    assert await walk.count("messages") == INBOX_MOST


async def test_without_a_database_nothing_is_acknowledged(walk: Walk, server_url: str) -> None:
    """While the database is gone every request fails, and no place of the lane stays taken."""
    name = walk.database.url.rpartition("/")[2].partition("?")[0]
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        results = await asyncio.gather(
            walk.acceptor.accept(request(), walk.caller()),
            walk.acceptor.accept_batch([request()], walk.caller(), ids.uuid7()),
            return_exceptions=True,
        )
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert all(isinstance(one, OUTAGES) for one in results), results
    assert walk.lane_of(walk.carrier)._held == 0
    for _ in range(20):  # the pool finds its dead connections one by one
        with contextlib.suppress(*OUTAGES):
            await walk.send()
            break
    await walk.carrier.took(1)
    assert await walk.count("messages") == 1


async def test_what_gathers_is_written_together(walk: Walk) -> None:
    """Requests that come at once share a lease, hence a statement and a commit."""
    messages = await asyncio.gather(*(walk.send(f"{n}") for n in range(60)))
    assert len({one.id for one in messages}) == 60
    assert await walk.count("leases") == 1
    assert GATHER_MOST >= 60
