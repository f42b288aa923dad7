"""Lanes: what they claim, how fast they give it to their carrier, and what they give back."""

import asyncio
from datetime import timedelta
from typing import Any

from on_file import OnFile
from onesixty.carriers.contract import OutcomeKind
from onesixty.kit.chance import Chance
from onesixty.messages.dispatch.breaker import COOL_FIRST_SECONDS, RUN
from onesixty.messages.dispatch.rates import Rate
from onesixty.messages.types import Category, Message, SendRequest
from onesixty.storage.database import OUTAGES

from .scripted import ScriptedCarrier
from .walk import NUMBER, Walk, somebody_waits

LONG = "x" * 400  # three segments


async def waiting(walk: Walk, *bodies: str, **more: Any) -> list[Message]:
    """Messages that wait in the queue because the carrier is down."""
    walk.carrier.turn(up=False)
    return await walk.send_many([SendRequest(NUMBER, body, **more) for body in bodies])


async def busy_lane(walk: Walk, on_file: OnFile) -> ScriptedCarrier:
    """A lane with a window of one that claims by itself; all messages go to it."""
    number = await on_file.carrier(walk.account)
    await walk.route_over(number)
    return await walk.lane(number, 1, by_itself=True)


def bodies(carrier: ScriptedCarrier) -> list[str]:
    """What it was given, in the order in which it was."""
    return [one.body for one in carrier.taken]


async def claim_all(walk: Walk) -> None:
    """The carrier comes up, and its lane claims."""
    walk.carrier.up = True
    await walk.claim()


async def test_the_urgent_go_first_then_the_oldest(walk: Walk) -> None:
    """The queue is claimed by priority, within one priority by time."""
    walk.carrier.turn(up=False)
    for category in (Category.MARKETING, Category.TRANSACTIONAL, Category.OTP, Category.EMERGENCY):
        await walk.clock.advance(1)
        for n in (2, 1):
            await walk.clock.advance(1)
            await walk.send(f"{category.name} {n}", category=category)
    names = [category.name for category in sorted(Category)]
    walk.carrier.window = 1
    walk.carrier.up = True
    for n in range(len(names) * 2):
        await walk.claim()
        walk.carrier.accept((await walk.carrier.took(n + 1))[n])
    assert bodies(walk.carrier) == [f"{name} {n}" for name in names for n in (2, 1)]


async def test_what_one_claim_takes_goes_out_by_priority(walk: Walk) -> None:
    """Messages claimed together are given to the carrier most urgent first, then as they came."""
    walk.carrier.turn(up=False)
    for n, category in enumerate([Category.MARKETING, Category.OTP, Category.MARKETING]):
        await walk.clock.advance(1)
        await walk.send(f"{n}", category=category)
    await claim_all(walk)
    assert bodies(walk.carrier)[0] == "1"
    assert set(bodies(walk.carrier)) == {"0", "1", "2"}


async def test_urgent_messages_pass_a_backlog(walk: Walk) -> None:
    """While others wait in the queue a one-time password still takes the short way."""
    lane = walk.lane_of(walk.carrier)
    lane.backlog = True
    marketing = await walk.send("later", category=Category.MARKETING)
    password = await walk.send("481220", category=Category.OTP)
    assert await walk.status(password) == "sending"
    assert bodies(walk.carrier) == ["481220"]
    assert await walk.status(marketing) == "queued"


async def test_never_more_than_the_carrier_takes(walk: Walk) -> None:
    """In memory are at most two windows; the rest stays in the queue, where others see it."""
    walk.carrier.window = 5
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(30)])
    await walk.claim()
    assert len(walk.carrier.taken) == 5
    assert walk.lane_of(walk.carrier)._held == 10
    assert await walk.count("queue") == 20
    for n in range(30):
        walk.carrier.accept((await walk.carrier.took(n + 1))[n])
        await walk.claim()
    assert sorted(map(int, bodies(walk.carrier))) == list(range(30))
    assert walk.carrier.least_room == 0


async def test_long_messages_count_by_their_segments(walk: Walk) -> None:
    """A window of segments is filled by fewer long messages; only the last may pass its end."""
    walk.carrier.window = 7
    await walk.send_many([SendRequest(NUMBER, f"{n} {LONG}") for n in range(6)])
    assert [one.segments for one in walk.carrier.taken] == [3, 3, 3]
    assert walk.carrier.least_room == -2
    walk.carrier.accept(walk.carrier.taken[0])
    assert len(walk.carrier.taken) == 4


