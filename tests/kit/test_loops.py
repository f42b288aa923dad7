"""Loops outlive their bugs and end when told; gatherers lose nothing that they took."""

import asyncio

import pytest
import structlog

from onesixty.kit.clock import Clock
from onesixty.kit.loops import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MOST_SECONDS,
    FEW,
    MANY,
    Bounds,
    Full,
    Gatherer,
    Loop,
)
from onesixty.kit.manual_clock import ManualClock

BOUND_SECONDS = 5.0
LONG_SECONDS = 3600.0  # an idle wait that does not end within a test


async def turns(count: int = 20) -> None:
    """Let every task run until it waits for something."""
    for _ in range(count):
        await asyncio.sleep(0)


class Steps:
    """A `run_once` that tells each call and answers, or raises, what it was given."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self) -> bool:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer


class Writer:
    """A `write` that holds each batch until it is let go, or raises what it was given."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()

    async def __call__(self, batch: list[int]) -> None:
        self.batches.append(batch)
        self.called.set()
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)


def gatherer(
    writer: Writer, clock: Clock, batch_max: int = 10, inbox_max: int = 100, rest: float = 0.0
) -> Gatherer[int]:
    """A gatherer of numbers, started."""
    made = Gatherer(
        "numbers",
        writer,
        clock,
        Bounds(batch_max=batch_max, inbox_max=inbox_max, rest_seconds=rest),
    )
    made.start()
    return made


async def busy(
    writer: Writer, clock: ManualClock, count: int = FEW + 1, rest: float = LONG_SECONDS
) -> Gatherer[int]:
    """A gatherer that has just written so many together, for an hour, and may rest."""
    numbers = gatherer(writer, clock, batch_max=1000, inbox_max=1000, rest=rest)
    writer.gate.clear()
    for number in range(count):
        numbers.put(number)
    await turns()
    await clock.advance(LONG_SECONDS)
    writer.gate.set()
    await turns()
    assert [len(batch) for batch in writer.batches] == [count]
    return numbers


async def test_a_loop_goes_on_while_there_is_more(clock: ManualClock) -> None:
    """It calls again at once after a true answer and waits after a false one."""
    steps = Steps(True, True, False, True)
    loop = Loop("test", steps, clock, idle_seconds=LONG_SECONDS)
    loop.start()
    await turns()
    assert steps.calls == 3
    await loop.stop()


async def test_a_loop_wakes(clock: ManualClock) -> None:
    """`wake` ends the wait of an idle loop."""
    steps = Steps()
    loop = Loop("test", steps, clock, idle_seconds=LONG_SECONDS)
    loop.start()
    await turns()
    loop.wake()
    await turns()
    assert steps.calls == 2
    await loop.stop()


async def test_a_wake_in_the_middle_of_the_work_is_not_lost(clock: ManualClock) -> None:
    """What comes while a loop looks makes it look again."""
    seen: list[int] = []

    async def look() -> bool:
        seen.append(len(seen))
        if len(seen) == 1:
            loop.wake()
        return False

    loop = Loop("test", look, clock, idle_seconds=LONG_SECONDS)
    loop.start()
    await turns()
    assert seen == [0, 1]
    await loop.stop()


async def test_an_idle_loop_looks_again_by_itself(clock: ManualClock) -> None:
    """Without a wake it looks again after its idle time."""
    third = asyncio.Event()
    steps = Steps()

    async def look() -> bool:
        if await steps() or steps.calls == 3:
            third.set()
        return False

    loop = Loop("test", look, clock, idle_seconds=0.001)
    loop.start()
    async with asyncio.timeout(BOUND_SECONDS):
        await third.wait()
    await loop.stop()


async def test_a_loop_outlives_an_exception(clock: ManualClock) -> None:
    """A bug is logged with the loop's name, backed off from longer each time, and survived."""
    steps = Steps(ValueError("one"), ValueError("two"), True, ValueError("three"))
    loop = Loop("test", steps, clock, idle_seconds=LONG_SECONDS)
    with structlog.testing.capture_logs() as lines:
        loop.start()
        await turns()
        assert steps.calls == 1
        await clock.advance(BACKOFF_FIRST_SECONDS)
        await turns()
        assert steps.calls == 2
        await clock.advance(2 * BACKOFF_FIRST_SECONDS)
        await turns()
        assert steps.calls == 4
    assert [line["wait"] for line in lines] == pytest.approx([0.1, 0.2, 0.1])
    assert {(line["event"], line["loop"]) for line in lines} == {("loop.failed", "test")}
    await loop.stop()


