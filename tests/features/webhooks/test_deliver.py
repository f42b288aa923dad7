"""What a receiver gets: every event at least once, signed, in the shape that the API shows."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks.webhooks import WebhookVerificationError

from onesixty.features.webhooks.deliver import CLAIM_MOST
from onesixty.kit import ids
from onesixty.messages.states import Status
from onesixty.records import webhooks

from .platform import Platform
from .receiver import Receiver


async def test_an_event_arrives_signed(platform: Platform, receiver: Receiver) -> None:
    """The public library accepts the signature; the body is the event with its message."""
    endpoint = await platform.endpoint(f"{receiver.url}/hook?a=b")
    message_id = await platform.message()
    event_id = await platform.event(endpoint["id"], message=message_id, status=Status.SENT)
    await platform.run(platform.deliverer())
    (taken,) = receiver.taken
    taken.verify(endpoint["secret"])
    with pytest.raises(WebhookVerificationError):
        taken.verify(b"another secret of thirty-two octets")
    assert taken.headers["webhook-id"] == ids.to_text("evt", event_id)
    assert taken.event["id"] == ids.to_text("evt", event_id)
    assert (taken.event["type"], taken.event["sequence"]) == ("message.sent", 3)
    data = taken.event["data"]
    assert isinstance(data, dict)
    assert (data["id"], data["status"]) == (ids.to_text("msg", message_id), "sent")
    assert await platform.outbox() == []
    (entry,) = await platform.log()
    assert (entry["status_code"], entry["attempt"], entry["response"]) == (200, 1, "ok")
    assert entry["next_attempt_at"] is None


async def test_a_callback_is_signed_by_the_account(platform: Platform, receiver: Receiver) -> None:
    """The callback_url of a message is called without any endpoint, signed with the account's
    secret.
    """
    message_id = await platform.message(callback_url=f"{receiver.url}/callback")
    await platform.event(webhooks.CALLBACKS, message=message_id)
    await platform.run(platform.deliverer())
    (taken,) = receiver.taken
    account = platform.keeper.book.accounts[platform.account_id]
    taken.verify(platform.sealer.open(account.signing_secret))
    assert taken.path == "/callback"


async def test_rotation(platform: Platform, receiver: Receiver) -> None:
    """For 24 hours after a rotation both secrets verify; then only the new one does."""
    endpoint = await platform.endpoint(receiver.url)
    deliverer = platform.deliverer()
    async with platform.database.write() as tx:
        _, fresh = await webhooks.rotate_secret(
            tx, platform.sealer, platform.account_id, endpoint["public_id"], platform.clock.now()
        )
    await platform.keeper.refresh()
    await platform.event(endpoint["id"])
    await platform.run(deliverer)
    for secret in (endpoint["secret"], fresh):
        receiver.taken[0].verify(secret)
    await platform.clock.advance(24 * 3600)
    await platform.event(endpoint["id"])
    await platform.run(deliverer)
    assert receiver.taken[1].headers["webhook-signature"].count("v1,") == 1


async def test_a_crash_repeats_the_event(platform: Platform, receiver: Receiver) -> None:
    """A process that dies between the call and settling leaves a lease; the id stays the same."""
    endpoint = await platform.endpoint(f"{receiver.url}/hang")
    await platform.event(endpoint["id"])
    dying = platform.deliverer()
    await dying.run_once()
    await receiver.got(1)
    await dying.stop(0)
    receiver.release.set()
    heir = platform.deliverer()
    await platform.run(heir)
    assert len(receiver.taken) == 1, "the lease holds"
    await platform.clock.advance(61)
    await platform.run(heir)
    first, second = receiver.taken
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert await platform.outbox() == []


async def test_two_processes_share(platform: Platform, receiver: Receiver) -> None:
    """Two deliverers on one outbox deliver each event once."""
    endpoint = await platform.endpoint(receiver.url)
    message_id = await platform.message()
    for _ in range(100):
        await platform.event(endpoint["id"], message=message_id)
    both = [platform.deliverer(), platform.deliverer()]
    while await platform.outbox():
        await asyncio.gather(*(platform.run(one) for one in both))
    identifiers = [one.headers["webhook-id"] for one in receiver.taken]
    assert len(identifiers) == len(set(identifiers)) == 100


async def test_the_loop_drains_a_backlog(platform: Platform, receiver: Receiver) -> None:
    """Once woken, the running loop goes on until nothing is due, with bounded calls in flight."""
    endpoint = await platform.endpoint(receiver.url)
    message_id = await platform.message()
    for _ in range(300):
        await platform.event(endpoint["id"], message=message_id)
    deliverer = platform.deliverer(in_flight=16, in_flight_per_endpoint=8)
    deliverer.loop.start()
    deliverer.wake()
    await receiver.got(300)
    await deliverer.quiet()
    assert await platform.outbox() == []


async def test_a_dead_endpoint_delays_nobody(platform: Platform, receiver: Receiver) -> None:
    """While calls to one endpoint hang, with a backlog behind them, another gets all its events."""
    dead = await platform.endpoint(f"{receiver.url}/hang")
    healthy = await platform.endpoint(f"{receiver.url}/healthy")
    message_id = await platform.message()
    for _ in range(200):
        await platform.event(dead["id"], message=message_id)
    for _ in range(50):
        await platform.event(healthy["id"], message=message_id)
    deliverer = platform.deliverer(in_flight=16)
    deliverer.loop.start()
    assert len(await receiver.got(50, "/healthy")) == 50
    assert len(await receiver.got(1, "/hang")) <= 8


async def test_a_busy_endpoint_delays_nobody(platform: Platform, receiver: Receiver) -> None:
    """However fast an endpoint with a backlog takes it, others are served in turn."""
    busy = await platform.endpoint(f"{receiver.url}/busy")
    quiet = await platform.endpoint(f"{receiver.url}/quiet")
    message_id = await platform.message()
    deliverer = platform.deliverer()
    for count in (150, 3 * CLAIM_MOST):  # the first ones open its window
        for _ in range(count):
            await platform.event(busy["id"], message=message_id)
        if count == 150:
            while await platform.outbox():
                await platform.run(deliverer)
    await platform.event(quiet["id"], message=message_id)
    await deliverer.run_once()
    await deliverer.run_once()
    await receiver.got(1, "/quiet")


async def test_a_dead_callback_host_delays_nobody(platform: Platform, receiver: Receiver) -> None:
    """Callbacks to a host that hangs are put back behind those to others, without costing a try."""
    hanging = receiver.url.replace("127.0.0.1", "localhost") + "/hang"
    dead = await platform.message(callback_url=hanging)
    healthy = await platform.message(callback_url=f"{receiver.url}/healthy")
    for _ in range(100):
        await platform.event(webhooks.CALLBACKS, message=dead)
    mine = [await platform.event(webhooks.CALLBACKS, message=healthy) for _ in range(50)]
    deliverer = platform.deliverer()
    for _ in range(20):  # seconds: the pause of a row that was put back; a lease is longer
        while await deliverer.run_once():
            pass
        waiting = {
            row["event_id"] for row in await platform.outbox() if _is_put_back(platform, row)
        }
        await receiver.got(len(set(mine) - waiting), "/healthy")
        await platform.clock.advance(1.2)
    assert len(await receiver.got(50, "/healthy")) == 50
    assert len(await receiver.got(1, "/hang")) <= 8
    assert {row["attempts"] for row in await platform.outbox()} == {0}


def _is_put_back(platform: Platform, row: dict[str, Any]) -> bool:
    return bool((row["due_at"] - platform.clock.now()).total_seconds() < 30)


async def test_no_redirects(platform: Platform, receiver: Receiver) -> None:
    """A redirect is a failure that says what to do; nobody calls where it leads."""
    receiver.answer = lambda taken: web.Response(status=302, headers={"Location": "/elsewhere"})
    endpoint = await platform.endpoint(f"{receiver.url}/here")
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer())
    (entry,) = await platform.log()
    assert "redirects are not followed" in entry["error"]
    assert [one.path for one in receiver.taken] == ["/here"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1"])
async def test_private_addresses_are_refused(
    platform: Platform, receiver: Receiver, host: str
) -> None:
    """However a URL names this machine, the call is refused when it is made; the log says so."""
    endpoint = await platform.endpoint(receiver.url.replace("127.0.0.1", host))
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer(allow_private=False))
    (entry,) = await platform.log()
    assert "refused" in entry["error"]
    assert entry["next_attempt_at"] is not None
    assert receiver.taken == []


async def test_what_is_gone_is_given_up(platform: Platform, receiver: Receiver) -> None:
    """Rows whose event or message is no longer kept leave the outbox with an entry in the log."""
    endpoint = await platform.endpoint(receiver.url)
    gone = await platform.event(endpoint["id"])
    await platform.event(webhooks.CALLBACKS)
    await platform.database.fetch("DELETE FROM events WHERE id = $1", gone)
    await platform.run(platform.deliverer())
    assert await platform.outbox() == []
    errors = {entry["error"] for entry in await platform.log()}
    assert errors == {
        "given up: its event is no longer kept",
        "given up: its message is no longer kept",
    }


async def test_an_answer_that_never_comes(platform: Platform, receiver: Receiver) -> None:
    """A call ends at its time limit and is tried again later."""
    endpoint = await platform.endpoint(f"{receiver.url}/hang")
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer(timeout_seconds=0.05))
    (entry,) = await platform.log()
    assert (entry["status_code"], entry["error"]) == (None, "no answer within 0.05 s")
    assert entry["next_attempt_at"] > platform.clock.now()


async def test_texts_that_a_database_cannot_hold(platform: Platform, receiver: Receiver) -> None:
    """NUL, broken UTF-8 and long bodies in an answer do not keep it from being logged."""
    receiver.answer = lambda taken: web.Response(status=500, body=b"\0\xff" + b"x" * 500_000)
    endpoint = await platform.endpoint(receiver.url)
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer())
    (entry,) = await platform.log()
    assert entry["status_code"] == 500
    assert entry["response"].startswith("\ufffdxxx")
    assert len(entry["response"]) <= 1000
