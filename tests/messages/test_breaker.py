"""The breaker: what opens it, and how it closes again."""

from onesixty.messages.dispatch.breaker import (
    COOL_FIRST_SECONDS,
    COOL_MOST_SECONDS,
    FAILED_MOST,
    RUN,
    STEADY_SECONDS,
    TRIAL,
    WINDOW,
    Breaker,
)


def opened(at: float = 0.0) -> Breaker:
    """One that a run of failures has opened."""
    breaker = Breaker()
    assert [breaker.bad(at) for _ in range(RUN)] == [False] * (RUN - 1) + [True]
    return breaker


def test_a_run_of_failures_opens_it() -> None:
    """Ten in a row open it, nine and a success between them do not."""
    assert opened().is_open
    breaker = Breaker()
    for _ in range(2):
        assert not any(breaker.bad(0.0) for _ in range(RUN - 1))
        breaker.good()
    assert not breaker.is_open


def test_half_of_many_open_it() -> None:
    """Failures that alternate with successes open it when there are enough of them."""
    breaker = Breaker()
    tries = 0
    while not breaker.is_open:
        breaker.good()
        breaker.bad(0.0)
        tries += 2
    assert tries == FAILED_MOST * 2 == WINDOW


def test_a_bad_sender_does_not_close_the_way_for_others() -> None:
    """Refusals of settings open it when nothing else is heard, never while others are accepted."""
    breaker = Breaker()
    for _ in range(1000):
        for _ in range(RUN - 1):
            breaker.bad(0.0, by_settings=True)
        breaker.good()
    assert not breaker.is_open
    refused = [breaker.bad(0.0, by_settings=True) for _ in range(RUN)]
    assert refused == [False] * (RUN - 1) + [True]


def test_faults_count_among_refusals() -> None:
    """Half of many is counted without refusals of settings, however they are mixed."""
    breaker = Breaker()
    for _ in range(WINDOW):
        breaker.bad(0.0, by_settings=True)
        breaker.bad(0.0)
        breaker.good()
    assert not breaker.is_open  # one in three
    breaker = Breaker()
    for n in range(WINDOW):
        breaker.bad(0.0, by_settings=n % 10 == 0) if n % 3 else breaker.good()
    assert breaker.is_open


def test_some_failures_are_normal() -> None:
    """One failure in three never opens it."""
    breaker = Breaker()
    for n in range(1000):
        breaker.bad(float(n)) if n % 3 == 0 else breaker.good()
    assert not breaker.is_open


def test_the_cool_down_doubles() -> None:
    """A carrier that stays silent is asked less and less often, up to a longest pause."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(9):
        waits.append(breaker.probe_at - now)
        now = breaker.probe_at
        breaker.probed(False, now)
    assert waits[:3] == [COOL_FIRST_SECONDS, COOL_FIRST_SECONDS * 2, COOL_FIRST_SECONDS * 4]
    assert waits[-1] == COOL_MOST_SECONDS


def test_just_after_it_closed_it_is_strict() -> None:
    """A few failures open it again, for longer; one success makes it as patient as before."""
    breaker = opened()
    breaker.probed(True, 5.0)
    assert not breaker.is_open
    assert [breaker.bad(6.0) for _ in range(TRIAL)] == [False] * (TRIAL - 1) + [True]
    assert breaker.probe_at == 6.0 + COOL_FIRST_SECONDS * 2
    breaker.probed(True, 20.0)
    breaker.good()
    assert not any(breaker.bad(21.0) for _ in range(TRIAL))


def test_a_carrier_that_works_begins_anew() -> None:
    """After a whole window without a failure the cool-down is a short one again, however soon."""
    breaker, waits = opened(), []
    for goods in (WINDOW - 1, WINDOW):
        breaker.probed(True, 5.0)
        for _ in range(goods):
            breaker.good()
        while not breaker.bad(6.0):
            pass
        waits.append(breaker.probe_at - 6.0)
    assert waits == [COOL_FIRST_SECONDS * 2, COOL_FIRST_SECONDS]


def test_a_steady_carrier_begins_anew() -> None:
    """When it was closed for long the cool-down is a short one again."""
    breaker = opened()
    breaker.probed(True, 5.0)
    later = 5.0 + STEADY_SECONDS
    while not breaker.bad(later):
        pass
    assert breaker.probe_at == later + COOL_FIRST_SECONDS