async def test_two_processes_share_the_queue(walk: Walk) -> None:
    """Two processes that claim at once share the work, and no message is taken twice."""
    await waiting(walk, *(f"{n}" for n in range(200)))
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    walk.carrier.up, walk.carrier.window = True, 50
    carrier = await other.lane(walk.carrier.number, 50)
    await asyncio.gather(walk.claim(), other.claim())
    taken = bodies(walk.carrier) + bodies(carrier)
    assert len(taken) == 100
    for each, source in ((walk, walk.carrier), (other, carrier)):
        source.accept(*source.taken)
        await each.settled()
        await each.claim()
        source.accept(*source.unanswered())
        await each.settled()
    taken = bodies(walk.carrier) + bodies(carrier)
    assert sorted(map(int, taken)) == list(range(200))
    assert await walk.ask("SELECT count(*) FROM messages WHERE status = 5") == 200
    await other.close()


async def test_a_lane_claims_by_itself(walk: Walk, on_file: OnFile) -> None:
    """What comes into the queue wakes the lane; what its carrier answers makes room for more."""
    carrier = await busy_lane(walk, on_file)
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(10)])
    for n in range(10):
        carrier.accept((await carrier.took(n + 1))[n])
    await walk.settled()
    assert await walk.ask("SELECT count(*) FROM messages WHERE status = 5") == 10


async def test_what_is_locked_is_passed_over(walk: Walk) -> None:
    """A claim does not wait for rows that another process has in hand."""
    messages = await waiting(walk, "a", "b", "c")
    async with walk.database.write() as tx:
        await tx.execute("SELECT 1 FROM queue WHERE message_id = $1 FOR UPDATE", messages[1].id)
        await claim_all(walk)
        assert set(bodies(walk.carrier)) == {"a", "c"}
    await walk.claim()
    assert set(bodies(walk.carrier)) == {"a", "b", "c"}


async def test_the_future_is_left_alone(walk: Walk) -> None:
    """A scheduled message is claimed when its time has come, not before."""
    message = await walk.send(send_at=walk.clock.now() + timedelta(seconds=60))
    await walk.clock.advance(59)
    await walk.claim()
    assert await walk.status(message) == "scheduled"
    await walk.clock.advance(1)
    await walk.claim()
    assert await walk.status(message) == "sending"
    walk.carrier.accept(*walk.carrier.taken)
    await walk.settled()
    assert await walk.status(message) == "sent"


async def test_the_expired_are_left_alone(walk: Walk) -> None:
    """A message whose validity is over is not sent any more."""
    (message,) = await waiting(walk, "too late", validity_seconds=10)
    await walk.clock.advance(10)
    await claim_all(walk)
    assert walk.carrier.taken == []
    assert await walk.status(message) == "queued"


async def test_a_paused_lane_takes_nothing(walk: Walk) -> None:
    """While a carrier is paused its messages stay in the queue, and is_up says that it is not."""
    lane = walk.lane_of(walk.carrier)
    lane.paused = True
    await walk.send()
    await walk.claim()
    assert walk.carrier.taken == []
    assert not walk.dispatcher.is_up(walk.carrier.number)
    assert lane.describe()["status"] == "paused"
    lane.paused = False
    await walk.claim()
    assert len(walk.carrier.taken) == 1


async def test_what_is_in_line_goes_back_when_the_carrier_is_paused(walk: Walk) -> None:
    """Pausing leaves nothing in memory: what was not sent is in the queue, at no cost."""
    walk.carrier.window = 2
    messages = await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(4)])
    lane = walk.lane_of(walk.carrier)
    lane.paused = True
    lane.on_room()
    await walk.settled()
    assert sorted([await walk.status(one) for one in messages]) == ["queued"] * 2 + ["sending"] * 2
    assert (lane._held, await walk.count("queue")) == (2, 2)
    assert await walk.ask("SELECT max(attempts) FROM messages") == 0


