"""Things happen at their time, and not before."""

from functools import partial

from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.agenda import Agenda


async def test_actions_happen_in_the_order_of_their_times(clock: ManualClock) -> None:
    """Whatever the order they were asked for in, each happens when its time has come."""
    agenda, done = Agenda(clock), list[int]()
    for seconds in (3, 1, 2):
        agenda.after(seconds, partial(done.append, seconds))
    await clock.advance(0.9)
    assert done == []
    await clock.advance(0.1)
    assert done == [1]
    await clock.advance(2)
    assert done == [1, 2, 3]
    await agenda.stop()


async def test_equal_times_keep_their_order(clock: ManualClock) -> None:
    """What was asked for first happens first."""
    agenda, done = Agenda(clock), list[int]()
    for number in range(100):
        agenda.after(1, partial(done.append, number))
    await clock.advance(1)
    assert done == list(range(100))
    await agenda.stop()


async def test_an_action_may_ask_for_more(clock: ManualClock) -> None:
    """What an action adds happens in its time too, and after a rest as well."""
    agenda, done = Agenda(clock), list[str]()

    def first() -> None:
        done.append("first")
        agenda.after(1, partial(done.append, "second"))

    agenda.after(1, first)
    await clock.advance(1)
    assert done == ["first"]
    await clock.advance(1)
    assert done == ["first", "second"]
    agenda.after(1, partial(done.append, "third"))
    await clock.advance(1)
    assert done == ["first", "second", "third"]
    await agenda.stop()


async def test_nothing_happens_after_the_stop(clock: ManualClock) -> None:
    """What was yet to happen is forgotten."""
    agenda, done = Agenda(clock), list[int]()
    agenda.after(1, partial(done.append, 1))
    assert len(agenda) == 1
    await agenda.stop()
    await clock.advance(5)
    assert done == []
    assert len(agenda) == 0
