"""Events that are handed to the deliverer in memory: told as from the outbox, and as surely."""

from uuid import UUID

import orjson
from aiohttp import web

from onesixty.carriers.contract import ReceiptState
from onesixty.features.webhooks import feed
from onesixty.features.webhooks.deliver import Deliverer
from onesixty.features.webhooks.targets import WINDOW_FIRST
from onesixty.messages.receive import PartNews, apply
from onesixty.messages.receive.apply import Applied
from onesixty.messages.states import Status
from onesixty.records import webhooks

from .platform import Platform
from .receiver import Receiver


async def delivered(platform: Platform, deliverer: Deliverer, *messages: UUID) -> Applied:
    """What comes of receipts for messages, with what the deliverer offers."""
    news = [
        PartNews(
            platform.account_id,
            message,
            attempt=1,
            part=1,
            parts=1,
            state=ReceiptState.DELIVERED,
            error="",
            at=platform.clock.now(),
            carrier_message_id="",
            match_key="",
        )
        for message in messages
    ]
    async with platform.database.write() as tx:
        return await apply(tx, news, offer=deliverer.offer({platform.account_id}))


async def test_it_is_told_without_a_claim(platform: Platform, receiver: Receiver) -> None:
    """What was leased by an offer is posted, signed, and settled; no claim would find it."""
    endpoint = await platform.endpoint(receiver.url, "message.delivered")
    deliverer = platform.deliverer()
    message = await platform.message(status=Status.SENT)
    done = await delivered(platform, deliverer, message)
    assert (done.hooked, len(done.handed)) == (1, 1)
    await platform.run(platform.deliverer())
    assert receiver.taken == []
    deliverer.hand(done.handed)
    await deliverer.quiet()
    (taken,) = receiver.taken
    taken.verify(endpoint["secret"])
    assert await platform.outbox() == []
    (entry,) = await platform.log()
    assert (entry["status_code"], entry["attempt"]) == (200, 1)


async def test_a_death_before_the_call_only_delays_it(
    platform: Platform, receiver: Receiver
) -> None:
    """When nothing was made of the lease the event comes due again, and looks the same."""
    await platform.endpoint(receiver.url)
    message = await platform.message(status=Status.SENT)
    done = await delivered(platform, platform.deliverer(), message)
    await platform.clock.advance(61)
    await platform.run(platform.deliverer())
    (taken,) = receiver.taken
    assert taken.event == orjson.loads(
        orjson.dumps(feed.shown(done.handed[0], platform.keeper.book))
    )


async def test_no_more_is_handed_than_there_is_room(platform: Platform, receiver: Receiver) -> None:
    """The others wait in the outbox; all are told, once, and nobody waits for the next look."""
    await platform.endpoint(f"{receiver.url}/hang")
    deliverer = platform.deliverer()
    messages = [await platform.message(status=Status.SENT) for _ in range(3 * WINDOW_FIRST)]
    done = await delivered(platform, deliverer, *messages)
    assert (done.hooked, len(done.handed)) == (3 * WINDOW_FIRST, WINDOW_FIRST)
    deliverer.hand(done.handed)
    await deliverer.run_once()  # woken while all room is taken
    assert list(deliverer.offer({platform.account_id}).endpoints) == []
    receiver.release.set()
    deliverer.loop.start()
    await receiver.got(3 * WINDOW_FIRST)
    await deliverer.quiet()
    assert len({one.headers["webhook-id"] for one in receiver.taken}) == len(receiver.taken)
    assert await platform.outbox() == []


async def test_offers_keep_the_limit_of_calls(platform: Platform, receiver: Receiver) -> None:
    """An event is a call to each endpoint of its account, and accounts share what is free."""
    for name in "abc":
        await platform.endpoint(f"{receiver.url}/{name}")
    deliverer = platform.deliverer(in_flight=10)
    messages = [await platform.message(status=Status.SENT) for _ in range(5)]
    done = await delivered(platform, deliverer, *messages)
    assert (done.hooked, len(done.handed)) == (15, 9)


async def test_a_failing_endpoint_is_offered_nothing(
    platform: Platform, receiver: Receiver
) -> None:
    """Its events wait for their turn; another endpoint of the account gets them at once."""
    failing = await platform.endpoint(f"{receiver.url}/failing", "message.sent")
    deliverer = platform.deliverer()
    receiver.answer = lambda taken: web.Response(status=500)
    await platform.event(failing["id"], status=Status.SENT)
    await platform.run(deliverer)
    healthy = await platform.endpoint(f"{receiver.url}/healthy")
    offer = deliverer.offer({platform.account_id, 0})
    assert list(offer.endpoints) == [healthy["id"]]
    assert list(offer.rooms) == [platform.account_id]


async def test_what_nobody_offered_to_take_waits_as_ever(
    platform: Platform, receiver: Receiver
) -> None:
    """Callbacks, and endpoints that want other events, are none of it."""
    await platform.endpoint(receiver.url, "message.failed")
    message = await platform.message(f"{receiver.url}/callback", status=Status.SENT)
    done = await delivered(platform, platform.deliverer(), message)
    assert (done.hooked, done.handed) == (1, [])
    (row,) = await platform.outbox()
    assert (row["endpoint_id"], row["due_at"]) == (webhooks.CALLBACKS, platform.clock.now())