async def test_the_wait_after_bugs_has_a_limit(clock: ManualClock) -> None:
    """However often it fails, a loop tries again after a few seconds."""
    loop = Loop("test", Steps(*[ValueError()] * 12), clock, idle_seconds=LONG_SECONDS)
    with structlog.testing.capture_logs() as lines:
        loop.start()
        for _ in range(12):
            await turns(3)
            await clock.advance(BACKOFF_MOST_SECONDS)
        await turns()
    assert len(lines) == 12
    assert max(line["wait"] for line in lines) == BACKOFF_MOST_SECONDS
    await loop.stop()


@pytest.mark.parametrize("answer", [True, False])
async def test_stop_ends_a_loop_whose_work_swallows_the_cancellation(
    clock: ManualClock, answer: bool
) -> None:
    """Old libraries lose a cancellation; the loop ends all the same, without another call."""
    calls, begun = [], asyncio.Event()

    async def swallow() -> bool:
        calls.append(1)
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return answer
        return False

    loop = Loop("test", swallow, clock, idle_seconds=0.001)
    loop.start()
    await begun.wait()
    async with asyncio.timeout(BOUND_SECONDS):
        await loop.stop()
    assert calls == [1]


async def test_stop_ends_a_loop_whose_work_breaks_off(clock: ManualClock) -> None:
    """An error out of the cancelled work is no bug: it is neither logged nor backed off from."""
    begun = asyncio.Event()

    async def break_off() -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("broken off") from None
        return False

    loop = Loop("test", break_off, clock, idle_seconds=LONG_SECONDS)
    with structlog.testing.capture_logs() as lines:
        loop.start()
        await begun.wait()
        async with asyncio.timeout(BOUND_SECONDS):
            await loop.stop()
    assert lines == []


async def test_stop_needs_no_start(clock: ManualClock) -> None:
    """A part that never began can be stopped."""
    await Loop("test", Steps(), clock, idle_seconds=1).stop()
    await Gatherer("test", Writer(), clock, Bounds(batch_max=1, inbox_max=1)).stop()


async def test_a_gatherer_takes_a_single_item_at_once(clock: ManualClock) -> None:
    """Nothing is waited for when nothing is being written."""
    writer = Writer()
    numbers = gatherer(writer, clock)
    numbers.put(1)
    await turns()
    assert writer.batches == [[1]]
    await numbers.stop()


async def test_a_gatherer_makes_batches_while_it_writes(clock: ManualClock) -> None:
    """What comes during one write is the next batch, in order and up to the size of a batch."""
    writer = Writer()
    writer.gate.clear()
    numbers = gatherer(writer, clock, batch_max=3)
    numbers.put(0)
    await turns()
    for number in range(1, 6):
        numbers.put(number)
        await turns()
    assert (writer.batches, len(numbers)) == ([[0]], 5)
    writer.gate.set()
    await turns()
    assert writer.batches == [[0], [1, 2, 3], [4, 5]]
    await numbers.stop()


async def test_a_batch_that_fails_is_written_again(clock: ManualClock) -> None:
    """The same items are written until that works; what came after waits behind them."""
    writer = Writer(OSError("down"), OSError("down"))
    numbers = gatherer(writer, clock)
    with structlog.testing.capture_logs() as lines:
        numbers.put(1)
        await turns()
        numbers.put(2)
        await clock.advance(BACKOFF_FIRST_SECONDS)
        await turns()
        assert writer.batches == [[1], [1]]
        await clock.advance(2 * BACKOFF_FIRST_SECONDS)
        await turns()
    assert writer.batches == [[1], [1], [1], [2]]
    assert [(line["event"], line["items"]) for line in lines] == [("batch.failed", 1)] * 2
    await numbers.stop()


async def test_those_who_wait_are_told_instead(clock: ManualClock) -> None:
    """With `give_up` a batch that fails is handed to it with its error and not written again."""
    error = OSError("down")
    writer = Writer(error)
    told: list[tuple[list[int], Exception]] = []
    numbers: Gatherer[int] = Gatherer(
        "numbers",
        writer,
        clock,
        Bounds(batch_max=10, inbox_max=10),
        give_up=lambda batch, error: told.append((batch, error)),
    )
    numbers.start()
    for number in (1, 2):
        numbers.put(number)
    await turns()
    numbers.put(3)
    await turns()
    assert told == [([1, 2], error)]
    assert writer.batches == [[1, 2], [3]]
    await numbers.stop()