async def test_what_is_in_line_goes_back_when_the_carrier_goes_down(walk: Walk) -> None:
    """A dead carrier holds nothing: it can expire, be cancelled, or go out when it is up again."""
    walk.carrier.window = 2
    messages = await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(4)])
    walk.carrier.turn(up=False)
    await walk.settled()
    assert await walk.count("queue") == 2
    walk.carrier.turn(up=True)
    walk.carrier.accept(*walk.carrier.taken)
    await walk.claim()
    walk.carrier.accept(*walk.carrier.taken[2:])
    await walk.settled()
    assert [await walk.status(one) for one in messages] == ["sent"] * 4
    assert len(walk.carrier.taken) == 4


async def test_a_breaker_opens_and_keeps_what_waits(walk: Walk) -> None:
    """A carrier that refuses everything is given nothing more, until it shows that it lives."""
    changes: list[tuple[int, bool]] = []
    walk.dispatcher.on_change = lambda number, is_up: changes.append((number, is_up))
    walk.carrier.window = RUN
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(RUN * 3)])
    for one in walk.carrier.unanswered():
        walk.carrier.leave_unknown(one)
    await walk.settled()
    taken = len(walk.carrier.taken)
    assert await walk.count("queue") == RUN * 3 - taken
    lane = walk.lane_of(walk.carrier)
    assert lane.describe()["breaker"]["state"] == "open"
    assert not walk.dispatcher.is_up(walk.carrier.number)
    await walk.clock.advance(COOL_FIRST_SECONDS - 0.1)
    await walk.claim()
    assert len(walk.carrier.taken) == taken
    await walk.clock.advance(0.1)
    await walk.claim()
    assert len(walk.carrier.taken) > taken
    assert changes == [(walk.carrier.number, False), (walk.carrier.number, True)]


async def test_recipients_and_lost_connections_open_no_breaker(walk: Walk) -> None:
    """Wrong numbers, however many, and what a broken connection took along say nothing of it."""
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(RUN * 6)])
    lane = walk.lane_of(walk.carrier)
    for one in walk.carrier.unanswered()[: RUN * 3]:
        walk.carrier.refuse(one)
    walk.carrier.up = False
    for one in walk.carrier.unanswered():
        walk.carrier.leave_unknown(one)
    walk.carrier.turn(up=True)
    assert lane.describe()["breaker"] == {"state": "closed"}


async def test_accounts_share_a_lane(walk: Walk, on_file: OnFile) -> None:
    """Somebody with few messages does not wait for those of somebody with many."""
    small = await on_file.account("small", walk.account)
    await walk.keeper.refresh()
    walk.carrier.turn(up=False)
    await walk.send_many([SendRequest(NUMBER, f"many {n}") for n in range(100)])
    for n in range(5):
        request = SendRequest(NUMBER, f"few {n}")
        await walk.acceptor.accept(request, walk.caller(account=small))
    walk.carrier.window = 5
    walk.carrier.up = True
    await walk.claim()
    walk.carrier.accept(*walk.carrier.unanswered())
    assert {f"few {n}" for n in range(5)} <= set(bodies(walk.carrier))


async def test_many_flows_each_have_their_turn(walk: Walk, on_file: OnFile) -> None:
    """With more accounts than places every account is served after a few claims."""
    walk.carrier.turn(up=False)
    accounts = [await on_file.account(f"below {n}", walk.account) for n in range(12)]
    await walk.keeper.refresh()
    for account in accounts:
        for n in range(20):
            await walk.acceptor.accept(SendRequest(NUMBER, f"{n}"), walk.caller(account=account))
    walk.carrier.window = 2
    walk.carrier.up = True
    for _ in range(40):
        await walk.claim()
        walk.carrier.accept(*walk.carrier.unanswered())
    assert {one.account_id for one in walk.carrier.taken} == set(accounts)


async def test_a_rate_is_kept(walk: Walk) -> None:
    """With eight segments a second allowed no second sees more, and no time is lost."""
    lane = walk.lane_of(walk.carrier)
    await waiting(walk, *(f"{n}" for n in range(60)))
    lane.limit(Rate(8))
    walk.carrier.up = True
    counts = []
    for _ in range(40):
        await walk.claim()
        lane.on_room()
        walk.carrier.accept(*walk.carrier.unanswered())
        counts.append(len(walk.carrier.taken))
        await walk.clock.advance(0.125)
    assert counts == list(range(1, 41))


