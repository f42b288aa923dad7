"""A carrier that says that messages come too fast: what waits where, and for how long."""

from onesixty.carriers.contract import ErrorClass
from onesixty.messages.types import Category, SendRequest

from .test_dispatch import bodies
from .walk import NUMBER, Walk


async def test_throttling_slows_the_lane(walk: Walk) -> None:
    """Each round of throttling halves what goes out, down to one a second; then it recovers."""
    walk.carrier.window = 64
    lane = walk.lane_of(walk.carrier)
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(128)])
    ceilings = []
    for _ in range(8):
        for one in walk.carrier.unanswered():  # all of a window: that is one event
            walk.carrier.throttle(one)
        ceilings.append(lane.describe()["ceiling_per_second"])
        await walk.clock.advance(1.0)
        lane.on_room()
    assert ceilings[0] == 31.5
    assert ceilings == sorted(ceilings, reverse=True)
    assert ceilings[-1] == 1.0
    while lane.describe()["throttled"]:
        walk.carrier.accept(*walk.carrier.unanswered())
        await walk.clock.advance(1.0)
        await walk.claim()
        lane.on_room()
    walk.carrier.accept(*walk.carrier.unanswered())
    await walk.settled()
    assert await walk.ask("SELECT count(*) FROM messages WHERE status = 5") > 0


async def test_a_throttled_message_goes_before_those_behind_it(walk: Walk) -> None:
    """What is throttled is not written back: it is the next to go, in the order it had."""
    walk.carrier.window = 2
    lane = walk.lane_of(walk.carrier)
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(4)])
    for one in walk.carrier.unanswered():
        walk.carrier.throttle(one)
    for _ in range(8):
        await walk.settled()
        await walk.clock.advance(1.0)
        await walk.claim()
        lane.on_room()
        walk.carrier.accept(*walk.carrier.unanswered())
    assert bodies(walk.carrier) == ["0", "1", "0", "1", "2", "3"]


async def test_a_code_passes_what_a_throttled_carrier_holds_up(walk: Walk) -> None:
    """However much was in line when the carrier began to throttle, a code is among the next."""
    walk.carrier.window = 50
    lane = walk.lane_of(walk.carrier)
    await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(100)])
    for _ in range(8):
        for one in walk.carrier.unanswered():
            walk.carrier.throttle(one)
        await walk.clock.advance(1.0)
        lane.on_room()
    await walk.settled()
    assert lane.describe()["waiting_in_memory"] <= 2
    await walk.send("481220", category=Category.OTP)
    before = len(walk.carrier.taken)
    for _ in range(4):
        walk.carrier.accept(*walk.carrier.unanswered())
        await walk.clock.advance(1.0)
        await walk.claim()
        lane.on_room()
    assert "481220" in bodies(walk.carrier)[before:]


async def test_one_that_is_always_throttled_holds_up_nobody(walk: Walk) -> None:
    """After some rounds it goes back to the queue, at no attempt, and the others go out."""
    walk.carrier.window = 1
    lane = walk.lane_of(walk.carrier)
    first, *others = await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(3)])
    for _ in range(30):
        for one in walk.carrier.unanswered():
            full = one.message_id == first.id
            (walk.carrier.throttle if full else walk.carrier.accept)(one)
        await walk.settled()
        await walk.clock.advance(0.5)
        await walk.claim()
        lane.on_room()
    assert [await walk.status(one) for one in others] == ["sent", "sent"]
    assert (await walk.row(first))["attempts"] == 0


async def test_a_message_waits_as_long_as_its_carrier_asks(walk: Walk) -> None:
    """A wait of more than a moment is spent in the queue, while others of the lane go on."""
    patient, other = await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(2)])
    lane = walk.lane_of(walk.carrier)
    first, second = await walk.carrier.took(2)
    more = {"retry_after_seconds": 30.0, "counts_as_attempt": False}
    walk.carrier.defer(first, ErrorClass.THROTTLE, **more)
    walk.carrier.accept(second)
    for seconds in (20, 9, 2):
        await walk.settled()
        assert len(walk.carrier.taken) == 2
        await walk.clock.advance(seconds)
        await walk.claim()
        lane.on_room()
    walk.carrier.accept(*await walk.carrier.took(3))
    await walk.settled()
    assert [await walk.status(one) for one in (patient, other)] == ["sent", "sent"]
    assert (await walk.row(patient))["attempts"] == 1


async def test_throttled_messages_all_go_out_in_the_end(walk: Walk) -> None:
    """Throttling loses nothing and counts no attempt."""
    messages = await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(20)])
    lane = walk.lane_of(walk.carrier)
    for n, one in enumerate(await walk.carrier.took(20)):
        (walk.carrier.throttle if n % 2 else walk.carrier.accept)(one)
    for _ in range(10):
        await walk.settled()
        await walk.clock.advance(2)
        await walk.claim()
        lane.on_room()
        walk.carrier.accept(*walk.carrier.unanswered())
    await walk.settled()
    rows = [await walk.row(one) for one in messages]
    assert [(row["status"], row["attempts"]) for row in rows] == [(5, 1)] * 20
