"""Clocks: the one that tests move, and the one of the machine."""

import asyncio
from datetime import UTC, datetime, timedelta

from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_sleepers_wake_in_the_order_of_their_time() -> None:
    """One advance wakes each sleeper at its own time, whoever lay down first."""
    clock = ManualClock(START)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
            group.create_task(sleeper(name, seconds))
        await asyncio.sleep(0)
        await clock.advance(10)
    assert woken == [("early", 1.0), ("middle", 2.0), ("late", 3.0)]
    assert clock.monotonic() == 10


async def test_nobody_wakes_before_the_time() -> None:
    """An advance that ends short of a sleeper leaves it asleep; the next one adds to it."""
    clock = ManualClock(START)
    sleeper = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    await clock.advance(4.5)
    assert not sleeper.done()
    await clock.advance(0.5)
    assert sleeper.done()


async def test_one_who_sleeps_again_wakes_within_the_same_advance() -> None:
    """A loop that sleeps every second runs ten times in an advance of ten seconds."""
    clock = ManualClock(START)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.monotonic())

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await clock.advance(10)
    ticking.cancel()
    assert ticks == [float(second) for second in range(1, 11)]


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    """A sleeper that was cancelled does not keep the clock from moving on."""
    clock = ManualClock(START)
    gone, stays = (asyncio.create_task(clock.sleep(1)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await clock.advance(1)
    assert gone.cancelled()
    assert stays.done()


async def test_both_faces_move_together() -> None:
    """The wall clock moves by what was advanced."""
    clock = ManualClock(START)
    await clock.advance(90)
    assert clock.now() - START == timedelta(seconds=90)


async def test_the_machine_clock_tells_utc_and_never_goes_back() -> None:
    """The wall clock carries its zone; the monotonic one does not go back over a sleep."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now().utcoffset() == timedelta(0)