async def test_every_place_comes_back(walk: Walk, chance: Chance) -> None:
    """Whatever becomes of submissions, an idle lane holds nothing and has all its room."""
    walk.carrier.window = 10
    lane = walk.lane_of(walk.carrier)
    await walk.send_many(
        [SendRequest(NUMBER, f"{n} " + "x" * chance.randrange(400)) for n in range(60)]
    )
    answered = 0
    while lane._held or await walk.count("queue"):
        for one in walk.carrier.taken[answered:]:
            kind = chance.choice(list(OutcomeKind))
            if kind is OutcomeKind.DEFERRED:
                (walk.carrier.throttle if chance.random() < 0.5 else walk.carrier.defer)(one)
            else:
                walk.carrier.answer(one, kind)
            answered += 1
        await walk.settled()
        await walk.clock.advance(700)
        await walk.claim()
        lane.on_room()
    assert (lane._held, lane._segments_out, await walk.count("leases")) == (0, 0, 0)
    assert lane.describe()["waiting_in_memory"] == 0
    open_ones = await walk.ask("SELECT count(*) FROM messages WHERE status IN (1, 2, 3)")
    assert open_ones == 0


async def test_closing_gives_back_what_was_not_sent(walk: Walk) -> None:
    """What waited in line goes back to the queue untouched; what was out is uncertain."""
    walk.carrier.window = 2
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(6)])
    await walk.dispatcher.close(walk.carrier.number, 1.0)
    await walk.settled()
    counts = await walk.ask(
        "SELECT array_agg(n ORDER BY status) FROM (SELECT status, count(*) AS n FROM messages"
        " GROUP BY status) AS found"
    )
    assert counts == [4, 2]
    assert (await walk.count("queue"), await walk.count("leases")) == (4, 0)
    assert walk.dispatcher.states() == {}


async def test_closing_waits_for_a_claim(walk: Walk, on_file: OnFile) -> None:
    """A lane that is closed in the middle of a claim gives back what the claim took."""
    carrier = await busy_lane(walk, on_file)
    carrier.turn(up=False)
    async with walk.lane_of(carrier).claiming:
        pass  # the claim that it began when it was opened
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(3)])
    async with walk.database.write() as tx:
        await tx.execute("LOCK messages")
        carrier.turn(up=True)
        await somebody_waits(tx)
        closing = asyncio.ensure_future(walk.dispatcher.close(carrier.number, 5.0))
        await asyncio.sleep(0)
    await closing
    await walk.settled()
    assert (await walk.count("queue"), await walk.count("leases")) == (3, 0)
    assert carrier.taken == []


async def test_a_lane_that_closes_before_the_commit_gives_back(walk: Walk) -> None:
    """What was stored for a lane that is gone by then goes back to the queue at once."""
    async with walk.database.write() as tx:
        await tx.execute("LOCK messages")
        sending = asyncio.ensure_future(walk.send())
        await somebody_waits(tx)
        await walk.dispatcher.close(walk.carrier.number, 1.0)
    message = await sending
    await walk.settled()
    assert await walk.status(message) == "queued"
    assert (await walk.count("queue"), await walk.count("leases")) == (1, 0)


async def test_a_claim_that_fails_takes_no_place(walk: Walk) -> None:
    """When the database cannot be asked the lane holds nothing more than before."""
    await waiting(walk, "a")
    lane = walk.lane_of(walk.carrier)
    walk.carrier.up = True
    await walk.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                   " AND application_name NOT LIKE 'onesixty node %'")  # fmt: skip
    for _ in range(20):  # the pool finds its dead connections one by one
        try:
            await walk.claim()
            break
        except OUTAGES:
            assert lane._held == 0
    assert bodies(walk.carrier) == ["a"]


async def test_news_of_a_carrier_are_told_once(walk: Walk) -> None:
    """Coming up and going down is told when it happens, not with every free place."""
    changes: list[tuple[int, bool]] = []
    walk.dispatcher.on_change = lambda number, is_up: changes.append((number, is_up))
    for up in (True, False, False, True):
        walk.carrier.turn(up=up)
    assert changes == [(walk.carrier.number, False), (walk.carrier.number, True)]