async def test_a_full_inbox_says_so(clock: ManualClock) -> None:
    """At the limit `put` raises and takes nothing; a batch in flight does not count."""
    writer = Writer()
    writer.gate.clear()
    numbers = gatherer(writer, clock, inbox_max=2)
    numbers.put(0)
    await turns()
    numbers.put(1)
    numbers.put(2)
    with pytest.raises(Full):
        numbers.put(3)
    writer.gate.set()
    await turns()
    assert writer.batches == [[0], [1, 2]]
    numbers.put(4)
    await numbers.stop()


async def test_caught_up_waits_for_what_came_before(clock: ManualClock) -> None:
    """It returns when the last item put before it is written, whatever was put later."""
    writer = Writer()
    numbers = gatherer(writer, clock, batch_max=1)
    await numbers.caught_up()
    writer.gate.clear()
    for number in range(3):
        numbers.put(number)
    waiting = asyncio.create_task(numbers.caught_up())
    await turns()
    numbers.put(3)
    for written in range(3):
        assert not waiting.done()
        assert len(writer.batches) == written + 1
        writer.gate.set()  # lets go the one that waits, not the next
        writer.gate.clear()
        await turns()
    assert waiting.done()
    assert writer.batches == [[0], [1], [2], [3]]
    await numbers.stop()


async def test_one_who_stopped_waiting_hinders_nobody(clock: ManualClock) -> None:
    """A cancelled `caught_up` leaves the others waiting rightly."""
    writer = Writer()
    writer.gate.clear()
    numbers = gatherer(writer, clock)
    numbers.put(1)
    gone, stays = (asyncio.create_task(numbers.caught_up()) for _ in range(2))
    await turns()
    gone.cancel()
    writer.gate.set()
    async with asyncio.timeout(BOUND_SECONDS):
        await stays
    await numbers.stop()


async def test_a_busy_gatherer_rests(clock: ManualClock) -> None:
    """After many at once it begins no batch before its time, or before MANY are there."""
    writer = Writer()
    numbers = await busy(writer, clock)
    for number in range(MANY - 1):
        numbers.put(number)
        await turns(2)
    assert len(writer.batches) == 1
    numbers.put(0)
    await turns()
    assert [len(batch) for batch in writer.batches] == [FEW + 1, MANY]
    await numbers.stop()


async def test_a_rest_ends_by_itself(clock: ManualClock) -> None:
    """What came meanwhile is written together when the time is over."""
    writer = Writer()
    numbers = await busy(writer, clock, rest=0.05)
    writer.called.clear()
    for number in range(2):
        numbers.put(number)
        await turns(2)
    assert len(writer.batches) == 1
    async with asyncio.timeout(BOUND_SECONDS):
        await writer.called.wait()
    assert writer.batches[1:] == [[0, 1]]
    await numbers.stop()


async def test_a_rest_is_no_longer_than_the_write(clock: ManualClock) -> None:
    """Where writes take no time nothing is waited for."""
    writer = Writer()
    numbers = gatherer(writer, clock, rest=LONG_SECONDS)
    for number in range(FEW + 1):
        numbers.put(number)
    await turns()
    numbers.put(0)
    await turns()
    assert [len(batch) for batch in writer.batches] == [FEW + 1, 1]
    await numbers.stop()


async def test_who_waits_for_all_ends_the_rest(clock: ManualClock) -> None:
    """`caught_up` waits for writes alone, whether the rest has begun or not."""
    writer = Writer()
    numbers = await busy(writer, clock)
    for number in range(2):
        numbers.put(number)
        await turns(20 * number)
        async with asyncio.timeout(BOUND_SECONDS):
            await numbers.caught_up()
    assert writer.batches[1:] == [[0], [1]]
    await numbers.stop()


async def test_few_items_need_no_rest(clock: ManualClock) -> None:
    """One that is not busy takes the next item at once."""
    writer = Writer()
    numbers = await busy(writer, clock, FEW)
    numbers.put(1)
    await turns()
    assert writer.batches[1:] == [[1]]
    await numbers.stop()


def test_how_long_a_rest_is() -> None:
    """In proportion to the write, up to a limit, and none after few items."""
    bounds = Bounds(10, 10, rest_seconds=1.0, rest_times=2.0)
    assert bounds.rest(0.25, FEW + 1) == 0.5
    assert bounds.rest(30.0, FEW + 1) == 1.0
    assert bounds.rest(30.0, FEW) == 0.0
